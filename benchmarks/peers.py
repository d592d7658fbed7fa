"""What people would use instead, on the same folds, from scratch.

python -m benchmarks.peers --Path ProcessedFolder --OUTPUT folder

A support vector machine, timm's ViT, a ViT for small data and ResNet-18 leave svm.csv, timm ViT.csv
and so on, in the form of out_of_fold.csv, for report.evaluate and its --versus.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tqdm import tqdm

import CONFIG
import errors
from benchmarks.peer_networks import PEERS, learn, network
from data import processed
from data.dataset import CoronaryDataset
from data.preprocessing import Preprocessing
from data.processed import Processed
from errors import UserError
from presets import PRESETS
from training.validation import Validation


def machine(folder: Processed) -> NDArray:
    """(n,) score of a support vector machine with radial kernel on the pixels."""
    labels = [sample.label == folder.class_names[1] for sample in folder.of("train")]
    model = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    model.fit(_pixels(folder, "train"), labels)
    return np.asarray(model.decision_function(_pixels(folder, "val")))


def _pixels(folder: Processed, split: str) -> NDArray:
    """(n, H * W) float."""
    return np.array([folder.image(sample).astype(float).ravel() for sample in folder.of(split)])


def learned(name: str, folder: Processed, config: CONFIG.Config, minutes: float) -> NDArray:
    """(n,) logits of a network that trains on the same images with the same augmentation."""
    torch.manual_seed(config.seed)
    return learn(network(name, config), folder, config, PEERS[name], minutes)[1]


def out_of_fold(name: str, whole: Processed, config: CONFIG.Config, minutes: float) -> Validation:
    """The predictions of every image by the peer that did not learn from its fold."""
    parts = []
    for number in tqdm(range(whole.folds), name):
        folder = whole.with_fold(number)
        score = machine(folder) if name == "svm" else learned(name, folder, config, minutes)
        images = CoronaryDataset(folder, "val", Preprocessing(config.image_size, None, None))
        parts.append(Validation.of(images, np.stack([-score, score], axis=1) / 2))
    return Validation.joined(parts)


def main(argv: list[str]) -> None:
    """Train every peer on every fold, and write its predictions."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--Path", type=Path, required=True, help="a ProcessedFolder with folds and two classes"
    )
    parser.add_argument("--OUTPUT", type=Path, required=True)
    parser.add_argument(
        "--Config", type=Path, help="image size and augmentation (default: preset windows)"
    )
    parser.add_argument(
        "--minutes", type=float, default=2, help="training of a network on one fold"
    )
    parser.add_argument("--peers", nargs="+", default=["svm", *PEERS])
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        whole = processed.load(given.Path)
        if not whole.folds:
            raise UserError(
                f"{given.Path}: got no folds; prepare it with: python -m data.prepare --folds 5 ..."
            )
        config = CONFIG.load(given.Config, None if given.Config else PRESETS["windows"])
        for name in given.peers:
            started = time.perf_counter()
            output = given.OUTPUT / f"{name}.csv"
            out_of_fold(name, whole, config, given.minutes).write(output)
            print(f"{name}: {time.perf_counter() - started:.0f} s, {output}")


if __name__ == "__main__":
    errors.run(main)
