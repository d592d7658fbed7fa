"""benchmarks.robustness: each change is what its name says, and nothing more."""

import cv2
import numpy as np
import pytest

from benchmarks.robustness import CHANGES, STRENGTHS, Change
from data.augment import COLLIMATOR

EDGE = 48
ROUGH = np.random.default_rng(0).normal(0, 1, (EDGE, EDGE)).astype(np.float32)
PICTURE = np.clip(0.5 + cv2.GaussianBlur(ROUGH, (0, 0), 4), 0.1, 0.9)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_each_strength_changes_more_and_keeps_the_shape(change: Change) -> None:
    found = [
        change.make(PICTURE, number, np.random.default_rng(1)) for number in range(len(STRENGTHS))
    ]
    assert all(each.shape == PICTURE.shape and each.dtype == np.float32 for each in found)
    differences = [float(np.abs(each - PICTURE).mean()) for each in found]
    assert 0 < differences[0] < differences[1] < differences[2]


def test_a_dark_border_leaves_the_rest_of_the_picture_where_it_was() -> None:
    border = next(change for change in CHANGES if change.name == "dark border")
    for seed in range(8):  # each of the four sides
        changed = border.make(PICTURE, 1, np.random.default_rng(seed))
        dark = changed == np.float32(COLLIMATOR)
        assert dark.sum() == EDGE * round(EDGE * 0.1)
        assert np.array_equal(changed[~dark], PICTURE[~dark])
