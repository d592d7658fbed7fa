"""How often the 95 % intervals of report.external hold the truth.

python -m benchmarks.external_coverage --studies 1000

The studies are binormal, as in benchmarks.coverage, but each patient is positive by chance and has
1 to 5 images, or 1. What the model says is wrong by a known line: its logits are (true logit -
intercept) / slope. So calibration in the large, slope, net benefit and AUROC have known truths. The
change of the AUROC is against a second, independent study. The tables say in what percent of the
studies the interval holds the truth; the standard error is 0.7 for 1,000 studies at 95 %. Studies
in which a class has fewer than two patients, or whose slope has no end, give no interval there and
are counted apart. The second table is of studies with fewer than 20 patients of a class, as is to
be expected: no formula holds 95 % there.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from multiprocessing import Pool
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one for each process of the pool

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

import errors
from metrics import intervals
from metrics.calibration_slope import calibration
from metrics.comparison import difference
from metrics.decision_curve import decision_curve
from metrics.estimate import Estimate
from metrics.shares import share

Cell = tuple[int, int, float, float]  # patients, most images of each, positives, AUROC
SLOPE, INTERCEPT = 0.6, 0.4  # of the truth on what the model says: too extreme, and too low
Held = dict[str, list[tuple[float, Any]]]  # percent of the studies of each cell, by figure
THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
TRUTH_FROM = 1_000_000  # images that the true values are taken from
INTERNAL: Cell = (171, 1, 0.5, 0.9)  # the study that AUROC is compared with
FROZEN = 0.5  # threshold of sensitivity and specificity
FEW = 20  # patients of a class
SIZES = ((50, 1), (100, 1), (300, 1), (50, 5), (100, 5), (300, 5))
CELLS: list[Cell] = [
    (*size, share, auroc) for size in SIZES for share in (0.5, 0.3, 0.1) for auroc in (0.75, 0.9)
]


def study(cell: Cell, correlation: float, rng: np.random.Generator) -> tuple[NDArray, ...]:
    """Labels, logits that the model gives, and patients of one study, (images,) each."""
    patients, most, positive, auroc = cell
    patient = np.repeat(np.arange(patients), rng.integers(1, most + 1, patients))
    y = (rng.random(patients) < positive)[patient]
    common = 1.0 if most == 1 else correlation
    noise = np.sqrt(common) * rng.normal(size=patients)[patient]
    noise += np.sqrt(1 - common) * rng.normal(size=len(y))
    distance = np.sqrt(2) * stats.norm.ppf(auroc)
    true = distance * (noise + distance * (y - 0.5)) + special.logit(positive)
    return y, (true - INTERCEPT) / SLOPE, patient


def figures(y: NDArray, x: NDArray, patient: NDArray) -> dict[str, Estimate]:
    """What report.external gives of a study, but for the change."""
    s = special.expit(x)
    found = intervals.evaluate(y, s, patient, FROZEN)
    found = {name: found[name] for name in ("auroc", "sensitivity", "specificity", "ppv", "npv")}
    found |= calibration(y, x, patient)
    for point in decision_curve(y, s, patient, THRESHOLDS):
        found[f"net benefit at {point.threshold:g}"] = point.model
        found[f"avoided at {point.threshold:g}"] = point.avoided
    found["share above 0.7"] = share(y, s > 0.7, patient)
    return found


def truths(cell: Cell, rng: np.random.Generator) -> dict[str, float]:
    """What a very large study gives."""
    y, x, _ = study((TRUTH_FROM, 1, *cell[2:]), 0.0, rng)
    p = special.expit(x)
    values = intervals.point_values(y, p, FROZEN, 0, np.ones((1, len(y))))
    found = {
        "auroc": cell[3],
        **{name: float(values[name][0]) for name in ("sensitivity", "specificity", "ppv", "npv")},
        "observed_less_predicted": float((y - p).mean()),
        "calibration_intercept": optimize.brentq(
            lambda added: (y - special.expit(x + added)).mean(), -10, 10, xtol=1e-5
        ),
        "calibration_slope": SLOPE,
        "share above 0.7": float((p > 0.7).mean()),
        "change of AUROC": cell[3] - INTERNAL[3],
    }
    for t in THRESHOLDS:
        price = t / (1 - t)
        gain = np.where(y, 1, -price)  # of acting on an image
        found[f"net benefit at {t:g}"] = float(((p >= t) * gain).mean())
        found[f"avoided at {t:g}"] = float(-((p < t) * gain).mean() / price)
    return found


def auroc(parts: tuple[NDArray, ...]) -> Estimate:
    """That of a study."""
    y, x, patient = parts
    return intervals.evaluate(y, special.expit(x), patient)["auroc"]


def run(job: tuple[Cell, argparse.Namespace]) -> tuple[Cell, dict[str, float], int]:
    """Percent of the studies of a cell that hold each truth, and how many gave no slope."""
    cell, options = job
    intervals.RESAMPLES = options.resamples
    rng = np.random.default_rng([options.seed, *(round(1000 * part) for part in cell)])
    truth = truths(cell, rng)
    held: dict[str, list[bool]] = {}
    without = 0
    for _ in range(options.studies):
        y, x, patient = study(cell, options.correlation, rng)
        if not 2 <= len(np.unique(patient[y])) <= cell[0] - 2:
            without += 1
            continue
        found = figures(y, x, patient)
        internal = auroc(study(INTERNAL, options.correlation, rng))
        found["change of AUROC"] = difference(internal, found["auroc"])
        without += bool(np.isnan(found["calibration_slope"].low))
        for name, each in found.items():
            if not np.isnan(each.low):
                held.setdefault(name, []).append(each.low <= truth[name] <= each.high)
    return cell, {name: 100 * float(np.mean(each)) for name, each in held.items()}, without


def is_small(cell: Cell) -> bool:
    """Whether a class has few patients."""
    return cell[0] * min(cell[2], 1 - cell[2]) < FEW


def main(argv: list[str]) -> None:
    """Print a line for each cell, then the tables."""
    options = options_of("external_coverage", __doc__, argv)
    judge(run, CELLS, is_small, "class", options)


def options_of(name: str, text: str | None, argv: list[str]) -> argparse.Namespace:
    """What the command line of a simulation says."""
    parser = argparse.ArgumentParser(
        f"python -m benchmarks.{name}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--resamples", type=int, default=400, help="of each study (default 400; 2,000 in use)"
    )
    parser.add_argument(
        "--correlation", type=float, default=0.7, help="within a patient (default 0.7)"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    return parser.parse_args(argv)


def judge(
    work: Callable[[Any], tuple[Any, dict[str, float], int]],
    cells: Sequence[Any],
    is_few: Callable[[Any], bool],
    unit: str,
    options: argparse.Namespace,
) -> None:
    """Simulate each cell; print its percents, and a table of the large and one of the small ones.

    Args:
        work: as ``run``, of a cell and the options.
        cells: kinds of study.
        is_few: whether a cell has fewer than FEW patients of a ``unit``.
        unit: class, or grade.
        options: of the command line.
    """
    print(f"{options.studies} studies, {options.resamples} resamples")
    large: Held = {}
    small: Held = {}
    with Pool(options.processes) as pool:
        for cell, percents, without in pool.imap(work, [(cell, options) for cell in cells]):
            shown = ", ".join(f"{name} {percent:.1f}" for name, percent in percents.items())
            print(f"{cell}: {shown}; {without} without", flush=True)
            of_cell = small if is_few(cell) else large
            for name, percent in percents.items():
                of_cell.setdefault(name, []).append((percent, cell))
    for title, held in ((f"{FEW} patients of each {unit} or more", large), ("fewer", small)):
        print_table(title, held)


def print_table(title: str, held: Held) -> None:
    """Print each figure's mean, least and most over the cells."""
    print(f"\n{title:<36}{'mean':>6}{'least':>7}{'most':>7}{'cells':>7}  outside 93 to 97")
    for name, found in held.items():
        shares = [percent for percent, _ in found]
        outside = [f"{cell}: {percent:.1f}" for percent, cell in found if not 93 <= percent <= 97]
        print(
            f"{name:<36}{np.mean(shares):>6.1f}{min(shares):>7.1f}{max(shares):>7.1f}"
            f"{len(found):>7}  " + "; ".join(outside)
        )


if __name__ == "__main__":
    errors.run(main)
