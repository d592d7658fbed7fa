"""Labels of patients: learned of all pictures at once, against labels that each picture inherits.

    python -m benchmarks.made_patients --OUTPUT train --patients 400 --seed 1 --scanner usual
    python -m benchmarks.made_patients --OUTPUT test --patients 600 --seed 3 --scanner usual
    python -m data.prepare --Path train --OUTPUT ProcessedFolder --val_share 0.25
    python -m benchmarks.groups --Path ProcessedFolder --test test --OUTPUT out --epochs 6 \\
        --init weights/ct.safetensors

For each seed train.py is run with label_of group and with label_of image. Both are asked of
patients that neither has seen. Options that this does not know go to train.py. Stopped, the same
command goes on.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import errors
from data.tables import Row, read_table
from errors import UserError
from metrics.comparison import compare
from metrics.intervals import evaluate

POSITIVE = "abnormal"
DRAWS = 1000


def run(command: Sequence[str]) -> None:
    """A command of this project. UserError: it fails."""
    done = subprocess.run([sys.executable, *command], check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise UserError(f"{command[0]} ended with status {done.returncode}; see above")


def predicted(given: argparse.Namespace, label_of: str, seed: int, more: Sequence[str]) -> Path:
    """The folder with the tables of a trained model."""
    output = given.OUTPUT / f"{label_of}{seed}"
    model = output / "ViT.ckpt"
    if not model.exists():
        places = ["--data_folder", str(given.Path), "--OUTPUT", str(output)]
        keys = ["--label_of", label_of, "--seed", str(seed), "--lesion_loss", "0"]
        run(["train.py", *places, *keys, *more])
    if not (output / "predictions.csv").exists():
        words = ["--Path", str(given.test), "--Path_Checkpoint", str(model)]
        run(["predict.py", *words, "--OUTPUT", str(output / "test.png")])
    return output


def by_patient(pictures: list[Row], patients: dict[str, str], names: list[str]) -> list[NDArray]:
    """Of each patient the probabilities of its pictures."""
    own: dict[str, list[float]] = {name: [] for name in names}
    for row in pictures:
        own[patients[Path(row["path"]).name]].append(float(row[f"probability_{POSITIVE}"]))
    return [np.array(own[name]) for name in names]


class Judged(NamedTuple):
    """Probabilities of the same patients, in order of their names, each (n,)."""

    labels: NDArray
    by_group: NDArray
    mean: NDArray
    maximum: NDArray


def judge(given: argparse.Namespace, seed: int, more: Sequence[str]) -> Judged:
    """Print the figures of one seed."""
    rows = read_table(given.test / "manifest.csv")
    patients = {Path(row["path"]).name: row["patient"] for row in rows}
    visible = {Path(row["path"]).name: row["visible"] == "yes" for row in rows}
    whole = predicted(given, "group", seed, more)
    groups = sorted(read_table(whole / "patients.csv"), key=lambda row: row["group"])
    names = [row["group"] for row in groups]
    labels = np.array([row["truth"] == POSITIVE for row in groups])
    scores = np.array([float(row[f"probability_{POSITIVE}"]) for row in groups])
    errors.say(f"seed {seed}, by group: AUROC {evaluate(labels, scores)['auroc']}")
    single = predicted(given, "image", seed, more)
    parts = by_patient(read_table(single / "predictions.csv"), patients, names)
    pools = {"mean": np.array([part.mean() for part in parts])}
    pools["maximum"] = np.array([part.max() for part in parts])
    for name, others in pools.items():
        change, p = compare(labels, others, scores)
        area = evaluate(labels, others)["auroc"]
        errors.say(f"  {name} of pictures: AUROC {area}; by group is better by {change}, p {p:.3g}")
    found = [row for row in groups if row["truth"] == row["predicted"] == POSITIVE]
    shown = [visible[Path(row["decided_by"]).name] for row in found]
    errors.say(f"  the picture that decided shows a lesion in {sum(shown)} of {len(shown)} found")
    return Judged(labels, scores, pools["mean"], pools["maximum"])


def say_together(seeds: list[Judged]) -> None:
    """Print the mean difference over the seeds, with an interval over patients."""
    labels = seeds[0].labels
    sides = [np.flatnonzero(labels), np.flatnonzero(~labels)]
    rng = np.random.default_rng(0)

    def difference(pool: str, chosen: NDArray) -> float:
        own = [roc_auc_score(labels[chosen], each.by_group[chosen]) for each in seeds]
        others = [roc_auc_score(labels[chosen], getattr(each, pool)[chosen]) for each in seeds]
        return float(np.mean(own) - np.mean(others))

    for pool in ("mean", "maximum"):
        draws = [
            difference(pool, np.concatenate([rng.choice(side, len(side)) for side in sides]))
            for _ in range(DRAWS)
        ]
        low, high = np.quantile(draws, [0.025, 0.975])
        whole = difference(pool, np.arange(len(labels)))
        errors.say(f"all seeds: by group minus {pool} {whole:.3f} ({low:.3f} to {high:.3f})")


def main(argv: list[str]) -> None:
    """Train and judge for each seed."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.groups",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path", type=Path, required=True, help="a ProcessedFolder")
    parser.add_argument("--test", type=Path, required=True, help="of benchmarks.made_patients")
    parser.add_argument("--OUTPUT", type=Path, required=True, help="folder for runs and tables")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given, more = parser.parse_known_args(argv)
    with errors.ending_in_one_line():
        say_together([judge(given, seed, more) for seed in given.seeds])


if __name__ == "__main__":
    errors.run(main)
