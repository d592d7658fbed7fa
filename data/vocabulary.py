"""Which images may show the same picture, by the visual words that they share.

A vocabulary of two levels (Nistér and Stewénius 2006, "Scalable recognition with a vocabulary
tree") is made of the set's own keypoints, so that the comparison of all images with all others is
one product of sparse matrices. Large keypoints are also compared alone: noise leaves them.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from data.sketch import MOST, Sketch

BRANCHES = 128  # words of each of the two levels, at most
KEYPOINTS_A_WORD = 8
SAMPLE = 40_000  # keypoints that the first level is made of
ROUNDS = 8
LARGE = 4.5  # pixels of diameter
FEWER = 64  # large keypoints of an image
PAIRS = 100_000  # candidates in all, shared out among the images
NEAREST = (2, 64)  # candidates of an image in each list, at least and at most
ROWS = 512

# SIFT's 4 x 4 histograms of 8 directions, as they are in the mirrored picture
_CELLS = np.arange(128).reshape(4, 4, 8)
MIRROR = _CELLS[::-1][:, :, -np.arange(8) % 8].ravel()


@dataclass(frozen=True)
class Points:
    """Keypoints of a set, filled up with zeros to the same number for each image.

    Args:
        places: (n, K, 4) float32, as in ``Sketch``.
        features: (n, K, 128) uint8.
        counts: (n,) how many there really are.
    """

    places: NDArray
    features: NDArray
    counts: NDArray

    @classmethod
    def of(cls, sketches: list[Sketch]) -> Self:
        """Those of the sketches."""
        places = np.zeros((len(sketches), MOST, 4), np.float32)
        features = np.zeros((len(sketches), MOST, 128), np.uint8)
        counts = np.array([len(sketch.places) for sketch in sketches])
        for i, sketch in enumerate(sketches):
            places[i, : counts[i]] = sketch.places
            features[i, : counts[i]] = sketch.features
        return cls(places, features, counts)

    def chosen(self, large: bool) -> NDArray:
        """(n, K) which keypoints there are, or only the strongest large ones."""
        there = np.arange(MOST) < self.counts[:, None]
        if not large:
            return there
        there &= self.places[..., 2] >= LARGE
        return there & (there.cumsum(axis=1) <= FEWER)


def unit(features: NDArray) -> NDArray:
    """(..., 128) uint8 features as float32, of length 1: the root of shares, times 255."""
    return features.astype(np.float32) / np.float32(255)


def candidates(points: Points) -> tuple[NDArray, NDArray]:
    """(pairs, 2) indices i < j that may show the same picture, and the mirrored picture."""
    count = len(points.counts)
    nearest = int(np.clip(PAIRS // (4 * count), *NEAREST))
    plain, mirrored = [], []
    for large in (False, True):
        chosen = points.chosen(large)
        features = points.features[chosen]
        if len(features) < 2:
            continue
        rows = np.nonzero(chosen)[0]
        words = _Vocabulary.of(features)
        bags = words.bags(features, rows, count)
        weights = np.log((count + 1) / (bags.getnnz(axis=0) + 1)).astype(np.float32)
        own = _weighted(bags, weights)
        plain.append(_nearest(own, own, nearest))
        turned = _weighted(words.mirrored().bags(features, rows, count), weights)
        mirrored.append(_nearest(turned, own, nearest))
    return _unique(plain), _unique(mirrored)


def _unique(pairs: list[NDArray]) -> NDArray:
    return np.unique(np.concatenate([np.zeros((0, 2), int), *pairs]), axis=0)


@dataclass(frozen=True)
class _Vocabulary:
    """``first`` (B, 128) splits the features; ``second`` (B, B, 128) are the words of each part."""

    first: NDArray
    second: NDArray

    @classmethod
    def of(cls, features: NDArray) -> Self:
        rng = np.random.default_rng(0)
        branches = int(np.clip(np.sqrt(len(features) / KEYPOINTS_A_WORD), 2, BRANCHES))
        sample = unit(features[rng.permutation(len(features))[:SAMPLE]])
        first = sample[:branches].copy()
        for _ in range(ROUNDS):
            part = _closest(sample, first)
            for branch in range(branches):
                own = sample[part == branch]
                if len(own):
                    first[branch] = own.mean(axis=0)
        part = _closest(sample, first)
        second = np.empty((branches, branches, 128), np.float32)
        for branch in range(branches):
            own = sample[part == branch]
            own = own if len(own) else first[branch : branch + 1]
            second[branch] = own[np.arange(branches) % len(own)]
        return cls(first, second)

    def mirrored(self) -> Self:
        """The words of the mirrored pictures, for the features as they are."""
        return type(self)(self.first[:, MIRROR], self.second[..., MIRROR])

    def bags(self, features: NDArray, rows: NDArray, count: int) -> sparse.csr_matrix:
        """(count, words) the root of how often each image, ``rows``, shows each word."""
        part = _closest(features, self.first)
        words = np.empty(len(features), int)
        for branch, own in enumerate(self.second):
            there = np.flatnonzero(part == branch)
            words[there] = branch * len(own) + _closest(features[there], own)
        shape = (count, len(self.first) ** 2)
        bags = sparse.csr_matrix((np.ones(len(words), np.float32), (rows, words)), shape)
        bags.sum_duplicates()
        return bags.sqrt()


def _closest(features: NDArray, centres: NDArray) -> NDArray:
    """(m,) the centre that is closest to each of (m, 128) features, uint8 or of length 1."""
    half = (centres**2).sum(axis=1) / 2
    parts = []
    for start in range(0, len(features), 8192):
        part = features[start : start + 8192]
        own = unit(part) if part.dtype == np.uint8 else part
        parts.append((own @ centres.T - half).argmax(axis=1))
    return np.concatenate([np.zeros(0, int), *parts])


def _weighted(bags: sparse.csr_matrix, weights: NDArray) -> sparse.csr_matrix:
    """Rows of length 1, rare words counting more (inverse document frequency)."""
    weighted = (bags @ sparse.diags(weights)).tocsr()
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return (sparse.diags((1 / np.maximum(lengths, 1e-9)).astype(np.float32)) @ weighted).tocsr()


def _nearest(asked: sparse.csr_matrix, own: sparse.csr_matrix, nearest: int) -> NDArray:
    """(pairs, 2) for each image asked for, the few others that share most words; i < j."""
    turned = own.T.tocsr()

    def of_rows(start: int) -> NDArray:
        alike = (asked[start : start + ROWS] @ turned).tocsr()
        pairs = []
        for row in range(alike.shape[0]):
            there = slice(alike.indptr[row], alike.indptr[row + 1])
            others = alike.indices[there]
            values = np.where(others == start + row, -1, alike.data[there])
            if len(others) > nearest:
                others = others[np.argpartition(values, -nearest)[-nearest:]]
            pairs.append(np.column_stack([np.full(len(others), start + row), others]))
        return np.concatenate(pairs)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = np.concatenate(list(pool.map(of_rows, range(0, asked.shape[0], ROWS))))
    found = np.sort(found, axis=1)
    return found[found[:, 0] < found[:, 1]]
