"""What ViT.ckpt takes from the validation images of one run, and of several that are folds."""

from pathlib import Path

import numpy as np
import pytest

from data.tables import write_table
from tests.conftest import contents
from training.publish import FinishedRun, publish
from training.validation import Validation
from vit import checkpoint


def runs(tmp_path: Path, count: int, scale: float, views: int = 1) -> list[FinishedRun]:
    """Finished runs whose logits are ``scale`` times those that the labels were drawn by.

    Each has 400 patients with ``views`` equal images.
    """
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        run = tmp_path / f"run{number}"
        run.mkdir(parents=True)
        more = {"training_images_sha256": [], "validation": {"epoch": 1}}
        for name in ("best.ckpt", "last.ckpt"):
            checkpoint.save(contents(**more), run / name)
        write_table(run / "metrics.csv", [{"epoch": 1, "val_auroc": 0.9}])
        logits = rng.normal(size=400) * 3
        abnormal = rng.random(400) < 1 / (1 + np.exp(-logits))
        shares = 1 / (1 + np.exp(-scale * logits))
        rows = [
            {
                "path": f"{number}_{i}_{view}.png",
                "truth": "abnormal" if sick else "normal",
                "probability_normal": 1 - share,
                "probability_abnormal": share,
                "predicted": "abnormal" if share > 0.5 else "normal",
                "group": f"{number}_{i}",
            }
            for view in range(views)
            for i, (sick, share) in enumerate(zip(abnormal, shares, strict=True))
        ]
        write_table(run / "validation.csv", rows)
        names = ["normal", "abnormal"]
        made.append(FinishedRun(run, Validation.read(run / "validation.csv", names)))
    return made


@pytest.mark.parametrize(
    ("count", "scale", "low", "high"),
    [
        (1, 3, 2, 3.2),  # too sure
        (
            1,
            0.4,
            1,
            1,
        ),  # not sure enough on images that its epoch was chosen on, where every model looks better
        (3, 0.4, 0.38, 0.6),  # not sure enough on images of other folds
    ],
)
def test_temperature_of_a_run_and_of_folds(
    tmp_path: Path, count: int, scale: float, low: float, high: float
) -> None:
    publish(runs(tmp_path, count, scale), tmp_path / "ViT.ckpt", 0)
    assert low <= checkpoint.read(tmp_path / "ViT.ckpt")["temperature"] <= high


def test_views_of_a_patient_do_not_make_the_temperature_surer(tmp_path: Path) -> None:
    found = []
    for views in (1, 20):
        publish(runs(tmp_path / str(views), 1, 3, views), tmp_path / "ViT.ckpt", 0)
        found.append(checkpoint.read(tmp_path / "ViT.ckpt")["temperature"])
    assert found[1] == pytest.approx(found[0], rel=0.02)
