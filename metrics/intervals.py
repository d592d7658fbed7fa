"""Estimates of how well scores tell two classes apart, each with a 95 % confidence interval.

Whole groups (patients, vessels) are drawn 2,000 times (cluster bootstrap: Field and Welsh 2007, J R
Stat Soc B 69:369). The spread of the draws is the standard error of an estimate. The interval is
logit(estimate) +- t * error / (estimate * (1 - estimate)), mapped back (logit: Pepe 2003,
Statistical Evaluation of Medical Tests, 5.2; t: Cameron and Miller 2015, J Hum Resour 50:317).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

BINS = 10  # of equally many images, for the calibration error
RESAMPLES = 2000
TAIL = 0.025  # probability beyond each end of an interval


@dataclass(frozen=True)
class Estimate:
    """A value, NaN if undefined, and its 95 % interval, NaN if a class has fewer than two groups."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = "(no interval)" if np.isnan(self.low) else f"({self.low:.3f} to {self.high:.3f})"
        return f"{self.value:.3f} {interval}"


@np.errstate(invalid="ignore")
def evaluate(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    threshold: float = 0.5,
    prevalence: float = 0,
) -> dict[str, Estimate]:
    """Every figure by its name, of (n,) labels 0 or 1 and (n,) scores, the probabilities of class
    1.

    Images of one of the (n,) groups are drawn together; None: each by itself. One counts as
    positive from ``threshold`` on. ``prevalence``: share of positives where the model is to be
    used, for PPV and NPV there by Bayes' rule; 0: none. A figure of 0 or 1 has the binomial bound
    (Clopper and Pearson 1934) of the groups it rests on. Calibration error: the expected one over
    10 bins of equally many images (Nixon et al. 2019, 3.2); of few images it is always above 0.
    Raises ValueError for one class only, lengths that differ, and labels, scores or prevalence out
    of range.
    """
    y, s, g = checked(labels, scores, groups)
    if not 0 <= prevalence < 1:
        raise ValueError(f"prevalence: got {prevalence}, wanted a share from 0 to 1")
    whole, *drawn = (_figures(y, s, threshold, prevalence, weights) for weights in resamples(y, g))
    held = {"sensitivity": y, "specificity": ~y, "ppv": s >= threshold, "npv": s < threshold}
    counts = {name: len(np.unique(g[images])) for name, images in held.items()}
    scarce = min(counts["sensitivity"], counts["specificity"])
    result: dict[str, Estimate] = {}
    for name, (value,) in whole.items():
        bound = TAIL ** (1 / max(1, counts.get(name, scarce)))
        low = value * bound
        high = 1 - (1 - value) * bound
        if 0 < value < 1:
            half = half_width([part[name] for part in drawn], counts.get(name, 2 * scarce - 1) - 1)
            low, high = special.expit(
                special.logit(value) + half / (value * (1 - value)) * np.array([-1, 1])
            )
        result[name] = Estimate(float(value), float(low), float(high))
    ends = np.array(
        [(result[name].low, result[name].high) for name in ("sensitivity", "specificity")]
    )
    for name, (low, high) in _of_rates(
        ends[0], ends[1], prevalence
    ).items():  # ends of what does not vary itself
        if (value := result[name].value) in (0, 1) or result[name].high - result[name].low < 1e-9:
            result[name] = Estimate(
                value, value and float(low), value if value == 1 else float(high)
            )
    return result


def half_width(draws: list[NDArray], freedom: int) -> float:
    return float(stats.t.ppf(1 - TAIL, freedom) * np.nanstd(np.concatenate(draws), ddof=1))


def _figures(
    y: NDArray, s: NDArray, threshold: float, prevalence: float, weights: NDArray
) -> dict[str, NDArray]:
    """Every figure for each of the (R, n) weightings of the images: (R,) arrays."""
    total = weights.sum(axis=1)
    positive = weights @ y
    called = weights @ (s >= threshold)
    caught = weights @ (y & (s >= threshold))
    sensitivity = caught / positive
    specificity = 1 - (called - caught) / (total - positive)
    auroc, precision = areas(y, s, weights)
    figures = {
        "auroc": auroc,
        "average_precision": precision,
        "sensitivity": sensitivity,
        "specificity": specificity,
    }
    figures |= {"ppv": caught / called, "npv": 1 - (positive - caught) / (total - called)}
    figures |= {"f1": 2 * caught / (positive + called)} | _of_rates(
        sensitivity, specificity, prevalence
    )
    gaps = (y - s)[:, None] * np.eye(BINS)[
        np.searchsorted(np.quantile(s, np.arange(1, BINS) / BINS), s)
    ]  # (n, bins)
    error = np.abs(weights @ gaps).sum(axis=1) / total
    return figures | {"brier_score": weights @ (y - s) ** 2 / total, "calibration_error": error}


def _of_rates(sensitivity: NDArray, specificity: NDArray, prevalence: float) -> dict[str, NDArray]:
    caught = sensitivity * prevalence
    wrong = (1 - specificity) * (1 - prevalence)
    passed = specificity * (1 - prevalence)
    missed = (1 - sensitivity) * prevalence
    bayes = {
        "ppv_at_prevalence": caught / (caught + wrong),
        "npv_at_prevalence": passed / (passed + missed),
    }
    return {"balanced_accuracy": (sensitivity + specificity) / 2} | (bayes if prevalence else {})


def areas(y: NDArray, s: NDArray, weights: NDArray) -> tuple[NDArray, NDArray]:
    """AUROC (a tie counts half) and average precision for each of the (R, n) weightings: (R,)
    arrays.
    """
    order = np.argsort(-s, kind="stable")
    starts = np.unique(-s[order], return_index=True)[1]
    positive, negative = (
        np.add.reduceat((weights * k)[:, order], starts, axis=1) for k in (y, ~y)
    )  # (R, scores)
    caught = positive.cumsum(axis=1)
    wrong = negative.cumsum(axis=1)
    auroc = 1 - (positive * (wrong - negative / 2)).sum(axis=1) / (caught[:, -1] * wrong[:, -1])
    return auroc, (positive * caught / np.maximum(caught + wrong, 1)).sum(axis=1) / caught[:, -1]


def resamples(y: NDArray, groups: NDArray) -> Iterator[NDArray]:
    """Weights of the images: (1, n) of 1, then (R, n) blocks of how often their group was drawn,
    RESAMPLES rows.
    """
    yield np.ones((1, len(y)))
    rng = np.random.default_rng(0)
    size = int(groups.max()) + 1
    count = RESAMPLES
    while count > 0:
        rows = min(count, max(1, 1_000_000 // len(y)))
        drawn = rng.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
        weights = (
            np.bincount(drawn.ravel(), minlength=rows * size)
            .reshape(rows, size)[:, groups]
            .astype(float)
        )
        weights = weights[(weights @ y > 0) & (weights @ ~y > 0)]
        count -= len(weights)
        yield weights


def checked(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None
) -> tuple[NDArray, NDArray, NDArray]:
    """Labels as bool, scores as float, groups numbered from 0: (n,) each. Errors as of
    ``evaluate``.
    """
    y = np.asarray(labels)
    s = np.asarray(scores, float)
    g = (
        np.arange(y.size)
        if groups is None
        else np.unique(np.asarray(groups), return_inverse=True)[1]
    )
    if not y.shape == s.shape == g.shape == (y.size,):
        raise ValueError(
            f"got labels, scores and groups of shapes {y.shape}, {s.shape}, {g.shape}, wanted (n,) each"
        )
    for name, array, fits in (
        ("labels", y, np.isin(y, (0, 1))),
        ("scores", s, (s >= 0) & (s <= 1)),
    ):
        if not fits.all():
            raise ValueError(
                f"{name}: got {array[~fits][0]}, wanted {'0 or 1' if array is y else 'from 0 to 1'}"
            )
    if not 0 < y.sum() < len(y):
        raise ValueError(f"labels: got {y.sum()} positive of {len(y)} images, wanted both classes")
    return y.astype(bool), s, g


def judged(rows: list[dict[str, str]], positive: str) -> tuple[NDArray, NDArray, NDArray]:
    """Of rows of a predictions.csv whether the truth is positive, the probability of that, and the
    group: (n,) each.
    """
    y = np.array([row["truth"] == positive for row in rows])
    s = np.array([float(row[f"probability_{positive}"]) for row in rows])
    return y, s, np.array([row.get("group") or row["path"] for row in rows])
