"""How often the 95 % intervals of report.evaluate hold the truth.

python -m benchmarks.coverage --studies 2000

The studies are simulated, so that their truth is known. Binormal model: a view's logit is normal in
both classes with equal spread, scaled so that its probability is right. Of several views of a
patient, a share (--correlation) of the variance is the patient's. Beside the interval that
report.evaluate gives stand percentile and BCa (Efron 1987) intervals from the same resamples, and
its own with each image taken as a group. The table says in what percent of the studies the interval
holds the truth; the standard error is 0.5 for 2,000 studies at 95 %.
"""

import argparse
import os
from multiprocessing import Pool

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one for each process of the pool

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

import errors
from metrics import intervals
from metrics.intervals import TAIL, Estimate

Cell = tuple[int, int, float, float]  # patients, views of each, share of positives, AUROC
Percents = dict[str, float]  # of studies that hold the truth, by name
PREVALENCE = 0.1
TRUTH_FROM = 400_000  # images that the true values are taken from
COLUMNS = ("kept", "percentile", "BCa", "per image")
SIZES = ((60, 1), (120, 1), (342, 1), (12, 5), (24, 5), (68, 5))  # patients, views of each
CELLS: list[Cell] = [
    (*size, share, auroc) for size in SIZES for share in (0.5, 0.3) for auroc in (0.75, 0.85, 0.93)
]


def study(cell: Cell, correlation: float, rng: np.random.Generator) -> tuple[NDArray, ...]:
    """Labels, probabilities and patients of one study, (images,) each.

    Positives are a fixed share of the patients.
    """
    patients, views, share, auroc = cell
    patient = np.repeat(np.arange(patients), views)
    y = patient < round(share * patients)
    common = 1.0 if views == 1 else correlation
    noise = np.sqrt(common) * rng.normal(size=patients)[patient]
    noise += np.sqrt(1 - common) * rng.normal(size=len(y))
    distance = np.sqrt(2) * stats.norm.ppf(auroc)
    logit = distance * (noise + distance * (y - 0.5)) + special.logit(share)
    return y, special.expit(logit), patient


def bootstrap_kinds(y: NDArray, s: NDArray, groups: NDArray) -> dict[str, Estimate]:
    """The AUROC with intervals of percentiles of the resamples, plain and BCa."""
    (value,), *blocks = (
        intervals.areas(y, s, weights)[0] for weights in intervals.resamples(y, groups)
    )
    draws = np.concatenate(blocks)
    all_but_one = (groups != np.unique(groups)[:, None]).astype(float)  # jackknife
    without = intervals.areas(y, s, all_but_one)[0]
    pull = without.mean() - without
    skew = (pull**3).sum() / (6 * max((pull**2).sum() ** 1.5, 1e-12))
    below = (draws < value).mean() + (draws == value).mean() / 2
    z0 = stats.norm.ppf(np.clip(below, 1e-3, 1 - 1e-3))
    z = z0 + stats.norm.ppf([TAIL, 1 - TAIL])
    levels = {
        "percentile": [TAIL, 1 - TAIL],
        "BCa": stats.norm.cdf(z0 + z / (1 - skew * z)),
    }
    return {kind: Estimate(value, *np.quantile(draws, level)) for kind, level in levels.items()}


def true_values(cell: Cell, rng: np.random.Generator) -> Percents:
    """What a very large study gives for each estimate."""
    y, s, _ = study((TRUTH_FROM, 1, *cell[2:]), 0.0, rng)
    values = intervals.point_values(y, s, 0.5, PREVALENCE, np.ones((1, len(y))))
    return {name: value for name, (value,) in values.items()} | {"auroc": cell[3]}


def run(job: tuple[Cell, argparse.Namespace]) -> tuple[Cell, Percents, Percents]:
    """How many studies of a cell hold the truth, in percent.

    First by the kinds of AUROC interval, then by the names of all estimates.
    """
    cell, options = job
    intervals.RESAMPLES = options.resamples
    rng = np.random.default_rng([options.seed, *(round(1000 * part) for part in cell)])
    truth = true_values(cell, rng)
    by_kind: dict[str, list[bool]] = {}
    by_name: dict[str, list[bool]] = {}
    for _ in range(options.studies):
        y, s, patient = study(cell, options.correlation, rng)
        estimates = intervals.evaluate(y, s, patient, prevalence=PREVALENCE)
        aurocs = {"kept": estimates["auroc"], **bootstrap_kinds(y, s, patient)}
        if cell[1] > 1:
            aurocs["per image"] = intervals.evaluate(y, s)["auroc"]
        for kind, each in aurocs.items():
            by_kind.setdefault(kind, []).append(each.low <= cell[3] <= each.high)
        for name, each in estimates.items():
            if not np.isnan(each.low):
                by_name.setdefault(name, []).append(each.low <= truth[name] <= each.high)
    return cell, _percents(by_kind), _percents(by_name)


def _percents(held: dict[str, list[bool]]) -> Percents:
    return {name: 100 * float(np.mean(values)) for name, values in held.items()}


def main(argv: list[str]) -> None:
    """Print a row for each cell, then each estimate's least and most."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.coverage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    options = parser.parse_args(argv)
    print(
        f"{options.studies} studies, {options.resamples} resamples, "
        f"correlation {options.correlation}"
    )
    heads = "".join(f"{name:>12}" for name in COLUMNS)
    print(f"{'patients x views':<18}{'positive':>9}{'AUROC':>7}{heads}")
    by_name: dict[str, list[tuple[float, Cell]]] = {}
    with Pool(options.processes) as pool:
        for cell, kinds, estimates in pool.imap(run, [(cell, options) for cell in CELLS]):
            held = "".join(
                f"{kinds[name]:>12.1f}" if name in kinds else f"{'':>12}" for name in COLUMNS
            )
            print(f"{f'{cell[0]} x {cell[1]}':<18}{cell[2]:>9.0%}{cell[3]:>7.2f}{held}", flush=True)
            for name, percent in estimates.items():
                by_name.setdefault(name, []).append((percent, cell))
    print(
        "\nevery figure, least and most over the rows "
        "(calibration error: its truth here is 0, which it cannot hold)"
    )
    for name, found in by_name.items():
        low, low_cell = min(found)
        high, high_cell = max(found)
        print(f"{name:<20}{low:>6.1f} at {low_cell}{high:>8.1f} at {high_cell}")


if __name__ == "__main__":
    errors.run(main)
