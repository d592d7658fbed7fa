"""Estimates of how well grades, which have an order, are told, each with a 95 % interval.

Intervals are those of metrics.intervals: whole groups are drawn 2,000 times. Of kappa and of the
grade error they are worked out on the scale from the least to the greatest value that these can
have.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from errors import UserError
from metrics.estimate import Estimate
from metrics.intervals import evaluate, half_width, numbered, resamples, with_interval


def at_least(probabilities: ArrayLike) -> NDArray:
    """(n, K) probabilities of each grade to (n, K - 1): of grade 1 or more, of 2 or more, ...

    The smaller side of a cut is summed, so that what rounding leaves orders no two images.
    """
    shares = np.asarray(probabilities, float)
    above = shares[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    below = shares.cumsum(axis=1)[:, :-1]
    return np.clip(np.where(above < below, above, 1 - below), 0, 1)


def evaluate_grades(
    labels: ArrayLike,
    probabilities: ArrayLike,
    called: ArrayLike,
    names: Sequence[str],
    groups: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Every estimate by its name.

    These are quadratic weighted kappa (Cohen 1968, Psychol Bull 70:213; 1 is agreement, 0 is that
    of chance), the mean absolute error in grades, the share of images whose grade is right, and the
    AUROC of each cut: of "grade k or more" against all below. A cut that has images on one side
    alone has none.

    Args:
        labels: (n,) index of the true grade.
        probabilities: (n, K).
        called: (n,) index of the predicted grade.
        names: K names, the lowest grade first.
        groups: (n,) images of one group are drawn together; None: each image by itself.

    Raises:
        UserError: one grade only, or lengths or values out of range.
    """
    y, c, g = _checked(labels, called, groups, len(names))
    chances = at_least(probabilities)
    if chances.shape != (len(y), len(names) - 1):
        raise UserError(f"probabilities: got shape {np.shape(probabilities)}, wanted (n, grades)")
    weightings = list(resamples(y >= _middle_cut(y), g))
    span = len(names) - 1
    kappa = _estimate([kappas(y, c, w) for w in weightings], g, -1, 1)
    if len(np.unique(c)) == 1:  # kappa is 0 in every draw, whatever the model is worth
        kappa = Estimate(kappa.value, math.nan, math.nan)
    found = {
        "quadratic_kappa": kappa,
        "grade_error": _estimate([_means(np.abs(y - c), w) for w in weightings], g, 0, span),
        "grade_right": _estimate([_means(y == c, w) for w in weightings], g, 0, 1),
    }
    for cut in range(1, len(names)):
        if 0 < (y >= cut).sum() < len(y):
            area = evaluate(y >= cut, chances[:, cut - 1], g)["auroc"]
            found[f"auroc, {names[cut]} or more"] = area
    return found


def compare_grades(
    labels: ArrayLike, one: ArrayLike, two: ArrayLike, groups: ArrayLike | None = None
) -> Estimate:
    """Quadratic weighted kappa of ``two`` minus that of ``one``, by a paired bootstrap.

    Arguments and errors are as of ``evaluate_grades``; ``one`` and ``two`` are (n,) called grades.
    """
    count = 1 + int(max(np.max(labels), np.max(one), np.max(two)))
    y, a, g = _checked(labels, one, groups, count)
    _, b, _ = _checked(labels, two, groups, count)
    change, *draws = (
        kappas(y, b, weights) - kappas(y, a, weights)
        for weights in resamples(y >= _middle_cut(y), g)
    )
    if len(np.unique(a)) == len(np.unique(b)) == 1:  # both are 0 in every draw
        return Estimate(float(change[0]), math.nan, math.nan)
    half = half_width(draws, len(np.unique(g)) - 1)
    return Estimate(float(change[0]), float(change[0] - half), float(change[0] + half))


def kappas(y: NDArray, called: NDArray, weights: NDArray) -> NDArray:
    """Quadratic weighted kappa for each of the (R, n) weightings of the images: (R,)."""
    total = weights.sum(axis=1)
    seen = weights @ (y - called) ** 2
    mean_y, mean_c = weights @ y / total, weights @ called / total
    by_chance = weights @ (y**2 + called**2) - 2 * total * mean_y * mean_c
    return np.asarray(1 - seen / by_chance)


def _means(values: NDArray, weights: NDArray) -> NDArray:
    return np.asarray(weights @ values / weights.sum(axis=1))


def _middle_cut(y: NDArray) -> int:
    """The grade from which on most nearly half of the images are; a draw needs both sides."""
    cuts = np.unique(y)[1:]
    return int(cuts[np.argmin([abs((y >= cut).mean() - 0.5) for cut in cuts])])


def _estimate(blocks: list[NDArray], groups: NDArray, low: float, high: float) -> Estimate:
    """The value in the first block, with its interval, which ends within ``low`` and ``high``."""
    value, *draws = ((block - low) / (high - low) for block in blocks)
    count = len(np.unique(groups))
    share = with_interval(float(value[0]), draws, count, count - 1)
    ends = (low + (high - low) * each for each in (share.value, share.low, share.high))
    return Estimate(*ends)


def _checked(
    labels: ArrayLike, called: ArrayLike, groups: ArrayLike | None, count: int
) -> tuple[NDArray, NDArray, NDArray]:
    """True and called grades as whole numbers, groups numbered from 0: (n,) each."""
    y, c = np.asarray(labels), np.asarray(called)
    g = numbered(groups, y.size)
    if not y.shape == c.shape == g.shape == (y.size,):
        raise UserError(
            f"got grades, called grades and groups of shapes {y.shape}, {c.shape}, {g.shape}, "
            "wanted (n,) each"
        )
    for name, values in (("labels", y), ("called", c)):
        if not np.isin(values, np.arange(count)).all():
            raise UserError(f"{name}: wanted the index of a grade, 0 to {count - 1}")
    if len(np.unique(y)) < 2:
        raise UserError(f"labels: got {len(y)} images of one grade, wanted two grades or more")
    return y.astype(int), c.astype(int), g
