"""ARCADE's COCO boxes become labelled windows."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.arcade import convert, frames_of, windows
from data.geometry import parse_boxes
from data.readers import DataError
from tests.conftest import SHARED


def frame_with_vessel() -> np.ndarray:
    image = np.full((200, 260), 180, np.uint8)
    cv2.line(image, (0, 100), (259, 120), 60, 9)
    return cv2.GaussianBlur(image, (0, 0), 1.5)


def test_abnormal_window_holds_a_whole_box_and_normal_touches_none() -> None:
    boxes = [(20.0, 90.0, 60.0, 120.0), (70.0, 95.0, 90.0, 130.0)]
    for seed in range(20):
        found = windows(frame_with_vessel(), boxes, 64, np.random.default_rng(seed))
        x, y = found["abnormal"]
        assert any(
            x <= x0 and y <= y0 and x1 <= x + 64 and y1 <= y + 64 for x0, y0, x1, y1 in boxes
        )
        x, y = found["normal"]
        assert not any(
            x < x1 and x0 < x + 64 and y < y1 and y0 < y + 64 for x0, y0, x1, y1 in boxes
        )
        assert frame_with_vessel()[y + 32 - 8 : y + 32 + 8, x + 32 - 8 : x + 32 + 8].min() < 100


def test_a_box_larger_than_the_window_gives_no_abnormal_window() -> None:
    assert "abnormal" not in windows(
        frame_with_vessel(), [(10.0, 10.0, 90.0, 150.0)], 64, np.random.default_rng(0)
    )


def test_a_folder_that_is_not_arcade_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"wanted <split>/annotations/\*.json"):
        frames_of(tmp_path)


def test_a_json_that_is_not_coco_is_named(tmp_path: Path) -> None:
    (tmp_path / "train" / "annotations").mkdir(parents=True)
    (tmp_path / "train" / "annotations" / "train.json").write_text(json.dumps({"images": []}))
    with pytest.raises(DataError, match=r"train.json: not COCO as ARCADE writes it: KeyError"):
        frames_of(tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not beside this checkout")
def test_real_frames_become_windows_that_match_their_manifest(tmp_path: Path) -> None:
    rows = convert(SHARED / "arcade_sample", tmp_path / "windows", 128, seed=0)
    assert rows == list(csv.DictReader((tmp_path / "windows" / "manifest.csv").open()))
    assert len([row for row in rows if row["label"] == "abnormal"]) >= 35
    for row in rows:
        assert bool(parse_boxes(row["lesion_boxes_xyxy"])) == (row["label"] == "abnormal")
        picture = cv2.imread(str(tmp_path / "windows" / row["path"]), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        assert picture.shape == (128, 128)
    groups = {row["frame"]: row["group"] for row in rows}
    assert groups["train_27"] == groups["train_617"]  # the same scene in two frames
