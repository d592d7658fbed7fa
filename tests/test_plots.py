"""What the picture of a prediction says in words and marks."""

import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from report import plots
from vit import heatmap

SHAPE = (24, 40)  # 3 x 5 patches of 8 px


def words_and_crosses(
    map_: np.ndarray,
    lesion: np.ndarray | None,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_of_disease: bool = True,
) -> tuple[str, list[tuple[float, float]]]:
    drawn: list[Any] = []
    monkeypatch.setattr(plt, "close", drawn.append)
    said = ("relevance, for b", "b", "b", ["a", "b"], [0.4, 0.6])
    plots.predictions(
        [plots.Explained("x.png", np.full(SHAPE, 0.5), map_, *said, lesion, is_of_disease)],
        path,
        "title",
    )
    axes = drawn[0].axes
    words = " | ".join(text.get_text() for axis in axes for text in axis.texts)
    crosses = [
        line.get_xydata()[0] for axis in axes for line in axis.lines if line.get_marker() == "+"
    ]
    return words, [(float(x), float(y)) for x, y in crosses]


@pytest.mark.parametrize(
    ("row", "column", "said"), [(1, 3, "peak on the"), (1, 1, r"peak 1[23] of 24 px off the")]
)
def test_the_peak_is_marked_and_measured(
    row: int, column: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    map_ = np.full((3, 5), 0.2, np.float32)
    map_[row, column] = 12
    lesion = np.zeros(SHAPE, np.uint8)
    lesion[8:16, 24:32] = 1
    words, crosses = words_and_crosses(map_, lesion, tmp_path / "x.png", monkeypatch)
    assert re.search(said, words)
    ((x, y),) = crosses
    assert abs(x - (8 * column + 3.5)) < 4.5
    assert abs(y - (8 * row + 3.5)) < 2


def test_evidence_for_no_disease_is_not_measured_against_the_lesion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesion = np.ones(SHAPE, np.uint8)
    map_ = np.eye(3, 5, dtype=np.float32)
    words, _ = words_and_crosses(map_, lesion, tmp_path / "x.png", monkeypatch, False)
    assert "peak" not in words


def test_an_empty_map_has_no_peak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lesion = np.zeros(SHAPE, np.uint8)
    lesion[8:16, 24:32] = 1
    words, crosses = words_and_crosses(
        np.zeros((3, 5), np.float32), lesion, tmp_path / "x.png", monkeypatch
    )
    assert "no evidence anywhere" in words
    assert crosses == []


def test_without_a_known_lesion_nothing_is_said_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, crosses = words_and_crosses(
        np.ones((3, 5), np.float32), None, tmp_path / "x.png", monkeypatch
    )
    assert "lesion" not in words
    assert len(crosses) == 1


def test_without_colours_more_evidence_is_lighter_and_the_vessel_stays() -> None:
    strength = np.linspace(0, 1, 50)
    for grey in (0.0, 0.4, 0.7, 1.0):
        light = heatmap.blend(np.full(50, grey), strength) @ [0.299, 0.587, 0.114]
        assert (np.diff(light) > 0).all()
    vessel = heatmap.blend(np.full(50, 0.8), strength) - heatmap.blend(np.full(50, 0.3), strength)
    assert vessel.min() > 0.15


def test_a_map_is_no_larger_than_its_picture_shows() -> None:
    wide = heatmap.upsampled(np.array([[0.0, 9.0, 0.0], [np.nan, 0.0, 0.0]], np.float32), (16, 24))
    assert wide.shape == (16, 24)
    assert wide.min() == 0
    assert np.unravel_index(wide.argmax(), wide.shape)[1] in range(8, 16)
