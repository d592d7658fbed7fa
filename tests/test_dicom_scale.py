"""One scale for DICOM files of all depths and signs: in a set, and in prediction."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import CONFIG
from data.audit import audit
from data.expected import notes_of
from data.prepare import prepare
from data.preprocessing import Preprocessing
from data.processed import Processed
from data.readers import DataError, read_stored
from data.scale import depth_of, note_of_windows
from tests.image_files import dicom, picture, save
from tests.raw_folders import CLASSES

CONFIGURATION = CONFIG.Config(image_size=48, patch_size=8, border=0.0)


def signed_set(folder: Path, kind: str) -> Path:
    """DICOM without a window; the values of a class reach as far as its own factor."""
    elements: dict[str, Any] = {} if kind == "i2" else {"RescaleSlope": 2, "RescaleIntercept": -900}
    for label, factor in (("normal", 300), ("abnormal", 900)):
        (folder / label).mkdir(parents=True)
        for number in range(4):
            values = np.round(picture(number) * factor).astype(kind)
            values[:8, :8] = 100
            if kind == "i2":
                values[-1, -1] = -50
            save(folder / label / f"{number}.dcm", dicom(values, **elements))
    return folder


@pytest.mark.parametrize(("kind", "low", "high"), [("i2", -50, 900), ("u2", -900, 900)])
def test_dicoms_with_a_scale_of_their_own_need_a_window_for_all(
    tmp_path: Path, kind: str, low: float, high: float
) -> None:
    raw = signed_set(tmp_path / "raw", kind)
    with pytest.raises(DataError, match="8 of 8 images are DICOM with negative, resc") as caught:
        prepare(raw, tmp_path / "PF", CONFIGURATION)
    given = re.search(r"--window_centre=(\S+) --window_width=(\S+), which", str(caught.value))
    assert given is not None
    centre, width = map(float, given.groups())
    assert (centre - width / 2, centre + width / 2) == (low, high)
    config = replace(CONFIGURATION, window_centre=centre, window_width=width)
    made = prepare(raw, tmp_path / "PF", config)
    assert len({float(made.image(sample)[12, 2]) for sample in made.samples}) == 1
    assert f"data.prepare refuses this set: {caught.value}" in audit(raw).notes
    assert not any("refuses" in note for note in audit(raw, config=config).notes)


def test_signed_whole_numbers_without_a_negative_one_have_one_scale(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    values = np.arange(1024, dtype="i2").reshape(32, 32)
    save(path, dicom(values))
    seen = read_stored(path)
    assert seen.pixels.dtype == np.uint16
    assert (seen.pixels == values).all()
    assert seen.ends is None


def dicoms(folder: Path, *kinds: tuple[str, int, int]) -> Path:
    """Six files of each kind, by its type, its bits and its greatest value, in two classes."""
    for number in range(6 * len(kinds)):
        kind, bits, most = kinds[number // 6]
        path = folder / ("normal", "abnormal")[number % 2] / f"{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.round(picture(number) * most).astype(kind)
        values[16:24, 12:20] = most
        save(path, dicom(values, BitsStored=bits, HighBit=bits - 1, PatientID=f"P{number}"))
    return folder


def greatest_greys(made: Processed) -> dict[int, float]:
    """By the number of each file."""
    return {
        int(Path(sample.source).stem): float(made.image(sample).max()) for sample in made.samples
    }


def test_signed_numbers_of_a_whole_container_are_as_unsigned_ones(tmp_path: Path) -> None:
    for kind in ("i2", "u2"):
        raw = dicoms(tmp_path / kind, (kind, 16, 2200))
        made = prepare(raw, tmp_path / f"PF {kind}", CONFIGURATION)
        assert made.info["full_scale"] == 4095
        assert all(0.5 < grey < 0.54 for grey in greatest_greys(made).values())


def test_signed_numbers_of_12_bits_declare_the_11_above_zero(tmp_path: Path) -> None:
    raw = dicoms(tmp_path / "raw", ("i2", 12, 900))
    assert prepare(raw, tmp_path / "PF", CONFIGURATION).info["full_scale"] == 2047


def test_dicoms_of_8_bits_alone_need_no_scale(tmp_path: Path) -> None:
    raw = dicoms(tmp_path / "raw", ("u1", 8, 204))
    made = prepare(raw, tmp_path / "PF", CONFIGURATION)
    assert made.info["full_scale"] is None
    np.testing.assert_allclose(list(greatest_greys(made).values()), 0.8, atol=0.02)


def test_dicoms_of_8_bits_have_their_own_white_beside_deeper_ones(tmp_path: Path) -> None:
    raw = dicoms(tmp_path / "raw", ("u1", 8, 204), ("u2", 12, 3276))
    made = prepare(raw, tmp_path / "PF", CONFIGURATION)
    assert made.info["full_scale"] == 4095
    np.testing.assert_allclose(list(greatest_greys(made).values()), 0.8, atol=0.02)
    assert not any("depths differ" in note for note in made.info["notes"])


def test_declared_depths_that_differ_keep_one_scale_and_are_said(tmp_path: Path) -> None:
    raw = dicoms(tmp_path / "raw", ("u2", 10, 819), ("u2", 12, 819))
    made = prepare(raw, tmp_path / "PF", CONFIGURATION)
    np.testing.assert_allclose(list(greatest_greys(made).values()), 0.2, atol=0.01)
    said = [note for note in made.info["notes"] if note.startswith("declared depths differ: ")]
    assert len(said) == 1
    assert "6 files 10 bits, 6 files 12 bits" in said[0]
    assert said[0].endswith("4095 is white for all")


@pytest.mark.parametrize("white", [4095, 255, None])
def test_a_new_dicom_of_8_bits_is_divided_by_255_whatever_the_model(
    tmp_path: Path, white: int | None
) -> None:
    values = np.round(picture(0) * 204).astype("u1")
    path = save(tmp_path / "a.dcm", dicom(values))
    found = Preprocessing(16, 0.5, 0.2, full_scale=white).read(path)
    np.testing.assert_allclose(found, values / 255, atol=1e-6)


@pytest.mark.parametrize("white", [255, None])
def test_a_new_dicom_of_12_bits_has_its_own_white_where_the_model_knows_8(
    tmp_path: Path, white: int | None
) -> None:
    values = np.round(picture(0) * 819).astype("u2")
    path = save(tmp_path / "a.dcm", dicom(values, BitsStored=12, HighBit=11))
    preprocessing = Preprocessing(16, 0.5, 0.2, full_scale=white)
    np.testing.assert_allclose(preprocessing.read(path), values / 4095, atol=1e-6)
    depth = depth_of(preprocessing.read_stored(path))
    assert depth is not None
    (said,) = notes_of([], [depth], preprocessing)
    assert "1 images have more than 8 bits" in said
    assert said.endswith("each is divided by that of its own bits (4095)")


def test_an_inverted_picture_whose_white_is_not_known_needs_a_window(tmp_path: Path) -> None:
    for label in ("normal", "abnormal"):
        (tmp_path / label).mkdir()
        values = np.round(picture(len(label)) * 4000).astype(np.uint16)
        content = dicom(values, PhotometricInterpretation="MONOCHROME1")
        save(tmp_path / label / "a.dcm", content)
    with pytest.raises(DataError, match=r"2 of 2 images are DICOM with .* inverted values"):
        prepare(tmp_path, tmp_path.parent / "PF", CONFIGURATION)
    seen = read_stored(tmp_path / "normal" / "a.dcm").pixels
    assert seen.min() == 0 and seen.max() == 1


def windowed_set(folder: Path, windows: dict[str, int]) -> Path:
    """DICOM of 12 bits; of each class the width of its window, 0 for none."""
    for label, width in windows.items():
        (folder / label).mkdir(parents=True)
        elements = {"WindowCenter": 1000, "WindowWidth": width} if width else {}
        for number in range(4):
            values = np.round(picture(number) * 2000).astype("u2")
            save(
                folder / label / f"{number}.dcm",
                dicom(values, BitsStored=12, HighBit=11, **elements),
            )
    return folder


@pytest.mark.parametrize("width", [0, 4000])
def test_windows_that_differ_in_a_set_are_said(tmp_path: Path, width: int) -> None:
    raw = windowed_set(tmp_path / "raw", {"normal": width, "abnormal": 600})
    made = prepare(raw, tmp_path / "PF", CONFIGURATION)
    assert any("stored value is not the same grey" in note for note in made.info["notes"])
    config = replace(CONFIGURATION, window_centre=1000, window_width=2000)
    assert any("stored value is not the same grey" in note for note in audit(raw).notes)
    made = prepare(raw, tmp_path / "one", config)
    assert not any("stored value is not" in note for note in made.info["notes"])


def test_one_window_for_all_is_not_worth_a_word(tmp_path: Path) -> None:
    made = prepare(
        windowed_set(tmp_path / "raw", {"normal": 600, "abnormal": 600}),
        tmp_path / "PF",
        CONFIGURATION,
    )
    assert not any("grey window" in note for note in made.info["notes"])


def test_different_windows_are_said() -> None:
    assert note_of_windows({"a": (0.0, 100.0), "b": (0.0, 100.0)}) == []
    assert note_of_windows({"a": None, "b": None}) == []
    (said,) = note_of_windows({"a": (0.0, 100.0), "b": (5.0, 90.0), "c": None})
    assert "shown through 2 different grey windows, such as 0 to 100 in a, and 1 images" in said
    (said,) = note_of_windows({"a": (0.0, 100.0), "c": None})
    assert "shown through a grey window, such as 0 to 100 in a, and 1 images have none" in said


OBLONG: list[dict[str, Any]] = [
    {"PixelAspectRatio": [6, 5]},
    {"PixelSpacing": [0.6, 0.5]},
    {"ImagerPixelSpacing": [0.6, 0.5]},
]


@pytest.mark.parametrize("elements", OBLONG)
def test_pixels_that_are_not_square_are_said(tmp_path: Path, elements: dict[str, Any]) -> None:
    for number in range(8):
        name = f"{CLASSES[number % 2]}/{number}.dcm"
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        values = np.round(picture(number) * 255).astype(np.uint8)
        content = dicom(values, PatientID=f"Q{number}x", **(elements if number < 2 else {}))
        save(tmp_path / "raw" / name, content)
    seen = read_stored(tmp_path / "raw" / CLASSES[0] / "0.dcm")
    assert seen.aspect == pytest.approx(1.2)
    notes = "\n".join(prepare(tmp_path / "raw", tmp_path / "made", CONFIGURATION).info["notes"])
    assert "2 of 8 images have pixels that are not square, such as abnormal/1.dcm" in notes
    preprocessing = Preprocessing(48, 0.5, 0.2)
    assert "1.2 times as high as wide" in notes_of([], [], preprocessing, 0, {"a": 1.2})[0]
