"""What the tests named test_case_* share: images, a trained model, and running a command.

They use the product through its commands alone, so that they stay when its inside is moved.
Nothing is asserted here, so pytest need not rewrite it: PYTEST_DONT_REWRITE.
"""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import CONFIG
import data.prepare
import predict
import train
from vit.checkpoint_gate import Plain

PROJECT = Path(__file__).resolve().parents[1]
CLASSES = ("normal", "abnormal")
EACH = 12  # images of a class
SMALL: Plain = {"image_size": 32, "patch_size": 8, "embedding_size": 16, "num_heads": 2}
Command = Callable[[list[str]], Any]


@dataclass(frozen=True)
class Place:
    """A folder with raw images, what data.prepare made of them, a configuration and a model."""

    folder: Path

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def processed(self) -> Path:
        return self.folder / "PF"

    @property
    def few(self) -> Path:
        """Two prepared images whose class their folder does not tell: a report of them is quick."""
        return self.folder / "few"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "out" / "ViT.ckpt"

    def train(self, output: str, *more: str) -> list[str]:
        """Arguments of train.py; a later one of the same name counts."""
        places = ["--Config", str(self.folder / "c.yml"), "--OUTPUT", str(self.folder / output)]
        places += ["--data_folder", str(self.processed), "--device", "cpu", "--num_workers", "0"]
        return [*places, *more]

    def predict(self, images: Path, output: str, *more: str) -> list[str]:
        """Arguments of predict.py."""
        places = ["--Path", str(images), "--Path_Checkpoint", str(self.checkpoint)]
        return [*places, "--OUTPUT", f"{self.folder}/{output}", "--device", "cpu", *more]

    def contents(self) -> Plain:
        """What the checkpoint holds."""
        return dict(torch.load(self.checkpoint, weights_only=True))


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    status: int
    text: str
    error: BaseException | None  # one of those that were expected


def make_images(folder: Path, count: int = EACH) -> None:
    """Grey pictures in class folders; an abnormal one holds a bright square."""
    rng = np.random.default_rng(0)
    for label in CLASSES:
        (folder / label).mkdir(parents=True)
        for number in range(count):
            noise = cv2.GaussianBlur(rng.normal(90, 60, (40, 32)), (0, 0), 1.5)
            image = noise + rng.uniform(-20, 20)
            if label == "abnormal":
                y = rng.integers(10, 22)
                x = rng.integers(8, 16)
                image[y : y + 7, x : x + 7] += 120
            pixels = np.clip(image, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / label / f"p{number:02d}.png"), pixels)


def run(command: Command, words: list[str], ends_in: tuple[Any, ...] = ()) -> Said:
    """Run a command in this process. An error that is not in ``ends_in`` is let through."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    err = io.TextIOWrapper(out.buffer, "utf-8", "backslashreplace", write_through=True)
    status = 0
    error: BaseException | None = None
    with redirect_stdout(out), redirect_stderr(err):
        try:
            command(words)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
            if isinstance(ended.code, str):
                err.write(f"{ended.code}\n")
        except ends_in as ended:
            error = ended
    text = out.buffer.getvalue().decode("utf-8", "replace")
    return Said(status, text, error)


def must(said: Said) -> Said:
    """The same, or an error that no test expects: what a test needs beforehand has failed."""
    if said.status or said.error:
        raise RuntimeError(f"could not be tried: status {said.status}, {said.error!r}\n{said.text}")
    return said


def environment() -> dict[str, str]:
    """That of a process which imports the product."""
    return os.environ | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}


@contextmanager
def blank_pictures() -> Iterator[None]:
    """Pictures of matplotlib stay empty: most of a run's time goes into drawing them."""
    own = Figure.savefig

    def save_empty(_: Figure, *given: Any, **named: Any) -> None:
        own(Figure(figsize=(1, 1)), *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", save_empty)
        yield


@pytest.fixture
def undrawn() -> Iterator[None]:
    """For a test that is not about pictures."""
    with blank_pictures():
        yield


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Made once: a few images of each class, and a model that saw them for one epoch."""
    place = Place(tmp_path_factory.mktemp("case"))
    make_images(place.raw)
    config = CONFIG.Config(**SMALL, num_hidden_layers=2, epochs=1, batch_size=8)
    CONFIG.write(config, place.folder / "c.yml")
    with blank_pictures():
        data.prepare.prepare(place.raw, place.processed, config)
        must(run(train.main, place.train("out")))
        place.few.mkdir()
        for path in sorted(place.processed.glob("val/*/*.npy"))[:2]:
            shutil.copy(path, place.few)
        must(run(predict.main, place.predict(place.few, "before.html")))
    return place


@pytest.fixture
def place(original: Place, tmp_path: Path) -> Place:
    """A copy of the original that a test may change."""
    shutil.copytree(original.folder, tmp_path, dirs_exist_ok=True)
    return Place(tmp_path)
