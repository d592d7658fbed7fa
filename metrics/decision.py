"""Which class probabilities stand for."""

from collections.abc import Sequence


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
