"""Would it help: net benefit over threshold probabilities (Vickers and Elkin 2006, Med Decis Making
26:565).

Who acts from a probability t on counts a false positive as t / (1 - t) of a true one. The net
benefit is the share of true positives less that of false positives at this price. Intervals are
value +- t * error over draws of whole groups, as in metrics.intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from errors import UserError
from metrics.intervals import TAIL, Estimate, checked, resamples

THRESHOLDS = tuple(number / 100 for number in range(1, 100))
NOTHING = 1e-12  # half a width that is rounding alone


@dataclass(frozen=True)
class DecisionPoint:
    """The net benefit at one threshold probability; to treat none has 0.

    Args:
        threshold: probability from which on somebody acts.
        model: net benefit of acting by the model.
        treat_all: net benefit of acting on every image.
        avoided: net interventions that the model avoids against treating all, per image, without
            a true positive that is missed more (Vickers and Elkin 2006, "Net reduction").
    """

    threshold: float
    model: Estimate
    treat_all: Estimate
    avoided: Estimate

    @property
    def gain(self) -> Estimate:
        """Net benefit of the model less that of the better of treating all and treating none."""
        if self.treat_all.value <= 0:
            return self.model
        price = self.threshold / (1 - self.threshold)
        each = self.avoided
        return Estimate(each.value * price, each.low * price, each.high * price)


def decision_curve(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    prevalence: float = 0,
) -> list[DecisionPoint]:
    """A point for each threshold.

    Where no draw differs, as where no image is called positive, the ends are the binomial bounds of
    sensitivity and specificity (Clopper and Pearson 1934) of the groups.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,) probabilities of class 1.
        groups: (n,) images of one group are drawn together; None: each image by itself.
        thresholds: (T,) above 0 and below 1; an image is called positive from there on.
        prevalence: share of positives where the model is to be used; 0: that of these images.

    Raises:
        UserError: as of ``metrics.intervals.evaluate``; a threshold out of range.
    """
    y, s, g = checked(labels, scores, groups)
    t = np.array(thresholds, float)
    if not ((t > 0) & (t < 1)).all():
        raise UserError(f"thresholds: got {list(thresholds)}, wanted each above 0 and below 1")
    if not 0 <= prevalence < 1:
        raise UserError(f"prevalence: got {prevalence}, wanted a share from 0 to 1")
    called = (s[:, None] >= t).astype(float)  # (n, T)
    rates, *drawn = (_rates(y, called, prevalence, weights) for weights in resamples(y, g))
    draws = np.concatenate([_benefits(part, t) for part in drawn], axis=1)  # (3, R, T)
    positives = len(np.unique(g[y]))
    negatives = len(np.unique(g[~y]))
    quantile = stats.t.ppf(1 - TAIL, 2 * min(positives, negatives) - 2)
    half = quantile * draws.std(axis=1, ddof=1)  # (3, T)
    value = _benefits(rates, t)[:, 0]
    worst, best = (_benefits(each, t)[:, 0] for each in _bounds(rates, positives, negatives))
    low = np.where(half < NOTHING, worst, value - half)
    high = np.where(half < NOTHING, best, value + half)
    estimates = [
        [Estimate(*map(float, ends)) for ends in zip(value[i], low[i], high[i], strict=True)]
        for i in range(3)
    ]
    return [DecisionPoint(*point) for point in zip(thresholds, *estimates, strict=True)]


@dataclass(frozen=True)
class _Rates:
    """Of R weightings of the images.

    Args:
        sensitivity: (R, T), at each threshold.
        wrong: (R, T) 1 - specificity.
        positive: (R, 1) share of positives.
    """

    sensitivity: NDArray
    wrong: NDArray
    positive: NDArray


def _rates(y: NDArray, called: NDArray, prevalence: float, weights: NDArray) -> _Rates:
    positive = (weights @ y)[:, None]
    negative = (weights @ ~y)[:, None]
    share = positive / (positive + negative)
    return _Rates(
        (weights * y) @ called / positive,
        (weights * ~y) @ called / negative,
        np.full_like(share, prevalence) if prevalence else share,
    )


def _benefits(rates: _Rates, t: NDArray) -> NDArray:
    """(3, R, T): net benefit of the model and of treating all, and interventions avoided."""
    price = t / (1 - t)
    caught = rates.sensitivity * rates.positive
    model = caught - rates.wrong * (1 - rates.positive) * price
    treat_all = rates.positive - (1 - rates.positive) * price
    return np.array([model, treat_all, (model - treat_all) / price])


def _bounds(rates: _Rates, positives: int, negatives: int) -> tuple[_Rates, _Rates]:
    """The worst and the best rates where one is 0 or 1, by so many groups; else as they are."""
    sensitivity, wrong = rates.sensitivity, rates.wrong
    missed = 1 - TAIL ** (1 / positives)
    mistaken = 1 - TAIL ** (1 / negatives)
    worst = _Rates(
        np.where(sensitivity == 1, 1 - missed, sensitivity),
        np.where(wrong == 0, mistaken, wrong),
        rates.positive,
    )
    best = _Rates(
        np.where(sensitivity == 0, missed, sensitivity),
        np.where(wrong == 1, 1 - mistaken, wrong),
        rates.positive,
    )
    return worst, best
