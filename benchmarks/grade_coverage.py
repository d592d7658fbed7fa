"""How often the 95 % intervals of grades hold the truth.

python -m benchmarks.grade_coverage --studies 1000

Each patient has a hidden amount of disease, whose quantiles are the grades, and 1 image or 1 to 5.
Each image shows the amount with noise, which images of one patient share in part. The model calls
the grade by its own thresholds on what the image shows, so that kappa, the error in grades, the
share of right grades and the AUROC of each cut have known truths, which a very large study gives. A
second model, of more noise, gives the difference of two kappas. The tables say in what percent of
the studies the interval holds the truth; the standard error is 0.7 for 1,000 studies at 95 %.
Studies of one grade, or in which the model calls one grade only, give no kappa and are counted
apart. The second table is of studies with fewer than 20 patients of a grade.
"""

import argparse
import os
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one for each process of the pool

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import errors
from benchmarks.external_coverage import FEW, judge, options_of
from metrics import intervals
from metrics.estimate import Estimate
from metrics.grades import compare_grades, evaluate_grades, kappas

Cell = tuple[int, int, int, float]  # patients, most images of each, grades, noise
WORSE = 1.5  # times the noise: the second model's
STRICT = 0.2  # that the model's thresholds lie above the true ones
FALLING = 0.8  # share of each grade is this times that of the grade below
TRUTH_FROM = 1_000_000  # images that the true values are taken from
SIZES = ((50, 1), (100, 1), (300, 1), (50, 5), (100, 5), (300, 5))
CELLS: list[Cell] = [
    (*size, grades, noise) for size in SIZES for grades in (3, 5) for noise in (0.5, 1.2)
]


class Graded(NamedTuple):
    """One study, (images,) each but for the probabilities.

    Args:
        truth: index of the true grade.
        shown: (images, K) probability of each grade by the first model.
        called, second: grades called by both models.
        patient: number of the patient.
    """

    truth: NDArray
    shown: NDArray
    called: NDArray
    second: NDArray
    patient: NDArray


def study(cell: Cell, correlation: float, rng: np.random.Generator) -> Graded:
    """A study of a kind; ``correlation``: share of the noise that images of a patient share."""
    patients, most, grades, noise = cell
    patient = np.repeat(np.arange(patients), rng.integers(1, most + 1, patients))
    amount = rng.normal(size=patients)[patient]
    shares = FALLING ** np.arange(grades)
    cuts = stats.norm.ppf((shares / shares.sum()).cumsum()[:-1])
    seen = [amount + each * _noise(patient, correlation, rng) for each in (noise, WORSE * noise)]
    above = stats.norm.sf((cuts + STRICT - seen[0][:, None]) / max(noise, 0.1))  # (n, K - 1)
    padded = np.pad(above, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    return Graded(
        np.searchsorted(cuts, amount),
        -np.diff(padded, axis=1),
        np.searchsorted(cuts + STRICT, seen[0]),
        np.searchsorted(cuts + STRICT, seen[1]),
        patient,
    )


def _noise(patient: NDArray, correlation: float, rng: np.random.Generator) -> NDArray:
    """Standard normal noise of each image."""
    shared = rng.normal(size=int(patient.max()) + 1)[patient]
    own = rng.normal(size=len(patient))
    return np.asarray(np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)


def names_of(cell: Cell) -> list[str]:
    """Of the grades."""
    return [str(grade) for grade in range(cell[2])]


def figures(found: Graded, cell: Cell) -> dict[str, Estimate]:
    """What report.evaluate gives of a study."""
    truth, shown, called, second, patient = found
    estimates = evaluate_grades(truth, shown, called, names_of(cell), patient)
    change = compare_grades(truth, called, second, patient)
    return estimates | {"difference of kappas": change}


def truths(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """What a very large study gives."""
    found = study((TRUTH_FROM, 1, *cell[2:]), 0.0, rng)
    y, called = found.truth, found.called
    one = np.ones((1, len(y)))
    kappa, second = (float(kappas(y, each, one)[0]) for each in (called, found.second))
    known = {
        "quadratic_kappa": kappa,
        "grade_error": float(np.abs(y - called).mean()),
        "grade_right": float((y == called).mean()),
        "difference of kappas": second - kappa,
    }
    score = found.shown @ np.arange(cell[2])
    ranks = stats.rankdata(score)
    for cut in range(1, cell[2]):
        is_above = y >= cut
        count = int(is_above.sum())
        pairs = ranks[is_above].sum() - count * (count + 1) / 2
        known[f"auroc, {cut} or more"] = float(pairs / (count * (len(y) - count)))
    return known


def run(job: tuple[Cell, argparse.Namespace]) -> tuple[Cell, dict[str, float], int]:
    """Percent of the studies of a cell that hold each truth, and how many gave no interval."""
    cell, options = job
    intervals.RESAMPLES = options.resamples
    rng = np.random.default_rng([options.seed, *(round(1000 * part) for part in cell)])
    truth = truths(cell, rng)
    held: dict[str, list[bool]] = {}
    without = 0
    for _ in range(options.studies):
        found = study(cell, options.correlation, rng)
        if len(np.unique(found.truth)) < 2:
            without += 1
            continue
        for name, each in figures(found, cell).items():
            if not np.isnan(each.low):
                held.setdefault(name, []).append(each.low <= truth[name] <= each.high)
            elif name == "quadratic_kappa":
                without += 1
    return cell, {name: 100 * float(np.mean(each)) for name, each in held.items()}, without


def is_small(cell: Cell) -> bool:
    """Whether the rarest grade, the highest, has few patients."""
    rarest = FALLING ** (cell[2] - 1) / sum(FALLING**k for k in range(cell[2]))
    return cell[0] * rarest < FEW


def main(argv: list[str]) -> None:
    """Print a line for each cell, then the tables."""
    options = options_of("grade_coverage", __doc__, argv)
    judge(run, CELLS, is_small, "grade", options)


if __name__ == "__main__":
    errors.run(main)
