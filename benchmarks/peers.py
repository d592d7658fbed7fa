"""What people would use instead, on the same folds: a support vector machine, ResNet-18 and timm's
ViT, from scratch.

python -m benchmarks.peers --Path ProcessedFolder --OUTPUT folder leaves svm.csv, ResNet-18.csv and
timm ViT.csv in the form of out_of_fold.csv, for report.evaluate and its --versus.
"""

import argparse
import csv
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tqdm import tqdm

import CONFIG
from benchmarks.time_to_quality import PEERS, learn, network
from data import processed
from data.dataset import CoronaryDataset
from data.readers import DataError
from presets import PRESETS
from training.publish import write_validation

SIDES = ("train", "val")


def machine(folder: processed.Processed) -> NDArray[Any]:
    """(n,) score of a support vector machine with radial kernel on the pixels."""
    x = {
        split: np.array([folder.image(sample).astype(float).ravel() for sample in folder.of(split)])
        for split in SIDES
    }
    y = [sample.label == folder.class_names[1] for sample in folder.of("train")]
    model = make_pipeline(StandardScaler(), SVC(class_weight="balanced")).fit(x["train"], y)
    return np.asarray(model.decision_function(x["val"]))


def learned(
    name: str, folder: processed.Processed, config: CONFIG.Config, minutes: float
) -> NDArray[Any]:
    """(n,) logits of a network that trains on the same images with the same augmentation."""
    torch.manual_seed(config.seed)
    return learn(network(name, config), folder, config, PEERS[name], minutes)[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--Path", type=Path, required=True, help="a ProcessedFolder with folds and two classes"
    )
    parser.add_argument("--OUTPUT", type=Path, required=True)
    parser.add_argument(
        "--Config", type=Path, help="image size and augmentation (default: preset tiny)"
    )
    parser.add_argument(
        "--minutes", type=float, default=2, help="training of a network on one fold"
    )
    parser.add_argument("--peers", nargs="+", default=["svm", *PEERS])
    arguments = parser.parse_args()
    try:
        whole = processed.load(arguments.Path)
    except DataError as error:
        sys.exit(str(error))
    if not whole.folds:
        sys.exit(
            f"{arguments.Path}: got no folds; prepare it with: python -m data.prepare --folds 5 ..."
        )
    arguments.OUTPUT.mkdir(parents=True, exist_ok=True)
    config = CONFIG.load(given) if (given := arguments.Config) else CONFIG.Config(**PRESETS["tiny"])
    for name in arguments.peers:
        started = time.perf_counter()
        rows = []
        for number in tqdm(range(whole.folds), name):
            folder = whole.with_fold(number)
            part = arguments.OUTPUT / f".{name}.csv"
            val = CoronaryDataset(folder, "val", config.image_size, None, None)
            score = (
                machine(folder)
                if name == "svm"
                else learned(name, folder, config, arguments.minutes)
            )
            write_validation(part, val, np.stack([-score, score], axis=1) / 2)
            rows += list(csv.DictReader(part.open()))
            part.unlink()
        with (arguments.OUTPUT / f"{name}.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
        print(f"{name}: {time.perf_counter() - started:.0f} s, {arguments.OUTPUT / name}.csv")


if __name__ == "__main__":
    main()
