"""Which predicted images count in an external study: those that are new to the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.dataset_info import read_info
from data.inputs import Input
from data.readers import DataError
from metrics.levels import levels
from metrics.names import patients_of
from report.own_folder import folder_of, is_trained_on
from vit.facts import Facts, refuse_findings
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
    refuse_findings(facts, str(path))
    names = facts.class_names
    if len(names) != 2:
        raise DataError(
            f"{path}: got a model of {len(names)} classes, {', '.join(names)}; wanted 2, for "
            "threshold, sensitivity and net benefit are of two"
        )


def check_truths(inputs: Sequence[Input], facts: Facts) -> None:
    """Raise DataError unless there are images of each class; said before any is predicted."""
    known = [item for item in inputs if item.truth]
    if not known:
        raise DataError(
            f"--Path: got {len(inputs)} images, the truth of none is known; wanted folders named "
            f"{' and '.join(facts.class_names)}, or a manifest.csv with a column label"
        )
    for name in facts.class_names:
        if name not in {item.truth for item in known}:
            raise DataError(
                f"--Path: got {len(known)} images of known truth, none of them {name}; wanted "
                "images of both classes"
            )


def own_folder_lines(inputs: Sequence[Input], facts: Facts) -> list[str]:
    """What is said where images lie in the folder of the training, or one made of its images.

    Raises:
        DataError: any of them is of its train or val.
    """
    by_place: dict[Path, list[Input]] = {}
    for item in inputs:
        by_place.setdefault(item.folder or item.path.parent, []).append(item)
    tested = 0
    for items in by_place.values():
        folder = folder_of(items[0].path)
        if folder is None:
            continue
        learned = facts.provenance.known_images & {sample.sha256 for sample in folder.of("train")}
        if not learned and not is_trained_on(facts, folder):
            continue
        used = [item.name for item in items if item.row.get("split") != "test"]
        if used:
            raise DataError(
                f"--Path: {len(used)} of {len(inputs)} images are of train or val of a folder "
                f"whose train images the model learned from, such as {used[0]}; val may have "
                "chosen its epoch and its threshold; wanted images of another place"
            )
        tested += len(items)
    if not tested:
        return []
    return [
        f"ALARM: {tested} images are test of a folder whose train images the model learned from: "
        "they tell nothing of another place"
    ]


def group_lines(items: Sequence[Input]) -> list[str]:
    """What is said where it is not known which images share a patient."""
    patients_named = {folder: _patients_named(folder) for folder in {item.folder for item in items}}
    patients = patients_of([item.row for item in items])
    unnamed = [
        item
        for item, patient in zip(items, patients, strict=True)
        if not patient and not (item.row.get("group") and patients_named[item.folder])
    ]
    if not unnamed:
        return []
    named = len(items) - len(unnamed)
    whose = f"the patients of {named} of {len(items)} images"
    tied = (
        "of the others those that look nearly the same are drawn together, each other by itself"
        if all(item.prepared for item in unnamed)
        else "each of the others is drawn by itself; python -m data.prepare ties those that look "
        "nearly the same, and with --group those of a patient"
    )
    return [
        f"a manifest names {whose}: {tied}. If they share patients, all intervals are too narrow"
    ]


def _patients_named(folder: Path | None) -> bool:
    """Whether groups are those of a manifest; data.prepare gives one to every image.

    Args:
        folder: the ProcessedFolder of an image, whose dataset.json tells what its groups are; None:
            it is a raw picture.
    """
    if folder is None or not (folder / "dataset.json").is_file():
        return True
    return bool(read_info(folder / "dataset.json").get("patients_named"))


def choose(predictions: Predictions, facts: Facts) -> Chosen:
    """Leave out images of unknown truth, and groups of which the model has learned.

    Raises:
        DataError: the set is that of the training.
    """
    lines = []
    if unknown := [each.name for each in predictions if not each.truth]:
        lines.append(
            f"left out: {len(unknown)} of {len(predictions)} images of unknown truth, such as "
            f"{unknown[0]}"
        )
    _refuse_training_set(predictions, facts)
    learned = np.array([each.in_training for each in predictions])
    groups = _groups(predictions, facts)
    tied = np.isin(groups, groups[learned])
    if tied.any():
        first = predictions[int(np.argmax(learned))].name
        lines.append(
            f"ALARM: the model learned from {learned.sum()} of {len(predictions)} images, such as "
            f"{first}; all {tied.sum()} images of their {len(set(groups[tied]))} groups are left "
            "out of every figure"
        )
    counting = zip(predictions, tied, strict=True)
    return Chosen([each for each, out in counting if each.truth and not out], lines)


def unchecked_line(facts: Facts) -> str:
    """What nothing here can notice, so that a reader checks it elsewhere.

    A hash of a patient's ID in the checkpoint would tell, but not hide the ID: all numbers of eight
    digits are hashed within minutes, and a salt that lies in the same file does not hinder that.
    """
    if not facts.provenance.known_images:
        return (
            "not checked: whether the model learned from these images, or from others of their "
            "patients, for its file holds no hash of a training image"
        )
    return (
        "not checked: whether patients of this set were in training with other images, or with "
        "changed copies of these, for the file of the model knows its training images by their "
        "pixels alone and holds no patient; compare the two lists of patients"
    )


def _groups(predictions: Predictions, facts: Facts) -> NDArray:
    """(n,) number of the group of each image, also of those of unknown truth."""
    any_truth = {"truth": facts.positive}
    rows = [each.listed() | any_truth for each in predictions]
    return levels(rows, facts.positive)[0].groups


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
