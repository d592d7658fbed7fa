"""The images that predict.py is given: which are found, and what is known of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.inputs import Input, find, gather
from data.preprocessing import Preprocessing
from data.readers import read_grey
from tests.image_files import HEIGHT, WIDTH, dicom, save


def test_a_glob_finds_images_above_and_below_hidden_folders(
    tmp_path: Path, pictures: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = pictures(name=".data/raw")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert len(find("../.data/raw/*normal/p0*.png")) == len(find(f"{raw}/*/p0*.png")) == 20
    assert len(find("../.data/raw")) == 24


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    return path


NAMES = ["normal", "abnormal"]
TRUTHS = [
    ("positive/a.png", NAMES, "abnormal"),
    ("Negative/a.png", NAMES, "normal"),
    ("no CAD/a.png", NAMES, "normal"),
    ("non-stenosis/a.png", NAMES, "normal"),
    ("NORMAL/7/a.png", NAMES, "normal"),
    ("val/1/a.png", NAMES, "abnormal"),
    ("1/a.png", NAMES, ""),
    ("soft/a.png", ["normal", "soft", "calcified"], "soft"),
    ("positive/a.png", ["normal", "soft", "calcified"], ""),
    ("2019/a.png", NAMES, ""),
    ("positive/a.png", ["abnormal", "normal"], "abnormal"),
]


@pytest.mark.parametrize(("name", "names", "truth"), TRUTHS)
def test_truth_is_known_from_a_word_for_the_class(
    tmp_path: Path, name: str, names: list[str], truth: str
) -> None:
    path = picture(tmp_path / name)
    assert [item.truth for item in gather([path], names, tmp_path)] == [truth]


@pytest.mark.parametrize("inner", ["0", "1", "abnormal"])
def test_a_folder_inside_a_class_tells_no_truth(tmp_path: Path, inner: str) -> None:
    paths = [picture(tmp_path / "normal" / inner / "a.png"), picture(tmp_path / "abnormal/a.png")]
    assert [item.truth for item in gather(paths, NAMES, tmp_path)] == ["normal", "abnormal"]


def test_folders_of_patients_tell_no_truth(tmp_path: Path) -> None:
    paths = [picture(tmp_path / name / "a.png") for name in ("0", "1")]
    assert [item.truth for item in gather(paths, NAMES, tmp_path)] == ["", ""]


def test_the_name_of_the_folder_that_was_given_is_no_truth(tmp_path: Path) -> None:
    path = picture(tmp_path / "abnormal" / "a.png")
    assert gather([path], NAMES, path.parent)[0].truth == ""
    assert gather([path], NAMES)[0].truth == ""


@pytest.mark.parametrize("text", ["city,year\nBonn,2020\n", "path,label,label\na,b,c\n", ""])
def test_a_foreign_manifest_above_is_passed_over_with_a_note(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.csv").write_text(text)
    path = picture(tmp_path / "new" / "normal" / "a.png")
    assert gather([path], NAMES, tmp_path / "new")[0].truth == "normal"
    assert "manifest.csv" in capsys.readouterr().err


def test_masks_and_other_files_are_no_images_to_predict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "a_mask.png", "Masks/b.png", "masks/c.png"):
        picture(tmp_path / "new" / name)
    (tmp_path / "new" / "notes.txt").write_text("no image")
    assert find(str(tmp_path / "new")) == [tmp_path / "new" / "a.png"]
    assert "notes.txt" in capsys.readouterr().err


def processed_place(folder: Path) -> Path:
    """Where an image lies in a ProcessedFolder."""
    (folder / "val" / "normal").mkdir(parents=True)
    (folder / "dataset.json").write_text("{}")
    (folder / "manifest.csv").write_text("path,label\n")
    return folder / "val" / "normal" / "a.npy"


PREPROCESSING = Preprocessing(20, mean=None, std=None, border=0.25)


def test_a_raw_image_is_cut_as_the_training_images_were_and_a_prepared_one_is_not_cut_again(
    tmp_path: Path,
) -> None:
    grey = np.zeros((40, 40), np.uint8)
    grey[10:30, 10:30] = 255
    cv2.imwrite(str(tmp_path / "raw.png"), grey)
    in_folder = processed_place(tmp_path / "PF")
    np.save(in_folder, grey[::2, ::2])
    raw = Input(tmp_path / "raw.png", "raw.png", boxes="10,10,20,20")
    prepared = Input(in_folder, "prepared.npy", boxes="10,10,20,20")
    assert raw.image(PREPROCESSING).min() == 1
    assert prepared.image(PREPROCESSING)[:5].max() == 0
    for each, corners in ((raw, [[0, 0], [9, 9]]), (prepared, [[10, 10], [19, 19]])):
        assert np.argwhere(each.lesion(PREPROCESSING))[[0, -1]].tolist() == corners


def test_a_dicom_image_is_read_in_the_window_and_frame_of_the_training_images(
    tmp_path: Path,
) -> None:
    ramp = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    run = np.stack([ramp, ramp + 500, ramp + 900])
    item = Input(save(tmp_path / "a.dcm", dicom(run.astype(np.uint16))), "a")
    grey = item.grey(replace(PREPROCESSING, window=(700, 1000), frame=2))
    np.testing.assert_allclose(grey, read_grey(item.path, (700, 1000), 2))
    assert not np.allclose(grey, read_grey(item.path, (700, 1000)))
    assert not np.allclose(grey, read_grey(item.path, frame=2))


def test_a_known_mask_counts_more_than_boxes(tmp_path: Path) -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[30:, 30:] = 255
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    in_folder = processed_place(tmp_path / "PF")
    np.save(in_folder, mask)
    preprocessing = replace(PREPROCESSING, image_size=40)
    item = Input(in_folder, "a", boxes="0,0,20,20", mask=tmp_path / "m.png")
    with_mask = item.lesion(preprocessing)
    assert with_mask is not None
    assert np.array_equal(with_mask > 0, mask > 0)
    without = replace(item, mask=tmp_path / "gone.png").lesion(preprocessing)
    assert without is not None
    assert int((without > 0).sum()) == 400


def test_a_manifest_of_any_spelling_tells_truth_and_lesion(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "a_lesion.png")
    (tmp_path / "Manifest.CSV").write_text("path,label,mask_path\na.png,abnormal,a_lesion.png\n")
    (found,) = gather([tmp_path / "a.png"], ["normal", "abnormal"])
    assert (found.truth, found.mask) == ("abnormal", tmp_path / "a_lesion.png")


@pytest.mark.parametrize(
    ("labels", "truths"),
    [
        ("0 1 0 1", "normal abnormal normal abnormal"),
        ("0.0 1.0 0.0 1.0", "normal abnormal normal abnormal"),
        ("1 2 1 2", "? ? ? ?"),
        ("0 1 2 normal", "? ? ? normal"),
        ("normal x normal normal", "normal ? normal normal"),
    ],
)
def test_numbers_in_a_manifest_tell_a_truth_only_as_0_and_1(
    tmp_path: Path, labels: str, truths: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for number in range(4):
        files.append(picture(tmp_path / f"{number}.png"))
    rows = [f"{number}.png,{label}" for number, label in enumerate(labels.split())]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,label", *rows]))
    found = gather(files, ["normal", "abnormal"])
    assert [each.truth or "?" for each in found] == truths.split()
    assert ("images have no truth, such as" in capsys.readouterr().err) == ("?" in truths)
