"""Whether one model is better than another on the same images."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from metrics.intervals import TAIL, Estimate, areas, checked, half_width, resamples


def compare(
    labels: ArrayLike, one: ArrayLike, two: ArrayLike, groups: ArrayLike | None = None
) -> tuple[Estimate, float]:
    """AUROC of ``two`` minus that of ``one``, and the two-sided p of no difference.

    The interval is that of a paired bootstrap. p is that of DeLong et al. 1988 by midranks (Sun and
    Xu 2014); for groups of several images that of Obuchowski 1997, Biometrics 53:567. Arguments and
    errors are as of ``metrics.intervals.evaluate``; ``one`` and ``two`` are (n,) scores.
    """
    y, a, g = checked(labels, one, groups)
    _, b, _ = checked(labels, two, groups)
    change, *draws = (
        areas(y, b, weights)[0] - areas(y, a, weights)[0] for weights in resamples(y, g)
    )
    off = _components(y, b) - _components(y, a) - change  # (n,)
    positive = np.bincount(g, off * y) / y.sum()  # of each group
    negative = np.bincount(g, off * ~y) / (~y).sum()
    count = len(np.unique(g))
    count_y = len(np.unique(g[y]))
    count_n = len(np.unique(g[~y]))
    variance = (
        positive @ positive * count_y / max(1, count_y - 1)
        + negative @ negative * count_n / max(1, count_n - 1)
        + positive @ (2 * negative) * count / max(1, count - 1)
    )
    p = float(2 * stats.norm.sf(abs(change[0]) / np.sqrt(variance))) if variance > 0 else 1.0
    scarce = min(count_y, count_n)
    half = half_width(draws, 2 * scarce - 2)
    if half == 0 and not np.array_equal(stats.rankdata(a), stats.rankdata(b)):
        half = 1 - TAIL ** (1 / scarce)  # two faultless models may differ on other images
    low, high = change + np.array([-half, half])
    return Estimate(float(change[0]), float(low), float(high)), p if half >= 0 else np.nan


def difference(one: Estimate, two: Estimate) -> Estimate:
    """``two`` less ``one``, of different images: the errors of the two are independent.

    The interval squares and adds the distances of each value from its ends (Newcombe 1998, Stat Med
    17:873, method 10; Zou and Donner 2008, Stat Med 27:1693). It is NaN where one of them has none.
    """
    change = two.value - one.value
    below = np.hypot(two.value - two.low, one.high - one.value)
    above = np.hypot(two.high - two.value, one.value - one.low)
    return Estimate(change, change - float(below), change + float(above))


def _components(y: NDArray, s: NDArray) -> NDArray:
    """(n,) structural components: share of the other class that an image is rightly told from."""
    ranks = stats.rankdata(s)
    components = np.zeros(len(y))
    components[y] = (ranks[y] - stats.rankdata(s[y])) / (~y).sum()
    components[~y] = -(ranks[~y] - stats.rankdata(s[~y])) / y.sum()
    return components
