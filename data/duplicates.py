"""Finding images that show the same picture, so that a split keeps them on one side.

Candidates come from coarse maps of edge directions, whose comparison is a matrix product; each candidate is then laid
over its partner, and has to agree with it block by block. Agreement everywhere is asked for because one bright object,
or the same collimator, makes quite different images correlate as a whole.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 48  # edge in pixels of the picture that is compared: T in the shapes below
BLOCKS = 7  # blocks a side, overlapping by half, that must agree
FINE, COARSE = 1.125, 4.5  # pixels: detail that is kept, neighbourhood that contrast is evened out over
DARK = 0.1  # of the brightness range: what is darker all round the field of view is collimator or padding
LEVELS, OUTSIDE = 24, -128  # steps of one standard deviation in a descriptor; its value outside the field of view
CELL, WINDOW = 4, 8  # pixels of a cell of the coarse map, cells of the window that is searched for
COMPONENTS = 64  # principal components of a window that are compared
NEAREST = 8  # candidates per image
SLACK = 2  # pixels that each block may lie off the common shift: rotation, other views
THRESHOLD = 0.44  # least agreement of a pair, see benchmarks in tests/test_duplicates.py
BATCH = 512  # images, or pairs, at once


def describe(image: NDArray) -> NDArray:
    """(H, W) grey image to the (T, T) int8 picture that ``near_duplicates`` compares.

    Local contrast normalisation (Jarrett et al. 2009, "What is the best multi-stage architecture for object
    recognition?", section 2) inside the field of view: the convex hull of all that is not dark, less its rim.
    """
    inwards = cv2.INTER_AREA if min(image.shape) >= SIZE else cv2.INTER_CUBIC
    small = cv2.resize(image.astype(np.float32), (SIZE, SIZE), interpolation=inwards)
    low, high = small.min(), np.percentile(small, 95)
    field = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillConvexPoly(field, cv2.convexHull(cv2.findNonZero((small >= low + DARK * (high - low)).astype(np.uint8))), 1)
    eroded = cv2.erode(field, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    weight = eroded.astype(np.float32)

    def local(values: NDArray, reach: float) -> NDArray:
        return cv2.GaussianBlur(values * weight, (0, 0), reach) / np.maximum(
            cv2.GaussianBlur(weight, (0, 0), reach), 1e-3
        )

    detail = (small - local(small, FINE)) * weight
    usual = np.sqrt((detail**2).sum() / max(weight.sum(), 1))
    even = detail / (np.sqrt(local(detail**2, COARSE)) + 0.3 * usual + 1e-9)
    return np.where(eroded > 0, np.clip(np.round(LEVELS * even), -127, 127), OUTSIDE).astype(np.int8)


def near_duplicates(descriptors: NDArray, threshold: float = THRESHOLD) -> NDArray:
    """Pairs of images that show the same picture: copied, re-compressed, re-windowed, shifted or turned a little.

    Args:
        descriptors: (n, T, T) pictures made by ``describe``.
        threshold: the least agreement of a pair, 0 to 1.

    Returns:
        (pairs, 2) indices i < j.
    """
    pairs, shifts = _candidates(descriptors)
    parts = [slice(start, start + BATCH) for start in range(0, len(pairs), BATCH)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        scores = list(pool.map(lambda part: _agreement(descriptors, pairs[part], shifts[part]), parts))
    return pairs[np.concatenate([*scores, np.zeros(0)]) >= threshold]


def _candidates(descriptors: NDArray) -> tuple[NDArray, NDArray]:
    """For each image the few later ones with the most similar edges, whatever the shift.

    Returns:
        (pairs, 2) indices i < j and (pairs, 2) how many pixels down and right j shows what i shows.
    """
    maps = np.stack([_edges(picture) for picture in descriptors])  # (n, cells, cells, 3)
    margin = (SIZE // CELL - WINDOW) // 2
    shifts = np.array(list(product(range(-margin, margin + 1), repeat=2)))  # (S, 2), in cells
    windows = np.stack([maps[:, margin + y :, margin + x :][:, :WINDOW, :WINDOW] for y, x in shifts])
    flat = windows.reshape(len(shifts), len(maps), -1)  # (S, n, D)
    flat = flat - flat.mean(axis=(0, 1))
    sample = flat[::4].reshape(-1, flat.shape[-1])
    variance, axes = np.linalg.eigh(sample.T @ sample / len(sample))
    kept = axes[:, -COMPONENTS:] / np.sqrt(variance[-COMPONENTS:] + 0.2 * variance.mean() + 1e-12)
    codes = flat @ kept  # (S, n, COMPONENTS)
    codes /= np.maximum(np.linalg.norm(codes, axis=-1, keepdims=True), 1e-9)
    centre = codes[len(shifts) // 2]
    pairs = []
    for start in range(0, len(maps), BATCH):
        rows = centre[start : start + BATCH]
        best = np.full((len(rows), len(maps) - start), -1, np.float32)
        for code in codes:
            np.maximum(best, rows @ code[start:].T, out=best)
        best[np.tril_indices(len(rows), m=best.shape[1])] = -2  # only later images
        nearest = np.argpartition(best, -min(NEAREST, best.shape[1]), axis=1)[:, -NEAREST:]
        i, place = np.nonzero(np.take_along_axis(best, nearest, axis=1) > -2)
        pairs.append(np.stack([i, nearest[i, place]], axis=1) + start)
    found = np.concatenate(pairs)
    similar = np.stack([(centre[found[:, 0]] * code[found[:, 1]]).sum(axis=1) for code in codes])  # (S, pairs)
    return found, CELL * shifts[similar.argmax(axis=0)]


def _edges(picture: NDArray) -> NDArray:
    """(cells, cells, 3) strength and double-angle direction of the edges in each cell of a (T, T) descriptor."""
    inside = (picture != OUTSIDE).astype(np.float32)
    values = picture * inside
    x, y = cv2.Sobel(values, cv2.CV_32F, 1, 0), cv2.Sobel(values, cv2.CV_32F, 0, 1)
    strength = np.hypot(x, y) + 1e-3
    channels = np.dstack([strength, (x * x - y * y) / strength, 2 * x * y / strength]) * inside[..., None]
    return cv2.resize(channels, (SIZE // CELL, SIZE // CELL), interpolation=cv2.INTER_AREA)


def _agreement(descriptors: NDArray, pairs: NDArray, shifts: NDArray) -> NDArray:
    """(pairs,) mean over blocks of the best normalised cross-correlation near the given shift.

    Blocks count by what both show of the field of view; the mean is scaled by the root of the share that is shown,
    as the spread of chance correlations is. NCC: Lewis 1995, "Fast Normalized Cross-Correlation", equation 1, the
    means being zero already.
    """
    step = SIZE // (BLOCKS + 1)
    place = np.arange(SIZE) // step  # (T,)
    belongs = np.stack([(place == k) | (place == k + 1) for k in range(BLOCKS)], axis=1).astype(np.float32)  # (T, B)

    def blocks(values: NDArray) -> NDArray:
        return belongs.T @ (values @ belongs)  # (pairs, B, B)

    reach = SIZE // 4 + SLACK
    first = descriptors[pairs[:, 0]]
    second = np.pad(descriptors[pairs[:, 1]], ((0, 0), (reach, reach), (reach, reach)), constant_values=OUTSIDE)
    wide = np.stack(
        [
            picture[reach - SLACK + y : reach + SLACK + y + SIZE, reach - SLACK + x : reach + SLACK + x + SIZE]
            for picture, (y, x) in zip(second, shifts, strict=True)
        ]
    )
    seen = [(part != OUTSIDE).astype(np.float32) for part in (first, wide)]
    a, b = first * seen[0], wide * seen[1]
    middle = slice(SLACK, SLACK + SIZE)
    weight = np.minimum(blocks(seen[0]), blocks(seen[1][:, middle, middle])) / (2 * step) ** 2
    energy, squares = blocks(a * a), b * b
    best = np.full_like(weight, -1)
    for y, x in product(range(2 * SLACK + 1), repeat=2):
        at = (slice(None), slice(y, y + SIZE), slice(x, x + SIZE))
        np.maximum(best, blocks(a * b[at]) / np.sqrt(energy * blocks(squares[at]) + 1e-6), out=best)
    shown = weight.mean(axis=(1, 2))
    return (weight * best).mean(axis=(1, 2)) / np.maximum(shown, 1e-6) * np.sqrt(shown)
