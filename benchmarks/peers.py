"""What people would use instead, on the same folds: a support vector machine, ResNet-18 and timm's ViT, from scratch.

python -m benchmarks.peers --Path ProcessedFolder --OUTPUT folder --epochs 60
leaves svm.csv, ResNet-18.csv and timm ViT.csv in the form of out_of_fold.csv, for report.evaluate and its --versus.
"""

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn
from tqdm import tqdm

import CONFIG
from benchmarks.time_to_quality import PEERS, network
from data import processed
from data.augment import Augment
from data.dataset import CoronaryDataset, SeededSampler
from report.publish import write_validation

AUGMENT = Augment(flip="turns", rotate=15.0, shift=0.06, zoom=0.1, contrast=0.2)  # the same as preset tiny's
BATCH = 20
SIDES = ("train", "val")


def learned(name: str, folder: processed.Processed, size: int, epochs: int, seed: int) -> NDArray[Any]:
    """(n, 2) logits of the validation images of ``folder``."""
    torch.manual_seed(seed)
    mean, std = processed.statistics([folder.image(sample) for sample in folder.of("train")])
    train = CoronaryDataset(folder, "train", size, mean, std, augment=AUGMENT, seed=seed)
    val = CoronaryDataset(folder, "val", size, mean, std)
    net, (lr, decay) = network(name, CONFIG.Config(image_size=size, patch_size=size // 8)), PEERS[name]
    optimizer = torch.optim.AdamW(net.parameters(), lr, weight_decay=decay)
    sampler = SeededSampler(len(train), BATCH, 0, 1, seed, shuffle=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * (len(sampler) // BATCH))
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        keys = list(sampler)
        for start in range(0, len(keys), BATCH):
            items = [train[key] for key in keys[start : start + BATCH]]
            loss = nn.functional.cross_entropy(
                net(torch.stack([item[0] for item in items])), torch.tensor([item[1] for item in items])
            )
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        logits: NDArray[Any] = net(torch.stack([val[0, i][0] for i in range(len(val))])).numpy()
    return logits


def machine(folder: processed.Processed) -> NDArray[Any]:
    """(n, 2) logits of a support vector machine with radial kernel on the pixels."""
    x = {
        split: np.array([folder.image(sample).astype(float).ravel() for sample in folder.of(split)]) for split in SIDES
    }
    y = [sample.label == folder.class_names[1] for sample in folder.of("train")]
    model = make_pipeline(StandardScaler(), SVC(class_weight="balanced")).fit(x["train"], y)
    score = model.decision_function(x["val"])
    return np.stack([-score, score], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--Path", type=Path, required=True, help="a ProcessedFolder with folds and two classes")
    parser.add_argument("--OUTPUT", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", nargs="+", default=["svm", *PEERS])
    arguments = parser.parse_args()
    whole = processed.load(arguments.Path)
    arguments.OUTPUT.mkdir(parents=True, exist_ok=True)
    size = int(whole.info["image_size"])
    for name in arguments.peers:
        started, rows = time.perf_counter(), []
        for number in tqdm(range(whole.folds), name):
            folder, part = whole.with_fold(number), arguments.OUTPUT / f".{name}.csv"
            logits = machine(folder) if name == "svm" else learned(name, folder, size, arguments.epochs, arguments.seed)
            write_validation(part, CoronaryDataset(folder, "val", size, None, None), logits)
            rows += list(csv.DictReader(part.open()))
            part.unlink()
        with (arguments.OUTPUT / f"{name}.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
        print(f"{name}: {time.perf_counter() - started:.0f} s, {arguments.OUTPUT / name}.csv")


if __name__ == "__main__":
    main()
