"""Groups of images that belong together, and splits that keep them together."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from data.readers import DataError


def join(keys: Sequence[Sequence[str]], pairs: NDArray) -> list[int]:
    """Number the groups of images that share a key (its position counts; an empty one ties nothing) or are a pair.

    Args:
        keys: for each image its keys, such as (patient, sha256).
        pairs: (pairs, 2) indices of further images that belong together.

    Returns:
        for each image the number of its group.
    """
    first: dict[tuple[int, str], int] = {}
    links = [(i, int(j)) for i, j in pairs]
    for i, own in enumerate(keys):
        links += [(i, first.setdefault((place, key), i)) for place, key in enumerate(own) if key]
    a, b = np.array(links or [(0, 0)]).T
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(len(keys), len(keys)))
    return [int(number) for number in connected_components(graph, directed=False)[1]]


def folds(labels: Sequence[str] | NDArray, groups: Sequence[int] | NDArray, count: int, seed: int) -> NDArray:
    """Give each image a fold from 0 to ``count`` - 1, no group in two, each class spread evenly.

    Raises:
        DataError: a class has fewer groups than folds are wanted.
    """
    members = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        members[label].add(group)
    scarce = min(members, key=lambda label: len(members[label]))
    if len(members[scarce]) < count:
        raise DataError(
            f"class {scarce} has {len(members[scarce])} group(s) of images that belong together, too few for {count} "
            "parts without putting views of one vessel on two sides; add images, or bring a split of your own"
        )
    numbers = np.zeros(len(labels), int)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for number, (_, chosen) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups)):
        numbers[chosen] = number
    return numbers


def grouped_split(labels: Sequence[str] | NDArray, groups: Sequence[int] | NDArray, share: float, seed: int) -> NDArray:
    """Choose about ``share`` of the images, no group in part, each class in about the share it has in the whole.

    Returns:
        (n,) bool, true where the image is chosen.

    Raises:
        DataError: the groups are too few or too large for both sides to hold every class.
    """
    classes, y = np.unique(labels, return_inverse=True)
    fewest = min(len(set(np.asarray(groups)[y == k])) for k in range(len(classes)))
    count = max(2, min(round(1 / share), fewest))
    numbers = folds(labels, groups, count, seed)
    options: list[tuple[float, int]] = []
    for number in range(count):
        shares = np.array([(numbers[y == k] == number).mean() for k in range(len(classes))])
        if (shares > 0).all() and (shares < 1).all():
            options.append((float(np.abs(shares - share).max()), number))
    if not options:
        raise DataError(
            "one group of images that belong together holds nearly all of a class; bring a split of your own"
        )
    return numbers == min(options)[1]
