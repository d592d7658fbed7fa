"""data/geometry.py: a place in the square is found again in the source image."""

import numpy as np
import pytest

from data.geometry import Placement


@pytest.mark.parametrize(
    ("shape", "border", "stretch"),
    [
        ((60, 120), 0.0, False),  # padded above and below
        ((120, 60), 0.0, False),  # padded left and right
        ((100, 120), 0.1, False),
        ((60, 120), 0.05, True),
    ],
)
def test_evidence_goes_back_to_where_the_pixels_came_from(
    shape: tuple[int, int], border: float, stretch: bool
) -> None:
    placement = Placement(*shape, 48, border, stretch)
    for row, column in ((shape[0] // 3, shape[1] // 4), (shape[0] // 2, 3 * shape[1] // 4)):
        image = np.zeros(shape, np.float32)
        image[row - 3 : row + 4, column - 3 : column + 4] = 1
        back = placement.back(placement.image(image))
        peak = np.argwhere(back > back.max() / 2).mean(axis=0)
        assert back.shape == shape
        assert np.abs(peak - (row, column)).max() < 2.5
