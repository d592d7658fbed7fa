"""Whether probabilities are right on other images: calibration in the large, and its slope.

Both come from a logistic regression of the truth on the logit of the probability (Cox 1958,
Biometrika 45:562; Van Calster et al. 2016, J Clin Epidemiol 74:167): with a slope of 1 for the
intercept, with a free one for the slope. Intervals are value +- t * error, of a jackknife: each
group is left out once, and the fit without it is one step of Newton's method away (CV3 of
MacKinnon, Nielsen and Webb 2023, J Econometrics 232:272; t as in metrics.intervals). A bootstrap
would draw samples whose classes a line cuts without a fault, and whose slope has no end.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from errors import UserError
from metrics.intervals import TAIL, Estimate, checked

STEPS = 100  # of the fit of all images, at most
LONGEST_STEP = 3.0  # on the logit scale, for logits of spread 1
CLOSE = 1e-9  # a step that is shorter ends a fit
BLOCK = 1_000_000  # weights at once

Line = tuple[NDArray, NDArray]  # intercept and slope, (R,) each


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
        logits: (n,) log odds of class 1.
        groups: (n,) images of one group are left out together; None: each image by itself.

    Raises:
        UserError: one class only, lengths that differ, a label that is not 0 or 1, or a logit that
            is not finite.
    """
    x = np.asarray(logits, float)
    if not np.isfinite(x).all():
        raise UserError(f"logits: got {x[~np.isfinite(x)][0]}, wanted finite numbers")
    y, s, g = checked(labels, special.expit(x), groups)
    ones = np.ones((1, len(y)))
    spread = x.std() or 1.0
    z = (x - x.mean()) / spread
    unit = (np.zeros(1), np.ones(1))
    shift = _fitted(y, x, ones, unit, free=False, steps=STEPS)
    has_slope = x.std() > 0 and not _cut_without_fault(y, x)
    flat = (np.zeros(1), np.zeros(1))
    line = _fitted(y, z, ones, flat, free=True, steps=STEPS if has_slope else 0)
    without: list[list[NDArray]] = []
    for weights in _all_but_one_group(g):
        gaps = weights @ (y - s) / weights.sum(axis=1)
        shifts, _ = _fitted(y, x, weights, shift, free=False, steps=1)
        _, slopes = _fitted(y, z, weights, line, free=True, steps=1)
        without.append([gaps, shifts, slopes / spread])
    gap, added, slope = (np.concatenate(parts) for parts in zip(*without, strict=True))
    quantile = stats.t.ppf(1 - TAIL, 2 * min(len(np.unique(g[y])), len(np.unique(g[~y]))) - 2)
    unknown = Estimate(np.nan, np.nan, np.nan)
    factor = float(line[1][0] / spread)
    return {
        "observed_less_predicted": _estimate(float((y - s).mean()), gap, quantile),
        "calibration_intercept": _estimate(float(shift[0][0]), added, quantile),
        "calibration_slope": _estimate(factor, slope, quantile) if has_slope else unknown,
    }


def _all_but_one_group(groups: NDArray) -> Iterator[NDArray]:
    """(R, n) blocks of weights 0 and 1 of the images; each row leaves out one group."""
    count = int(groups.max()) + 1
    rows = max(1, BLOCK // len(groups))
    for start in range(0, count, rows):
        left_out = np.arange(start, min(start + rows, count))
        yield (groups != left_out[:, None]).astype(float)


def _estimate(value: float, without: NDArray, quantile: float) -> Estimate:
    """The value with its interval, from the (G,) values without each group."""
    count = len(without)
    half = float(quantile * np.sqrt((count - 1) / count * ((without - value) ** 2).sum()))
    return Estimate(value, value - half, value + half)


def _cut_without_fault(y: NDArray, x: NDArray) -> bool:
    """Whether one class lies wholly above the other, so that the best slope has no end."""
    return bool(x[~y].max() <= x[y].min() or x[y].max() <= x[~y].min())


def _fitted(y: NDArray, x: NDArray, weights: NDArray, start: Line, free: bool, steps: int) -> Line:
    """The line of highest likelihood for each of the (R, n) weightings, by Newton's method.

    Args:
        y, x: (n,) classes and logits.
        weights: (R, n).
        start: the line to begin with.
        free: whether the slope is fitted too.
        steps: at most.
    """
    intercept, slope = (np.full(len(weights), each) for each in start)
    for _ in range(steps):
        p = special.expit(intercept[:, None] + slope[:, None] * x)  # (R, n)
        rest = weights * (y - p)
        bend = weights * p * (1 - p)
        if free:
            step = _step(rest, bend, x)
        else:
            step = (rest.sum(axis=1) / np.maximum(bend.sum(axis=1), 1e-12), np.zeros(len(weights)))
        length = np.hypot(*step)
        shorter = np.minimum(1, LONGEST_STEP / np.maximum(length, 1e-12))
        intercept = intercept + shorter * step[0]
        slope = slope + shorter * step[1]
        if length.max() < CLOSE:
            break
    return intercept, slope


def _step(rest: NDArray, bend: NDArray, x: NDArray) -> Line:
    """Newton's step of intercept and slope, from (R, n) residuals and second derivatives."""
    pull = rest.sum(axis=1), rest @ x
    bends = bend.sum(axis=1), bend @ x, bend @ x**2
    determinant = np.maximum(bends[0] * bends[2] - bends[1] ** 2, 1e-12)
    return (
        (bends[2] * pull[0] - bends[1] * pull[1]) / determinant,
        (bends[0] * pull[1] - bends[1] * pull[0]) / determinant,
    )
