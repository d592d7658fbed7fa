"""training.validation: the table of what a run says of images that it did not learn from."""

import csv
from pathlib import Path

import numpy as np
import pytest

from data.samples import Sample
from training.validation import Validation, drawn_together


def validation(*shares: list[float]) -> Validation:
    names = ["a", "b", "c"][: len(shares[0])]
    count = len(shares)
    paths = [f"{number}.npy" for number in range(count)]
    return Validation(names, paths, ["a"] * count, [""] * count, np.array(shares))


def test_a_temperature_divides_the_logits() -> None:
    found = validation([0.8, 0.2], [0.5, 0.5]).calibrated(2.0)
    assert found.probabilities[:, 0].tolist() == pytest.approx([2 / 3, 0.5])


@pytest.mark.parametrize(
    ("shares", "threshold", "predicted"),
    [([0.6, 0.4], 0.3, "b"), ([0.6, 0.4], 0.5, "a"), ([0.2, 0.3, 0.5], 0.9, "c")],
)
def test_the_threshold_decides_between_two_classes(
    tmp_path: Path, shares: list[float], threshold: float, predicted: str
) -> None:
    validation(shares).write(tmp_path / "t.csv", threshold=threshold)
    (row,) = csv.DictReader((tmp_path / "t.csv").open())
    assert row["predicted"] == predicted


def test_vessels_of_one_patient_are_drawn_together() -> None:
    told = [("v1", "P1"), ("v2", "P1"), ("v3", "P2"), ("", "P3"), ("", "P3"), ("", "")]
    samples = [
        Sample(path=f"{number}.npy", split="val", label="a", group=group, more={"patient": patient})
        for number, (group, patient) in enumerate(told)
    ]
    assert drawn_together(samples) == ["v1", "v1", "v3", "", "3.npy", ""]
