"""What a run says at its end: of odd images, of this machine, of the images it learned from."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import data.prepare
import predict
import train
from tests.case_inputs import Place, must, run

pytest_plugins = ["tests.case_inputs"]
pytestmark = pytest.mark.usefixtures("undrawn")


def test_a_report_names_no_folder_of_this_machine(place: Place) -> None:
    secret = place.folder / "alice_secret"
    secret.mkdir()
    raw = place.raw.rename(secret / "raw")
    (raw / "normal" / "bad.png").write_text("x")
    shutil.copy(raw / "normal" / "p00.png", raw / "loose.png")
    processed = secret / "PF"
    words = ["--Path", str(raw), "--OUTPUT", str(processed), "--image_size", "32"]
    must(run(data.prepare.main, [*words, "--skip_damaged"]))
    odd = min(processed.glob("train/normal/*.npy"))
    np.save(odd, (np.load(odd) / 255).astype(np.float16))  # data.audit finds it, training takes it
    must(run(train.main, place.train("told", "--data_folder", str(processed))))
    page = (place.folder / "told" / "report.html").read_text(encoding="utf-8")
    assert "alice_secret" not in page


def black_image(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for path in stored(folder):
        np.save(path, rng.integers(0, 255, (32, 32), np.uint8))
    np.save(folder / "val" / "0" / "val00.npy", np.zeros((32, 32), np.uint8))


def bright_images(folder: Path) -> None:
    for path in stored(folder):
        np.save(path, np.full((32, 32), 1.0009, np.float16))


def stored(folder: Path) -> list[Path]:
    """Names of images of a folder of the first published form, which has no manifest."""
    paths = []
    for split in ("train", "val"):
        for label in ("0", "1"):
            (folder / split / label).mkdir(parents=True)
            paths += [folder / split / label / f"{split}{label}{i}.npy" for i in range(6)]
    return paths


@pytest.mark.parametrize("make", [black_image, bright_images])
def test_images_that_no_report_can_show_are_refused_before_training(
    place: Place, make: Callable[[Path], None]
) -> None:
    folder = place.folder / "odd"
    make(folder)
    words = place.train("odd_out", "--data_folder", str(folder), "--allow_leaks", "true")
    said = run(train.main, words)
    trained = list((place.folder / "odd_out").glob("runs/*/best.ckpt"))
    if said.status == 0 and not trained:
        raise RuntimeError("runs/*/best.ckpt is not what training leaves any more")
    assert said.status == 0 or not trained


def test_a_training_image_alone_is_known_as_one(place: Place) -> None:
    alone = place.folder / "alone"
    alone.mkdir()
    for path in sorted(place.processed.glob("train/normal/*.npy"))[:5]:
        shutil.copy(path, alone)
    must(run(predict.main, place.predict(alone, "o.html")))
    with (place.folder / "predictions.csv").open(newline="") as file:
        known = [row["in_training"] for row in csv.DictReader(file)]
    if len(known) != 5:
        raise RuntimeError(f"got {len(known)} of 5 images")
    assert "no" not in known
