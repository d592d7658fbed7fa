"""Conformal sets: the classes that an image may well be of.

Of the images of each class, if they are like those of validation, the share ``level`` or more has
it in its set: split-conformal, each class by itself (Vovk, Gammerman and Shafer 2005, section 4.5;
Sadinle, Lei and Wasserman 2019, "Least Ambiguous Set-Valued Classifiers with Bounded Error
Levels"). A set may hold several classes or none.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

# Programs and processors round the probability of one picture differently. A limit is the score of
# one validation image, which else would be in its set or not by the rounding.
ROUNDING = 1e-5
Scores = dict[str, list[float]]


def conformal_scores(
    labels: ArrayLike, probabilities: ArrayLike, class_names: Sequence[str]
) -> Scores:
    """For each class the rising scores, 1 - P(class), of its validation images.

    They are rounded up: a limit that is rounded down would leave out the image that it came from.

    Args:
        labels: (n,) class indices.
        probabilities: (n, K).
        class_names: K names in index order.
    """
    y = np.asarray(labels)
    wrong = np.ceil((1 - np.asarray(probabilities, float)) * 1e6) / 1e6
    return {name: np.sort(wrong[y == k, k]).tolist() for k, name in enumerate(class_names)}


def limits(scores: Scores, level: float) -> dict[str, float]:
    """For each class the highest score that is in the set.

    It has the rank ceil((n + 1) * level) among the n images of its class: 0.9 takes 9 images, 0.95
    takes 19 and 0.99 takes 99. With fewer images it is infinite, so that the class is always in the
    set. ROUNDING is added.
    """
    return {name: _limit(rising, level) for name, rising in scores.items()}


def _limit(rising: list[float], level: float) -> float:
    rank = math.ceil((len(rising) + 1) * level - 1e-9)
    return rising[rank - 1] + ROUNDING if rank <= len(rising) else math.inf


def conformal_set(
    probabilities: Sequence[float], limit: dict[str, float], ordered: bool = False
) -> list[str]:
    """The classes whose probability, in the order of ``limit``, is high enough.

    ``ordered``: they are grades, so those between two of the set are in it too. It holds the true
    grade as often as before, or more often (contiguous sets: Lu, Angelopoulos and Pomerantz 2022,
    "Improving Trustworthiness of AI Disease Severity Rating in Medical Imaging with Ordinal
    Conformal Prediction Sets").
    """
    names = list(limit)
    pairs = zip(limit.values(), probabilities, strict=True)
    inside = [k for k, (most, probability) in enumerate(pairs) if 1 - probability <= most]
    if ordered and inside:
        return names[inside[0] : inside[-1] + 1]
    return [names[k] for k in inside]
