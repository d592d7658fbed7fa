"""How well the frozen tokens of a model tell images apart, by a linear probe.

Alain and Bengio 2017, "Understanding intermediate layers using linear classifier probes". The probe
is cross-validated, with all images of a group on one side.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data.dataset import labels_of
from data.preprocessing import Preprocessing, as_float
from data.processed import Processed, Sample
from vit.model import VisionTransformer

MOST = 400  # images, so that it takes seconds
FOLDS = 5
LEAST = 2  # groups of a class
STRENGTH = 0.1  # inverse of the penalty on the probe's weights
TOGETHER = 25  # images at a time


def images_for(folder: Processed, seed: int) -> list[Sample]:
    """Training images to probe with: all, or MOST of them by chance."""
    samples = folder.of("train")
    chosen = np.random.default_rng([seed, 17]).permutation(len(samples))[:MOST]
    return [samples[i] for i in sorted(chosen)]


class Question(NamedTuple):
    """What a probe is asked of n images: which class, or whether they have a finding.

    Args:
        labels: (n,) index of the answer.
        sides: of each fold, (training, held out) numbers of the images.
    """

    labels: NDArray
    sides: list[tuple[NDArray, NDArray]]


def questions_of(folder: Processed, samples: Sequence[Sample]) -> list[Question]:
    """The question of classes, or one of each finding; without those of too few groups."""
    labels = np.array(labels_of(folder, samples), int)
    groups = np.array([sample.group or sample.sha256 or sample.path for sample in samples])
    if folder.multilabel:
        asked = [(each, 2) for each in labels.T]
    else:
        asked = [(labels, len(folder.class_names))]
    found = [Question(each, _sides(each, groups, count)) for each, count in asked]
    return [question for question in found if question.sides]


def _sides(labels: NDArray, groups: NDArray, answers: int) -> list[tuple[NDArray, NDArray]]:
    """Sides of each fold; none: too few groups."""
    each = [len(set(groups[labels == number])) for number in range(answers)]
    if min(each) < LEAST:
        return []
    cut = StratifiedGroupKFold(min(FOLDS, *each), shuffle=True, random_state=0)
    sides = list(cut.split(labels, labels, groups))
    whole = all(len(set(labels[known])) == len(each) for known, _ in sides)
    return sides if whole else []


def auroc_of(
    model: VisionTransformer,
    preprocessing: Preprocessing,
    folder: Processed,
    samples: Sequence[Sample],
    questions: Sequence[Question],
) -> float:
    """AUROC of the probe on held-out images: of more than two classes each against the others, of
    several questions their mean.
    """
    figures = _figures(model, preprocessing, folder, samples)
    return float(np.mean([_auroc(figures, question) for question in questions]))


def _auroc(figures: NDArray, question: Question) -> float:
    labels, sides = question
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000))
    shares = cross_val_predict(probe, figures, labels, cv=sides, method="predict_proba")
    if shares.shape[1] == 2:
        return float(roc_auc_score(labels, shares[:, 1]))
    return float(roc_auc_score(labels, shares, multi_class="ovr"))


@torch.inference_mode()
def _figures(
    model: VisionTransformer,
    preprocessing: Preprocessing,
    folder: Processed,
    samples: Sequence[Sample],
) -> NDArray:
    """(N, F): mean and maximum of the patch tokens over the picture, and the logits."""
    model.eval()
    size = preprocessing.image_size
    found = []
    for start in range(0, len(samples), TOGETHER):
        stored = [folder.image(sample) for sample in samples[start : start + TOGETHER]]
        images = torch.from_numpy(
            np.stack([preprocessing.standardised(as_float(image, size)) for image in stored])
        )
        cls, tokens, _ = model.with_patches(images)
        found.append(torch.cat([tokens.mean(1), tokens.amax(1), model.head(cls)], dim=1))
    return torch.cat(found).double().numpy()
