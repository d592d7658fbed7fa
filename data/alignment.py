"""Laying one small picture over another, and how well the two agree then."""

from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from data.descriptors import OUTSIDE, SIZE

# pixels of a block that must agree, and from block to block: B = 7 blocks a side
BLOCK = 12
STEP = 6
SLACK = 2  # pixels that a block may lie off the common shift: rotation, other views
INNER = 30  # pixels of the middle of one picture that are sought in the other
MARGIN = (SIZE - INNER) // 2  # the greatest shift


def correlation(brightness: NDArray, pairs: NDArray) -> NDArray:
    """(pairs, 3) best normalised cross-correlation of one's middle in the other, and its shift.

    Args:
        brightness: (n, T, T).
        pairs: (pairs, 2) indices i, j. The shift y, x is that from i to j.
    """
    results = []
    for i, j in pairs:
        a = brightness[i].astype(np.float32)
        b = brightness[j].astype(np.float32)
        forth, y, x = _middle_in(a, b)
        back, y_back, x_back = _middle_in(b, a)
        results.append((forth, y, x) if forth >= back else (back, -y_back, -x_back))
    return np.array(results, float).reshape(-1, 3)


def _middle_in(one: NDArray, other: NDArray) -> tuple[float, int, int]:
    """Correlation and shift y, x of the middle of ``one`` where it fits ``other`` best."""
    inner = slice(MARGIN, MARGIN + INNER)
    middle = one[inner, inner]
    found = cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED)
    _, value, _, (x, y) = cv2.minMaxLoc(found)
    return value if middle.std() else 0.0, y - MARGIN, x - MARGIN


def agreement(pictures: NDArray, pairs: NDArray, shifts: NDArray) -> NDArray:
    """(pairs,) how far the blocks of each i are found in j, near the place that the shifts name.

    The mean over blocks of the best normalised cross-correlation (Lewis 1995, "Fast Normalized
    Cross-Correlation", equation 1; the means are zero already). A block counts by what both show of
    it and by its corners, for a straight edge fits anywhere along itself (Shi and Tomasi 1994,
    "Good features to track", equation 9). The mean is lowered by the fourth root of the share that
    both show: chance agrees the better the less there is to compare.

    Args:
        pictures: (n, T, T) detail, OUTSIDE where none is.
        pairs: (pairs, 2) indices i, j.
        shifts: (pairs, 2) y, x from i to j in pixels.
    """
    i = pictures[pairs[:, 0]]  # (pairs, T, T)
    j = _shifted(pictures[pairs[:, 1]], shifts)  # (pairs, T + 2 SLACK, T + 2 SLACK)
    seen_i = (i != OUTSIDE).astype(np.float32)
    seen_j = (j != OUTSIDE).astype(np.float32)
    a = i * seen_i
    best = _best_fit(a, j * seen_j)  # (pairs, B, B)
    inner = slice(SLACK, SLACK + SIZE)
    both = np.minimum(_blocks(seen_i), _blocks(seen_j[:, inner, inner])) / BLOCK**2
    middles = slice(BLOCK // 2, SIZE - BLOCK // 2 + 1, STEP)
    corners = np.stack(
        [cv2.cornerMinEigenVal(picture, BLOCK, ksize=3)[middles, middles] for picture in a]
    )
    weight = both * np.sqrt(np.maximum(corners, 0))
    mean = np.sum(weight * best, axis=(1, 2)) / (np.sum(weight, axis=(1, 2)) + 1e-9)
    return mean * both.mean(axis=(1, 2)) ** 0.25


def _blocks(values: NDArray) -> NDArray:
    """(pairs, T, T) to the sum over each block, (pairs, B, B)."""
    place = np.arange(SIZE)[:, None] - STEP * np.arange((SIZE - BLOCK) // STEP + 1)
    belongs = ((place >= 0) & (place < BLOCK)).astype(np.float32)  # (T, B)
    return belongs.T @ (values @ belongs)


def _shifted(pictures: NDArray, shifts: NDArray) -> NDArray:
    """(pairs, T, T) to (pairs, T + 2 SLACK, T + 2 SLACK), moved back by the shifts."""
    reach = MARGIN + SLACK
    sides = (reach, reach)
    padded = np.pad(pictures, ((0, 0), sides, sides), constant_values=OUTSIDE)
    corners = reach - SLACK + shifts
    edge = SIZE + 2 * SLACK
    return np.stack(
        [
            picture[y : y + edge, x : x + edge]
            for picture, (y, x) in zip(padded, corners, strict=True)
        ]
    )


def _best_fit(a: NDArray, b: NDArray) -> NDArray:
    """(pairs, B, B) correlation of each block of (pairs, T, T), at the best place within SLACK."""
    energy = _blocks(a * a)
    squares = b * b
    best = np.full_like(energy, -1)
    for y, x in product(range(2 * SLACK + 1), repeat=2):
        at = (slice(None), slice(y, y + SIZE), slice(x, x + SIZE))
        fit = _blocks(a * b[at]) / np.sqrt(energy * _blocks(squares[at]) + 1e-6)
        np.maximum(best, fit, out=best)
    return best
