"""Grades of stenosis: does a head that knows their order tell them better than one that does not?

python -m benchmarks.grades --OUTPUT out --epochs 6 --init weights/ct.safetensors

Made-up reformations of coronary CT have the grade of their narrowest lesion: 0, 1-49, 50-69, 70-99
or 100 percent. For each seed train.py runs with task: ordinal and with task: classes, on the same
images with the same options; both models judge pictures of other patients. Grades are never
weighted in the loss, so neither are classes. Options that this does not know go to train.py.
Stopped, the same command goes on.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

import errors
from data.tables import Row, read_table, write_table
from errors import UserError
from metrics.calibration import fit_grade_threshold
from metrics.decision import grade_called
from metrics.grades import compare_grades, evaluate_grades
from phantoms import mpr

GRADES = ("0", "1-49", "50-69", "70-99", "100")
BOUNDS = (50.0, 70.0, 100.0)  # percent, from which on the next grade begins
TASKS = ("classes", "ordinal")
VIEWS = 2  # pictures of a vessel
VESSELS = 2  # of a patient
SEEDS = (1901, 1903)  # of training, and of the pictures that judge
DRAWS = 1000


def grade_of(row: Row) -> str:
    """The grade of a picture, by the narrowest of its lesions."""
    lost = [float(cell) for cell in row["grade"].split(";") if cell]
    return GRADES[1 + int(np.searchsorted(BOUNDS, max(lost), "right"))] if lost else GRADES[0]


def make(folder: Path, patients: int, seed: int) -> Path:
    """A folder of pictures whose labels are grades; what is there is not made again."""
    if not folder.exists():
        mpr.write(folder, patients, VIEWS, VESSELS, 256, 1.0, seed)
    table = folder / "manifest.csv"
    rows = read_table(table)
    write_table(table, [row | {"label": grade_of(row)} for row in rows])
    return folder


def run(*command: str) -> None:
    """Run a command of the project. UserError: it failed."""
    done = subprocess.run([sys.executable, *command], check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise UserError(f"{command[0]} ended with status {done.returncode}; it says why above")


class Judged(NamedTuple):
    """Pictures as a model judged them.

    Args:
        truths, called: (n,) index of the true and of the predicted grade.
        shares: (n, K) probabilities.
        patients: the name of each patient.
    """

    truths: NDArray
    called: NDArray
    shares: NDArray
    patients: list[str]


def judged(table: Path) -> Judged:
    """The pictures of a predictions.csv."""
    rows = read_table(table)
    shares = [[float(row[f"probability_{name}"]) for name in GRADES] for row in rows]
    truths = [GRADES.index(row["truth"]) for row in rows]
    called = [GRADES.index(row["predicted"]) for row in rows]
    patients = [Path(row["path"]).name.split("_")[0] for row in rows]
    return Judged(np.array(truths), np.array(called), np.array(shares), patients)


def measure(
    output: Path, patients: tuple[int, int], seeds: Sequence[int], more: Sequence[str]
) -> None:
    """As ``main``."""
    raw, test = (
        make(output / name, count, seed)
        for name, count, seed in zip(("raw", "test"), patients, SEEDS, strict=True)
    )
    prepared = output / "prepared"
    if not prepared.exists():
        places = ("--Path", str(raw), "--OUTPUT", str(prepared))
        run("-m", "data.prepare", *places, "--group", "patient", "--task", "ordinal")
    changes = []
    for seed in seeds:
        errors.say(f"seed {seed}")
        found = {}
        for task in TASKS:
            own = output / f"{task}{seed}"
            places = ("--data_folder", str(prepared), "--OUTPUT", str(own))
            keys = ("--task", task, "--num_classes", str(len(GRADES)), "--seed", str(seed))
            if not (own / "ViT.ckpt").exists():
                run("train.py", *places, *keys, "--class_weights", "false", *more)
            known, new = (
                predicted(own, name, images)
                for name, images in (("val", prepared / "val"), ("test", test / "images"))
            )
            found[task] = (known, new)
        changes.append(tell(found))
    say_together(changes)


def predicted(own: Path, name: str, images: Path) -> Judged:
    """What the model in a folder says of images."""
    table = own / name / "predictions.csv"
    given = ("--Path", str(images), "--Path_Checkpoint", str(own / "ViT.ckpt"))
    if not table.exists():
        run("predict.py", *given, "--OUTPUT", str(table.with_suffix(".png")))
    return judged(table)


class Change(NamedTuple):
    """The grades that the model of classes called, and that of grades, of the same pictures."""

    classes: NDArray
    ordinal: Judged


def tell(found: dict[str, tuple[Judged, Judged]]) -> Change:
    """Print the figures of both models, and their paired difference."""
    for task, (_, new) in found.items():
        errors.say(f"task: {task}, {len(new.truths)} pictures of {len(set(new.patients))} patients")
        estimates = evaluate_grades(new.truths, new.shares, new.called, GRADES, new.patients)
        for name, estimate in estimates.items():
            errors.say(f"  {name.replace('_', ' '):<24}{estimate}")
    known, plain = found["classes"]
    threshold = fit_grade_threshold(known.truths, known.shares)
    by_rule = np.array([grade_called(row, threshold) for row in plain.shares.tolist()])
    ordinal = found["ordinal"][1]
    for words, called in (
        ("by its most probable grade", plain.called),
        ("by the rule of ordinal", by_rule),
    ):
        change = compare_grades(ordinal.truths, called, ordinal.called, ordinal.patients)
        errors.say(f"kappa of ordinal minus that of classes {words}: {change}")
    return Change(plain.called, ordinal)


def quadratic(truths: NDArray, called: NDArray) -> float:
    """Quadratic weighted kappa."""
    return float(cohen_kappa_score(truths, called, weights="quadratic"))


def say_together(changes: list[Change]) -> None:
    """Print the mean difference of kappa over the seeds, with an interval over patients."""
    truths = changes[0].ordinal.truths
    names, numbers = np.unique(changes[0].ordinal.patients, return_inverse=True)
    own = [np.flatnonzero(numbers == each) for each in range(len(names))]
    rng = np.random.default_rng(0)

    def difference(chosen: NDArray) -> float:
        y = truths[chosen]
        ordinal = [quadratic(y, each.ordinal.called[chosen]) for each in changes]
        classes = [quadratic(y, each.classes[chosen]) for each in changes]
        return float(np.mean(ordinal) - np.mean(classes))

    draws = [
        difference(np.concatenate([own[each] for each in rng.integers(len(own), size=len(own))]))
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    whole = difference(np.arange(len(truths)))
    errors.say(f"all seeds: kappa of ordinal minus classes {whole:.3f} ({low:.3f} to {high:.3f})")


def main(argv: list[str]) -> None:
    """Make the pictures, train twice, and print what both models tell."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.grades",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--OUTPUT", type=Path, required=True, help="folder for all of it")
    parser.add_argument("--patients", type=int, default=150, help="to learn from, 4 pictures each")
    parser.add_argument("--others", type=int, default=300, help="patients who judge")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given, more = parser.parse_known_args(argv)
    with errors.ending_in_one_line():
        given.OUTPUT.mkdir(parents=True, exist_ok=True)
        measure(given.OUTPUT, (given.patients, given.others), given.seeds, more)


if __name__ == "__main__":
    errors.run(main)
