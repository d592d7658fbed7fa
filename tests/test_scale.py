"""One scale for a set: the same stored value is the same grey in every image of it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import CONFIG
from data.audit import audit
from data.expected import notes_of
from data.findings import Finding
from data.inputs import Input
from data.looks import Look
from data.picture import Stored
from data.prepare import prepare
from data.preprocessing import Preprocessing
from data.processed import Processed
from data.scale import Depth, depth_of, grey_of, note_of, white_of

CONFIGURATION = CONFIG.Config(image_size=48, patch_size=8, border=0.0)


def stored(*values: int, bits: int | None = None) -> Stored:
    return Stored(np.array([values], np.uint16), bits)


def detector(folder: Path, greatest: dict[str, int], kind: type = np.uint16) -> Path:
    """Six images a class of one detector; the greatest value depends on the class."""
    rng = np.random.default_rng(0)
    for label, most in greatest.items():
        (folder / label).mkdir(parents=True)
        for number in range(6):
            image = rng.integers(80, 200, (48, 48)).astype(kind)
            image[10:20, 10:20] = most
            Image.fromarray(image).save(folder / label / f"{number}.png")
    return folder


def whites(made: Processed, raw: Path) -> set[int]:
    """By what each image was divided."""
    found = set()
    for sample in made.samples:
        source = np.asarray(Image.open(raw / sample.source)).astype(float)
        shown = made.image(sample).astype(float)
        found.add(round(float(np.median(source[10:20, 10:20]) / np.median(shown[10:20, 10:20]))))
    return found


def test_images_of_one_detector_have_one_scale_that_is_said_and_kept(tmp_path: Path) -> None:
    raw = detector(tmp_path / "raw", {"normal": 900, "abnormal": 3871})
    made = prepare(raw, tmp_path / "PF", CONFIGURATION)
    assert {round(white / 100) for white in whites(made, raw)} == {41}  # 4095 as float16 holds it
    assert made.info["full_scale"] == 4095
    said = "16 bit images: 4095 is white, the greatest value of all is 3871"
    assert said in made.info["notes"]


def test_images_of_8_bits_are_kept_as_they_are(tmp_path: Path) -> None:
    raw = detector(tmp_path / "raw", {"normal": 210, "abnormal": 250}, np.uint8)
    made = prepare(raw, tmp_path / "PF", CONFIGURATION)
    assert made.info["full_scale"] is None
    assert not any("white" in note for note in made.info["notes"])
    for sample in made.samples:
        source = np.asarray(Image.open(raw / sample.source))
        np.testing.assert_array_equal(made.image(sample), source)


@pytest.mark.parametrize(
    ("depths", "white"),
    [
        ([], None),
        ([Depth(12, 900), Depth(12, 300)], 4095),
        ([Depth(None, 900), Depth(None, 3000)], 4095),
        ([Depth(10, 900), Depth(12, 3000)], 4095),
        ([Depth(10, 900), Depth(12, 800)], 4095),
        ([Depth(14, 900), Depth(None, 3000)], 4095),
        ([Depth(None, 60000), Depth(None, 300)], 65535),
        ([Depth(None, 200), Depth(None, 90)], None),
    ],
)
def test_white_is_what_all_files_declare_or_by_the_greatest_value_of_all(
    depths: list[Depth], white: int | None
) -> None:
    assert white_of(depths) == white


def test_a_container_of_16_bits_and_a_lie_declare_nothing() -> None:
    assert depth_of(stored(5, 900, bits=16)) == Depth(None, 900)
    assert depth_of(stored(5, 5000, bits=12)) == Depth(None, 5000)
    assert depth_of(stored(5, 900, bits=12)) == Depth(12, 900)
    assert depth_of(stored(5, 900, bits=8)) == Depth(None, 900)
    assert depth_of(stored(5, 200, bits=8)) is None
    assert depth_of(Stored(np.zeros((2, 2), np.float32), None)) is None


def test_a_new_image_has_the_scale_of_training_whatever_its_greatest_value() -> None:
    np.testing.assert_allclose(grey_of(stored(0, 819), 4095), [[0, 0.2]], rtol=1e-6)
    np.testing.assert_allclose(grey_of(stored(819, 9000), 4095), [[0.2, 1]], rtol=1e-6)
    np.testing.assert_allclose(grey_of(stored(0, 819), None), [[0, 819 / 1023]], rtol=1e-6)


def test_values_above_white_and_a_model_without_a_scale_are_said() -> None:
    plain = Preprocessing(16, 0.5, 0.2)
    (old,) = notes_of([], [Depth(None, 900)], plain)
    assert "1 images have more than 8 bits, and ViT.ckpt records no scale" in old
    scaled = Preprocessing(16, 0.5, 0.2, full_scale=1023)
    (above,) = notes_of([], [Depth(None, 900), Depth(None, 3000)], scaled)
    assert "1 images have values above 1023" in above
    assert notes_of([], [Depth(None, 900)], scaled) == []


def test_the_scale_travels_in_the_checkpoint_and_an_older_one_has_none() -> None:
    given = Preprocessing(16, 0.5, 0.2, full_scale=4095)
    assert Preprocessing.from_plain(given.plain(), 1) == given
    older = {key: value for key, value in given.plain().items() if key != "full_scale"}
    assert Preprocessing.from_plain(older, 1).full_scale is None


def test_a_file_and_an_array_of_16_bits_are_read_in_the_scale_of_training(tmp_path: Path) -> None:
    pixels = np.arange(0, 960, dtype=np.uint16).reshape(30, 32)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    preprocessing = Preprocessing(16, 0.5, 0.2, full_scale=4095)
    for item in (Input(tmp_path / "a.png", "a"), Input(tmp_path / "b", "b", pixels=pixels)):
        np.testing.assert_allclose(item.grey(preprocessing), pixels / 4095, rtol=1e-5)


def test_pictures_with_a_scale_of_their_own_are_said_in_prediction() -> None:
    (note,) = notes_of([], [], Preprocessing(16, 0.5, 0.2), own_scales=3)
    assert note.startswith(
        "3 images are DICOM with negative, rescaled or inverted values and name no window"
    )


def test_the_audit_reads_images_in_the_scale_of_the_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = detector(tmp_path / "raw", {"normal": 900, "abnormal": 3871})
    seen: list[Look] = []

    def keep(looks: list[Look], folder: Path) -> list[Finding]:
        seen.extend(looks)
        return []

    monkeypatch.setattr("data.audit.odd", keep)
    audit(raw, config=CONFIGURATION)
    assert len(seen) == 12
    for look in seen:
        source = np.asarray(Image.open(raw / look.sample.path)) / 4095
        np.testing.assert_allclose(look.views["mean brightness"], source.mean(), rtol=1e-4)


def test_a_set_where_some_declare_no_depth_says_how_many() -> None:
    _, said = note_of([Depth(12, 900), Depth(None, 3000), Depth(12, 90)], 3)
    assert said.startswith("declared depths differ: 1 files none, 2 files 12 bits; ")
