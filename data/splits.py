"""Groups of images that belong together, and splits that keep them together."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from sklearn.model_selection import StratifiedGroupKFold

from data.readers import DataError

# what an image off the share weighs, where all groups off the share of their kind weigh 1
ROUNDING = 100.0
NODES = 2000  # of the search: many unlike groups have more solutions than need to be told apart
ADVICE = "add images, or bring a split of your own"


def folds(
    labels: Sequence[str] | NDArray, groups: Sequence[int] | NDArray, count: int, seed: int
) -> NDArray:
    """Give each image a fold from 0 to ``count`` - 1, no group in two, each class spread evenly.

    Raises:
        DataError: a class has fewer groups than folds are wanted.
    """
    held = Counter(label for label, _ in dict.fromkeys(zip(labels, groups, strict=True)))
    scarce, least = min(held.items(), key=lambda item: item[1])
    if least < count:
        raise DataError(
            f"class {scarce} has {least} group(s) of images that belong together, too few for {count} "
            f"parts without putting views of one vessel on two sides; {ADVICE}"
        )
    numbers = np.zeros(len(labels), int)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for number, (_, chosen) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups)):
        numbers[chosen] = number
    return numbers


def grouped_split(
    labels: Sequence[str] | NDArray, groups: Sequence[int] | NDArray, share: float, seed: int
) -> NDArray:
    """Choose groups so that the images of all classes together are the fewest possible off
    ``share`` of each class.

    Groups with as many images of each class are interchangeable: an integer program (scipy's HiGHS)
    says how many of each such kind to take, chance says which.

    Returns:
        (n,) bool, true where the image is chosen.

    Raises:
        DataError: the groups are too few or too large for both sides to hold every class.
    """
    classes, y = np.unique(labels, return_inverse=True)
    _, g = np.unique(groups, return_inverse=True)
    images = np.zeros((g.max() + 1, len(classes)), int)  # of each group, by class
    np.add.at(images, (g, y), 1)
    kinds, kind, count = np.unique(images, axis=0, return_inverse=True, return_counts=True)
    total = images.sum(axis=0)
    types = len(kinds)
    # how many to take of each kind; then how far that is off the share, in images of each class and
    # in groups of each
    # kind, where the second only decides between equals, lest all large groups come to one side
    off = np.vstack([kinds.T, np.eye(types)])
    slack = np.eye(len(off))
    goal = share * np.concatenate([total, count])
    best = milp(
        np.concatenate(
            [np.zeros(types), np.full(len(classes), ROUNDING), np.full(types, 1 / len(images))]
        ),
        integrality=np.repeat([1, 0], [types, len(off)]),
        bounds=Bounds(0, np.concatenate([count, total, count])),
        constraints=[
            LinearConstraint(
                np.hstack([kinds.T, np.zeros((len(classes), len(off)))]), 1, total - 1
            ),
            LinearConstraint(np.hstack([off, slack]), goal, np.inf),
            LinearConstraint(np.hstack([off, -slack]), -np.inf, goal),
        ],
        options={
            "mip_rel_gap": 0,
            "node_limit": NODES,
            "presolve": False,
        },  # presolving loses solutions (1.17)
    )
    if best.x is None:
        raise DataError(
            "the groups of images that belong together are too few or too large for both sides to hold "
            f"every class; {ADVICE}"
        )
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(images), bool)
    for number, wanted in enumerate(np.round(best.x[:types]).astype(int)):
        chosen[rng.permutation(np.flatnonzero(kind == number))[:wanted]] = True
    return chosen[g]
