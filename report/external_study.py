"""What a frozen model is worth on the images of another hospital: all figures of report.external.

Nothing is fitted here. Every interval is drawn by groups.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.readers import DataError
from metrics.decision_curve import THRESHOLDS, DecisionPoint, decision_curve
from metrics.estimate import Estimate
from metrics.intervals import evaluate
from metrics.levels import Level, levels
from metrics.sample_size import Need, Sampling
from metrics.shares import share
from vit.facts import Facts
from vit.predictions import Prediction

SHOWN = ("auroc", "sensitivity", "specificity", "ppv", "npv")
LEAST_GROUPS = 2  # of each class, for an interval


@dataclass(frozen=True)
class Study:
    """Predicted images of known truth, of two classes.

    Args:
        names: of the two classes, the positive one last.
        labels: (n,) bool, whether the truth is positive.
        scores: (n,) probability of the positive class.
        logits: (n,) log odds of the positive class.
        groups: (n,) number of the group with which an image is drawn.
        threshold: from which on an image counts as positive.
        covered: (n,) bool, whether the prediction set holds the truth; None: there are no sets.
        unlike: (n,) bool, whether an image is unlike the training images; None: not known.
        prevalence: share of positives where the model is to be used; 0: not given.
        above: vessels and patients that the images are of, where these are known.
    """

    names: list[str]
    labels: NDArray
    scores: NDArray
    logits: NDArray
    groups: NDArray
    threshold: float
    covered: NDArray | None
    unlike: NDArray | None
    prevalence: float = 0
    above: tuple[Level, ...] = ()

    @classmethod
    def of(cls, predictions: Sequence[Prediction], facts: Facts, prevalence: float) -> "Study":
        """That of predictions of known truth.

        Raises:
            DataError: images of one class only, or a class of fewer than two groups.
        """
        rows = [each.listed() for each in predictions]
        image, *above = levels(rows, facts.positive)
        logits = np.array([each.logits for each in predictions]) / facts.temperature
        sets = [each.prediction_set for each in predictions]
        distances = [each.distance for each in predictions]
        study = cls(
            facts.class_names,
            image.labels,
            np.array([each.positive_probability for each in predictions]),
            logits[:, 1] - logits[:, 0],
            image.groups,
            facts.threshold,
            None if None in sets else _covered(predictions),
            None if None in distances else np.array([each.is_unlike for each in predictions]),
            prevalence,
            tuple(above),
        )
        study.check()
        return study

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def unlike_count(self) -> int:
        """How many images are unlike those of training, as far as that is known."""
        return 0 if self.unlike is None else int(self.unlike.sum())

    @property
    def group_count(self) -> int:
        """How many groups there are."""
        return len(np.unique(self.groups))

    def groups_of(self, positive: bool) -> int:
        """How many groups have an image of a class."""
        return len(np.unique(self.groups[self.labels == positive]))

    def check(self) -> None:
        """Raise DataError unless an interval can be had."""
        counts = {name: self.groups_of(bool(k)) for k, name in enumerate(self.names)}
        if none := [name for name, count in counts.items() if not count]:
            raise DataError(
                f"got {len(self)} images of known truth, none of them {none[0]}; wanted images of "
                "both classes"
            )
        few = [name for name, count in counts.items() if count < LEAST_GROUPS]
        if few:
            raise DataError(
                f"all images of {' and of '.join(few)} are of one group (patient); wanted "
                f"{LEAST_GROUPS} groups or more of each class, for an interval is drawn by groups"
            )

    def part(self, chosen: NDArray) -> "Study":
        """Some of the images, those of (n,) bool ``chosen``."""
        return replace(
            self,
            labels=self.labels[chosen],
            scores=self.scores[chosen],
            logits=self.logits[chosen],
            groups=self.groups[chosen],
            covered=None if self.covered is None else self.covered[chosen],
            unlike=None if self.unlike is None else self.unlike[chosen],
            above=(),
        )

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """As of ``metrics.intervals.evaluate``, of those that are shown."""
        found = evaluate(self.labels, self.scores, self.groups, self.threshold, self.prevalence)
        return {
            name: estimate
            for name, estimate in found.items()
            if name in SHOWN or name.endswith("_at_prevalence")
        }

    @cached_property
    def share_unlike(self) -> Estimate | None:
        """Share of images that are unlike those of training; None: that is not known."""
        if self.unlike is None:
            return None
        return share(self.labels, self.unlike, self.groups)

    @cached_property
    def alike(self) -> "Study | None":
        """The images that are like those of training; None: all are, or too few for figures."""
        if self.unlike is None or not self.unlike.any():
            return None
        part = self.part(~self.unlike)
        try:
            part.check()
        except DataError:
            return None
        return part

    @cached_property
    def curve(self) -> list[DecisionPoint]:
        """The decision curve."""
        return decision_curve(self.labels, self.scores, self.groups, THRESHOLDS, self.prevalence)

    def at_threshold(self) -> DecisionPoint | None:
        """The decision curve at the model's own threshold; None: that is 0 or 1."""
        if not 0 < self.threshold < 1:
            return None
        (point,) = decision_curve(
            self.labels, self.scores, self.groups, [self.threshold], self.prevalence
        )
        return point

    def needs(self, width: float) -> Iterator[tuple[str, Need]]:
        """What intervals of a width need, by the names of the figures."""
        single = evaluate(self.labels, self.scores, None, self.threshold)
        sampling = Sampling(len(self), self.group_count, float(self.labels.mean()))
        for name, need in (("auroc", sampling.for_auroc), ("sensitivity", sampling.for_share)):
            yield name, need(self.estimates[name], single[name], width)


def _covered(predictions: Sequence[Prediction]) -> NDArray:
    return np.array([each.truth in (each.prediction_set or ()) for each in predictions])


def helps(curve: Sequence[DecisionPoint], surely: bool) -> list[tuple[float, float]]:
    """Ranges of thresholds at which the model is better than treating all and treating none.

    Args:
        curve: points of rising thresholds.
        surely: by the lower end of the interval, instead of the value.
    """
    ranges: list[tuple[float, float]] = []
    before = False
    for point in curve:
        gain = point.gain.low if surely else point.gain.value
        if gain > 0:
            first = ranges.pop()[0] if before else point.threshold
            ranges.append((first, point.threshold))
        before = gain > 0
    return ranges
