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

Scores = dict[str, list[float]]


def conformal_scores(
    labels: ArrayLike, probabilities: ArrayLike, class_names: Sequence[str]
) -> Scores:
    """For each class the rising scores, 1 - P(class), of its validation images: (n,) labels, (n, K)
    probabilities.

    They are rounded up: a limit that is rounded down would leave out the image that it came from.
    """
    y = np.asarray(labels)
    wrong = np.ceil((1 - np.asarray(probabilities, float)) * 1e6) / 1e6
    return {name: np.sort(wrong[y == k, k]).tolist() for k, name in enumerate(class_names)}


def limits(scores: Scores, level: float) -> dict[str, float]:
    """For each class the highest score that is in the set; infinite, so always in it, if its images
    are too few.

    It has the rank ceil((n + 1) * level) among its n images, which takes 9 images for 0.9, 19 for
    0.95, 99 for 0.99.
    """
    ranks = {name: math.ceil((len(own) + 1) * level - 1e-9) for name, own in scores.items()}
    return {
        name: own[ranks[name] - 1] if ranks[name] <= len(own) else math.inf
        for name, own in scores.items()
    }


def conformal_set(probabilities: Sequence[float], limit: dict[str, float]) -> list[str]:
    """The classes whose probability, in the order of ``limit``, is high enough."""
    return [
        name for (name, most), p in zip(limit.items(), probabilities, strict=True) if 1 - p <= most
    ]
