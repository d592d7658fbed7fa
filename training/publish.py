"""From finished runs to ViT.ckpt: temperature, threshold and estimates from validation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import errors
from data.tables import read_table
from metrics.calibration import fit_grade_threshold, fit_temperature, fit_threshold
from metrics.conformal import conformal_scores
from metrics.grades import evaluate_grades
from metrics.intervals import Estimate, evaluate
from metrics.multilabel import (
    evaluate_findings,
    fit_temperature_of_findings,
    fit_thresholds,
    without_figures,
)
from training.validation import Validation
from vit import checkpoint
from vit.checkpoint import Checkpoint
from vit.checkpoint_gate import Plain


@dataclass(frozen=True)
class FinishedRun:
    """A run that is trained, and its predictions of its validation images.

    ``folder`` holds best.ckpt, last.ckpt, metrics.csv and, unless an older version ran,
    familiarity.ckpt.
    """

    folder: Path
    validation: Validation

    def history(self) -> list[dict[str, float]]:
        """The metrics of every epoch."""
        rows = read_table(self.folder / "metrics.csv")
        return [{name: float(value) for name, value in row.items()} for row in rows]


def publish(runs: Sequence[FinishedRun], target: Path, sensitivity: float) -> None:
    """Write ``target`` with the weights of the runs; an older file is kept under a dated name.

    One run gives a model, with the weights of its best epoch. Several runs are folds and give an
    ensemble, whose logits are averaged, with the weights of each last epoch: a fold that chose its
    epoch would make its estimates too good. Temperature and threshold are fitted on the runs'
    validation images, pooled.

    Args:
        runs: finished runs.
        target: ViT.ckpt.
        sensitivity: that the threshold shall reach on validation; 0: most sensitivity +
            specificity (Youden).
    """
    plain = [checkpoint.read(run.folder / "best.ckpt") for run in runs]
    validation = Validation.joined([run.validation for run in runs])
    trained = Checkpoint.from_plain(plain[0])
    result = fitted(trained, validation, sensitivity, len(runs) == 1)
    provenance = replace(
        result.provenance,
        epoch_chosen_on_validation=len(runs) == 1,
        history=[run.history() for run in runs],
    )
    weights: Plain = {}
    if len(runs) > 1:
        states = [checkpoint.read(run.folder / "last.ckpt")["state_dict"] for run in runs]
        weights = {"state_dict": states[0], "members": states[1:]}
        provenance = replace(
            provenance,
            training_images_sha256=_all_of("training_images_sha256", plain),
            prepared_images_sha256=_all_of("prepared_images_sha256", plain),
        )
        table = validation.calibrated(result.temperature)
        path = target.parent / "out_of_fold.csv"
        table.write(path, True, result.threshold, result.thresholds)
    familiar = [run.folder / "familiarity.ckpt" for run in runs]
    if all(path.exists() for path in familiar):
        weights["familiarity"] = [checkpoint.read(path) for path in familiar]
    published = replace(result, provenance=provenance)
    checkpoint.save({**plain[0], **published.plain(), **weights}, target, keep_former=True)
    errors.say(summary(published, len(validation), len(runs)))
    logs = runs[0].folder if len(runs) == 1 else runs[0].folder.parent
    errors.say(f"wrote {target}; curves and logs in {logs}")


def _all_of(key: str, plain: list[Plain]) -> list[str]:
    """The digests that the checkpoints keep under a key; older ones have none."""
    return sorted({digest for each in plain for digest in each.get(key, [])})


def fitted(
    trained: Checkpoint, validation: Validation, sensitivity: float, epoch_chosen: bool
) -> Checkpoint:
    """The checkpoint with temperature, threshold, limits and estimates from validation.

    ``epoch_chosen``: whether the same images chose the epoch. Then the model does better on them
    than on others, so the temperature never makes it surer.
    """
    if validation.multilabel:
        return _fitted_to_findings(trained, validation, sensitivity, epoch_chosen)
    labels = validation.labels
    logits = validation.logits
    temperature = fit_temperature(labels, logits, validation.owners)
    if epoch_chosen:
        temperature = max(1.0, temperature)
    scores = torch.from_numpy(logits / temperature).softmax(dim=1).numpy()
    threshold = trained.threshold
    if len(trained.class_names) == 2:
        threshold = fit_threshold(labels, scores[:, 1], sensitivity or None)
    elif trained.ordered:
        threshold = fit_grade_threshold(labels, scores)
    calibrated = replace(validation, probabilities=scores)
    estimates = _estimates(trained.class_names, calibrated, threshold)
    return replace(
        trained,
        temperature=temperature,
        threshold=threshold,
        conformal_scores=conformal_scores(labels, scores, trained.class_names),
        provenance=replace(trained.provenance, estimates=estimates),
    )


def _fitted_to_findings(
    trained: Checkpoint, validation: Validation, sensitivity: float, epoch_chosen: bool
) -> Checkpoint:
    """As ``fitted``; one temperature for all findings, a threshold for each, no limits."""
    names = trained.class_names
    labels = validation.labels
    temperature = fit_temperature_of_findings(labels, validation.logits, validation.owners)
    if epoch_chosen:
        temperature = max(1.0, temperature)
    shares = validation.calibrated(temperature).probabilities
    thresholds = fit_thresholds(labels, shares, names, sensitivity or None)
    for line in without_figures(labels, names):
        errors.note(f"{line}; its threshold is 0.5")
    estimates = evaluate_findings(labels, shares, names, thresholds, validation.owners)
    return replace(
        trained,
        temperature=temperature,
        thresholds=thresholds,
        provenance=replace(trained.provenance, estimates=estimates),
    )


def _estimates(names: list[str], validation: Validation, threshold: float) -> dict[str, Estimate]:
    """Of validation with the probabilities of its temperature."""
    labels = validation.labels
    scores = validation.probabilities
    groups = validation.owners
    if validation.task == "ordinal":
        return evaluate_grades(labels, scores, validation.called(threshold), names, groups)
    if len(names) == 2:
        return evaluate(labels, scores[:, 1], groups, threshold)
    return {
        f"auroc, {name} or not": evaluate(labels == k, scores[:, k], groups)["auroc"]
        for k, name in enumerate(names)
    }


def summary(published: Checkpoint, count: int, runs: int) -> str:
    """The estimates on validation as a table.

    Args:
        published: the model.
        count: images of validation, or groups of them where labels are of groups.
        runs: how many were trained.
    """
    unit = "groups" if published.config.label_of == "group" else "images"
    source = "out-of-fold predictions, weights of each last epoch"
    if runs == 1:
        epoch = published.provenance.validation["epoch"]
        chosen = "which was chosen on them (--folds avoids that)"
        source = f"validation {unit}, weights of epoch {epoch}, {chosen}"
    threshold = f"threshold {published.threshold:.3f}"
    if published.multilabel:
        told = ", ".join(f"{name} {value:.3f}" for name, value in published.thresholds.items())
        threshold = f"thresholds {told}"
    fitted = f"temperature {published.temperature:.2f}, {threshold}"
    lines = [f"{count} {source}; {fitted}"]
    for name, each in published.provenance.estimates.items():
        interval = f"95 % interval {each.low:.3f} to {each.high:.3f}"
        if math.isnan(each.low):
            interval = "(no interval: too few groups of a class)"
        lines.append(f"  {name:<24}{each.value:7.3f}   {interval}")
    return "\n".join(lines)
