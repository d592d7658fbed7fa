"""The losses of the LightningModule, worked out by hand, and the lesion loss in a whole run."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import CONFIG
import train
from data.prepare import prepare
from tests.test_train import command
from training.lightning_module import PRESENT, Classifier
from training.objectives import classification_metrics
from vit import checkpoint

RECIPE = CONFIG.TrainingConfig(lr=1e-3, weight_decay=0.0, warmup_share=0.1)


def classifier(class_weights: list[float] | None) -> Classifier:
    return Classifier(nn.Identity(), RECIPE, class_weights, {}, None)


def test_class_weights_scale_each_image_and_the_sum_is_divided_by_the_images() -> None:
    logits = torch.zeros(3, 2)
    labels = torch.tensor([0, 1, 1])
    loss = classifier([0.5, 2.0])._loss(logits, labels)
    assert float(loss) == pytest.approx(math.log(2) * (0.5 + 2 + 2) / 3)


def test_validation_has_the_precision_of_prediction_whatever_that_of_training() -> None:
    torch.manual_seed(0)
    net = nn.Linear(64, 2)
    images = torch.randn(50, 64)
    module = Classifier(net, RECIPE, None, {}, None)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        module.validation_step(
            (images, torch.zeros(50, dtype=torch.long), torch.arange(50), torch.empty(0)), 0
        )
    with torch.no_grad():
        assert torch.equal(module.seen[0][:, 2:], net(images))


def test_unknown_patches_count_nothing_and_lesion_counts_more() -> None:
    logits = torch.tensor(
        [[[0.0, 50.0], [0.0, 0.0], [50.0, 50.0], [50.0, 50.0]]]
    )  # (1, 4 patches, lesion and vessel)
    targets = torch.tensor(
        [[[1.0, math.nan], [0.0, 1.0], [math.nan, math.nan], [math.nan, math.nan]]]
    )
    loss = classifier(None)._lesion_loss(logits, targets)
    assert float(loss) == pytest.approx(math.log(2) * (PRESENT[0] + 1 + PRESENT[1]) / 4)


def test_masks_train_a_head_that_prediction_does_not_need(
    tmp_path: Path, pictures: Callable[..., Path], unreported: None
) -> None:
    raw = pictures(height=32, width=32)
    rows = []
    for path in sorted(raw.rglob("p*.png")):
        box = "8,8,16,16" if path.parent.name == "abnormal" else ""
        rows.append(
            {
                "path": path.relative_to(raw).as_posix(),
                "label": path.parent.name,
                "lesion_boxes_xyxy": box,
            }
        )
    with (raw / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    prepare(raw, tmp_path / "boxes", CONFIG.Config(image_size=32, patch_size=8))
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    for output, weight in (("with", "1.0"), ("without", "0.0")):
        train.main(command(tmp_path / "boxes", output, "--epochs", "2", "--lesion_loss", weight))
    models = [
        checkpoint.load(tmp_path / name / "ViT.ckpt").models[0] for name in ("with", "without")
    ]
    one, other = (dict(model.named_parameters()) for model in models)
    assert set(one) == set(other)
    assert not torch.equal(one["head.0.weight"], other["head.0.weight"])
    (table_with,) = (tmp_path / "with").glob("runs/*/metrics.csv")
    first, last = (float(row["train_lesion_loss"]) for row in csv.DictReader(table_with.open()))
    assert np.isfinite([first, last]).all()
    assert last < first


def test_metrics_of_a_worked_example() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 3.0], [0.0, 0.5]])
    labels = torch.tensor([0, 0, 1, 1, 1])
    found = {
        name: round(float(value), 4)
        for name, value in classification_metrics(logits, labels).items()
    }
    # positives score -1, 3, 0.5 and negatives -2, 1: four of the six pairs are in order
    assert found == {
        "val_auroc": 0.6667,
        "val_accuracy": 0.6,
        "val_sensitivity": 0.6667,
        "val_specificity": 0.5,
        "val_f1": 0.6667,
    }


def test_three_classes_have_metrics_too() -> None:
    logits = torch.eye(3).repeat(2, 1) * 4
    assert all(
        float(value) == 1
        for value in classification_metrics(logits, torch.arange(3).repeat(2)).values()
    )
