"""Do cross-validated figures stay honest when there is nothing to learn? The interval of the AUROC
should hold 0.5.

Labels are shuffled among the groups of a ProcessedFolder, then train.py --folds runs on it, many
times over. python -m benchmarks.shuffled_labels --Path ProcessedFolder --runs 20 --image_size 32
--patch_size 4 --epochs 12 Keys that this does not know go to train.py.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch


def shuffle(folder: Path, seed: int) -> None:
    """Give each group another group's majority label, in the manifest; the folds stay as they are."""
    rows = list(csv.DictReader((folder / "manifest.csv").open(encoding="utf-8")))
    labels = {row["group"]: row["label"] for row in rows}
    drawn = np.random.default_rng(seed).permutation(list(labels.values()))
    moved = dict(zip(labels, drawn.tolist(), strict=True))
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows({**row, "label": moved[row["group"]]} for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--Path", type=Path, required=True, help="a ProcessedFolder with folds")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first run")
    arguments, more = parser.parse_known_args()
    covered = 0
    for seed in range(arguments.first, arguments.first + arguments.runs):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "shuffled"
            shutil.copytree(arguments.Path, folder)
            shuffle(folder, seed)
            command = [
                sys.executable,
                "train.py",
                "--device",
                "cpu",
                "--num_workers",
                "0",
                "--folds",
                "5",
            ]
            places = ["--data_folder", str(folder), "--OUTPUT", place, "--seed", str(seed)]
            subprocess.run([*command, *places, *more], check=True, capture_output=True)
            value, low, high = torch.load(Path(place) / "ViT.ckpt", weights_only=True)["figures"][
                "auroc"
            ]
        covered += low <= 0.5 <= high
        print(
            f"seed {seed}: AUROC {value:.3f} ({low:.3f} to {high:.3f}); 0.5 inside in {covered} so far",
            flush=True,
        )


if __name__ == "__main__":
    main()
