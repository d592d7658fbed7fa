"""Estimates of findings, of which one image may have several, each with a 95 % interval.

Each finding is a question of its own: has the image got it or not. Intervals are those of
metrics.intervals: whole groups are drawn 2,000 times. The mean AUROC takes that of every finding
from the same draws, for findings of one image go together.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from errors import UserError
from metrics.calibration import fit_temperature, fit_threshold
from metrics.estimate import Estimate
from metrics.intervals import areas, evaluate, half_width, numbered, resamples, with_interval

MEAN = "auroc, mean of the findings"
OF_EACH = ("auroc", "average_precision", "sensitivity", "specificity")


def evaluate_findings(
    labels: ArrayLike,
    probabilities: ArrayLike,
    names: Sequence[str],
    thresholds: Mapping[str, float],
    groups: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """Every estimate by its name: MEAN, then those of OF_EACH for each finding.

    A finding that all images have, or none, has no estimates and is left out of the mean; see
    ``without_figures``. The mean is of as many findings as a draw tells an AUROC of.

    Args:
        labels: (n, K) bool, whether an image has a finding.
        probabilities: (n, K) of each finding by itself.
        names: of the K findings.
        thresholds: an image has a finding from this probability on.
        groups: (n,) images of one group are drawn together; None: each image by itself.

    Raises:
        UserError: every finding has one value only; lengths or values out of range.
    """
    y, s, g = _checked(labels, probabilities, names, groups)
    told = _told(y, names)
    means = [_mean_areas(y, s, weights) for weights in _draws(y, g)]
    value, *draws = means
    scarce = _scarce(y, g)
    found = {MEAN: with_interval(float(value[0]), draws, scarce, 2 * scarce - 2)}
    for k in told:
        of_one = evaluate(y[:, k], s[:, k], g, thresholds[names[k]])
        found |= {f"{name}, {names[k]}": of_one[name] for name in OF_EACH}
    return found


def compare_findings(
    labels: ArrayLike,
    one: ArrayLike,
    two: ArrayLike,
    names: Sequence[str],
    groups: ArrayLike | None = None,
) -> Estimate:
    """The mean AUROC of ``two`` minus that of ``one``, by a paired bootstrap.

    Arguments and errors are as of ``evaluate_findings``; ``one`` and ``two`` are (n, K).
    """
    y, a, g = _checked(labels, one, names, groups)
    _, b, _ = _checked(labels, two, names, groups)
    change, *draws = (
        _mean_areas(y, b, weights) - _mean_areas(y, a, weights) for weights in _draws(y, g)
    )
    half = half_width(draws, 2 * _scarce(y, g) - 2)
    return Estimate(float(change[0]), float(change[0] - half), float(change[0] + half))


def without_figures(labels: ArrayLike, names: Sequence[str]) -> list[str]:
    """What is said of findings that all of the (n, K) images have, or none."""
    y = np.asarray(labels)
    counts = y.sum(axis=0)
    return [
        f"{name}: no figures, for {'all' if count else 'none'} of {len(y)} images "
        f"{'have' if count else 'has'} it"
        for name, count in zip(names, counts, strict=True)
        if count in (0, len(y))
    ]


def fit_thresholds(
    labels: ArrayLike,
    probabilities: ArrayLike,
    names: Sequence[str],
    sensitivity: float | None = None,
) -> dict[str, float]:
    """The threshold of each finding, see ``metrics.calibration.fit_threshold``.

    It is 0.5 where all of the (n, K) images have a finding, or none.
    """
    y, s, _ = _checked(labels, probabilities, names, None)
    fitted = {names[k]: fit_threshold(y[:, k], s[:, k], sensitivity) for k in _told(y, names)}
    return {name: fitted.get(name, 0.5) for name in names}


def fit_temperature_of_findings(
    labels: ArrayLike, logits: ArrayLike, groups: ArrayLike | None = None
) -> float:
    """What the (n, K) logits of all findings are divided by.

    It is that of ``metrics.calibration.fit_temperature`` for n * K questions of two answers, whose
    logits are 0 and that of the finding.
    """
    y = np.asarray(labels)
    z = np.asarray(logits, float)
    g = np.repeat(numbered(groups, len(y)), y.shape[1])
    pairs = np.stack([np.zeros(z.size), z.ravel()], axis=1)
    return fit_temperature(y.ravel().astype(int), pairs, g)


def _draws(y: NDArray, groups: NDArray) -> Iterator[NDArray]:
    """Weights as of ``metrics.intervals.resamples``, with and without the most even finding."""
    even = int(np.argmin(np.abs(y.mean(axis=0) - 0.5)))
    return resamples(y[:, even], groups)


def _mean_areas(y: NDArray, s: NDArray, weights: NDArray) -> NDArray:
    """(R,) mean AUROC over the findings that the images of a weighting have and lack."""
    columns = range(y.shape[1])
    with np.errstate(invalid="ignore"):
        each = np.stack([areas(y[:, k], s[:, k], weights)[0] for k in columns])  # (K, R)
    return np.asarray(np.nanmean(each, axis=0))


def _scarce(y: NDArray, groups: NDArray) -> int:
    """The fewest groups that hold images with, or without, a finding that has figures."""
    sides = [side for each in y.T if 0 < each.sum() < len(y) for side in (each, ~each)]
    return min(len(np.unique(groups[side])) for side in sides)


def _told(y: NDArray, names: Sequence[str]) -> list[int]:
    """The findings that some images have and others have not. UserError: there are none."""
    told = [k for k, each in enumerate(y.T) if 0 < each.sum() < len(y)]
    if not told:
        raise UserError(
            f"labels: of {len(y)} images all have the same of {', '.join(names)}; wanted images "
            "with and without a finding"
        )
    return told


def _checked(
    labels: ArrayLike, probabilities: ArrayLike, names: Sequence[str], groups: ArrayLike | None
) -> tuple[NDArray, NDArray, NDArray]:
    """(n, K) labels as bool, (n, K) probabilities, and (n,) groups numbered from 0."""
    y = np.asarray(labels)
    s = np.asarray(probabilities, float)
    g = numbered(groups, len(y))
    wanted = (len(y), len(names))
    if not (y.shape == s.shape == wanted and g.shape == wanted[:1]):
        raise UserError(
            f"got labels, probabilities and groups of shapes {y.shape}, {s.shape}, {g.shape}, "
            "wanted (n, findings) twice, and (n,)"
        )
    if not np.isin(y, (0, 1)).all():
        raise UserError("labels: wanted 0 or 1 for each finding")
    if not ((s >= 0) & (s <= 1)).all():
        raise UserError("probabilities: wanted numbers from 0 to 1")
    return y.astype(bool), s, g


def in_words(name: str) -> str:
    """The name of an estimate without underscores; that of its finding stays as it is."""
    metric, comma, finding = name.partition(", ")
    return f"{metric.replace('_', ' ')}{comma}{finding}"
