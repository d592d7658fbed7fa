"""Figures with 95 % intervals: python -m report.evaluate --predictions predictions.csv --manifest
FOLDER/manifest.csv

Whole groups (patients, vessels) are drawn 2,000 times (cluster bootstrap: Field and Welsh 2007, J R
Stat Soc B 69:369). Their spread is a figure's standard error, the interval logit(figure) +- t *
error / (figure * (1 - figure)) mapped back (logit: Pepe 2003, Statistical Evaluation of Medical
Tests, 5.2; t: Cameron and Miller 2015, J Hum Resour 50:317).
"""

import argparse
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from data.processed import read_table
from files import end_ctrl_c_in_one_line

# TAIL: probability beyond each end of an interval
BINS = 10
RESAMPLES = 2000
TAIL = 0.025


@dataclass(frozen=True)
class Figure:
    """A value, NaN if undefined, and its 95 % interval, NaN if a class has fewer than two groups."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = "(no interval)" if np.isnan(self.low) else f"({self.low:.3f} to {self.high:.3f})"
        return f"{self.value:.3f} {interval}"


@np.errstate(invalid="ignore")
def evaluate(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    threshold: float = 0.5,
    prevalence: float = 0,
) -> dict[str, Figure]:
    """Every figure by its name, of (n,) labels 0 or 1 and (n,) scores, the probabilities of class
    1.

    Images of one of the (n,) groups are drawn together; None: each by itself. One counts as
    positive from ``threshold`` on. ``prevalence``: share of positives where the model is to be
    used, for PPV and NPV there by Bayes' rule; 0: none. A figure of 0 or 1 has the binomial bound
    (Clopper and Pearson 1934) of the groups it rests on. Calibration error: the expected one over
    10 bins of equally many images (Nixon et al. 2019, 3.2); of few images it is always above 0.
    Raises ValueError for one class only, lengths that differ, and labels, scores or prevalence out
    of range.
    """
    y, s, g = checked(labels, scores, groups)
    if not 0 <= prevalence < 1:
        raise ValueError(f"prevalence: got {prevalence}, wanted a share from 0 to 1")
    whole, *drawn = (_figures(y, s, threshold, prevalence, weights) for weights in _resamples(y, g))
    held = {"sensitivity": y, "specificity": ~y, "ppv": s >= threshold, "npv": s < threshold}
    counts = {name: len(np.unique(g[images])) for name, images in held.items()}
    scarce = min(counts["sensitivity"], counts["specificity"])
    result: dict[str, Figure] = {}
    for name, (value,) in whole.items():
        bound = TAIL ** (1 / max(1, counts.get(name, scarce)))
        low = value * bound
        high = 1 - (1 - value) * bound
        if 0 < value < 1:
            half = _half([part[name] for part in drawn], counts.get(name, 2 * scarce - 1) - 1)
            low, high = special.expit(
                special.logit(value) + half / (value * (1 - value)) * np.array([-1, 1])
            )
        result[name] = Figure(float(value), float(low), float(high))
    ends = np.array(
        [(result[name].low, result[name].high) for name in ("sensitivity", "specificity")]
    )
    for name, (low, high) in _of_rates(
        ends[0], ends[1], prevalence
    ).items():  # ends of what does not vary itself
        if (value := result[name].value) in (0, 1) or result[name].high - result[name].low < 1e-9:
            result[name] = Figure(value, value and float(low), value if value == 1 else float(high))
    return result


def _half(draws: list[NDArray], freedom: int) -> float:
    return float(stats.t.ppf(1 - TAIL, freedom) * np.nanstd(np.concatenate(draws), ddof=1))


def _figures(
    y: NDArray, s: NDArray, threshold: float, prevalence: float, weights: NDArray
) -> dict[str, NDArray]:
    """Every figure for each of the (R, n) weightings of the images: (R,) arrays."""
    total = weights.sum(axis=1)
    positive = weights @ y
    called = weights @ (s >= threshold)
    caught = weights @ (y & (s >= threshold))
    sensitivity = caught / positive
    specificity = 1 - (called - caught) / (total - positive)
    auroc, precision = _areas(y, s, weights)
    figures = {
        "auroc": auroc,
        "average_precision": precision,
        "sensitivity": sensitivity,
        "specificity": specificity,
    }
    figures |= {"ppv": caught / called, "npv": 1 - (positive - caught) / (total - called)}
    figures |= {"f1": 2 * caught / (positive + called)} | _of_rates(
        sensitivity, specificity, prevalence
    )
    gaps = (y - s)[:, None] * np.eye(BINS)[
        np.searchsorted(np.quantile(s, np.arange(1, BINS) / BINS), s)
    ]  # (n, bins)
    error = np.abs(weights @ gaps).sum(axis=1) / total
    return figures | {"brier_score": weights @ (y - s) ** 2 / total, "calibration_error": error}


def _of_rates(sensitivity: NDArray, specificity: NDArray, prevalence: float) -> dict[str, NDArray]:
    caught = sensitivity * prevalence
    wrong = (1 - specificity) * (1 - prevalence)
    passed = specificity * (1 - prevalence)
    missed = (1 - sensitivity) * prevalence
    bayes = {
        "ppv_at_prevalence": caught / (caught + wrong),
        "npv_at_prevalence": passed / (passed + missed),
    }
    return {"balanced_accuracy": (sensitivity + specificity) / 2} | (bayes if prevalence else {})


def _areas(y: NDArray, s: NDArray, weights: NDArray) -> tuple[NDArray, NDArray]:
    """AUROC (a tie counts half) and average precision for each of the (R, n) weightings: (R,)
    arrays.
    """
    order = np.argsort(-s, kind="stable")
    starts = np.unique(-s[order], return_index=True)[1]
    positive, negative = (
        np.add.reduceat((weights * k)[:, order], starts, axis=1) for k in (y, ~y)
    )  # (R, scores)
    caught = positive.cumsum(axis=1)
    wrong = negative.cumsum(axis=1)
    auroc = 1 - (positive * (wrong - negative / 2)).sum(axis=1) / (caught[:, -1] * wrong[:, -1])
    return auroc, (positive * caught / np.maximum(caught + wrong, 1)).sum(axis=1) / caught[:, -1]


def _resamples(y: NDArray, groups: NDArray) -> Iterator[NDArray]:
    """Weights of the images: (1, n) of 1, then (R, n) blocks of how often their group was drawn,
    RESAMPLES rows.
    """
    yield np.ones((1, len(y)))
    rng = np.random.default_rng(0)
    size = int(groups.max()) + 1
    count = RESAMPLES
    while count > 0:
        rows = min(count, max(1, 1_000_000 // len(y)))
        drawn = rng.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
        weights = (
            np.bincount(drawn.ravel(), minlength=rows * size)
            .reshape(rows, size)[:, groups]
            .astype(float)
        )
        weights = weights[(weights @ y > 0) & (weights @ ~y > 0)]
        count -= len(weights)
        yield weights


def checked(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike | None
) -> tuple[NDArray, NDArray, NDArray]:
    """Labels as bool, scores as float, groups numbered from 0: (n,) each. Errors as of
    ``evaluate``.
    """
    y = np.asarray(labels)
    s = np.asarray(scores, float)
    g = (
        np.arange(y.size)
        if groups is None
        else np.unique(np.asarray(groups), return_inverse=True)[1]
    )
    if not y.shape == s.shape == g.shape == (y.size,):
        raise ValueError(
            f"got labels, scores and groups of shapes {y.shape}, {s.shape}, {g.shape}, wanted (n,) each"
        )
    for name, array, fits in (
        ("labels", y, np.isin(y, (0, 1))),
        ("scores", s, (s >= 0) & (s <= 1)),
    ):
        if not fits.all():
            raise ValueError(
                f"{name}: got {array[~fits][0]}, wanted {'0 or 1' if array is y else 'from 0 to 1'}"
            )
    if not 0 < y.sum() < len(y):
        raise ValueError(f"labels: got {y.sum()} positive of {len(y)} images, wanted both classes")
    return y.astype(bool), s, g


def compare(
    labels: ArrayLike, one: ArrayLike, two: ArrayLike, groups: ArrayLike | None = None
) -> tuple[Figure, float]:
    """AUROC of ``two`` minus that of ``one`` with its paired bootstrap interval, and the two-sided
    p of DeLong et al. 1988 by midranks (Sun and Xu 2014); groups of several images: Obuchowski
    1997, Biometrics 53:567. Same errors.
    """
    (y, a, g), (_, b, _) = checked(labels, one, groups), checked(labels, two, groups)
    gains = np.zeros(
        len(y)
    )  # structural components: share of the other class that an image is rightly told from
    for up, s, side in ((1, b, y), (-1, a, y), (-1, b, ~y), (1, a, ~y)):
        gains[side] += up * (stats.rankdata(s)[side] - stats.rankdata(s[side])) / (~side).sum()
    change, *draws = (
        _areas(y, b, weights)[0] - _areas(y, a, weights)[0] for weights in _resamples(y, g)
    )
    t_y, t_n = (np.bincount(g, (gains - change) * side) / side.sum() for side in (y, ~y))
    n_y, n_n, n = (len(np.unique(part)) for part in (g[y], g[~y], g))
    variance = sum(
        t @ u * k / max(1, k - 1)
        for t, u, k in ((t_y, t_y, n_y), (t_n, t_n, n_n), (t_y, 2 * t_n, n))
    )
    p = float(2 * stats.norm.sf(abs(change[0]) / np.sqrt(variance))) if variance > 0 else 1.0
    same = np.array_equal(
        stats.rankdata(a), stats.rankdata(b)
    )  # else two faultless models may differ elsewhere
    half = _half(draws, 2 * min(n_y, n_n) - 2) or (0.0 if same else 1 - TAIL ** (1 / min(n_y, n_n)))
    return Figure(
        float(change[0]), *map(float, change + np.array([-half, half]))
    ), p if half >= 0 else np.nan


def judged(rows: list[dict[str, str]], positive: str) -> tuple[NDArray, NDArray, NDArray]:
    """Of rows of a predictions.csv whether the truth is positive, the probability of that, and the
    group: (n,) each.
    """
    y = np.array([row["truth"] == positive for row in rows])
    s = np.array([float(row[f"probability_{positive}"]) for row in rows])
    return y, s, np.array([row.get("group") or row["path"] for row in rows])


def _read(path: Path) -> tuple[list[dict[str, str]], str]:
    """The rows of a predictions.csv where truth is known, and the name of the positive class."""
    rows = read_table(path)
    names = [
        name.removeprefix("probability_") for name in rows[0] if name.startswith("probability_")
    ]
    if len(names) != 2 or not {"path", "truth", "predicted"} <= rows[0].keys():
        raise ValueError(
            f"{path}: got {', '.join(rows[0])}; wanted path, truth, predicted, 2 of probability_<class>"
        )
    return [row for row in rows if row["truth"]], names[1]


def main(argv: list[str]) -> None:
    """Print the tables. Raises ValueError for files that do not fit."""
    from report.levels import (
        levels,
        subgroups,
        with_manifest,
    )  # here, for that file takes its figures from this one

    parser = argparse.ArgumentParser(
        prog="python -m report.evaluate", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--predictions", type=Path, default=Path("predictions.csv"))
    about = "manifest.csv of the images: its groups are drawn, its vessels and patients have figures of their own"
    parser.add_argument("--manifest", type=Path, help=about)
    parser.add_argument(
        "--column",
        help="manifest column, for figures of each of its values; several are joined by ;",
    )
    parser.add_argument(
        "--prevalence",
        type=float,
        default=0,
        help="share of positives where the model is to be used",
    )
    parser.add_argument(
        "--threshold", type=float, help="default: the one that the predicted column shows"
    )
    parser.add_argument(
        "--versus", type=Path, help="predictions of the same images by another model"
    )
    options = parser.parse_args(argv)
    everyone, positive = _read(options.predictions)
    rows = with_manifest(everyone, options.manifest) if options.manifest else everyone
    if not rows:
        raise ValueError(f"{options.predictions}: no image of known truth that --manifest lists")
    if options.column and options.column not in rows[0]:
        raise ValueError(
            f"--column: got {options.column}, wanted a column of --manifest: {', '.join(rows[0])}"
        )
    y, s, groups = judged(rows, positive)
    called = np.array([row["predicted"] == positive for row in rows])
    shown = 0.5 if ((s >= 0.5) == called).all() else float(s[called].min(initial=1))
    threshold = shown if options.threshold is None else options.threshold
    source = "manifest" if options.manifest else "predictions"
    grouped = (
        f"{len(set(groups))} groups of the {source}"
        if "group" in rows[0]
        else "each image its own group"
    )
    print(
        f"{len(rows)} of {len(everyone)} images, {y.sum()} {positive}; {grouped}; positive from {threshold:.4g} on"
    )
    for name, figure in evaluate(y, s, groups, threshold, options.prevalence).items():
        print(f"{name.replace('_', ' '):<20}{figure}")
    if options.versus:
        others, other = _read(options.versus)
        scores = {row["path"]: float(row[f"probability_{other}"]) for row in others}
        if other != positive or not {row["path"] for row in rows} <= scores.keys():
            raise ValueError(
                f"{options.versus}: wanted images and classes of {options.predictions}"
            )
        change, p = compare(y, s, [scores[row["path"]] for row in rows], groups)
        print(
            f"\nAUROC of {options.versus} minus that of {options.predictions}: {change}, p = {p:.3g} (DeLong)"
        )
    for part in subgroups(rows, positive, options.column, threshold) if options.column else ():
        count = f"{part.positives} {positive} against {part.negatives}"
        print(f"{part.value}: {count}, AUROC {part.auroc}, sensitivity {part.sensitivity}")
    for level in levels(rows, positive)[1:]:
        print(f"\n{level.count} {level.name}s, {level.labels.sum()} {positive}: {level.rule}")
        figures = level.figures(threshold)
        lines = [
            f"{name:<20}{figures[name]}"
            for name in ("auroc", "sensitivity", "specificity")
            if figures
        ]
        print("\n".join(lines or ["no figures: all are of one class"]))


if __name__ == "__main__":
    end_ctrl_c_in_one_line()
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly where head has read enough
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
