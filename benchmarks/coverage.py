"""How often the 95 % intervals of report.evaluate hold the truth, over simulated studies whose
truth is known.

python benchmarks/coverage.py --studies 2000

Binormal model: a view's logit is normal in both classes with equal spread, scaled so that its
probability is right. Of several views of a patient, a share (--correlation) of the variance is the
patient's. Beside the interval that report.evaluate gives: percentile and BCa (Efron 1987) intervals
from the same resamples, and its own with each image taken as a group. Percent of studies that hold
the truth; standard error 0.5 for 2,000 studies at 95 %.
"""

import argparse
import os
import sys
from multiprocessing import Pool
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from metrics import intervals

Cell = tuple[int, int, float, float]  # patients, views of each, share of positives, AUROC
PREVALENCE = 0.1


def study(cell: Cell, correlation: float, rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Labels, probabilities and patients of one study, (images,) each; positives are a fixed share
    of the patients.
    """
    patients, views, share, auroc = cell
    patient = np.repeat(np.arange(patients), views)
    y = patient < round(share * patients)
    own, common = (0.0, 1.0) if views == 1 else (1 - correlation, correlation)
    noise = np.sqrt(common) * rng.normal(size=patients)[patient] + np.sqrt(own) * rng.normal(
        size=len(y)
    )
    distance = np.sqrt(2) * stats.norm.ppf(auroc)
    return (
        y,
        special.expit(distance * (noise + distance * (y - 0.5)) + special.logit(share)),
        patient,
    )


def bootstrap_kinds(
    y: NDArray[Any], s: NDArray[Any], groups: NDArray[Any]
) -> dict[str, intervals.Estimate]:
    """The AUROC with intervals of percentiles of the resamples, plain and BCa."""
    (value,), *blocks = (
        intervals.areas(y, s, weights)[0] for weights in intervals.resamples(y, groups)
    )
    draws = np.concatenate(blocks)
    without = intervals.areas(y, s, (groups != np.unique(groups)[:, None]).astype(float))[
        0
    ]  # jackknife
    pull = without.mean() - without
    skew = (pull**3).sum() / (6 * max((pull**2).sum() ** 1.5, 1e-12))
    z0 = stats.norm.ppf(
        np.clip((draws < value).mean() + (draws == value).mean() / 2, 1e-3, 1 - 1e-3)
    )
    z = z0 + stats.norm.ppf([intervals.TAIL, 1 - intervals.TAIL])
    levels = {
        "percentile": [intervals.TAIL, 1 - intervals.TAIL],
        "BCa": stats.norm.cdf(z0 + z / (1 - skew * z)),
    }
    return {
        kind: intervals.Estimate(value, *np.quantile(draws, level))
        for kind, level in levels.items()
    }


def run(job: tuple[Cell, argparse.Namespace]) -> tuple[Cell, dict[str, float], dict[str, float]]:
    """Percent of the studies of a cell in which each kind of AUROC interval, and each figure's,
    holds the truth.
    """
    cell, options = job
    intervals.RESAMPLES = options.resamples
    rng = np.random.default_rng([options.seed, *(round(1000 * part) for part in cell)])
    y, s, _ = study((400_000, 1, *cell[2:]), 0.0, rng)
    truth = {
        name: v[0]
        for name, v in intervals._figures(y, s, 0.5, PREVALENCE, np.ones((1, len(y)))).items()
    }
    truth["auroc"] = cell[3]
    kinds: dict[str, list[bool]] = {}
    figures: dict[str, list[bool]] = {}
    for _ in range(options.studies):
        y, s, patient = study(cell, options.correlation, rng)
        found = intervals.evaluate(y, s, patient, prevalence=PREVALENCE)
        by_kind = {"kept": found["auroc"], **bootstrap_kinds(y, s, patient)}
        if cell[1] > 1:
            by_kind["per image"] = intervals.evaluate(y, s)["auroc"]
        for kind, interval in by_kind.items():
            kinds.setdefault(kind, []).append(interval.low <= cell[3] <= interval.high)
        for name, figure in found.items():
            if not np.isnan(figure.low):
                figures.setdefault(name, []).append(figure.low <= truth[name] <= figure.high)
    percent = [
        {name: 100 * float(np.mean(held)) for name, held in part.items()}
        for part in (kinds, figures)
    ]
    return cell, percent[0], percent[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--resamples",
        type=int,
        default=400,
        help="of each study (default 400; the module draws 2,000)",
    )
    parser.add_argument(
        "--correlation", type=float, default=0.7, help="within a patient (default 0.7)"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    sizes = [(60, 1), (120, 1), (342, 1), (12, 5), (24, 5), (68, 5)]
    cells: list[Cell] = [
        (*size, share, auroc)
        for size in sizes
        for share in (0.5, 0.3)
        for auroc in (0.75, 0.85, 0.93)
    ]
    columns = ("kept", "percentile", "BCa", "per image")
    print(
        f"{options.studies} studies, {options.resamples} resamples, correlation {options.correlation}"
    )
    print(
        f"{'patients x views':<18}{'positive':>9}{'AUROC':>7}"
        + "".join(f"{name:>12}" for name in columns)
    )
    others: dict[str, list[tuple[float, Cell]]] = {}
    with Pool(options.processes) as pool:
        for cell, kinds, figures in pool.imap(run, [(cell, options) for cell in cells]):
            held = "".join(
                f"{kinds[name]:>12.1f}" if name in kinds else f"{'':>12}" for name in columns
            )
            print(f"{f'{cell[0]} x {cell[1]}':<18}{cell[2]:>9.0%}{cell[3]:>7.2f}{held}", flush=True)
            for name, percent in figures.items():
                others.setdefault(name, []).append((percent, cell))
    print(
        "\nevery figure, least and most over the rows (calibration error: its truth here is 0, which it cannot hold)"
    )
    for name, found in others.items():
        (low, low_cell), (high, high_cell) = min(found), max(found)
        print(f"{name:<20}{low:>6.1f} at {low_cell}{high:>8.1f} at {high_cell}")


if __name__ == "__main__":
    main()
