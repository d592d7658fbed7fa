"""benchmarks.left_out_style: styles are those of acquisition, and what they cost is counted."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.left_out_style import Judged, compared, mixed_folds, styles_of
from data.tables import Row, write_table
from tests.conftest import contents
from vit import checkpoint

EDGE = 64
GROUPS = 12


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    """Two images of each group: half of the groups dark and smooth, half bright and noisy."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(2 * GROUPS):
        group = number // 2
        level, noise = ((70, 2), (160, 25))[group % 2]
        picture = np.clip(rng.normal(level, noise, (EDGE, EDGE)), 0, 255).astype(np.uint8)
        np.save(tmp_path / f"{number}.npy", picture)
        label = ("normal", "abnormal")[number % 2]
        rows.append({"path": f"{number}.npy", "label": label, "group": str(group)})
    return rows


def test_styles_are_found_without_labels_and_keep_groups_whole(
    tmp_path: Path, rows: list[Row]
) -> None:
    found = styles_of(tmp_path, rows, 2)
    wanted = np.array([int(row["group"]) % 2 for row in rows])
    assert np.array_equal(found, wanted) or np.array_equal(found, 1 - wanted)


def test_folds_of_all_styles_keep_groups_whole(rows: list[Row]) -> None:
    folds = mixed_folds(rows, 3)
    assert set(folds.tolist()) == {0, 1, 2}
    assert np.array_equal(folds[::2], folds[1::2])


def judged(chances: NDArray) -> Judged:
    positive = np.arange(len(chances)) % 2 == 1
    return Judged(positive, np.stack([1 - chances, chances], 1))


def test_the_temperature_of_the_images_themselves_is_taken_back(
    tmp_path: Path, rows: list[Row]
) -> None:
    """Else the limits of one training would be held against the other's own calibration."""
    raw = np.random.default_rng(1).uniform(0.05, 0.95, len(rows))
    logits = np.log(np.stack([1 - raw, raw], 1))
    warm = np.exp(logits / 3)
    shares = warm / warm.sum(1, keepdims=True)
    names = ["normal", "abnormal"]
    columns = [
        {f"probability_{name}": f"{share}" for name, share in zip(names, each, strict=True)}
        for each in shares
    ]
    predicted = [{"path": row["path"], **own} for row, own in zip(rows, columns, strict=True)]
    write_table(tmp_path / "out_of_fold.csv", predicted[::-1])
    checkpoint.save(contents(temperature=3.0), tmp_path / "ViT.ckpt")
    found = Judged.read(tmp_path, rows, names)
    np.testing.assert_allclose(found.shares[:, 1], raw, rtol=1e-6)
    assert found.positive.tolist() == [row["label"] == "abnormal" for row in rows]


def test_what_a_style_costs_is_the_change_of_its_auroc() -> None:
    """40 images, the second half of another style, which is judged upside down when left out."""
    truth = np.arange(40) % 2
    found = np.repeat([0, 1], 20)
    right = np.where(truth == 1, 0.9, 0.1)
    turned = np.where(found == 1, 1 - right, right)
    table = compared(judged(right), judged(turned), found, ["normal", "abnormal"])
    assert [row["style"] for row in table] == ["0", "1", "mean"]
    assert [float(row["auroc_seen"]) for row in table] == [1, 1, 1]
    assert [float(row["auroc_left_out"]) for row in table] == [1, 0, 0.5]
    assert [float(row["change"]) for row in table] == [0, -1, -0.5]
    assert [float(row["coverage_left_out"]) for row in table] == [1, 0, 0.5]
