"""Which images belong together: those that share a key, and those tied in pairs."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def shared(keys: Sequence[Sequence[str]]) -> list[list[int]]:
    """Indices of the images that share a key, two or more each.

    ``keys`` are those of each image. The position of a key counts; an empty one ties nothing.
    """
    members = defaultdict(list)
    for i, keys_of_image in enumerate(keys):
        for position, key in enumerate(keys_of_image):
            members[position, key].append(i)
    return [tied for (_, key), tied in members.items() if key and len(tied) > 1]


def join(keys: Sequence[Sequence[str]], pairs: NDArray) -> NDArray:
    """Number the groups of images that share a key or are a pair.

    Args:
        keys: for each image its keys, such as (patient, sha256), as ``shared`` takes them.
        pairs: (pairs, 2) indices of further images that belong together.

    Returns:
        (n,) for each image the number of its group.
    """
    # loaded here, for it takes as long as a prediction, which needs none of it
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = [(tied[0], i) for tied in shared(keys) for i in tied]
    a, b = np.concatenate([np.array(links, int).reshape(-1, 2), pairs]).T
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(len(keys), len(keys)))
    return np.asarray(connected_components(graph, directed=False)[1])
