"""The images that predict.py is given: which are found, and what is known of them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.inputs import find, gather


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
