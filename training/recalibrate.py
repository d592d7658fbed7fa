"""Another place: threshold, temperature and prediction sets from labelled images of its own.

The weights stay as they are. What a model says in another hospital is often too sure, and its
threshold lies elsewhere; some fifty labelled images tell where.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

import errors
from data.readers import DataError
from metrics.decision import sigmoid, which_held
from metrics.intervals import evaluate, groups_in
from training.publish import fitted
from training.validation import Validation, shares_of
from vit import checkpoint
from vit.checkpoint import Checkpoint
from vit.predictions import Predictions

LEAST = 10  # images of each class


def recalibrated(source: Checkpoint, predictions: Predictions) -> Checkpoint:
    """The checkpoint with temperature, threshold and limits of these images.

    Args:
        source: the model that predicted them.
        predictions: with a known truth each.

    Raises:
        DataError: an image without a truth, or one that the model learned from; fewer than LEAST
            images of a class.
    """
    unknown = [each.name for each in predictions if not each.truth]
    if unknown:
        raise DataError(
            f"--recalibrate: {len(unknown)} of {len(predictions)} {predictions.unit} have no known "
            f"class, such as {unknown[0]}; give it a class in manifest.csv or by its folder, or "
            "take it away"
        )
    learned = [each.name for each in predictions if each.in_training]
    if learned:
        raise DataError(
            f"--recalibrate: the model learned from {len(learned)} of {len(predictions)} "
            f"{predictions.unit}, such as {learned[0]}; wanted {predictions.unit} that are new "
            "to it"
        )
    names = source.class_names
    few = _few(source, predictions)
    if few:
        each = "with and without each finding" if source.multilabel else "of each class"
        raise DataError(
            f"--recalibrate: got {', '.join(few)}; wanted {LEAST} different {predictions.unit} "
            f"or more {each}"
        )
    validation = Validation(
        names,
        [each.name for each in predictions],
        [each.truth for each in predictions],
        _owners(predictions),
        shares_of(predictions.logits, source.config.task),
        source.config.task,
    )
    result = fitted(source, validation, source.config.sensitivity, epoch_chosen=False)
    provenance = replace(result.provenance, recalibrated_images=len(predictions))
    return replace(result, provenance=provenance)


def _few(source: Checkpoint, predictions: Predictions) -> list[str]:
    """The classes of which there are too few images, with how many there are."""
    # a copy of a picture has the very same logits, and tells nothing new
    truths = [truth for truth, _ in {(each.truth, each.logits) for each in predictions}]
    names = source.class_names
    if not source.multilabel:
        counts = Counter(truths)
        return [f"{counts[name]} of {name}" for name in names if counts[name] < LEAST]
    having = which_held(truths, names).sum(axis=0).tolist()
    pairs = [
        (count, words)
        for name, count in zip(names, having, strict=True)
        for count, words in ((count, f"with {name}"), (len(truths) - count, f"without {name}"))
    ]
    return [f"{count} {words}" for count, words in pairs if count < LEAST]


def write(source: Checkpoint, predictions: Predictions, path: Path) -> Path:
    """Write the recalibrated model beside ``path``, which stays as it is; say what has changed."""
    after = recalibrated(source, predictions)
    target = path.with_name(f"{path.stem}_recalibrated{path.suffix}")
    checkpoint.save({**checkpoint.read(path), **after.plain()}, target, keep_former=True)
    errors.say(f"temperature {source.temperature:.3f} before, {after.temperature:.3f} now")
    if source.multilabel:
        _say_thresholds(source, after, predictions)
    elif len(source.class_names) == 2:
        _say_threshold(source, after, predictions)
    errors.say(
        f"wrote {target}. Its figures are of the {len(predictions)} images that it was fitted to, "
        "so they look too good"
    )
    return target


def _owners(predictions: Predictions) -> list[str]:
    """The group of each image, those of one patient alike, as intervals need it."""
    return groups_in([each.item.row | {"path": each.name} for each in predictions])


def _say_threshold(before: Checkpoint, after: Checkpoint, predictions: Predictions) -> None:
    labels = np.array([each.truth == before.positive for each in predictions])
    for words, each in (("before", before), ("now", after)):
        shares = softmax(predictions.logits / each.temperature, axis=1)
        told = _figures(labels, shares[:, -1], _owners(predictions), each.threshold)
        errors.say(f"threshold {each.threshold:.3f} {words}: {told}")


def _say_thresholds(before: Checkpoint, after: Checkpoint, predictions: Predictions) -> None:
    held = which_held([each.truth for each in predictions], before.class_names)
    for column, name in enumerate(before.class_names):
        for words, each in (("before", before), ("now", after)):
            shares = sigmoid(predictions.logits / each.temperature)[:, column]
            threshold = each.thresholds[name]
            told = _figures(held[:, column], shares, _owners(predictions), threshold)
            errors.say(f"threshold of {name} {threshold:.3f} {words}: {told}")


def _figures(labels: NDArray, shares: NDArray, owners: list[str], threshold: float) -> str:
    """Sensitivity and specificity at a threshold, in words."""
    figures = evaluate(labels, shares, owners, threshold)
    return ", ".join(f"{name} {figures[name]}" for name in ("sensitivity", "specificity"))
