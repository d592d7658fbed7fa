"""What training lessens, and what is measured of each epoch, by the task of the model."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional import accuracy, auroc, cohen_kappa, f1_score, recall, specificity

from vit.checkpoint_gate import Plain

Metrics = dict[str, Tensor]


def class_loss(logits: Tensor, labels: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    """Weighted cross entropy of (B, K) logits, as a mean over the images.

    It is not divided by the sum of the weights, which differs from process to process. Of grades,
    whose logits are log probabilities, it is minus the log likelihood.

    Args:
        logits: (B, K).
        labels: (B,) index of each image's class.
        weights: (K,) of the classes, averaging to 1 over the training images; None: 1 each.
        smoothing: share of each label that all classes divide.
    """
    losses = F.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=smoothing)
    if weights is not None:
        losses = losses * weights[labels]
    return losses.mean()


def finding_loss(
    logits: Tensor, labels: Tensor, weights: Tensor | None, smoothing: float
) -> Tensor:
    """Weighted binary cross entropy of each finding, as a mean over images and findings.

    Args:
        logits: (B, K).
        labels: (B, K), 1 where an image has a finding, else 0.
        weights: (2, K) where images lack a finding and where they have it; None: 1 each.
        smoothing: share of each label that yes and no divide.
    """
    wanted = labels.float()
    factors = None if weights is None else torch.where(wanted > 0, weights[1], weights[0])
    smooth = wanted * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(logits.float(), smooth, factors)


def classification_metrics(logits: Tensor, labels: Tensor, names: Sequence[str] = ()) -> Metrics:
    """AUROC, accuracy, sensitivity, specificity and F1 of (N, K) logits, at probability 0.5.

    Two classes: of the positive, last one. More: each class against the rest, averaged with equal
    weight.
    """
    classes = logits.shape[1]
    scores = logits.softmax(dim=1)  # (N, K)
    options: Plain = {"task": "multiclass", "num_classes": classes, "average": "macro"}
    if classes == 2:
        scores = scores[:, 1]
        options = {"task": "binary"}
    area = auroc(scores, labels, **options)
    assert area is not None, "torchmetrics gives None for its lists alone"
    return {
        "val_auroc": area,
        "val_accuracy": accuracy(scores, labels, **{**options, "average": "micro"}),
        "val_sensitivity": recall(scores, labels, **options),
        "val_specificity": specificity(scores, labels, **options),
        "val_f1": f1_score(scores, labels, **options),
    }


def grade_metrics(logits: Tensor, labels: Tensor, names: Sequence[str] = ()) -> Metrics:
    """AUROC, accuracy, quadratic weighted kappa and mean absolute error of (N, K) logits of grades.

    The AUROC is the mean over the cuts: of "grade k or more" against all below. The others are of
    the median grade.
    """
    scores = logits.softmax(dim=1)  # (N, K)
    grades = scores.shape[1]
    below = scores.cumsum(dim=1)[:, :-1]  # (N, K - 1) of less than grade 1, 2, ...
    cuts = range(1, grades)
    areas = [auroc(1 - below[:, k - 1], (labels >= k).long(), task="binary") for k in cuts]
    called = (below < 0.5).sum(dim=1)
    return {
        "val_auroc": torch.stack([area for area in areas if area is not None]).mean(),
        "val_accuracy": (called == labels).float().mean(),
        "val_kappa": cohen_kappa(
            called, labels, task="multiclass", num_classes=grades, weights="quadratic"
        ),
        "val_grade_error": (called - labels).abs().float().mean(),
    }


def finding_metrics(logits: Tensor, labels: Tensor, names: Sequence[str] = ()) -> Metrics:
    """AUROC, accuracy, sensitivity, specificity and F1 of (N, K) findings, at probability 0.5.

    They are means over the findings, each with equal weight. A finding that all images have, or
    none, has no figures.

    Args:
        logits: (N, K).
        labels: (N, K), 1 where an image has a finding, else 0.
        names: of the findings, whose AUROC stand beside the means.
    """
    scores = logits.sigmoid()
    known = [k for k, each in enumerate(labels.T) if 0 < each.sum() < len(each)]
    of_each = {k: _of_finding(scores[:, k], labels[:, k].long()) for k in known}
    if not of_each:
        return {"val_auroc": logits.new_tensor(torch.nan)}
    measured = next(iter(of_each.values()))
    found = {
        name: torch.stack([each[name] for each in of_each.values()]).mean() for name in measured
    }
    areas = {f"val_auroc_{names[k]}": each["val_auroc"] for k, each in of_each.items() if names}
    return found | areas


def _of_finding(scores: Tensor, labels: Tensor) -> Metrics:
    area = auroc(scores, labels, task="binary")
    assert area is not None, "torchmetrics gives None for its lists alone"
    return {
        "val_auroc": area,
        "val_accuracy": accuracy(scores, labels, task="binary"),
        "val_sensitivity": recall(scores, labels, task="binary"),
        "val_specificity": specificity(scores, labels, task="binary"),
        "val_f1": f1_score(scores, labels, task="binary"),
    }


class Objective(NamedTuple):
    """What a task lessens and measures.

    Args:
        loss: of logits, labels, weights and smoothing, as ``class_loss``.
        metrics: of logits, labels and the names of the classes, by their names; val_auroc chooses
            the epoch.
    """

    loss: Callable[[Tensor, Tensor, Tensor | None, float], Tensor]
    metrics: Callable[[Tensor, Tensor, Sequence[str]], Metrics]


OBJECTIVES = {
    "classes": Objective(class_loss, classification_metrics),
    "ordinal": Objective(class_loss, grade_metrics),
    "multilabel": Objective(finding_loss, finding_metrics),
}
