"""Whether one model is better than another on the same images."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from metrics.intervals import TAIL, Estimate, areas, checked, half_width, resamples


def compare(
    labels: ArrayLike, one: ArrayLike, two: ArrayLike, groups: ArrayLike | None = None
) -> tuple[Estimate, float]:
    """AUROC of ``two`` minus that of ``one`` with its paired bootstrap interval, and the two-sided
    p of DeLong et al. 1988 by midranks (Sun and Xu 2014); groups of several images: Obuchowski
    1997, Biometrics 53:567. Same errors.
    """
    (y, a, g), (_, b, _) = checked(labels, one, groups), checked(labels, two, groups)
    gains = np.zeros(
        len(y)
    )  # structural components: share of the other class that an image is rightly told from
    for up, s, side in ((1, b, y), (-1, a, y), (-1, b, ~y), (1, a, ~y)):
        gains[side] += up * (stats.rankdata(s)[side] - stats.rankdata(s[side])) / (~side).sum()
    change, *draws = (
        areas(y, b, weights)[0] - areas(y, a, weights)[0] for weights in resamples(y, g)
    )
    t_y, t_n = (np.bincount(g, (gains - change) * side) / side.sum() for side in (y, ~y))
    n_y, n_n, n = (len(np.unique(part)) for part in (g[y], g[~y], g))
    variance = sum(
        t @ u * k / max(1, k - 1)
        for t, u, k in ((t_y, t_y, n_y), (t_n, t_n, n_n), (t_y, 2 * t_n, n))
    )
    p = float(2 * stats.norm.sf(abs(change[0]) / np.sqrt(variance))) if variance > 0 else 1.0
    same = np.array_equal(
        stats.rankdata(a), stats.rankdata(b)
    )  # else two faultless models may differ elsewhere
    half = half_width(draws, 2 * min(n_y, n_n) - 2) or (
        0.0 if same else 1 - TAIL ** (1 / min(n_y, n_n))
    )
    return Estimate(
        float(change[0]), *map(float, change + np.array([-half, half]))
    ), p if half >= 0 else np.nan
