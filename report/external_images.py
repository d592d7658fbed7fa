"""Which predicted images count in an external study: those that are new to the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.inputs import Input
from data.readers import DataError
from metrics.levels import levels
from report.own_folder import folder_of, is_trained_on
from vit.facts import Facts
from vit.predictions import Prediction, Predictions

MOST_KNOWN = 0.5  # share of images in training from which on a set is that of the training


@dataclass(frozen=True)
class Chosen:
    """The images that count.

    Args:
        items: their predictions.
        lines: what is said of the others, a line each.
    """

    items: list[Prediction]
    lines: list[str]


def check_classes(facts: Facts, path: Path) -> None:
    """Raise DataError unless the model tells two classes apart."""
    names = facts.class_names
    if len(names) != 2:
        raise DataError(
            f"{path}: got a model of {len(names)} classes, {', '.join(names)}; wanted 2, for "
            "threshold, sensitivity and net benefit are of two"
        )


def own_folder_lines(inputs: Sequence[Input], facts: Facts) -> list[str]:
    """What is said where the images lie in the folder of the training, or one made of its images.

    Raises:
        DataError: any of them is of its train or val.
    """
    folder = folder_of(inputs[0].path)
    if folder is None:
        return []
    learned = facts.provenance.known_images & {sample.sha256 for sample in folder.of("train")}
    if not learned and not is_trained_on(facts, folder):
        return []
    used = [item.name for item in inputs if item.row.get("split") != "test"]
    if used:
        raise DataError(
            f"--Path: {len(used)} of {len(inputs)} images are of train or val of a folder whose "
            f"train images the model learned from, such as {used[0]}; val may have chosen its "
            "epoch and its threshold; wanted images of another place"
        )
    return [
        "ALARM: the images are test of a folder whose train images the model learned from: they "
        "tell nothing of another place"
    ]


def choose(predictions: Predictions, facts: Facts) -> Chosen:
    """Leave out images of unknown truth, and groups of which the model has learned.

    Raises:
        DataError: no truth is known, or the set is that of the training.
    """
    known = [each for each in predictions if each.truth]
    if not known:
        raise DataError(
            f"--Path: got {len(predictions)} images, the truth of none is known; wanted folders "
            f"named {' and '.join(facts.class_names)}, or a manifest.csv with a column label"
        )
    lines = []
    if unknown := [each.name for each in predictions if not each.truth]:
        lines.append(
            f"left out: {len(unknown)} of {len(predictions)} images of unknown truth, such as "
            f"{unknown[0]}"
        )
    _refuse_training_set(predictions, facts)
    groups = levels([each.item.row | each.row() for each in known], facts.positive)[0].groups
    learned = np.array([each.in_training for each in known])
    tied = np.isin(groups, groups[learned])
    if tied.any():
        first = known[int(np.argmax(learned))].name
        lines.append(
            f"ALARM: the model learned from {learned.sum()} of {len(known)} images, such as "
            f"{first}; all {tied.sum()} images of their {len(set(groups[tied]))} groups are left "
            "out of every figure"
        )
    return Chosen([each for each, out in zip(known, tied, strict=True) if not out], lines)


def _refuse_training_set(predictions: Predictions, facts: Facts) -> None:
    """Raise DataError where most images, or most of the training images, are of the training.

    Validation images lie beside those, chose epoch and threshold, and cannot be told by the file.
    """
    learned = [each for each in predictions if each.in_training]
    trained = len(facts.provenance.training_images_sha256)
    share = len(learned) / len(predictions)
    if share >= MOST_KNOWN or (trained and len(learned) / trained >= MOST_KNOWN):
        raise DataError(
            f"--Path: the model learned from {len(learned)} of these {len(predictions)} images, "
            f"such as {learned[0].name}: this is the set of its training, or holds it; wanted "
            "images of another place"
        )
