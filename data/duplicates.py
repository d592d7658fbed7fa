"""Finding images that show the same picture, so that a split keeps them on one side.

Candidates come from coarse maps of edge directions and of brightness, whose comparison is a matrix
product. Each is then laid over its partner and has to agree with it block by block in detail, since
one bright object, or the same collimator, makes quite different images correlate as a whole. Where
they do so nearly perfectly less detail is asked for: pictures that are mostly black hardly hold
any. Crops of unlike frames that show little but one collimator edge can then be tied too
(benchmarks/near_duplicates.py counts them).
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 48  # T, edge in pixels of the picture that is compared
# pixels of a block that must agree, and from block to block: B = 7 blocks a side
BLOCK = 12
STEP = 6
SLACK = 2  # pixels that a block may lie off the common shift: rotation, other views
# pixels: detail that is kept, neighbourhood over which contrast is evened out
FINE = 1.5
COARSE = 9.0
DARK = 0.1  # of the brightness range: what is darker, all round the rest, is collimator or padding
# a descriptor's value at one local standard deviation, and outside the field of view
SCALE = 24
OUTSIDE = -128
# pixels of a coarse cell, cells of a window of them, principal components kept of it
CELL = 4
WINDOW = 8
CODE = 64
NEAREST = 8  # candidates for each image
SAMPLE = 2000  # random pairs that tell how far unrelated images of this set agree
# threshold: how far beyond them, in units of median to 90 % and of the root of
SPREAD = 0.79
LEAST = 0.54
MOST = 0.85
# the logarithm of the number of pairs, as the largest of so many normal deviates grows; its limits
ALIKE = 0.94  # correlation as a whole from which weaker detail is enough
# how far beyond unrelated images weaker detail has to be, in the same units, whatever its limits
FAINT = 3.3
INNER = 30  # pixels of the middle of one picture that are sought in the other: shifts of up to 9
BATCH = 64  # pairs at once, few enough for the cache
ROWS = 512  # images whose products with all others are held at once


def describe(image: NDArray) -> NDArray:
    """(H, W) grey image to the (2, T, T) int8 that ``near_duplicates`` compares: its detail and its
    brightness.

    Detail: local contrast normalisation (Jarrett et al. 2009, "What is the best multi-stage
    architecture for object recognition?", section 2) inside the field of view: the convex hull of
    all that is not dark, less its rim.
    """
    inwards = cv2.INTER_AREA if min(image.shape) >= SIZE else cv2.INTER_CUBIC
    small = cv2.resize(image.astype(np.float32), (SIZE, SIZE), interpolation=inwards)
    low = small.min()
    high = np.percentile(small, 95)
    hull = np.zeros((SIZE, SIZE), np.uint8)
    shown = cv2.findNonZero((small >= low + DARK * (high - low)).astype(np.uint8))
    cv2.fillConvexPoly(hull, cv2.convexHull(shown), 1)
    field = cv2.erode(
        hull, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    weight = field.astype(np.float32)

    def local(values: NDArray, reach: float) -> NDArray:
        return cv2.GaussianBlur(values, (0, 0), reach) / np.maximum(
            cv2.GaussianBlur(weight, (0, 0), reach), 1e-3
        )

    detail = (small - local(small * weight, FINE)) * weight
    usual = np.sqrt((detail**2).sum() / max(weight.sum(), 1))
    even = detail / (np.sqrt(local(detail**2, COARSE)) + 0.3 * usual + 1e-9)
    detail = np.where(field > 0, np.clip(np.round(SCALE * even), -127, 127), OUTSIDE)
    brightness = np.round(255 * (small - low) / max(small.max() - low, 1e-9)) - 128
    return np.stack([detail, brightness]).astype(np.int8)


def near_duplicates(descriptors: NDArray) -> NDArray:
    """Pairs of images that show the same picture: copied, re-compressed, re-windowed, shifted or
    turned a little.

    A mirrored picture is another one. Of many copies of one picture not each pair is named, yet the
    pairs chain them.

    Args:
        descriptors: (n, 2, T, T) made by ``describe``.

    Returns:
        (pairs, 2) indices i < j.
    """
    if len(descriptors) < 2:
        return np.zeros((0, 2), int)
    order = np.array(
        sorted(range(len(descriptors)), key=lambda i: descriptors[i].tobytes())
    )  # of files: no matter
    pictures = descriptors[order, 0]
    brightness = descriptors[order, 1]
    edges, shifts = _codes(np.stack([_edges(picture) for picture in pictures]), whiten=True)
    whole, _ = _codes(
        np.stack([_shrunk(picture.astype(np.float32))[..., None] for picture in brightness])
    )
    candidates = np.unique(np.concatenate([_candidates(edges), _candidates(whole)]), axis=0)
    count = len(pictures) * (len(pictures) - 1) // 2
    if count <= SAMPLE:
        sample = np.stack(np.triu_indices(len(pictures), 1), axis=1)
    else:
        sample = np.random.default_rng(0).integers(0, len(pictures), (SAMPLE, 2))
        sample = sample[sample[:, 0] != sample[:, 1]]
    pairs = np.concatenate([candidates, sample])
    similar = np.stack(
        [
            np.einsum("pc,pc->p", edges[len(shifts) // 2][pairs[:, 0]], code[pairs[:, 1]])
            for code in edges
        ]
    )
    detail = _spread(partial(_agreement, pictures), pairs, shifts[similar.argmax(axis=0)])
    usual, high = np.percentile(detail[len(candidates) :], [50, 90])
    detail = detail[: len(candidates)]
    alike, shift = np.hsplit(_spread(partial(_correlation, brightness), candidates), [1])
    alike = alike[:, 0]
    shift = shift.astype(int)
    threshold = np.clip(usual + SPREAD * np.sqrt(np.log(count)) * (high - usual), LEAST, MOST)
    found = detail >= threshold
    if len(near := np.flatnonzero(~found & (alike >= ALIKE))):
        again = _spread(partial(_agreement, pictures), candidates[near], shift[near])
        found[near] = np.maximum(again, detail[near]) >= usual + FAINT * (high - usual)
    return np.unique(np.sort(order[candidates[found]], axis=1), axis=0)


def _spread(work: Callable[..., NDArray], *arrays: NDArray) -> NDArray:
    """``work`` on all cores, a batch of the arrays' rows at once."""
    parts = [slice(start, start + BATCH) for start in range(0, len(arrays[0]), BATCH)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(
            list(pool.map(lambda part: work(*(array[part] for array in arrays)), parts))
        )


def _shrunk(values: NDArray) -> NDArray:
    """(T, T, ...) to (cells, cells, ...)."""
    return cv2.resize(values, (SIZE // CELL, SIZE // CELL), interpolation=cv2.INTER_AREA)


def _edges(picture: NDArray) -> NDArray:
    """(cells, cells, 3) strength and double-angle direction of the edges in each cell of a (T, T)
    descriptor.
    """
    inside = (picture != OUTSIDE).astype(np.float32)
    values = picture * inside
    x = cv2.Sobel(values, cv2.CV_32F, 1, 0)
    y = cv2.Sobel(values, cv2.CV_32F, 0, 1)
    strength = np.hypot(x, y) + 1e-3
    channels = (
        np.dstack([strength, (x * x - y * y) / strength, 2 * x * y / strength]) * inside[..., None]
    )
    return _shrunk(channels)


def _codes(maps: NDArray, whiten: bool = False) -> tuple[NDArray, NDArray]:
    """(S, n, F) unit vectors of the window at each shift in (n, cells, cells, channels), and (S, 2)
    the shifts.

    Whitening plays down what all images of a set have in common (Jégou and Chum 2012, "Negative
    evidences and co-occurences in image retrieval", section 3.2).
    """
    margin = (SIZE // CELL - WINDOW) // 2
    shifts = np.array(list(product(range(-margin, margin + 1), repeat=2)))
    windows = [
        maps[:, margin + y :, margin + x :][:, :WINDOW, :WINDOW].reshape(len(maps), -1)
        for y, x in shifts
    ]
    if not whiten:
        codes = np.stack(
            [window - window.mean(axis=1, keepdims=True) for window in windows]
        ).astype(np.float32)
        return codes / np.maximum(
            np.linalg.norm(codes, axis=-1, keepdims=True), 1e-9
        ), CELL * shifts
    mean = np.mean([window.mean(axis=0) for window in windows], axis=0)
    sample = np.concatenate(windows[::4]) - mean
    variance, axes = np.linalg.eigh(sample.T @ sample / len(sample))
    axes = axes[:, -CODE:] / np.sqrt(variance[-CODE:] + 0.2 * variance.mean() + 1e-9)
    codes = np.stack([(window - mean) @ axes for window in windows]).astype(np.float32)
    return codes / np.maximum(np.linalg.norm(codes, axis=-1, keepdims=True), 1e-9), CELL * shifts


def _candidates(codes: NDArray) -> NDArray:
    """(pairs, 2) for each image the few later ones that are most similar at any shift."""
    count = codes.shape[1]
    pairs = []
    for start in range(0, count, ROWS):
        rows = codes[len(codes) // 2, start : start + ROWS]
        best = np.full((len(rows), count - start), -1, np.float32)
        for code in codes:
            np.maximum(best, rows @ code[start:].T, out=best)
        best[np.tril_indices(len(rows), m=count - start)] = -2
        nearest = np.argpartition(best, -min(NEAREST, best.shape[1]), axis=1)[:, -NEAREST:]
        i, place = np.nonzero(np.take_along_axis(best, nearest, axis=1) > -2)
        pairs.append(np.stack([i, nearest[i, place]], axis=1) + start)
    return np.concatenate(pairs)


def _correlation(brightness: NDArray, pairs: NDArray) -> NDArray:
    """(pairs, 3) best normalised cross-correlation of one's middle in the other, and the shift y, x
    from i to j.
    """
    margin = (SIZE - INNER) // 2
    results = []
    inner = slice(margin, margin + INNER)
    for i, j in pairs:
        a = brightness[i].astype(np.float32)
        b = brightness[j].astype(np.float32)
        for sign, one, other in ((1, a, b), (-1, b, a)):
            _, value, _, (x, y) = cv2.minMaxLoc(
                cv2.matchTemplate(other, one[inner, inner], cv2.TM_CCOEFF_NORMED)
            )
            results.append(
                (value * bool(one[inner, inner].std()), sign * (y - margin), sign * (x - margin))
            )
    both = np.array(results).reshape(-1, 2, 3)
    return np.take_along_axis(both, both[:, :, :1].argmax(axis=1)[:, None], axis=1)[:, 0]


def _agreement(pictures: NDArray, pairs: NDArray, shifts: NDArray) -> NDArray:
    """(pairs,) how far the blocks of each i are found in j, near the place that the (pairs, 2)
    shifts name.

    The mean over blocks of the best normalised cross-correlation (Lewis 1995, "Fast Normalized
    Cross-Correlation", equation 1; the means are zero already). A block counts by what both show of
    it and by its corners, for a straight edge fits anywhere along itself (Shi and Tomasi 1994,
    "Good features to track", equation 9). The mean is lowered by the fourth root of the share that
    both show: chance agrees the better the less there is to compare.
    """
    place = np.arange(SIZE)[:, None] - STEP * np.arange((SIZE - BLOCK) // STEP + 1)
    belongs = ((place >= 0) & (place < BLOCK)).astype(np.float32)  # (T, B)

    def blocks(values: NDArray) -> NDArray:
        return belongs.T @ (values @ belongs)  # (pairs, B, B)

    reach = (SIZE - min(CELL * WINDOW, INNER)) // 2 + SLACK
    padded = np.pad(
        pictures[pairs[:, 1]], ((0, 0), (reach, reach), (reach, reach)), constant_values=OUTSIDE
    )
    corner = reach - SLACK + shifts
    edge = SIZE + 2 * SLACK
    j = np.stack(
        [
            picture[y : y + edge, x : x + edge]
            for picture, (y, x) in zip(padded, corner, strict=True)
        ]
    )
    i = pictures[pairs[:, 0]]  # (pairs, T, T); j: (pairs, T + 2 SLACK, T + 2 SLACK)
    seen_i = (i != OUTSIDE).astype(np.float32)
    seen_j = (j != OUTSIDE).astype(np.float32)
    a = i * seen_i
    b = j * seen_j
    energy = blocks(a * a)
    squares = b * b
    best = np.full_like(energy, -1)
    for y, x in product(range(2 * SLACK + 1), repeat=2):
        at = (slice(None), slice(y, y + SIZE), slice(x, x + SIZE))
        np.maximum(best, blocks(a * b[at]) / np.sqrt(energy * blocks(squares[at]) + 1e-6), out=best)
    inner = slice(SLACK, SLACK + SIZE)
    both = np.minimum(blocks(seen_i), blocks(seen_j[:, inner, inner])) / BLOCK**2
    middles = slice(BLOCK // 2, SIZE - BLOCK // 2 + 1, STEP)
    corners = np.stack(
        [cv2.cornerMinEigenVal(picture, BLOCK, ksize=3)[middles, middles] for picture in a]
    )
    weight = both * np.sqrt(np.maximum(corners, 0))
    return (
        np.sum(weight * best, axis=(1, 2))
        / (np.sum(weight, axis=(1, 2)) + 1e-9)
        * both.mean(axis=(1, 2)) ** 0.25
    )
