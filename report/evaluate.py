"""Estimates with 95 % confidence intervals from predictions.csv, on the terminal:
python -m report.evaluate --predictions predictions.csv --manifest FOLDER/manifest.csv
"""

import argparse
import signal
import sys
from pathlib import Path

import numpy as np

from data.tables import read_table
from files import end_ctrl_c_in_one_line
from metrics.comparison import compare
from metrics.intervals import evaluate, judged
from metrics.levels import levels, subgroups


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


def with_manifest(rows: list[dict[str, str]], manifest: Path) -> list[dict[str, str]]:
    """The rows whose image the manifest.csv lists, by the last three parts of the path, with its
    columns.
    """
    about = {row.get("path", ""): row for row in read_table(manifest)}
    found = [(about.get("/".join(row["path"].split("/")[-3:])), row) for row in rows]
    return [own | row for own, row in found if own]


def main(argv: list[str]) -> None:
    """Print the tables. Raises ValueError for files that do not fit."""

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
