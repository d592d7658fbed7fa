"""Whether cross-validated estimates stay honest when there is nothing to learn.

python -m benchmarks.shuffled_labels --Path ProcessedFolder --runs 20 --image_size 32 \\
    --patch_size 4 --epochs 12

Labels are shuffled among the groups of a ProcessedFolder, then train.py --folds runs on it, many
times over. The interval of the AUROC should hold 0.5. Keys that this does not know go to train.py.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import errors
from data.tables import read_table, write_table
from metrics.intervals import Estimate
from vit import checkpoint


def shuffle(folder: Path, seed: int) -> None:
    """Give each group in the manifest the label of another one; the folds stay as they are."""
    rows = read_table(folder / "manifest.csv")
    labels = {row["group"]: row["label"] for row in rows}
    drawn = np.random.default_rng(seed).permutation(list(labels.values()))
    moved = dict(zip(labels, drawn.tolist(), strict=True))
    write_table(folder / "manifest.csv", [{**row, "label": moved[row["group"]]} for row in rows])


def auroc_by_chance(source: Path, seed: int, more: list[str]) -> Estimate:
    """The cross-validated AUROC of a training on shuffled labels."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "shuffled"
        shutil.copytree(source, folder)
        shuffle(folder, seed)
        keys = ["--device", "cpu", "--num_workers", "0", "--folds", "5"]
        places = ["--data_folder", str(folder), "--OUTPUT", place, "--seed", str(seed)]
        subprocess.run(
            [sys.executable, "train.py", *keys, *places, *more], check=True, capture_output=True
        )
        return checkpoint.load(Path(place) / "ViT.ckpt").provenance.estimates["auroc"]


def main(argv: list[str]) -> None:
    """Print the estimate of each run, and how many intervals hold 0.5."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.shuffled_labels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path", type=Path, required=True, help="a ProcessedFolder with folds")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first run")
    given, more = parser.parse_known_args(argv)
    covered = 0
    for seed in range(given.first, given.first + given.runs):
        with errors.ending_in_one_line():
            auroc = auroc_by_chance(given.Path, seed, more)
        covered += auroc.low <= 0.5 <= auroc.high
        print(f"seed {seed}: AUROC {auroc}; 0.5 inside in {covered} so far", flush=True)


if __name__ == "__main__":
    errors.run(main)
