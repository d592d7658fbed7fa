"""A stranger's checkpoint: values that no training leaves are refused, not shown or fallen over."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import predict
from tests.case_inputs import CLASSES, Place, Said, must, run

pytest_plugins = ["tests.case_inputs"]
Contents = dict[str, Any]


def fill_head(contents: Contents, fill: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Give the last layer other weights."""
    names = [name for name in contents["state_dict"] if "head" in name]
    if not names:
        raise RuntimeError("the model has no head")
    for name in names:
        contents["state_dict"][name] = fill(contents["state_dict"][name])


def huge(value: torch.Tensor) -> torch.Tensor:
    return torch.full_like(value, 3e38)


def beyond_float32(value: torch.Tensor) -> torch.Tensor:
    return torch.full_like(value.double(), 1e300)


FILLS = [pytest.param(huge, id="3e38"), pytest.param(beyond_float32, id="1e300")]


@pytest.mark.parametrize("fill", FILLS)
def test_probabilities_that_are_no_numbers_are_no_prediction(
    place: Place, fill: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    contents = place.contents()
    fill_head(contents, fill)
    torch.save(contents, place.checkpoint)
    said = run(predict.main, place.predict(place.few, "o/p.png"))
    table = place.folder / "o" / "predictions.csv"
    rows = list(csv.DictReader(table.open(newline=""))) if table.exists() else []
    no_numbers = [row for row in rows if row["probability_normal"] == "nan"]
    assert said.status != 0 or not any(row["predicted"] in CLASSES for row in no_numbers)


@pytest.mark.parametrize("fill", FILLS)
def test_a_report_of_probabilities_that_are_no_numbers_ends_in_one_line(
    place: Place, fill: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    contents = place.contents()
    fill_head(contents, fill)
    torch.save(contents, place.checkpoint)
    said = run(predict.main, place.predict(place.processed / "val", "r.html"), (ValueError,))
    assert said.error is None


def history(*rows: dict[str, float]) -> Callable[[Contents], None]:
    def change(contents: Contents) -> None:
        contents["history"] = [list(rows)]

    return change


def familiarity(name: str, make: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., None]:
    def change(contents: Contents) -> None:
        (state,) = contents["familiarity"]
        state[name] = make(state[name])

    return change


CHANGES = {
    "history without epoch": history({"val_loss": 1.0}),
    "history 10**400": history({"epoch": 1, "val_loss": 10**400}),
    "epoch 10**400": history({"epoch": 10**400, "val_loss": 1.0}),
    "epoch 1e308": history({"epoch": 1e308, "val_loss": 1.0}, {"epoch": -1e308, "val_loss": 0.0}),
    "familiarity 1e300": familiarity("mean", beyond_float32),
    "familiarity limit 1e-45": familiarity("limit", lambda value: torch.full_like(value, 1e-45)),
}


def faults_of(said: Said, report: Path) -> list[str]:
    """What a stranger's values may not lead to."""
    faults = [f"{type(said.error).__name__}: {said.error}"] if said.error else []
    page = report.read_text(encoding="utf-8") if report.exists() else ""
    block = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    if page and not block:
        raise RuntimeError("report.html has no block of data any more")
    if block and re.search("Infinity|NaN", block.group(1)):
        faults.append("numbers that no JSON holds: the script of the page ends")
    return faults


@pytest.mark.parametrize("name", CHANGES)
def test_values_that_no_training_leaves_do_no_harm(place: Place, name: str) -> None:
    contents = place.contents()
    CHANGES[name](contents)
    torch.save(contents, place.checkpoint)
    faults = (KeyError, TypeError, ValueError, OverflowError)
    said = run(predict.main, place.predict(place.few, "r.html"), faults)
    assert not faults_of(said, place.folder / "r.html")


@pytest.mark.usefixtures("undrawn")
def test_a_threshold_that_no_probability_reaches_is_not_reported_as_one(place: Place) -> None:
    report = place.folder / "r.html"
    command = place.predict(place.processed / "val", "r.html")
    torch.save(place.contents() | {"threshold": 0.5}, place.checkpoint)
    must(run(predict.main, command))
    if "from a probability of 0.5" not in report.read_text(encoding="utf-8"):
        raise RuntimeError("report.html does not say from which probability on any more")
    report.unlink()
    torch.save(place.contents() | {"threshold": 1e9}, place.checkpoint)
    run(predict.main, command)
    page = report.read_text(encoding="utf-8") if report.exists() else ""
    assert "from a probability of 1000000000" not in page
