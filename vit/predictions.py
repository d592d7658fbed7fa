"""What a model says of images: one table, which every command and the report read."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.inputs import Input
from data.runs import RunFrame
from data.tables import write_table

OUTLIER = 3.0  # times the median norm of an image's patch tokens: from there on a token stands out


def written(probability: float) -> str:
    """All digits that a float32 has, so that a table orders images as the model does."""
    return f"{probability:.9g}"


def caption_of(item: Input) -> str:
    """A short name for a picture; a frame of a run is named as viewers count."""
    return Path(item.name).stem[-40:] + (f"\n{item.run}" if item.run else "")


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Args:
        item: the image; its pixels are read again where it is drawn.
        label: the predicted class; of findings all that the image has, as ``a;c``, or ``none``.
        logits: of each class, before the temperature, (K,).
        probabilities: by class name, in index order, the positive class last; they sum to 1. Each
            finding has its own.
        prediction_set: the classes that the image may well be of; None: the checkpoint cannot tell.
        distance: from the training images. Above 1 the image is unlike them; None: cannot tell.
        in_training: whether the model learned from this image.
        map: (grid height, grid width) evidence, 1 is an even share; None: not asked for.
        map_of: the class whose evidence the map shows; empty: there is none.
        score: that it has in its group, see vit.pooling; None: labels are of single images.
    """

    UNIT: ClassVar[str] = "images"

    item: Input
    label: str
    logits: tuple[float, ...]
    probabilities: dict[str, float]
    prediction_set: tuple[str, ...] | None = None
    distance: float | None = None
    in_training: bool = False
    map: NDArray | None = field(default=None, compare=False, repr=False)
    score: float | None = None
    map_of: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """How the image is called: its path, or its place among images that are no files."""
        return self.item.name

    @property
    def caption(self) -> str:
        """A short name for a picture of it; of a run with its frame."""
        return caption_of(self.item)

    @property
    def run(self) -> RunFrame | None:
        """The frame that the image is of a run of several; None: its file holds one picture."""
        return self.item.run

    @property
    def parts(self) -> "list[tuple[Prediction, float]]":
        """The pictures that it rests on with their weights, that which decided first."""
        return [(self, 1.0)]

    @property
    def truth(self) -> str:
        """The true class, or empty where it is not known."""
        return self.item.truth

    @property
    def positive_probability(self) -> float:
        """Probability of the positive class, the last one."""
        return list(self.probabilities.values())[-1]

    @property
    def highest_probability(self) -> float:
        """That of the most probable class or finding."""
        return max(self.probabilities.values())

    @property
    def is_unlike(self) -> bool:
        """Whether the image lies farther from the training images than usual ones do."""
        return self.distance is not None and self.distance > 1

    def listed(self) -> dict[str, str]:
        """Its row, with its name as the path and all that a manifest says of it."""
        return {**self.item.row, "path": self.name, **self.row()}

    def row(self) -> dict[str, str]:
        """Its row of predictions.csv."""
        shares = {
            f"probability_{name}": written(share) for name, share in self.probabilities.items()
        }
        classes = self.prediction_set
        return {
            "path": self.name,
            "truth": self.truth,
            **shares,
            "predicted": self.label,
            "set": "" if classes is None else ";".join(classes) or "none",
            "unlike": "" if self.distance is None else f"{self.distance:.3f}",
            "in_training": "yes" if self.in_training else "no",
        }


class Judged(NamedTuple):
    """What logits mean for one picture or group."""

    label: str
    probabilities: dict[str, float]
    prediction_set: tuple[str, ...] | None


@dataclass(frozen=True)
class Predictions:
    """Predictions of several images, in the order in which these were given.

    Args:
        class_names: in index order, the positive one last.
        items: one for each image.
        limits: for each class the highest score that is in the prediction set; {}: none known.
        outlier_tokens: images in which attention gathers on a patch token that stands out.
    """

    class_names: list[str]
    items: list[Prediction]
    limits: dict[str, float] = field(default_factory=dict)
    outlier_tokens: int = 0

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Prediction:
        return self.items[number]

    @property
    def logits(self) -> NDArray:
        """(n, K) logits, before the temperature."""
        return np.array([each.logits for each in self.items])

    @property
    def probabilities(self) -> NDArray:
        """(n, K) probabilities."""
        return np.array([list(each.probabilities.values()) for each in self.items])

    @property
    def unit(self) -> str:
        """What is predicted: images, or groups of them."""
        return self.items[0].UNIT if self.items else Prediction.UNIT

    def rows(self) -> list[dict[str, str]]:
        """The rows of predictions.csv."""
        return with_frames([each.row() for each in self.items], self)

    def write(self, path: Path) -> None:
        """Write predictions.csv; a former one is kept."""
        write_table(path, self.rows(), keep_former=True)

    def notes(self) -> list[str]:
        """Reasons to trust the predictions less, a sentence each."""
        total = f"{len(self)} images"
        notes = []
        if unlike := sum(each.is_unlike for each in self):
            notes.append(
                f"{unlike} of {total} lie farther from the training images than 19 in 20 of like "
                "images do: what is said of them may mean nothing"
            )
        if learned := sum(each.in_training for each in self):
            notes.append(f"{learned} of {total} were in training: their predictions look too good")
        if scarce := [name for name, most in self.limits.items() if math.isinf(most)]:
            notes.append(
                f"too few validation images of class {', '.join(scarce)} for this --level: "
                "it is in the set of every image"
            )
        if self.outlier_tokens:
            notes.append(
                f"in {self.outlier_tokens} of {total} a patch token is more than {OUTLIER:g} times "
                "as long as usual; attention gathers on such tokens whatever the picture shows. "
                "The published remedy is to train with registers, as num_registers: 4"
            )
        return notes


def with_frames(
    rows: list[dict[str, str]], predictions: Iterable[Prediction]
) -> list[dict[str, str]]:
    """The rows with the frame, from 0, of a run of so many frames; as they are without any run."""
    runs = [each.run for each in predictions]
    if not any(runs):
        return rows
    return [
        {**row, "frame": str(run.index) if run else "", "frames": str(run.count) if run else ""}
        for row, run in zip(rows, runs, strict=True)
    ]
