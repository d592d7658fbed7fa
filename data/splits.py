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


def grouped_split(labels: Sequence[str] | NDArray, groups: Sequence[int] | NDArray, share: float, seed: int) -> NDArray:
    """Choose about ``share`` of the images, no group in part, each class in about the share it has in the whole.

    Returns:
        (n,) bool, true where the image is chosen.

    Raises:
        DataError: the groups are too few or too large for both sides to hold every class.
    """
    classes, y = np.unique(labels, return_inverse=True)
    members = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        members[label].add(group)
    scarce = min(members, key=lambda label: len(members[label]))
    folds = min(max(2, round(1 / share)), len(members[scarce]))
    if folds >= 2:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        options: list[tuple[float, int, NDArray]] = []
        for _, chosen in splitter.split(np.zeros(len(y)), y, groups):
            mask = np.zeros(len(y), bool)
            mask[chosen] = True
            shares = np.array([mask[y == k].mean() for k in range(len(classes))])
            if (shares > 0).all() and (shares < 1).all():
                options.append((float(np.abs(shares - share).max()), len(options), mask))
        if options:
            return min(options)[2]
    raise DataError(
        f"class {scarce} has {len(members[scarce])} group(s) of images that belong together: too few to split without "
        "putting views of one vessel on both sides; add images, or bring a split of your own (train/, val/ folders)"
    )
