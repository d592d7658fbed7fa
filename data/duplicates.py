"""Finding images that show the same picture, so that a split keeps them on one side.

Candidates come from coarse maps of edge directions and of brightness, whose comparison is a matrix
product. Each is then laid over its partner and has to agree with it block by block in detail: one
bright object, or the same collimator, makes quite different images correlate as a whole. Pictures
that are mostly black hardly hold any detail. So less of it is asked for where two correlate nearly
perfectly. Crops of unlike frames that show little but one collimator edge can then be tied too
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
from threadpoolctl import threadpool_limits

from data.alignment import agreement, correlation
from data.descriptors import OUTSIDE, SIZE

# pixels of a coarse cell, cells of a window of them, principal components kept of it
CELL = 4
WINDOW = 8
CODE = 64
PAIRS = 80_000  # candidates in each list, shared out among the images
NEAREST = (4, 8)  # of each image, at least and at most
SAMPLE = 2000  # random pairs that tell how far unrelated images of this set agree
# The threshold lies beyond what they agree by. SPREAD is in units of median to 90 %, times the root
# of the logarithm of the number of pairs: so the largest of so many normal deviates grows.
SPREAD = 0.94
LEAST = 0.54  # threshold
MOST = 0.85
ALIKE = 0.94  # correlation as a whole from which weaker detail is enough
FAINTEST = 0.05  # detail that there has to be: of a thin strip there is none
# similarity of the coarse maps, brightness and edges, from which two are looked at more closely
ROUGHLY = 0.8
ROUGHLY_EDGES = 0.25
FAINT = 3.3  # how far beyond unrelated images weaker detail has to be, in median to 90 %
BATCH = 64  # pairs at once, few enough for the cache
# images whose products with all others are held at once, and others that they are taken with
ROWS = 256
COLUMNS = 512


def near_duplicates(
    descriptors: NDArray, strangers: Callable[[NDArray], NDArray] | None = None
) -> NDArray:
    """Pairs of images that show the same picture.

    One may be copied, re-compressed, re-windowed, shifted or turned a little; ``data.copies`` finds
    those that were changed more. Of many copies of one picture not each pair is named, yet the
    pairs chain them.

    Args:
        descriptors: (n, 2, T, T) made by ``data.descriptors.describe``.
        strangers: of (pairs, 2) indices, whether the images of each pair are of two patients, of
            which weaker detail is not enough.

    Returns:
        (pairs, 2) indices i < j.
    """
    if len(descriptors) < 2:
        return np.zeros((0, 2), int)
    # in an order of their own, so that the order of the files does not matter
    order = np.array(sorted(range(len(descriptors)), key=lambda i: descriptors[i].tobytes()))
    pictures = descriptors[order, 0]
    brightness = descriptors[order, 1]
    edges, shifts = _codes(np.stack([_edges(picture) for picture in pictures]), whiten=True)
    whole, _ = _codes(np.stack([_brightness_map(picture) for picture in brightness]))
    candidates = np.unique(np.concatenate([_candidates(edges), _candidates(whole)]), axis=0)
    sample = unrelated(len(pictures), SAMPLE)
    similar = _similarities(edges, candidates)
    likely = similar.max(axis=0) >= ROUGHLY_EDGES
    detail = np.zeros(len(candidates))
    if likely.any():
        nearest = shifts[similar.argmax(axis=0)[likely]]
        detail[likely] = _in_batches(partial(agreement, pictures), candidates[likely], nearest)
    fitting = shifts[_similarities(edges, sample).argmax(axis=0)]
    random = _in_batches(partial(agreement, pictures), sample, fitting)
    usual, high = np.percentile(random, [50, 90])
    count = len(pictures) * (len(pictures) - 1) // 2
    found = detail >= np.clip(usual + SPREAD * np.sqrt(np.log(count)) * (high - usual), LEAST, MOST)
    may_be_faint = _similarities(whole, candidates).max(axis=0) >= ROUGHLY
    if strangers:
        may_be_faint &= ~strangers(order[candidates])
    near = np.flatnonzero(~found & may_be_faint)
    fits = _in_batches(partial(correlation, brightness), candidates[near])
    near = near[fits[:, 0] >= ALIKE]
    fits = fits[fits[:, 0] >= ALIKE]
    if len(near):
        again = _in_batches(partial(agreement, pictures), candidates[near], fits[:, 1:].astype(int))
        least = max(usual + FAINT * (high - usual), FAINTEST)
        found[near] = np.maximum(again, detail[near]) >= least
    return np.unique(np.sort(order[candidates[found]], axis=1), axis=0)


def unrelated(count: int, most: int) -> NDArray:
    """(pairs, 2) random pairs, or all pairs where they are few."""
    if count * (count - 1) // 2 <= most:
        return np.stack(np.triu_indices(count, 1), axis=1)
    sample = np.random.default_rng(0).integers(0, count, (most, 2))
    return sample[sample[:, 0] != sample[:, 1]]


def _similarities(codes: NDArray, pairs: NDArray) -> NDArray:
    """(S, pairs) similarity of i, which stays in the middle, and j at each shift."""
    still = codes[len(codes) // 2][pairs[:, 0]]
    return np.stack([np.einsum("pc,pc->p", still, code[pairs[:, 1]]) for code in codes])


def _in_batches(work: Callable[..., NDArray], *arrays: NDArray) -> NDArray:
    """``work`` on all cores, a batch of the arrays' rows at once."""
    parts = [slice(start, start + BATCH) for start in range(0, max(len(arrays[0]), 1), BATCH)]
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda part: work(*(array[part] for array in arrays)), parts)
        return np.concatenate(list(results))


def _shrunk(values: NDArray) -> NDArray:
    """(T, T, ...) to (cells, cells, ...)."""
    return cv2.resize(values, (SIZE // CELL, SIZE // CELL), interpolation=cv2.INTER_AREA)


def _brightness_map(picture: NDArray) -> NDArray:
    """(T, T) to (cells, cells, 1)."""
    return _shrunk(picture.astype(np.float32))[..., None]


def _edges(picture: NDArray) -> NDArray:
    """(cells, cells, 3) strength and double-angle direction of the edges, from (T, T) detail."""
    inside = (picture != OUTSIDE).astype(np.float32)
    values = picture * inside
    x = cv2.Sobel(values, cv2.CV_32F, 1, 0)
    y = cv2.Sobel(values, cv2.CV_32F, 0, 1)
    strength = np.hypot(x, y) + 1e-3
    channels = np.dstack([strength, (x * x - y * y) / strength, 2 * x * y / strength])
    return _shrunk(channels * inside[..., None])


def _codes(maps: NDArray, whiten: bool = False) -> tuple[NDArray, NDArray]:
    """Unit vectors of a window at each shift, (S, n, F), and the shifts in pixels, (S, 2).

    Whitening plays down what all images of a set have in common (Jégou and Chum 2012, "Negative
    evidences and co-occurences in image retrieval", section 3.2).

    Args:
        maps: (n, cells, cells, channels).
        whiten: else the mean of each vector is taken away.
    """
    margin = (SIZE // CELL - WINDOW) // 2
    shifts = np.array(list(product(range(-margin, margin + 1), repeat=2)))
    windows = [
        maps[:, margin + y :, margin + x :][:, :WINDOW, :WINDOW].reshape(len(maps), -1)
        for y, x in shifts
    ]
    vectors = _whitened(windows) if whiten else [_centred(window) for window in windows]
    codes = np.stack(vectors).astype(np.float32)
    lengths = np.linalg.norm(codes, axis=-1, keepdims=True)
    return codes / np.maximum(lengths, 1e-9), CELL * shifts


def _centred(window: NDArray) -> NDArray:
    return window - window.mean(axis=1, keepdims=True)


def _whitened(windows: list[NDArray]) -> list[NDArray]:
    mean = np.mean([window.mean(axis=0) for window in windows], axis=0)
    sample = np.concatenate(windows[::4]) - mean
    variance, axes = np.linalg.eigh(sample.T @ sample / len(sample))
    axes = axes[:, -CODE:] / np.sqrt(variance[-CODE:] + 0.2 * variance.mean() + 1e-9)
    return [(window - mean) @ axes for window in windows]


def _candidates(codes: NDArray) -> NDArray:
    """(pairs, 2) for each image the few later ones that are most similar at any shift."""
    count = codes.shape[1]
    most = int(np.clip(PAIRS // count, *NEAREST))

    def of_rows(start: int) -> NDArray:
        best = _best_of_rows(codes, start)
        nearest = np.argpartition(best, -min(most, best.shape[1]), axis=1)[:, -most:]
        i, place = np.nonzero(np.take_along_axis(best, nearest, axis=1) > -2)
        return np.stack([i, nearest[i, place]], axis=1) + start

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(of_rows, range(0, count, ROWS))))


def _best_of_rows(codes: NDArray, start: int) -> NDArray:
    """(rows, n - start) similarity at the best shift of ROWS images and the later ones, else -2.

    A block of columns at once stays in the cache.
    """
    still = codes[len(codes) // 2, start : start + ROWS]
    count = codes.shape[1]
    best = np.empty((len(still), count - start), np.float32)
    for column in range(start, count, COLUMNS):
        blocks = codes[:, column : column + COLUMNS]
        alike = still @ blocks[0].T
        product = np.empty_like(alike)
        for block in blocks[1:]:
            np.matmul(still, block.T, out=product)
            np.maximum(alike, product, out=alike)
        best[:, column - start : column - start + COLUMNS] = alike
    best[np.tril_indices(len(best), m=count - start)] = -2
    return best
