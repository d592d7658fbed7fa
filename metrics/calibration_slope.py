"""Whether probabilities are right on other images: calibration in the large, and its slope.

Both come from a logistic regression of the truth on the logit of the probability (Cox 1958,
Biometrika 45:562; Van Calster et al. 2016, J Clin Epidemiol 74:167): with a slope of 1 for the
intercept, with a free one for the slope. Intervals are value +- t * error over draws of whole
groups, as in metrics.intervals. A draw's fit is STEPS_OF_DRAW steps of Newton's method from the fit
of all images (Andrews 2002, Econometrica 70:119): to its end, the slope of a draw whose classes a
line cuts without a fault would have no end.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from errors import UserError
from metrics.intervals import Estimate, checked, half_width, resamples

STEPS = 100  # of the fit of all images, at most
STEPS_OF_DRAW = 2  # 1 gives intervals that are too short, more give too long ones
LONGEST_STEP = 3.0  # on the logit scale, for logits of spread 1
CLOSE = 1e-9  # a step that is shorter ends a fit

Line = tuple[NDArray, NDArray]  # intercept and slope, (R,) each
FLAT: Line = (np.zeros(1), np.zeros(1))
UNIT: Line = (np.zeros(1), np.ones(1))


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
        groups: (n,) images of one group are drawn together; None: each image by itself.

    Raises:
        UserError: one class only, lengths that differ, a label that is not 0 or 1, or a logit that
            is not finite.
    """
    x = np.asarray(logits, float)
    if not np.isfinite(x).all():
        raise UserError(f"logits: got {x[~np.isfinite(x)][0]}, wanted finite numbers")
    y, s, g = checked(labels, special.expit(x), groups)
    blocks = resamples(y, g)
    ones = next(blocks)
    shift = _fitted(y, x, ones, UNIT, free=False)
    z = (x - x.mean()) / (x.std() or 1)
    has_slope = x.std() > 0 and not _cut_without_fault(y, x)
    line = _fitted(y, z, ones, FLAT, free=True) if has_slope else FLAT
    gaps, shifts, slopes = [], [], []
    for weights in blocks:
        gaps.append(weights @ (y - s) / weights.sum(axis=1))
        shifts.append(_fitted(y, x, weights, shift, False, STEPS_OF_DRAW)[0])
        if has_slope:
            slopes.append(_fitted(y, z, weights, line, True, STEPS_OF_DRAW)[1])
    freedom = 2 * min(len(np.unique(g[y])), len(np.unique(g[~y]))) - 2
    values = {
        "observed_less_predicted": (float((y - s).mean()), half_width(gaps, freedom)),
        "calibration_intercept": (float(shift[0][0]), half_width(shifts, freedom)),
        "calibration_slope": (np.nan, np.nan),
    }
    if has_slope:
        spread = float(x.std())
        half = half_width(slopes, freedom) / spread
        values["calibration_slope"] = (float(line[1][0]) / spread, half)
    return {name: Estimate(at, at - half, at + half) for name, (at, half) in values.items()}


def _cut_without_fault(y: NDArray, x: NDArray) -> bool:
    """Whether one class lies wholly above the other, so that the best slope has no end."""
    return bool(x[~y].max() <= x[y].min() or x[y].max() <= x[~y].min())


def _fitted(
    y: NDArray, x: NDArray, weights: NDArray, start: Line, free: bool, steps: int = STEPS
) -> Line:
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
