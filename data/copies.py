"""Finding images that show the same picture, also mirrored, turned, cut or changed otherwise.

Data sets are often augmented in files before they are split. Images that share visual words
(data/vocabulary.py) are laid over one another by the affine map that most of their keypoints agree
on (data/overlay.py). They are copies if many keypoints agree, and the detail as well.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from data import overlay
from data.duplicates import near_duplicates, unrelated
from data.sketch import Sketch
from data.vocabulary import Points, candidates

SAMPLE = 500  # random pairs that tell how far unrelated images of this set agree
BATCH = 32  # pairs at once
SILENT = 5  # seconds before progress is shown
# agreeing matches from which a pair is looked at, by the random pairs: share of them, bounds
VOTES_SHARE = 0.9
VOTES = (4, 7)
# agreeing keypoints from which detail is compared
POINTS_SHARE = 0.95
POINTS = (6, 8)
# The score is the agreeing keypoints over KEYPOINTS, plus the agreement of detail. A copy is BEYOND
# above 98 % of the random pairs, inside the bounds.
KEYPOINTS = 14
SCORE_SHARE = 0.98
BEYOND = 0.55
SCORE = (1.3, 1.65)
STRANGERS = 2.2  # asked of a copy that stands under another patient's name


def same_pictures(sketches: list[Sketch], patients: Sequence[str] = ()) -> NDArray:
    """Pairs of images that show the same picture.

    Of many copies of one picture not each pair is named, yet the pairs chain them. Two views of one
    vessel that differ in content are no copies. The same organ of two patients looks much alike. So
    more has to agree where two names tell that they are two.

    Args:
        sketches: n of them, made by ``data.sketch.sketch``.
        patients: the name of each image's patient, empty where it is not known; (): none is known.

    Returns:
        (pairs, 2) indices i < j.
    """
    if len(sketches) < 2:
        return np.zeros((0, 2), int)
    people = np.unique(list(patients) or [""] * len(sketches), return_inverse=True)[1]
    is_named = np.array([bool(name) for name in patients] or [False] * len(sketches))

    def strangers(pairs: NDArray) -> NDArray:
        """(pairs,) whether the images of each are of two named patients."""
        different = people[pairs[:, 0]] != people[pairs[:, 1]]
        named: NDArray = is_named[pairs].all(axis=1)
        return different & named

    near = near_duplicates(np.stack([sketch.detail for sketch in sketches]), strangers)
    # in an order of their own, so that the order of the files does not matter
    order = np.array(sorted(range(len(sketches)), key=lambda i: sketches[i].detail.tobytes()))
    sets = _sets(near, len(sketches))[order]
    changed = _changed_copies(
        [sketches[i] for i in order], sets, lambda pairs: strangers(order[pairs])
    )
    pairs = np.concatenate([near, np.sort(order[changed], axis=1)])
    return np.unique(pairs, axis=0)


def _sets(pairs: NDArray, count: int) -> NDArray:
    """(count,) number of the set that each image is in by the pairs."""
    links = sparse.coo_matrix((np.ones(len(pairs)), pairs.T), (count, count))
    return csgraph.connected_components(links, directed=False)[1]


def _changed_copies(
    sketches: list[Sketch], sets: NDArray, strangers: Callable[[NDArray], NDArray]
) -> NDArray:
    """(pairs, 2) of copies, by keypoints; none of two images of one of the ``sets`` (n,)."""
    points = Points.of(sketches)
    pictures = overlay.Pictures(np.stack([sketch.picture for sketch in sketches]))

    def compared(
        pairs: NDArray, mirrored: bool, least_votes: int, least_points: NDArray
    ) -> NDArray:
        # those of like size together, for a batch is filled up to its largest
        order = np.argsort(points.counts[pairs].sum(axis=1), kind="stable")
        parts = [order[start : start + BATCH] for start in range(0, len(pairs), BATCH)]
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(
                lambda part: overlay.compare(
                    points, pictures, pairs[part], mirrored, least_votes, least_points[part]
                ),
                parts,
            )
            shown = tqdm(
                results, "seeking copies", len(parts), unit=" batches", mininterval=1, delay=SILENT
            )
            result = np.zeros((len(pairs), 3))
            result[order] = np.concatenate([np.zeros((0, 3)), *shown])
            return result

    sample = unrelated(len(sketches), SAMPLE)
    random = np.concatenate(
        [
            compared(sample, mirrored, VOTES[0], np.full(len(sample), POINTS[0]))
            for mirrored in (False, True)
        ]
    )
    votes = int(np.clip(np.quantile(random[:, 0], VOTES_SHARE), *VOTES))
    agreeing = int(np.clip(np.quantile(random[:, 1], POINTS_SHARE), *POINTS))
    least = np.clip(np.quantile(_score(random), SCORE_SHARE) + BEYOND, *SCORE)
    found = [np.zeros((0, 2), int)]
    for mirrored, likely in zip((False, True), candidates(points), strict=True):
        pairs = likely[sets[likely[:, 0]] != sets[likely[:, 1]]]
        asked = np.where(strangers(pairs), STRANGERS, least)
        # detail agrees by 1 at most, so that fewer keypoints cannot be enough
        enough = np.maximum(np.ceil(KEYPOINTS * (asked - 1) - 1e-3), agreeing)
        scores = _score(compared(pairs, mirrored, votes, enough))
        found.append(pairs[scores >= asked])
    return np.concatenate(found)


def _score(compared: NDArray) -> NDArray:
    """(pairs,) from (pairs, 3), 0 where detail was not compared."""
    _, keypoints, detail = compared.T
    return np.where(detail > 0, keypoints / KEYPOINTS + detail, 0)
