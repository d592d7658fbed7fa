"""Which class, or which findings of an image, probabilities stand for."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

MULTILABEL = "multilabel"  # the task of findings, of which an image may have several
FOLLOWED = "the finding farthest above its threshold"  # in logits; a map is usually of it
NO_FINDING = "none"  # the label of an image that has no finding
BETWEEN = ";"  # findings of one image


def decision(probabilities: Sequence[float], threshold: float, ordered: bool = False) -> int:
    """The index of the class that is predicted.

    Args:
        probabilities: of each of K classes.
        threshold: of two classes, the second is predicted from this probability on; of grades see
            ``grade_called``.
        ordered: the classes are grades, the lowest first.
    """
    if ordered:
        return grade_called(probabilities, threshold)
    if len(probabilities) == 2:
        return int(probabilities[1] >= threshold)
    return max(range(len(probabilities)), key=lambda k: probabilities[k])


def grade_called(probabilities: Sequence[float], threshold: float) -> int:
    """The highest grade that, with all above it, has a probability of ``threshold`` or more.

    With 0.5 it is the median. If the probabilities are right, no other decision has a smaller
    expected absolute error in grades (DeGroot 1970, "Optimal Statistical Decisions", 11.3). Where
    training gave all grades the same weight, rare ones are too probable: then a higher threshold,
    see ``metrics.calibration.fit_grade_threshold``.
    """
    reached = 0.0
    for grade in range(len(probabilities) - 1, 0, -1):
        reached += probabilities[grade]
        if reached >= threshold:
            return grade
    return 0


def findings_called(
    probabilities: Sequence[float], names: Sequence[str], thresholds: Mapping[str, float]
) -> str:
    """The label of the findings whose probability reaches their own threshold, as ``joined``.

    Args:
        probabilities: of each of K findings by itself.
        names: of the K findings.
        thresholds: of each.
    """
    pairs = zip(names, probabilities, strict=True)
    return joined([name for name, share in pairs if share >= thresholds[name]])


def joined(findings: Sequence[str]) -> str:
    """The label of an image that has these findings, as ``a;c``; of none it is NO_FINDING."""
    return BETWEEN.join(findings) or NO_FINDING


def apart(label: str) -> list[str]:
    """The findings that a label of ``joined`` names."""
    return [] if label == NO_FINDING else label.split(BETWEEN)


def which_held(labels: Sequence[str], names: Sequence[str]) -> NDArray:
    """(n, K) bool: which of K findings the image of each label has."""
    found = [set(apart(label)) for label in labels]
    return np.array([[name in each for name in names] for each in found], bool).reshape(
        len(found), len(names)
    )


def sigmoid(logits: ArrayLike) -> NDArray:
    """The probability of each finding by itself; finite logits of any size are taken.

    SciPy's takes longer to load than a graph takes to answer.
    """
    z = np.asarray(logits)
    fading = np.exp(-np.abs(z))  # from 0 to 1, so that nothing overflows
    return np.asarray(np.where(z >= 0, 1, fading) / (1 + fading), z.dtype)
