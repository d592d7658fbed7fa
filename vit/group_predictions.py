"""What a model says of groups of pictures, and which picture decided.

A model of ``label_of: group`` has learned one label for all pictures of a patient. What it says of
a patient comes from all of them, see vit.pooling.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Protocol

import torch
from numpy.typing import NDArray

from data.inputs import Input
from data.readers import DataError
from vit.pooling import pooled, shares
from vit.predictions import (
    Judged,
    Prediction,
    Predictions,
    caption_of,
    with_frames,
    written,
)


@dataclass(frozen=True)
class GroupPrediction(Prediction):
    """What a model says of a group; ``item`` is the picture that decided: that of most weight.

    Args:
        group: its name.
        pictures: what the model says of each by itself.
        weights: of each picture in the group, summing to 1.
        decisive: the number of the picture that decided.
    """

    UNIT: ClassVar[str] = "groups"

    group: str = ""
    pictures: tuple[Prediction, ...] = ()
    weights: tuple[float, ...] = ()
    decisive: int = 0

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.group

    @property
    def caption(self) -> str:
        """Its name, and which picture of how many decided."""
        count = len(self.pictures)
        share = f", weight {self.weights[self.decisive]:.2f} of {count} pictures"
        return f"{self.group[-40:]}\n{caption_of(self.item)}" + (share if count > 1 else "")

    @property
    def parts(self) -> list[tuple[Prediction, float]]:
        """The pictures that it rests on with their weights, those of most weight first."""
        every = zip(self.pictures, self.weights, strict=True)
        return sorted(every, key=lambda each: -each[1])

    def row(self) -> dict[str, str]:
        """Its row of patients.csv."""
        row = super().row()
        del row["path"]
        return {
            "group": self.group,
            **row,
            "pictures": str(len(self.pictures)),
            "decided_by": self.item.name,
            "weight": written(self.weights[self.decisive]),
        }


class Asked(Protocol):
    """A Predictor, as far as groups need one."""

    @property
    def class_names(self) -> list[str]:
        """In index order, the positive class last."""

    def answer(self, inputs: list[Input], *, progress: bool) -> Predictions:
        """What the model says of each picture by itself."""

    def judged(self, logits: NDArray) -> Judged:
        """What (K,) logits mean."""


class GroupAnswers(NamedTuple):
    """What a model says of groups, and of their pictures.

    Args:
        groups: a GroupPrediction each, in the order of their first pictures.
        pictures: each by itself, in the order in which they were given.
        names: the group of each picture.
    """

    groups: Predictions
    pictures: Predictions
    names: list[str]

    def picture_rows(self) -> list[dict[str, str]]:
        """The rows of predictions.csv: each picture by itself, its group and its weight there."""
        left = {
            each.name: list(each.weights)
            for each in self.groups
            if isinstance(each, GroupPrediction)
        }
        rows = [
            {**each.row(), "group": name, "weight": written(left[name].pop(0))}
            for each, name in zip(self.pictures, self.names, strict=True)
        ]
        return with_frames(rows, self.pictures)


def answer(
    predictor: Asked, inputs: list[Input], names: Sequence[str], progress: bool = True
) -> GroupAnswers:
    """What a model says of groups of pictures.

    Args:
        predictor: of a model that learned labels of groups.
        inputs: the pictures.
        names: the group of each.
        progress: show a bar on stderr.

    Raises:
        DataError: a picture that cannot be read; pictures of one group with several truths.
    """
    truths = _truths(inputs, names)
    pictures = predictor.answer(inputs, progress=progress)
    members: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        members.setdefault(name, []).append(number)
    groups = [
        _of_one(predictor, name, truths[name], [pictures[i] for i in numbers])
        for name, numbers in members.items()
    ]
    judged = Predictions(pictures.class_names, list(groups), pictures.limits)
    return GroupAnswers(judged, pictures, list(names))


def _truths(inputs: Sequence[Input], names: Sequence[str]) -> dict[str, str]:
    """The truth of each group; empty where none of its pictures has one."""
    told: dict[str, set[str]] = {name: set() for name in names}
    for item, name in zip(inputs, names, strict=True):
        told[name] |= {item.truth} - {""}
    mixed = [name for name, given in told.items() if len(given) > 1]
    if mixed:
        raise DataError(
            f"pictures of {len(mixed)} of {len(told)} groups disagree in their label, such as "
            f"those of {mixed[0]}: {', '.join(sorted(told[mixed[0]]))}; wanted one label for all "
            "pictures of a group"
        )
    return {name: next(iter(given), "") for name, given in told.items()}


def _of_one(predictor: Asked, name: str, truth: str, pictures: list[Prediction]) -> GroupPrediction:
    answers = torch.tensor([[*each.logits, each.score] for each in pictures], dtype=torch.float64)
    weights = shares(answers[:, -1], [len(pictures)]).numpy()
    logits = pooled(answers, [len(pictures)])[0].numpy()
    judged = predictor.judged(logits)
    decisive = int(weights.argmax())
    chosen = pictures[decisive]
    return GroupPrediction(
        item=_for_all(chosen.item, truth, pictures),
        label=judged.label,
        logits=tuple(logits.tolist()),
        probabilities=judged.probabilities,
        prediction_set=judged.prediction_set,
        distance=chosen.distance,
        in_training=any(each.in_training for each in pictures),
        group=name,
        pictures=tuple(pictures),
        weights=tuple(weights.tolist()),
        decisive=decisive,
    )


def _for_all(item: Input, truth: str, pictures: Sequence[Prediction]) -> Input:
    """The picture with what the manifest says of all pictures of its group alike."""
    rows = [each.item.row for each in pictures]
    alike = {
        name: value
        for name, value in item.row.items()
        if all(row.get(name) == value for row in rows)
    }
    return replace(item, truth=truth, row=alike)
