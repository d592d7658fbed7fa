"""The frame of a run with the most filled vessels, and runs on their way through the program."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

import CONFIG
from data.expected import notes_of
from data.frames import best_frame, reduced, ridge
from data.inputs import Input
from data.prepare import prepare
from data.preprocessing import Preprocessing
from data.readers import DataError, read_stored
from data.run_pictures import inputs_of_runs
from data.runs import MOST_FRAMES, best_choice, numbers_of_all
from data.tables import read_table
from phantoms.runs import run
from tests.image_files import dicom

SOURCE = Path(__file__).parent.parent / "report" / "browser" / "src" / "frames.js"
MIDDLE = Preprocessing(32, 0.5, 0.2)


def made(filled: list[float], size: int = 64, noise: float = 2.0, bits: int = 8) -> NDArray:
    """(N, S, S) a run with a wire that is always there, and a vessel filled to these shares."""
    rng = np.random.default_rng(5)
    frames = np.full((len(filled), size, size), 150.0)
    frames[:, :, 10:12] -= 60
    for frame, share in zip(frames, filled, strict=True):
        frame[30:32, : round(share * size)] -= 50
    frames += noise * rng.standard_normal(frames.shape)
    scale = 2 ** (bits - 8)
    return np.clip(frames * scale, 0, 2**bits - 1).astype(np.uint8 if bits == 8 else np.uint16)


SHARES = [0, 0, 0, 0.2, 0.5, 0.8, 1, 0.8, 0.4, 0.1, 0, 0, 0, 0, 0, 0]


def chosen(frames: NDArray, inverse: bool = False) -> int | None:
    return best_frame([reduced(frame, inverse) for frame in frames])


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_frame_where_most_is_filled_is_found_in_any_depth(bits: int) -> None:
    assert chosen(made(SHARES, bits=bits)) == 6


def test_dark_and_bright_may_be_exchanged() -> None:
    assert chosen(255 - made(SHARES), inverse=True) == 6


def test_neither_a_blank_nor_an_overexposed_frame_is_taken() -> None:
    frames = made(SHARES)
    frames[[0, 15]] = 0
    frames[12] = 255
    found = chosen(frames)
    assert found is not None and abs(found - 6) <= 1


def test_a_frame_of_noise_is_not_taken() -> None:
    frames = made(SHARES)
    frames[12] = np.random.default_rng(0).integers(0, 256, frames[12].shape)
    assert chosen(frames) == 6


@pytest.mark.parametrize("shares", [[0], [1], [0.5] * 3, [1.0] * 6, [1] * 12, [0] * 12])
def test_where_all_are_filled_alike_there_is_none(shares: list[float]) -> None:
    assert chosen(made(shares)) is None


@pytest.mark.parametrize(("shares", "wanted"), [([0, 1], 1), ([1, 0], 0), ([0, 1, 0], 1)])
def test_two_or_three_frames_are_enough(shares: list[float], wanted: int) -> None:
    assert chosen(made(shares)) == wanted


def test_a_black_run_and_a_tiny_one_have_none() -> None:
    assert best_frame([np.zeros((8, 8), np.float32)] * 4) is None
    assert best_frame([reduced(frame) for frame in np.zeros((3, 8, 4096), np.uint8)]) is None


def test_pictures_are_reduced_by_means_over_blocks() -> None:
    pixels = np.arange(520 * 600).reshape(520, 600)
    small = reduced(pixels)
    assert small.shape == (173, 200)
    assert small[2, 5] == pytest.approx(pixels[6:9, 15:18].mean())


def test_a_ridge_is_the_second_derivative_across_a_dark_line() -> None:
    x = np.arange(41, dtype=np.float32) - 20
    line = np.broadcast_to(-np.exp(-(x**2) / (2 * 3.0**2)), (41, 41)).astype(np.float32)
    wide = 3.0**2 + 1.5**2  # variances of line and blur add
    second = 3.0 / wide**1.5
    assert ridge(line)[20, 20] == pytest.approx(second, rel=0.05)
    assert ridge(-line)[20, 20] == 0


def test_of_long_and_of_large_runs_only_some_frames_are_read() -> None:
    frames = made([0, 0.2, 0.5, 1, 0.5, 0.2, 0, 0] * 1, size=32)
    read: list[int] = []

    def of(index: int) -> NDArray:
        read.append(index)
        return frames[index * len(frames) // 1000]

    found = best_choice(1000, 32 * 32, False, of)
    assert len(read) <= MOST_FRAMES and found.rule == "best" and 375 <= found.index < 500
    read.clear()
    best_choice(1000, 60_000_000, False, of)
    assert len(read) <= 4


def test_all_frames_are_evenly_spaced_and_twelve_at_most() -> None:
    assert numbers_of_all(1) == [0]
    assert numbers_of_all(12) == list(range(12))
    assert numbers_of_all(60) == [2, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52, 57]
    assert all(1 <= len(numbers_of_all(count)) <= 12 for count in range(1, 200))


def test_a_made_up_run_fills_and_empties_and_its_frame_is_found() -> None:
    first = run(1018, 128)
    again = run(1018, 128)
    assert (again.frames == first.frames).all() and (again.filling == first.filling).all()
    top = int(first.filling.argmax())
    assert first.filling[0] < 0.2 * first.filling[top] and first.filling[-1] < first.filling[top]
    found = chosen(first.frames)
    assert found is not None and abs(found - top) <= 2


def saved(path: Path, shares: list[float] = SHARES, **elements: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dicom(made(shares), **elements))
    return path


@pytest.mark.parametrize(
    ("frame", "modality", "wanted", "rule"),
    [
        ("auto", "XA", 6, "best"),
        ("auto", "RF", 6, "best"),
        ("auto", "US", 8, "middle"),
        ("best", "US", 6, "best"),
        ("all", "XA", 6, "best"),
        (-1, "XA", 8, "middle"),
        (3, "XA", 3, "number"),
    ],
)
def test_which_frame_of_a_dicom_file_is_taken(
    tmp_path: Path, frame: int | str, modality: str, wanted: int, rule: str
) -> None:
    path = saved(tmp_path / "run.dcm", Modality=modality)
    stored = read_stored(path, frame=frame)
    assert stored.run is not None
    assert (stored.run.index, stored.run.count, stored.run.rule) == (wanted, 16, rule)
    assert (stored.pixels == made(SHARES)[wanted]).all()


def test_an_inverted_file_and_one_whose_vessels_are_filled_alike(tmp_path: Path) -> None:
    inverse = tmp_path / "inverse.dcm"
    inverse.write_bytes(
        dicom(255 - made(SHARES), Modality="XA", PhotometricInterpretation="MONOCHROME1")
    )
    found = read_stored(inverse, frame="auto").run
    assert found is not None and (found.index, found.rule) == (6, "best")
    even = read_stored(saved(tmp_path / "even.dcm", [1.0] * 6, Modality="XA"), frame="auto")
    assert even.run is not None and (even.run.index, even.run.rule) == (3, "even")
    assert "filled alike in all of them" in even.remarks[-1].what


def falling(kind: str = "") -> list[pydicom.Dataset]:
    """A table that turns 8 bits over, as an item of a sequence."""
    table = pydicom.Dataset()
    table.add_new("LUTDescriptor", "US", [256, 0, 8])
    table.add_new("LUTData", "OW", bytes(range(255, -1, -1)))
    if kind:
        table.ModalityLUTType = kind
    return [table]


@pytest.mark.parametrize(
    "elements",
    [
        {"RescaleSlope": -1, "RescaleIntercept": 255},
        {"VOILUTSequence": falling()},
        {"ModalityLUTSequence": falling("US")},
        {"VOILUTSequence": falling(), "RescaleSlope": 1, "RescaleIntercept": 0},
    ],
)
def test_the_frame_is_chosen_of_what_a_viewer_shows(
    tmp_path: Path, elements: dict[str, Any]
) -> None:
    path = tmp_path / "run.dcm"
    path.write_bytes(dicom(255 - made(SHARES), Modality="XA", **elements))
    found = read_stored(path, frame="auto").run
    assert found is not None and (found.index, found.rule) == (6, "best")


def test_two_changes_of_dark_and_bright_are_none(tmp_path: Path) -> None:
    twice = {"PhotometricInterpretation": "MONOCHROME1", "VOILUTSequence": falling()}
    path = saved(tmp_path / "run.dcm", Modality="XA", **twice)
    found = read_stored(path, frame="auto").run
    assert found is not None and found.index == 6


def test_a_changed_file_is_judged_again(tmp_path: Path) -> None:
    path = saved(tmp_path / "run.dcm", Modality="XA")
    assert (
        read_stored(path, frame="auto").run
        != read_stored(
            saved(path, SHARES[::-1], Modality="XA", PatientID="another"), frame="auto"
        ).run
    )


def test_a_run_that_ends_early_or_has_no_frames_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "run.dcm"
    path.write_bytes(dicom(made(SHARES), Modality="XA", NumberOfFrames=40))
    with pytest.raises(DataError) as caught:
        read_stored(path, frame="auto")
    assert "run.dcm" in str(caught.value) and "\n" not in str(caught.value)
    path.write_bytes(dicom(made([1.0]), Modality="XA", NumberOfFrames=0, PixelData=b""))
    with pytest.raises(DataError) as caught:
        read_stored(path, frame="auto")
    assert "run.dcm" in str(caught.value) and "\n" not in str(caught.value)


def raw_runs(root: Path) -> Path:
    for number in range(6):
        label = ("normal", "abnormal")[number % 2]
        rough = np.random.default_rng(number).normal(0, 40, (5, 5)).astype(np.float32)
        place = cv2.resize(rough, (64, 64), interpolation=cv2.INTER_CUBIC)
        path = root / label / f"r{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        run_of_one = np.clip(made(SHARES) + place, 0, 255).astype(np.uint8)
        path.write_bytes(dicom(run_of_one, Modality="XA", PatientID=f"P{number}"))
    return root


def prepared(tmp_path: Path, frame: int | str) -> Path:
    config = CONFIG.Config(image_size=32, patch_size=8, frame=frame, folds=2)
    prepare(raw_runs(tmp_path / "raw"), tmp_path / "PF", config)
    return tmp_path / "PF"


def test_the_manifest_says_which_frame_was_taken_and_a_note_by_which_rule(tmp_path: Path) -> None:
    folder = prepared(tmp_path, "auto")
    rows = read_table(folder / "manifest.csv")
    assert {(row["run_frame"], row["run_frames"]) for row in rows} == {("6", "16")}
    info = json.loads((folder / "dataset.json").read_text())
    assert info["frame"] == "auto"
    notes = "\n".join(info["notes"])
    assert "6 of 6 images are DICOM runs of several frames, such as" in notes
    assert "of which the one with the most filled vessels is taken" in notes


def test_every_kth_frame_becomes_a_picture_of_one_group(tmp_path: Path) -> None:
    rows = read_table(prepared(tmp_path, "all") / "manifest.csv")
    assert len(rows) == 6 * 8
    of_one = [row for row in rows if row["source"].startswith("normal/r0.dcm#")]
    assert sorted(int(row["run_frame"]) for row in of_one) == [1, 3, 5, 7, 9, 11, 13, 15]
    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(row["source"].split("#")[0], set()).add(f"{row['group']} {row['split']}")
    assert all(len(theirs) == 1 for theirs in groups.values())


def test_a_folder_of_other_frames_than_the_model_learned_from_is_said(tmp_path: Path) -> None:
    folder = prepared(tmp_path, "auto")
    item = Input(min(folder.glob("*/*/*.npy")), "a")
    model = Preprocessing(32, 0.5, 0.2, border=CONFIG.Config().border)
    (note,) = notes_of([item], [], model)
    assert note.startswith("PF: its images were prepared with frame auto, those that the model")
    assert notes_of([item], [], replace(model, frame="auto")) == []


def test_lesions_drawn_on_a_run_are_refused_with_all_frames(tmp_path: Path) -> None:
    raw = raw_runs(tmp_path / "raw")
    rows = [f"{path.relative_to(raw)},{path.parent.name}" for path in sorted(raw.rglob("*.dcm"))]
    boxed = [f'{row},"{"1,1,9,9" if row.startswith("abnormal") else ""}"' for row in rows]
    (raw / "manifest.csv").write_text("\n".join(["path,label,lesion_boxes_xyxy", *boxed]))
    config = CONFIG.Config(image_size=32, patch_size=8, frame="all")
    with pytest.raises(DataError, match="frame: all: 3 runs have lesion boxes or masks, such as"):
        prepare(raw, tmp_path / "PF", config)


def test_a_model_of_all_frames_is_asked_about_all_and_any_other_about_one(tmp_path: Path) -> None:
    path = saved(tmp_path / "run.dcm", Modality="XA")
    items = [Input(path, "run.dcm"), Input(Path("x"), "x", pixels=np.zeros((9, 9), np.uint8))]
    assert inputs_of_runs(items, MIDDLE) == items
    found = inputs_of_runs(items, replace(MIDDLE, frame="all"))
    assert [item.name for item in found] == [f"run.dcm#{n}" for n in range(1, 16, 2)] + ["x"]
    assert {item.row.get("group") for item in found[:-1]} == {"run run.dcm"}
    assert (found[2].stored(MIDDLE).pixels == made(SHARES)[5]).all()


def test_models_of_before_take_the_middle_frame(tmp_path: Path) -> None:
    path = saved(tmp_path / "run.dcm", Modality="XA")
    for plain in (MIDDLE.plain(), {**MIDDLE.plain(), "frame": -1}, {"image_size": 32}):
        stored = Preprocessing.from_plain(plain, 1).read_stored(path)
        assert stored.run is not None and stored.run.index == 8


def test_the_key_takes_words_and_numbers_and_nothing_else() -> None:
    for given, wanted in [("-1", -1), ("7", 7), ("best", "best"), ("auto", "auto"), (-1, -1)]:
        assert CONFIG.load(None, {"frame": given}).frame == wanted
    for given in ("bests", "-2", "3.5", "", "100001", True, 2.0, [1]):
        with pytest.raises(CONFIG.ConfigError, match="frame: got"):
            CONFIG.load(None, {"frame": given})


def test_the_name_of_a_run_of_the_defaults_is_that_of_before() -> None:
    assert CONFIG.Config().fingerprint() == CONFIG.Config(frame=-1).fingerprint()
    assert CONFIG.Config(frame="best").fingerprint() != CONFIG.Config().fingerprint()


def test_a_configuration_of_before_keeps_the_middle_frame(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("frame: -1\ninit: auto\n")
    assert CONFIG.load(tmp_path / "config.yml").frame == -1
    (tmp_path / "config.yml").write_text("epochs: 3\n")
    assert CONFIG.load(tmp_path / "config.yml").frame == -1


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_port_of_app_html_takes_the_same_frame(tmp_path: Path) -> None:
    made_up = [run(seed, 128).frames for seed in (1018,)]
    for number, frames in enumerate([*made_up, made([1.0] * 7), made(SHARES)]):
        count, height, width = frames.shape
        raw = tmp_path / "raw.bin"
        raw.write_bytes(frames.tobytes())
        script = tmp_path / f"ask{number}.mjs"
        script.write_text(
            f'import {{ bestFrame }} from "{SOURCE.as_uri()}";\n'
            'import { readFileSync } from "node:fs";\n'
            f"const bytes = readFileSync({json.dumps(str(raw))});\n"
            f"const size = {height * width};\n"
            "const read = async (i) => bytes.subarray(i * size, (i + 1) * size);\n"
            f"console.log(await bestFrame({count}, {width}, {height}, false, read));\n"
        )
        said = subprocess.run(["node", script], capture_output=True, text=True, check=True)
        wanted = best_choice(count, height * width, False, lambda i, f=frames: f[i])
        assert int(said.stdout) == wanted.index


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize(
    ("slope", "photometric", "wanted"),
    [
        (1, "MONOCHROME2", "false"),
        (-1, "MONOCHROME2", "true"),
        (1, "MONOCHROME1", "true"),
        (-1, "MONOCHROME1", "false"),
    ],
)
def test_the_port_turns_the_frames_that_are_shown_turned(
    tmp_path: Path, slope: int, photometric: str, wanted: str
) -> None:
    script = tmp_path / "ask.mjs"
    script.write_text(
        f'import {{ isInverse }} from "{SOURCE.with_name("dicom_shown.js").as_uri()}";\n'
        f"const number = (tag) => (tag === 'x00281053' ? {slope} : 0);\n"
        f"const text = () => '{photometric}';\n"
        "const file = { items: () => [], has: () => true, number, text };\n"
        "console.log(isInverse(file, { stored: 8, signed: 0 }, null));\n"
    )
    said = subprocess.run(["node", script], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == wanted
