"""A run that was cut goes on to the same result, and not over other images."""

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import train
from tests.case_inputs import Place, Said, must, run

pytest_plugins = ["tests.case_inputs"]
pytestmark = pytest.mark.usefixtures("undrawn")
GOES_ON = "going on with"  # what train.py says of a run that it takes up again
SAME_DATA = "data folder is as in training"  # a row of report.html


def best_epoch(output: Path) -> int:
    """The epoch with the best AUROC on validation, counted from 0."""
    (path,) = output.glob("runs/*/metrics.csv")
    with path.open(newline="") as file:
        areas = [float(row["val_auroc"]) for row in csv.DictReader(file)]
    return areas.index(max(areas))


def whole_run(place: Place) -> tuple[str, ...]:
    """Train six epochs so that one of the first four is the best; the arguments of that run."""
    for seed in range(5):
        recipe = ("--epochs", "6", "--keep_seconds", "0", "--lr", "0.01", "--seed", str(seed))
        output = place.folder / "whole"
        shutil.rmtree(output, ignore_errors=True)
        must(run(train.main, place.train("whole", *recipe)))
        if best_epoch(output) < 4:
            return recipe
    raise RuntimeError("no run has its best epoch before the cut")


def weights(output: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(output / "ViT.ckpt", weights_only=True)["state_dict"])


def invert_images(folder: Path) -> None:
    """Turn every stored image over, black for white, and the mean with them."""
    images = sorted(folder.glob("*/*/*.npy"))
    if not images:
        raise RuntimeError(f"{folder} holds no images")
    for path in images:
        np.save(path, 255 - np.load(path))
    about = json.loads((folder / "dataset.json").read_text())
    about["mean"] = 1 - about["mean"]
    (folder / "dataset.json").write_text(json.dumps(about))


class PowerCut(BaseException):
    """The end of a run at a moment that a test chooses."""


@contextmanager
def power_cut(epoch: int) -> Iterator[None]:
    """Training ends at the start of that epoch, counted from 0."""
    own = pl.Trainer.fit

    class Cut(pl.Callback):
        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
            if trainer.current_epoch == epoch:
                raise PowerCut

    def fit(self: Any, *given: Any, **named: Any) -> None:
        self.callbacks.append(Cut())
        own(self, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pl.Trainer, "fit", fit)
        yield


def train_until(epoch: int, words: list[str]) -> Said:
    """Run train.py as far as the start of that epoch."""
    with power_cut(epoch):
        said = run(train.main, words, (PowerCut,))
    if said.error is None:
        raise RuntimeError(f"the run was not cut: status {said.status}\n{said.text}")
    return said


def test_a_cut_run_whose_folder_was_moved_keeps_its_best_epoch(place: Place) -> None:
    recipe = whole_run(place)
    train_until(5, place.train("one", *recipe))
    (place.folder / "one").rename(place.folder / "two")
    must(run(train.main, place.train("two", *recipe)))
    whole = weights(place.folder / "whole")
    moved = weights(place.folder / "two")
    assert all(torch.equal(value, moved[name]) for name, value in whole.items())


def test_a_report_does_not_call_changed_images_those_of_training(place: Place) -> None:
    command = place.train("cut", "--epochs", "4", "--keep_seconds", "0")
    train_until(1, command)
    again = train_until(2, command)
    if GOES_ON not in again.text:
        raise RuntimeError(f"train.py does not say {GOES_ON!r} any more: {again.text}")
    invert_images(place.processed)
    said = run(train.main, command)
    report = place.folder / "cut" / "report.html"
    page = report.read_text(encoding="utf-8") if report.exists() else ""
    if page and SAME_DATA not in page:
        raise RuntimeError(f"report.html does not say {SAME_DATA!r} any more")
    assert not (GOES_ON in said.text and f"{SAME_DATA}</th><td>yes" in page)
