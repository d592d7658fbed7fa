"""Splits that keep images together which belong together."""

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from sklearn.model_selection import StratifiedGroupKFold

from CONFIG import Config
from data.finding_splits import chosen_of_findings, names_of
from data.readers import DataError
from data.samples import SPLITS
from metrics.decision import MULTILABEL, NO_FINDING

# what an image off the share weighs, where all groups off the share of their kind weigh 1
ROUNDING = 100.0
NODES = 2000  # of the search: many unlike groups have more solutions than need to be told apart
ADVICE = "add images, or bring a split of your own"


@dataclass(frozen=True)
class Division:
    """What belongs together, and on which side it lies; (n,) each.

    Args:
        labels: class names.
        groups: numbers from 0.
        sides: train, val or test.
    """

    labels: NDArray
    groups: NDArray
    sides: NDArray

    def only(self, chosen: NDArray) -> "Division":
        """That of the images for which ``chosen``, (n,), is true."""
        return Division(self.labels[chosen], self.groups[chosen], self.sides[chosen])


def sides_of(given: NDArray, labels: NDArray, groups: NDArray, config: Config) -> NDArray:
    """train, val or test for each image: as the data brings it, the rest cut from train by group.

    Args:
        given: (n,) the split that the data brings, all empty if it brings none.
        labels: (n,) class names.
        groups: (n,) numbers of groups that stay together.
        config: its shares of val and test, and its seed.

    Raises:
        DataError: as ``grouped_split`` does.
    """
    sides = np.where(given == "", "train", given)
    if "train" not in sides:
        return sides  # a set for testing alone
    wanted = {"val": config.val_share}
    if not given[0]:
        wanted = {"test": config.test_share, "val": config.val_share}
    rest = 1.0
    for side, share in wanted.items():
        if share and side not in sides:
            pool = np.flatnonzero(sides == "train")
            chosen = grouped_split(
                labels[pool], groups[pool], share / rest, config.seed, config.task == MULTILABEL
            )
            sides[pool[chosen]] = side
            rest -= share
    return sides


def leaks(sides: NDArray, groups: NDArray) -> NDArray:
    """(n,) whether an image belongs with others that lie on a later side of train, val, test."""
    ranks = np.array([SPLITS.index(side) for side in sides])
    latest = np.zeros(groups.max() + 1, int)
    np.maximum.at(latest, groups, ranks)
    return ranks < latest[groups]


def folds(
    labels: Sequence[str] | NDArray,
    groups: Sequence[int] | NDArray,
    count: int,
    seed: int,
    multilabel: bool = False,
) -> NDArray:
    """Give each image a fold from 0 to ``count`` - 1, no group in two, each class spread evenly.

    ``multilabel``: as of ``grouped_split``.

    Raises:
        DataError: a class has fewer groups than folds are wanted.
    """
    if not len(labels):
        raise DataError("there are no images for training")
    held = Counter(name for name, _ in _held_by(labels, groups, multilabel))
    if multilabel:  # images without a finding may lie anywhere
        held.pop(NO_FINDING, None)
    scarce, least = min(held.items(), key=lambda item: item[1])
    if least < count:
        raise DataError(
            f"class {scarce} has {least} group(s) of images that belong together, too few for "
            f"{count} parts without putting views of one vessel on two sides; {ADVICE}"
        )
    numbers = np.zeros(len(labels), int)
    if multilabel:
        y, g = np.asarray(labels), np.asarray(groups)
        for number in range(1, count):  # one after the other, from what is left
            left = np.flatnonzero(numbers == 0)
            chosen = grouped_split(y[left], g[left], 1 / (count - number + 1), seed, multilabel)
            numbers[left[chosen]] = number
        return numbers
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for number, (_, chosen) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups)):
        numbers[chosen] = number
    return numbers


def grouped_split(
    labels: Sequence[str] | NDArray,
    groups: Sequence[int] | NDArray,
    share: float,
    seed: int,
    multilabel: bool = False,
) -> NDArray:
    """Choose groups that together hold as nearly as possible ``share`` of each class.

    Groups with as many images of each class are interchangeable: an integer program says how many
    of each such kind to take, chance says which.

    ``multilabel``: labels name findings, as ``metrics.decision.joined``; see data.finding_splits.

    Returns:
        (n,) bool, true where the image is chosen.

    Raises:
        DataError: the groups are too few or too large for both sides to hold every class.
    """
    _, g = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    if multilabel:
        of_groups = chosen_of_findings(labels, g, share, rng)
        if of_groups is None:
            raise DataError(_too_few(labels, groups, multilabel))
        return np.asarray(of_groups[g])
    classes, y = np.unique(labels, return_inverse=True)
    images = np.zeros((g.max() + 1, len(classes)), int)  # of each group, by class
    np.add.at(images, (g, y), 1)
    kinds, kind, count = np.unique(images, axis=0, return_inverse=True, return_counts=True)
    taken = _how_many(kinds, count, share)
    if taken is None:
        raise DataError(_too_few(labels, groups, multilabel))
    chosen = np.zeros(len(images), bool)
    for number, wanted in enumerate(taken):
        chosen[rng.permutation(np.flatnonzero(kind == number))[:wanted]] = True
    return chosen[g]


def _held_by(
    labels: Sequence[str] | NDArray, groups: Sequence[int] | NDArray, multilabel: bool
) -> list[tuple[str, int]]:
    """Each class with each group that has images of it, once."""
    names = [names_of(label) if multilabel else [label] for label in labels]
    pairs = zip(names, groups, strict=True)
    return list(dict.fromkeys((name, group) for given, group in pairs for name in given))


def _how_many(kinds: NDArray, count: NDArray, share: float) -> NDArray | None:
    """(kinds,) how many groups of each kind to take, by scipy's HiGHS.

    The unknowns are first that number, then how far it is off the share: in images of each class,
    and in groups of each kind. The last only decides between equals, so that large groups do not
    all come to one side.

    Args:
        kinds: (kinds, classes) images of each class in a group of that kind.
        count: (kinds,) how many groups there are.
        share: of each class that is wanted.

    Returns:
        None where no choice leaves every class on both sides.
    """
    types, classes = kinds.shape
    total = count @ kinds
    off = np.vstack([kinds.T, np.eye(types)])
    slack = np.eye(len(off))
    goal = share * np.concatenate([total, count])
    of_images = np.full(classes, ROUNDING)
    of_groups = np.full(types, 1 / count.sum())
    both_sides = np.hstack([kinds.T, np.zeros((classes, len(off)))])
    best = milp(
        np.concatenate([np.zeros(types), of_images, of_groups]),
        integrality=np.repeat([1, 0], [types, len(off)]),
        bounds=Bounds(0, np.concatenate([count, total, count])),
        constraints=[
            LinearConstraint(both_sides, 1, total - 1),
            LinearConstraint(np.hstack([off, slack]), goal, np.inf),
            LinearConstraint(np.hstack([off, -slack]), -np.inf, goal),
        ],
        # presolving loses solutions (scipy 1.17)
        options={"mip_rel_gap": 0, "node_limit": NODES, "presolve": False},
    )
    if best.x is None:
        return None
    return np.round(best.x[:types]).astype(int)


def _too_few(
    labels: Sequence[str] | NDArray, groups: Sequence[int] | NDArray, multilabel: bool
) -> str:
    """What the user has to know where no split is possible."""
    numbers = range(len(labels))
    images = Counter(name for name, _ in _held_by(labels, numbers, multilabel))
    held = Counter(name for name, _ in _held_by(labels, groups, multilabel))
    told = ", ".join(
        f"{label} {images[label]} images in {held[label]} group(s)"
        for label in sorted(held, key=lambda label: (held[label], images[label], label))
    )
    scarce = min(held, key=lambda label: (held[label], images[label], label))
    words = [str(label) for label in held if label != scarce]
    near = difflib.get_close_matches(str(scarce), words, 1, 0.8)
    meant = f"; is {scarce} another spelling of {near[0]}?" if near else ""
    return (
        "the groups of images that belong together are too few or too large for both sides to "
        f"hold every class, {scarce} first of all: {told}; every class needs two groups or "
        f"more{meant}; {ADVICE}"
    )
