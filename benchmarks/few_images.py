"""How good a model gets from few training images: AUROC on validation, by the number of images.

python -m benchmarks.few_images --Path ProcessedFolder --OUTPUT out --counts 50 100 200 400

Each draw takes whole groups at random, as many images of each class, and is trained by train.py
with its defaults; all are judged by the same validation images, with the weights of the last epoch.
Options that this does not know go to train.py. Stopped, the same command goes on.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

import errors
from data.inputs import find, gather
from data.readers import DataError
from data.tables import Row, read_table, write_table
from errors import UserError
from vit import checkpoint
from vit.batches import read_batch
from vit.torch_predictor import TorchPredictor


def drawn(rows: list[Row], count: int, seed: int) -> list[Row]:
    """Training rows of whole groups in random order, ``count`` in all, as many of each class.

    Raises:
        DataError: there are not as many.
    """
    groups = sorted({row["group"] for row in rows})
    labels = sorted({row["label"] for row in rows})
    room = Counter(dict.fromkeys(labels, count // len(labels)))
    chosen: list[Row] = []
    for number in np.random.default_rng(seed).permutation(len(groups)):
        own = [row for row in rows if row["group"] == groups[number]]
        needed = Counter(row["label"] for row in own)
        if needed <= room:
            room -= needed
            chosen += own
    if +room:
        raise DataError(f"got {len(chosen)} images of whole groups, wanted {count}")
    return chosen


def train(source: Path, output: Path, chosen: list[Row], more: list[str]) -> float:
    """AUROC of the last epoch, trained on a copy of the folder that holds these training images.

    Raises:
        UserError: train.py failed.
    """
    if not (output / "ViT.ckpt").exists():
        kept = {row["path"] for row in chosen}
        rows = read_table(source / "manifest.csv")
        with tempfile.TemporaryDirectory() as place:
            prepared = Path(place) / "prepared"
            shutil.copytree(source, prepared)
            for row in rows:
                if row["split"] == "train" and row["path"] not in kept:
                    (prepared / row["path"]).unlink()
            left = [row for row in rows if row["split"] != "train" or row["path"] in kept]
            write_table(prepared / "manifest.csv", left)
            places = ["--data_folder", str(prepared), "--OUTPUT", str(output)]
            command = [sys.executable, "train.py", *places, *more]
            done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        if done.returncode:
            raise UserError(f"train.py ended with status {done.returncode}; see above")
    (last,) = output.glob("runs/*/last.ckpt")
    return auroc(last, source / "val")


def auroc(weights: Path, folder: Path) -> float:
    """Of the images in a prepared folder, each asked as predict.py asks: its copies too."""
    source = checkpoint.load(weights)
    images = gather(find(str(folder)), source.class_names, folder)
    batch = read_batch(images, source.preprocessing, set(), False, [])
    model = TorchPredictor(source)
    said = [model.run(part, None).logits for part in np.split(batch.pixels, len(images))]
    odds = np.concatenate(said) @ [-1, 1]
    return float(roc_auc_score([image.truth == source.positive for image in images], odds))


def main(argv: list[str]) -> None:
    """Train for each count and draw; print a line for each count, and write few_images.csv."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.few_images",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path", type=Path, required=True, help="a ProcessedFolder")
    parser.add_argument("--OUTPUT", type=Path, required=True, help="folder for runs and table")
    parser.add_argument("--counts", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--draws", type=int, default=3, help="of each count")
    given, more = parser.parse_known_args(argv)
    with errors.ending_in_one_line():
        given.OUTPUT.mkdir(parents=True, exist_ok=True)
        rows = [row for row in read_table(given.Path / "manifest.csv") if row["split"] == "train"]
        table = []
        for count in given.counts:
            figures = []
            for draw in range(given.draws):
                output = given.OUTPUT / f"{count}-{draw}"
                figures.append(train(given.Path, output, drawn(rows, count, draw), more))
            mean, low, high = np.mean(figures), min(figures), max(figures)
            errors.say(f"{count} images: AUROC {mean:.3f}, {low:.3f} to {high:.3f}")
            table.append({"images": str(count), "auroc": f"{mean:.4f}"})
        write_table(given.OUTPUT / "few_images.csv", table, keep_former=True)


if __name__ == "__main__":
    errors.run(main)
