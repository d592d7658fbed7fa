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


@pytest.mark.parametrize(
    ("folder_name", "names", "truth"),
    [
        ("positive", ["normal", "abnormal"], "abnormal"),
        ("Negative", ["normal", "abnormal"], "normal"),
        ("1", ["normal", "abnormal"], "abnormal"),
        ("soft", ["normal", "soft", "calcified"], "soft"),
        ("positive", ["normal", "soft", "calcified"], ""),
        ("2019", ["normal", "abnormal"], ""),
    ],
)
def test_truth_is_known_from_another_word_for_the_class(
    tmp_path: Path, folder_name: str, names: list[str], truth: str
) -> None:
    path = tmp_path / folder_name / "a.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    assert [item.truth for item in gather([path], names)] == [truth]


PREPROCESSING = Preprocessing(20, mean=None, std=None, border=0.25)


def test_a_raw_image_is_cut_as_the_training_images_were_and_a_prepared_one_is_not_cut_again(
    tmp_path: Path,
) -> None:
    grey = np.zeros((40, 40), np.uint8)
    grey[10:30, 10:30] = 255
    cv2.imwrite(str(tmp_path / "raw.png"), grey)
    np.save(tmp_path / "prepared.npy", grey[::2, ::2])
    raw, prepared = (
        Input(tmp_path / name, name, boxes="10,10,20,20") for name in ("raw.png", "prepared.npy")
    )
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
    np.save(tmp_path / "a.npy", mask)
    preprocessing = replace(PREPROCESSING, image_size=40)
    item = Input(tmp_path / "a.npy", "a", boxes="0,0,20,20", mask=tmp_path / "m.png")
    with_mask = item.lesion(preprocessing)
    assert with_mask is not None
    assert np.array_equal(with_mask > 0, mask > 0)
    without = replace(item, mask=tmp_path / "gone.png").lesion(preprocessing)
    assert without is not None
    assert int((without > 0).sum()) == 400
