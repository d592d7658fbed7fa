"""data.contact_sheet: each picture as it is, in its place, with its own lesion."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from data.contact_sheet import COLUMNS, Cell, Row, draw


def drawn(path: Path, *rows: list[Cell], pairs: bool = False) -> NDArray:
    """(H, W, 3) of a sheet."""
    draw([Row("row", cells) for cells in rows], path, pairs)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def shown(sheet: NDArray, level: int) -> NDArray:
    """(H, W) bool: the largest patch of this grey; edges of letters may have it too."""
    near = (abs(sheet - level).max(axis=2) <= 2).astype(np.uint8)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(near, connectivity=4)
    return np.asarray(labels == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax()))


def box(chosen: NDArray) -> tuple[int, int, int, int]:
    """First row, last row, first column and last column of true pixels."""
    rows = np.flatnonzero(chosen.any(axis=1))
    columns = np.flatnonzero(chosen.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def test_a_lesion_is_outlined_where_it_is(tmp_path: Path) -> None:
    image = np.full((64, 64), 60, np.uint8)
    lesion = np.zeros((64, 64), np.uint8)
    lesion[4:20, 40:60] = 1
    image[lesion > 0] = 160
    sheet = drawn(tmp_path / "a.png", [Cell(image, "a", lesion)])
    red, green, blue = sheet.transpose(2, 0, 1)
    outline = box((red > 180) & (green > 180) & (blue < 100))
    assert np.abs(np.subtract(outline, box(shown(sheet, 160)))).max() <= 4


@pytest.mark.parametrize("shape", [(64, 64), (64, 32), (20, 60)])
def test_a_picture_keeps_its_proportions(tmp_path: Path, shape: tuple[int, int]) -> None:
    sheet = drawn(tmp_path / "a.png", [Cell(np.full(shape, 100, np.uint8), "")])
    top, bottom, left, right = box(shown(sheet, 100))
    assert (bottom - top) / (right - left) == pytest.approx(shape[0] / shape[1], rel=0.05)


@pytest.mark.parametrize("pairs", [False, True])
def test_no_picture_lies_over_another_or_leaves_the_sheet(tmp_path: Path, pairs: bool) -> None:
    levels = np.arange(20, 20 + 10 * 2 * COLUMNS, 10)
    cells = [Cell(np.full((32, 32), level, np.uint8), "") for level in levels]
    sheet = drawn(tmp_path / "a.png", cells[:COLUMNS], cells[COLUMNS:], pairs=pairs)
    sizes = [int(shown(sheet, level).sum()) for level in levels]
    assert min(sizes) > 0.9 * max(sizes)
