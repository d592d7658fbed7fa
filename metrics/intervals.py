"""Estimates of how well scores tell two classes apart, each with a 95 % confidence interval.

Whole groups (patients, vessels) are drawn 2,000 times (cluster bootstrap: Field and Welsh 2007, J R
Stat Soc B 69:369). The spread of the draws is the standard error of an estimate. The interval is
logit(estimate) +- t * error / (estimate * (1 - estimate)), mapped back (logit: Pepe 2003,
Statistical Evaluation of Medical Tests, 5.2; t: Cameron and Miller 2015, J Hum Resour 50:317).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from errors import UserError
from metrics.estimate import Estimate as Estimate
from metrics.groups import join
from metrics.names import as_first_written, patients_of

BINS = 10  # of equally many images, for the calibration error
RESAMPLES = 2000
TAIL = 0.025  # probability beyond each end of an interval


@np.errstate(invalid="ignore")
def evaluate(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    threshold: float = 0.5,
    prevalence: float = 0,
) -> dict[str, Estimate]:
    """Every estimate by its name.

    An estimate of 0 or 1 has the binomial bound (Clopper and Pearson 1934) of the groups that it
    rests on. The calibration error is the expected one over 10 bins of equally many images (Nixon
    et al. 2019, 3.2); of few images it is always above 0.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,) probabilities of class 1.
        groups: (n,) images of one group are drawn together; None: each image by itself.
        threshold: an image counts as positive from this score on.
        prevalence: share of positives where the model is to be used, for the predictive values
            there by Bayes' rule; 0: none.

    Raises:
        UserError: one class only, lengths that differ, or labels, scores or prevalence out of
            range.
    """
    y, s, g = checked(labels, scores, groups)
    if not 0 <= prevalence < 1:
        raise UserError(f"prevalence: got {prevalence}, wanted a share from 0 to 1")
    whole, *drawn = (
        point_values(y, s, threshold, prevalence, weights) for weights in resamples(y, g)
    )
    rested_on = {"sensitivity": y, "specificity": ~y, "ppv": s >= threshold, "npv": s < threshold}
    counts = {name: len(np.unique(g[images])) for name, images in rested_on.items()}
    scarce = min(counts["sensitivity"], counts["specificity"])
    estimates = {}
    for name, (value,) in whole.items():
        draws = [part[name] for part in drawn]
        freedom = counts.get(name, 2 * scarce - 1) - 1
        estimates[name] = with_interval(value, draws, counts.get(name, scarce), freedom)
    return estimates | _where_nothing_varies(estimates, prevalence)


def with_interval(value: float, draws: list[NDArray], count: int, freedom: int) -> Estimate:
    """The value with its interval, from blocks of draws, (R,) each.

    ``count`` groups bound a value of 0 or 1; ``freedom`` is that of Student's t.
    """
    if 0 < value < 1:
        half = half_width(draws, freedom)
        ends = special.logit(value) + half / (value * (1 - value)) * np.array([-1, 1])
        low, high = special.expit(ends)
    else:
        bound = TAIL ** (1 / max(1, count))
        low = value * bound
        high = 1 - (1 - value) * bound
    return Estimate(float(value), float(low), float(high))


def _where_nothing_varies(estimates: dict[str, Estimate], prevalence: float) -> dict[str, Estimate]:
    """Estimates that follow from sensitivity and specificity, and did not vary over the draws.

    Their intervals come from the ends of those two.
    """
    sensitivity = estimates["sensitivity"]
    specificity = estimates["specificity"]
    ends = _of_rates(
        np.array([sensitivity.low, sensitivity.high]),
        np.array([specificity.low, specificity.high]),
        prevalence,
    )
    result = {}
    for name, (low, high) in ends.items():
        former = estimates[name]
        value = former.value
        if value in (0, 1) or former.high - former.low < 1e-9:
            least = value if value == 0 else float(low)
            result[name] = Estimate(value, least, value if value == 1 else float(high))
    return result


def half_width(draws: list[NDArray], freedom: int) -> float:
    """Half the width of an interval from blocks of draws, (R,) each."""
    return float(stats.t.ppf(1 - TAIL, freedom) * np.nanstd(np.concatenate(draws), ddof=1))


def point_values(
    y: NDArray, s: NDArray, threshold: float, prevalence: float, weights: NDArray
) -> dict[str, NDArray]:
    """What ``evaluate`` estimates, for each of the (R, n) weightings of the images: (R,) arrays."""
    total = weights.sum(axis=1)
    positive = weights @ y
    called = weights @ (s >= threshold)
    caught = weights @ (y & (s >= threshold))
    sensitivity = caught / positive
    specificity = 1 - (called - caught) / (total - positive)
    auroc, precision = areas(y, s, weights)
    bins = np.searchsorted(np.quantile(s, np.arange(1, BINS) / BINS), s)
    gaps = (y - s)[:, None] * np.eye(BINS)[bins]  # (n, bins)
    return {
        "auroc": auroc,
        "average_precision": precision,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": caught / called,
        "npv": 1 - (positive - caught) / (total - called),
        "f1": 2 * caught / (positive + called),
        **_of_rates(sensitivity, specificity, prevalence),
        "brier_score": weights @ (y - s) ** 2 / total,
        "calibration_error": np.abs(weights @ gaps).sum(axis=1) / total,
    }


def _of_rates(sensitivity: NDArray, specificity: NDArray, prevalence: float) -> dict[str, NDArray]:
    """What follows from sensitivity and specificity: (R,) arrays."""
    balanced = {"balanced_accuracy": (sensitivity + specificity) / 2}
    if not prevalence:
        return balanced
    caught = sensitivity * prevalence
    wrong = (1 - specificity) * (1 - prevalence)
    passed = specificity * (1 - prevalence)
    missed = (1 - sensitivity) * prevalence
    return {
        **balanced,
        "ppv_at_prevalence": caught / (caught + wrong),
        "npv_at_prevalence": passed / (passed + missed),
    }


def areas(y: NDArray, s: NDArray, weights: NDArray) -> tuple[NDArray, NDArray]:
    """AUROC (a tie counts half) and average precision.

    Both are (R,) arrays, for each of the (R, n) weightings of the images.
    """
    order = np.argsort(-s, kind="stable")
    starts = np.unique(-s[order], return_index=True)[1]
    positive = np.add.reduceat((weights * y)[:, order], starts, axis=1)  # (R, scores)
    negative = np.add.reduceat((weights * ~y)[:, order], starts, axis=1)  # (R, scores)
    caught = positive.cumsum(axis=1)
    wrong = negative.cumsum(axis=1)
    auroc = 1 - (positive * (wrong - negative / 2)).sum(axis=1) / (caught[:, -1] * wrong[:, -1])
    steps = positive * caught / np.maximum(caught + wrong, 1)
    return auroc, steps.sum(axis=1) / caught[:, -1]


def resamples(y: NDArray, groups: NDArray) -> Iterator[NDArray]:
    """Weights of the images: first (1, n) of 1, then (R, n) blocks, RESAMPLES rows in all.

    A weight says how often the group of an image was drawn. Draws without one of the classes are
    left out.
    """
    yield np.ones((1, len(y)))
    rng = np.random.default_rng(0)
    size = int(groups.max()) + 1
    missing = RESAMPLES
    while missing > 0:
        rows = min(missing, max(1, 1_000_000 // len(y)))
        drawn = rng.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
        weights = counts[:, groups].astype(float)
        weights = weights[(weights @ y > 0) & (weights @ ~y > 0)]
        missing -= len(weights)
        if len(weights):
            yield weights


def checked(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None
) -> tuple[NDArray, NDArray, NDArray]:
    """Labels as bool, scores as float, groups numbered from 0: (n,) each.

    Raises:
        UserError: as ``evaluate`` does.
    """
    y = np.asarray(labels)
    s = np.asarray(scores, float)
    g = numbered(groups, y.size)
    if not y.shape == s.shape == g.shape == (y.size,):
        raise UserError(
            f"got labels, scores and groups of shapes {y.shape}, {s.shape}, {g.shape}, "
            "wanted (n,) each"
        )
    for name, values, fits, wanted in (
        ("labels", y, np.isin(y, (0, 1)), "0 or 1"),
        ("scores", s, (s >= 0) & (s <= 1), "from 0 to 1"),
    ):
        if not fits.all():
            raise UserError(f"{name}: got {values[~fits][0]}, wanted {wanted}")
    if not 0 < y.sum() < len(y):
        raise UserError(f"labels: got {y.sum()} positive of {len(y)} images, wanted both classes")
    return y.astype(bool), s, g


def numbered(groups: ArrayLike | None, count: int) -> NDArray:
    """Groups as numbers from 0, (n,); None: each of the ``count`` images by itself."""
    if groups is None:
        return np.arange(count)
    return np.unique(np.asarray(groups), return_inverse=True)[1]


def judged(rows: list[dict[str, str]], positive: str) -> tuple[NDArray, NDArray, NDArray]:
    """Truth, probability of the class ``positive``, and group, of rows of a predictions.csv.

    Returns:
        (n,) whether the truth is positive; (n,) probability; (n,) name of the group.
    """
    y = np.array([row["truth"] == positive for row in rows])
    s = np.array([float(row[f"probability_{positive}"]) for row in rows])
    return y, s, np.array(groups_in(rows))


def groups_in(rows: list[dict[str, str]]) -> list[str]:
    """The name of each row's group, in one spelling; an image without one is its own, its path.

    A manifest may tie by vessel or by frame. Images of one patient are one group all the same, of
    the first name: else an interval would be too narrow.
    """
    given = as_first_written([row.get("group", "") for row in rows])
    groups = [group or row["path"] for group, row in zip(given, rows, strict=True)]
    patients = patients_of(rows)
    numbers = join(list(zip(groups, patients, strict=True)), np.zeros((0, 2), int))
    first: dict[int, str] = {}
    for number, group in zip(numbers.tolist(), groups, strict=True):
        first.setdefault(number, group)
    return [first[number] for number in numbers.tolist()]
