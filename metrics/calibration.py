"""Decision threshold and temperature, which the logits are divided by, from validation images."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats
from sklearn.metrics import roc_curve

from errors import UserError
from metrics.grades import at_least
from metrics.intervals import TAIL, checked, numbered


def fit_threshold(labels: ArrayLike, scores: ArrayLike, sensitivity: float | None = None) -> float:
    """The highest threshold of (n,) validation scores that reaches ``sensitivity``.

    None: the one with most sensitivity + specificity (Youden 1950). It lies halfway between two
    scores. Errors are as of ``metrics.intervals.evaluate``.
    """
    y, s, _ = checked(labels, scores, None)
    false_positive, true_positive, cuts = (
        part[1:] for part in roc_curve(y, s, drop_intermediate=False)
    )
    if sensitivity is None:
        gain = true_positive - false_positive
    else:
        gain = np.minimum(true_positive, sensitivity)
    cut = cuts[np.argmax(gain > gain.max() - 1e-12)]
    return float((cut + s[s < cut].max(initial=0)) / 2)


def fit_grade_threshold(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The threshold of ``metrics.decision.grade_called`` with the smallest absolute error.

    Of equal ones it is the nearest to 0.5, which is the median. It is one of the hundredths: a
    single number of few images, as the threshold of two classes is.

    Args:
        labels: (n,) index of the true grade.
        probabilities: (n, K), the lowest grade first.

    Raises:
        UserError: lengths that differ.
    """
    y = np.asarray(labels)
    chances = at_least(probabilities)
    if y.shape != chances.shape[:1]:
        raise UserError(f"got grades {y.shape} and probabilities of {len(chances)} images")
    thresholds = np.round(np.arange(1, 100) / 100, 2)
    errors = [np.abs((chances >= each).sum(axis=1) - y).sum() for each in thresholds]
    best = thresholds[np.array(errors) == min(errors)]
    return float(best[np.argmin(np.abs(best - 0.5))])


def fit_temperature(labels: ArrayLike, logits: ArrayLike, groups: ArrayLike | None = None) -> float:
    """What validation logits are divided by (Guo et al. 2017, 4.2), from 0.05 to 20.

    It is the end nearest to 1 of the 95 % interval of the temperature with the highest likelihood,
    so that too few images leave 1. The interval holds what a score test does not reject (Boos 1992,
    Am Stat 46:327). The variance of that test is the larger of two: the one that the model expects,
    and the one seen over the groups.

    Args:
        labels: (n,) class indices.
        logits: (n, K).
        groups: (n,) of images that belong together; None: each image by itself.

    Raises:
        UserError: shapes that do not fit, an index that is no class, or a logit that is not finite.
    """
    y = np.asarray(labels)
    z = np.asarray(logits, float)
    shaped = z.ndim == 2 and y.shape == (len(z),)
    if not (shaped and np.isfinite(z).all() and np.isin(y, np.arange(z.shape[1])).all()):
        raise UserError(
            f"got labels {y.shape}, logits {z.shape}, "
            "wanted indices (n,) and finite logits (n, classes)"
        )
    # equal logits are then 0 and say nothing, not what rounding leaves of them
    z = z - z.max(axis=1, keepdims=True)
    g = numbered(groups, len(y))
    true = z[np.arange(len(y)), y.astype(int)]

    def excess(log_t: float) -> tuple[float, float]:
        """By how much the derivative of the loss by 1 / t is above, and below, what is chance."""
        p = special.softmax(z / np.exp(log_t), axis=1)
        mean = (p * z).sum(axis=1)
        seen = np.bincount(g, mean - true)
        expected = (p * (z - mean[:, None]) ** 2).sum()
        chance = stats.norm.isf(TAIL) * np.sqrt(max((seen**2).sum(), expected))
        return float(seen.sum() - chance), float(seen.sum() + chance)

    above, below = excess(0)
    if above <= 0 <= below:
        return 1.0
    side, end = (0, np.log(20)) if above > 0 else (1, np.log(0.05))
    if (excess(end)[side] > 0) == (excess(0)[side] > 0):
        return float(np.exp(end))
    return float(np.exp(optimize.brentq(lambda log_t: excess(log_t)[side], 0, end)))
