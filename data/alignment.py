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
    darkest, brightest, _, _ = cv2.minMaxLoc(middle)
    return value if darkest < brightest else 0.0, y - MARGIN, x - MARGIN


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
    i = _last(pictures[pairs[:, 0]])  # (T, T, pairs)
    j = _shifted(pictures[pairs[:, 1]], shifts)  # (T + 2 SLACK, T + 2 SLACK, pairs)
    seen_i = (i != OUTSIDE).astype(np.float32)
    seen_j = (j != OUTSIDE).astype(np.float32)
    a = i * seen_i
    best = _best_fit(a, j * seen_j)  # (B, B, pairs)
    inner = slice(SLACK, SLACK + SIZE)
    both = np.minimum(_blocks(seen_i), _blocks(seen_j[inner, inner])) / BLOCK**2
    weight = both * np.sqrt(np.maximum(_corners(a), 0))
    mean = np.sum(weight * best, axis=(0, 1)) / (np.sum(weight, axis=(0, 1)) + 1e-9)
    return mean * both.mean(axis=(0, 1)) ** 0.25


def _corners(pictures: NDArray) -> NDArray:
    """(T, T, pairs) to how much of a corner each block is, (B, B, pairs)."""
    middles = slice(BLOCK // 2, SIZE - BLOCK // 2 + 1, STEP)
    each = np.ascontiguousarray(pictures.transpose(2, 0, 1))
    corners = [cv2.cornerMinEigenVal(one, BLOCK, ksize=3)[middles, middles] for one in each]
    return np.stack(corners, axis=2)


def _last(pictures: NDArray) -> NDArray:
    """(pairs, H, W) to (H, W, pairs) float32, so that sums of all pairs run along memory."""
    return np.ascontiguousarray(pictures.transpose(1, 2, 0), np.float32)


def _blocks(values: NDArray) -> NDArray:
    """(T, T, pairs) to the sum over each block, (B, B, pairs); exact for whole numbers."""
    cells = SIZE // STEP
    pairs = values.shape[2]
    rows = values.reshape(cells, STEP, SIZE * pairs).sum(axis=1)
    sums = rows.reshape(cells, cells, STEP, pairs).sum(axis=2)
    halves = sums[:-1] + sums[1:]
    blocks: NDArray = halves[:, :-1] + halves[:, 1:]
    return blocks


def _shifted(pictures: NDArray, shifts: NDArray) -> NDArray:
    """(pairs, T, T) to (T + 2 SLACK, T + 2 SLACK, pairs) float32, moved back by the shifts."""
    reach = MARGIN + SLACK
    sides = (reach, reach)
    padded = np.pad(pictures, ((0, 0), sides, sides), constant_values=OUTSIDE)
    corners = reach - SLACK + shifts
    edge = SIZE + 2 * SLACK
    moved = [
        picture[y : y + edge, x : x + edge] for picture, (y, x) in zip(padded, corners, strict=True)
    ]
    return _last(np.stack(moved))


def _best_fit(a: NDArray, b: NDArray) -> NDArray:
    """(B, B, pairs) correlation of each block of (T, T, pairs), at the best place within SLACK."""
    energy = _blocks(a * a)
    squares = _all_blocks(b * b)
    best = np.full_like(energy, -1)
    for y, x in product(range(2 * SLACK + 1), repeat=2):
        alike = _blocks(a * b[y : y + SIZE, x : x + SIZE])
        seen = squares[y : y + SIZE - BLOCK + 1 : STEP, x : x + SIZE - BLOCK + 1 : STEP]
        fit = alike / np.sqrt(energy * seen + 1e-6)
        np.maximum(best, fit, out=best)
    return best


def _all_blocks(values: NDArray) -> NDArray:
    """(H, W, pairs) to the sum over the block that begins at each pixel, (H', W', pairs)."""
    for _ in range(2):
        two = values[:-1] + values[1:]
        four = two[:-2] + two[2:]
        half = four[:-2] + two[4:]
        values = (half[:-STEP] + half[STEP:]).transpose(1, 0, 2)
    return values
