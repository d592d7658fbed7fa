"""Whether probabilities are right on other images: calibration in the large, and its slope.

Both come from a logistic regression of the truth on the logit of the probability (Cox 1958,
Biometrika 45:562; Van Calster et al. 2016, J Clin Epidemiol 74:167): with a slope of 1 for the
intercept, with a free one for the slope. Intervals are value +- t * error over draws of whole
groups, as in metrics.intervals. The error is half the span of the middle 68 % of the draws, which
a few draws that a line cuts without a fault, and whose slope has no end, do not move.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from errors import UserError
from metrics.intervals import TAIL, Estimate, checked, resamples

STEPS = 50  # of Newton's method at most
LONGEST_STEP = 3.0  # of it, in units of the standardised logits
CLOSE = 1e-7  # a step that is shorter ends it
MIDDLE = (100 * stats.norm.cdf(-1), 100 * stats.norm.cdf(1))  # percentiles, one error apart


def calibration(
    labels: ArrayLike, logits: ArrayLike, groups: ArrayLike | None = None
) -> dict[str, Estimate]:
    """How far probabilities are from what is seen.

    ``observed_less_predicted``: share of positives less mean probability; 0 is right.
    ``calibration_intercept``: what is to be added to the logits; 0 is right, above 0 the
    probabilities are too low. ``calibration_slope``: what the logits are to be multiplied by; 1 is
    right, below 1 they are too extreme. It is NaN where a line cuts the classes without a fault, or
    where all logits are the same.

    Args:
        labels: (n,) 0 or 1.
        logits: (n,) log odds of class 1, before any threshold.
        groups: (n,) images of one group are drawn together; None: each image by itself.

    Raises:
        UserError: one class only, lengths that differ, a label that is not 0 or 1, or a logit that
            is not finite.
    """
    x = np.asarray(logits, float)
    if not np.isfinite(x).all():
        raise UserError(f"logits: got {x[~np.isfinite(x)][0]}, wanted finite numbers")
    y, s, g = checked(labels, special.expit(x), groups)
    whole, *drawn = (_values(y, s, x, weights) for weights in resamples(y, g))
    scarce = min(len(np.unique(g[y])), len(np.unique(g[~y])))
    quantile = float(stats.t.ppf(1 - TAIL, 2 * scarce - 2))
    estimates = {}
    for name, (value,) in whole.items():
        draws = np.concatenate([part[name] for part in drawn])
        half = quantile * _error(draws)
        estimates[name] = Estimate(float(value), float(value - half), float(value + half))
    return estimates


def _error(draws: NDArray) -> float:
    """Half the span of the middle 68 % of (R,) draws; NaN where it has no end."""
    low, high = np.percentile(draws, MIDDLE, method="nearest")
    return float((high - low) / 2) if np.isfinite([low, high]).all() else np.nan


def _values(y: NDArray, s: NDArray, x: NDArray, weights: NDArray) -> dict[str, NDArray]:
    """What ``calibration`` estimates, for each of the (R, n) weightings: (R,) arrays."""
    slope = np.full(len(weights), np.nan)
    if x.std() > 0 and not _cut_without_fault(y, x):
        slope = _fitted_slope(y, x, weights)
    return {
        "observed_less_predicted": weights @ (y - s) / weights.sum(axis=1),
        "calibration_intercept": _fitted_intercept(y, x, weights),
        "calibration_slope": slope,
    }


def _cut_without_fault(y: NDArray, x: NDArray) -> bool:
    """Whether one class lies wholly above the other, so that the best slope has no end."""
    return bool(x[~y].max() <= x[y].min() or x[y].max() <= x[~y].min())


def _fitted_intercept(y: NDArray, x: NDArray, weights: NDArray) -> NDArray:
    """(R,) intercepts of highest likelihood beside a slope of 1."""
    intercept = np.zeros(len(weights))
    for _ in range(STEPS):
        p = special.expit(intercept[:, None] + x)  # (R, n)
        pull = (weights * (y - p)).sum(axis=1)
        bend = (weights * p * (1 - p)).sum(axis=1)
        step = np.clip(pull / np.maximum(bend, 1e-12), -LONGEST_STEP, LONGEST_STEP)
        intercept += step
        if np.abs(step).max() < CLOSE:
            break
    return intercept


def _fitted_slope(y: NDArray, x: NDArray, weights: NDArray) -> NDArray:
    """(R,) slopes of highest likelihood beside a free intercept; infinite where there is none."""
    z = (x - x.mean()) / x.std()
    intercept = np.zeros(len(weights))
    slope = np.zeros(len(weights))
    length = np.full(len(weights), np.inf)
    for _ in range(STEPS):
        p = special.expit(intercept[:, None] + slope[:, None] * z)  # (R, n)
        rest = weights * (y - p)
        bend = weights * p * (1 - p)
        pull_0, pull_1 = rest.sum(axis=1), rest @ z
        bend_00, bend_01, bend_11 = bend.sum(axis=1), bend @ z, bend @ z**2
        determinant = np.maximum(bend_00 * bend_11 - bend_01**2, 1e-12)
        step_0 = (bend_11 * pull_0 - bend_01 * pull_1) / determinant
        step_1 = (bend_00 * pull_1 - bend_01 * pull_0) / determinant
        length = np.hypot(step_0, step_1)
        shorter = np.minimum(1, LONGEST_STEP / np.maximum(length, 1e-12))
        intercept += shorter * step_0
        slope += shorter * step_1
        if length.max() < CLOSE:
            break
    return np.where(length < 1e-3, slope / x.std(), np.copysign(np.inf, slope))
