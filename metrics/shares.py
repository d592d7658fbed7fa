"""A share of images, such as those whose prediction set holds the truth, with its interval."""

import numpy as np
from numpy.typing import ArrayLike

from metrics.intervals import Estimate, checked, resamples, with_interval


def share(
    labels: ArrayLike,
    hits: ArrayLike,
    groups: ArrayLike | None = None,
    among: ArrayLike | None = None,
) -> Estimate:
    """The share of images that ``hits`` names, with an interval as of ``metrics.intervals``.

    Args:
        labels: (n,) 0 or 1, the true classes; draws hold both, as for every other estimate.
        hits: (n,) bool, whether an image counts.
        groups: (n,) images of one group are drawn together; None: each image by itself.
        among: (n,) bool, the images that the share is of, one at least; None: all.

    Raises:
        UserError: as of ``metrics.intervals.evaluate``.
    """
    y, hit, g = checked(labels, hits, groups)
    of = np.ones(len(y), bool) if among is None else np.asarray(among, bool)
    assert of.any(), "a share of no image"
    with np.errstate(invalid="ignore"):  # draws that hold none of them
        (value,), *draws = (weights @ (hit * of) / (weights @ of) for weights in resamples(y, g))
    count = len(np.unique(g[of]))
    return with_interval(value, draws, count, count - 1)
