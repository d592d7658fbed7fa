"""Would it help: net benefit over threshold probabilities (Vickers and Elkin 2006, Med Decis Making
26:565).

Who acts from a probability t on counts a false positive as t / (1 - t) of a true one. The net
benefit is the share of true positives less that of false positives at this price. Each share has
Wilson's interval, of as many independent images as would give the variance that it has over draws
of whole groups (Korn and Graubard 1998, Surv Methodol 24:193; Franco et al. 2019, J Surv Stat
Methodol 7:334). The ends of both are put together by the correlation of the shares over the draws
(Zou 2007, Psychol Methods 12:399). So a share of very few images at a high price has the long side
that it should have.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from errors import UserError
from metrics.intervals import TAIL, Estimate, checked, resamples

THRESHOLDS = tuple(number / 100 for number in range(1, 100))


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
    called = s[:, None] >= t  # (n, T)
    kinds = np.hstack([called & y[:, None], called & ~y[:, None], y[:, None]]).astype(float)
    sums = [(weights @ kinds, weights.sum(axis=1)) for weights in resamples(y, g)]
    counts = np.concatenate([part for part, _ in sums])  # (1 + R, 2 T + 1)
    total = np.concatenate([part for _, part in sums])[:, None]
    caught, wrong, diseased = np.split(counts, [len(t), 2 * len(t)], axis=1)
    of = (diseased, total - diseased) if prevalence else (total, total)
    count = len(np.unique(g))
    of_class = [len(np.unique(g[y])), len(np.unique(g[~y]))] if prevalence else [count, count]
    part = (prevalence, 1 - prevalence) if prevalence else (1, 1)

    def shares(images: NDArray, positive: bool) -> _Shares:
        """Of (1 + R, T) images of a class, among all of it or, without a prevalence, of all."""
        k = int(not positive)
        return _Shares.of(images / of[k], of_class[k]).times(part[k])

    price = t / (1 - t)
    true_positive, false_negative = shares(caught, True), shares(diseased - caught, True)
    false_positive = shares(wrong, False)
    true_negative = shares(total - diseased - wrong, False)
    of_all = _Shares.of(diseased / total, count)
    if prevalence:  # it is known, and no estimate
        of_all = of_all.times(0).plus(prevalence)
    columns = (
        t.tolist(),
        true_positive.less(false_positive.times(price)),
        of_all.times(1 + price).plus(-price).estimates,
        true_negative.less(false_negative.times(1 / price)),
    )
    return [DecisionPoint(*point) for point in zip(*columns, strict=True)]


@dataclass(frozen=True)
class _Shares:
    """Shares of the images at T thresholds, such as that of true positives.

    Args:
        ends: (3, T) value, low and high.
        draws: (R, T).
    """

    ends: NDArray
    draws: NDArray

    @classmethod
    def of(cls, found: NDArray, groups: int) -> "_Shares":
        """From (1 + R, T) shares, those of all images first."""
        value, draws = found[0], found[1:]
        variance = draws.var(axis=0, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):  # a share that does not vary is sure
            images = np.where((value > 0) & (value < 1), value * (1 - value) / variance, groups)
        square = stats.t.ppf(1 - TAIL, groups - 1) ** 2
        middle = (value + square / (2 * images)) / (1 + square / images)
        inside = value * (1 - value) / images + square / (4 * images**2)
        half = np.sqrt(square * inside) / (1 + square / images)
        low = np.minimum(value, middle - half)  # rounding may leave a value beyond its own end
        high = np.maximum(value, middle + half)
        return cls(np.array([value, low, high]), draws)

    def times(self, factor: float | NDArray) -> "_Shares":
        """Times a number, or one for each threshold; 0 or above."""
        return _Shares(self.ends * factor, self.draws * factor)

    def plus(self, term: float | NDArray) -> "_Shares":
        """And a number, or one for each threshold."""
        return _Shares(self.ends + term, self.draws + term)

    @property
    def estimates(self) -> list[Estimate]:
        """(T,) with their intervals."""
        return [Estimate(*map(float, each)) for each in self.ends.T]

    def less(self, other: "_Shares") -> list[Estimate]:
        """(T,) these less the others, by the ends of both and their correlation."""
        value, low, high = self.ends
        other_value, other_low, other_high = other.ends
        correlation = _correlation(self.draws, other.draws)
        change = value - other_value
        below = _joined(value - low, other_high - other_value, correlation)
        above = _joined(high - value, other_value - other_low, correlation)
        ends = zip(change, change - below, change + above, strict=True)
        return [Estimate(*map(float, each)) for each in ends]


def _joined(one: NDArray, two: NDArray, correlation: NDArray) -> NDArray:
    """(T,) the error of a difference, from those of its two parts."""
    return np.sqrt(np.maximum(0, one**2 + two**2 - 2 * correlation * one * two))


def _correlation(one: NDArray, two: NDArray) -> NDArray:
    """(T,) of (R, T) draws; 0 where one of them does not vary."""
    a = one - one.mean(axis=0)
    b = two - two.mean(axis=0)
    spread = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.where(spread > 0, (a * b).sum(axis=0) / np.where(spread > 0, spread, 1), 0)
