"""Tiny made data for the tests: class folders of grey pictures whose class a model can learn."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported


import csv
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import CONFIG
from data.prepare import prepare
from report.evaluate import main as evaluate
from tests.prediction_tables import Rows, write
from vit import checkpoint, checkpoint_gate
from vit.checkpoint_gate import Plain
from vit.model import VisionTransformer

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "datasets"


@pytest.fixture
def unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test of training that is not about curves and report.html."""
    monkeypatch.setattr("report.plots.curves", None)
    monkeypatch.setattr("train.write_report", lambda *_: None)


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """Makes raw/normal and raw/abnormal; an abnormal picture holds a bright square."""

    def make(
        count: int = 12, height: int = 40, width: int = 32, name: str = "raw", suffix: str = ".png"
    ) -> Path:
        rng = np.random.default_rng(sum(name.encode()))  # another name, other pictures
        for label in ("normal", "abnormal"):
            folder = tmp_path / name / label
            folder.mkdir(parents=True)
            for i in range(count):
                image = cv2.GaussianBlur(
                    rng.normal(90, 60, (height, width)), (0, 0), 1.5
                ) + rng.uniform(-20, 20)
                if label == "abnormal":
                    y = rng.integers(10, height - 18)
                    x = rng.integers(8, width - 16)
                    image[y : y + 7, x : x + 7] += 120
                cv2.imwrite(
                    str(folder / f"p{i:02d}{suffix}"), np.clip(image, 0, 255).astype(np.uint8)
                )
        return tmp_path / name

    return make


CONFIGURATION = CONFIG.Config(
    init="none",
    epochs=1,
    lr=1e-3,
    image_size=32,
    patch_size=8,
    embedding_size=16,
    num_heads=2,
    num_hidden_layers=2,
)


def contents(**changes: Any) -> Plain:
    torch.manual_seed(0)
    model = VisionTransformer(CONFIGURATION)
    return {
        "format_version": checkpoint_gate.FORMAT,
        "state_dict": {f"model.{name}": value for name, value in model.state_dict().items()},
        "config": asdict(CONFIGURATION),
        "class_names": ["normal", "abnormal"],
        "preprocessing": {
            "image_size": 32,
            "mean": 0.4,
            "std": 0.2,
            "border": 0.0,
            "stretch": False,
        },
        "threshold": 0.5,
        "temperature": 1.0,
    } | changes


@pytest.fixture
def ckpt(tmp_path: Path) -> Path:
    checkpoint.save(contents(), tmp_path / "ViT.ckpt")
    return tmp_path / "ViT.ckpt"


@pytest.fixture
def folder(tmp_path: Path, pictures: Callable[..., Path]) -> Path:
    prepare(pictures(), tmp_path / "processed", CONFIGURATION)
    return tmp_path / "processed"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report.html of 60 images, one of whose names is hostile."""
    from tests.made_report import report

    return report(tmp_path_factory.mktemp("report"), count=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from tests.chromium import launched

    with launched() as browser:
        yield browser


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What the command prints of rows of predictions, perhaps with a manifest and options."""
    monkeypatch.chdir(tmp_path)

    def call(rows: Rows, listed: Rows | None = None, *options: str) -> str:
        words = ["--predictions", str(write(tmp_path / "p.csv", rows))]
        if listed is not None:
            words += ["--manifest", str(write(tmp_path / "m.csv", listed))]
        evaluate([*words, *options])
        captured = capsys.readouterr()
        return captured.out + captured.err

    return call
