"""Estimates from a predictions.csv of findings, on the terminal; report.evaluate calls it."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import errors
from data.multilabel import Findings
from errors import UserError
from metrics.comparison import compare
from metrics.decision import which_held
from metrics.intervals import groups_in
from metrics.levels import Rows
from metrics.multilabel import compare_findings, evaluate_findings, in_words, without_figures
from report.matching import note_training, same_images, with_manifest
from report.predicted import PREFIX, read_findings, threshold_of

AGAIN = " or write the table again with predict.py"
# options that findings have no use for, with what they are where they are not given
OF_CLASSES = {"threshold": None, "prevalence": 0, "column": None, "order": None}


def print_findings(arguments: argparse.Namespace) -> None:
    """Print the estimates of findings, and how much better another model tells them.

    Raises:
        UserError: files that do not fit, an option of classes.
    """
    for name, unsaid in OF_CLASSES.items():
        if getattr(arguments, name) != unsaid:
            raise UserError(f"--{name}: is of classes, got findings; leave it out")
    table = arguments.predictions
    everyone, names = read_findings(table)
    known = [row for row in everyone if row["truth"]]
    rows = known
    if arguments.manifest:
        rows = with_manifest(known, names, arguments.manifest, Findings(names))
    if not rows:
        raise UserError(f"{table}: no image of known truth; wanted truth, findings or none")
    groups = groups_in(rows)
    thresholds = _thresholds(everyone, names, table)
    truths = which_held([row["truth"] for row in rows], names)
    parts = [
        f"{len(rows)} of {len(everyone)} images",
        "each image its own group"
        if len(set(groups)) == len(rows)
        else f"{len(set(groups))} groups",
        "findings, each from its own probability on (inferred from the column predicted): "
        + ", ".join(
            f"{name} {thresholds[name]:.4g} ({count} have it)"
            for name, count in zip(names, truths.sum(axis=0).tolist(), strict=True)
        ),
    ]
    errors.say("; ".join(parts))
    note_training(rows, table)
    for line in without_figures(truths, names):
        errors.note(f"{table}: {line}")
    shares = _shares(rows, names)
    figures = evaluate_findings(truths, shares, names, thresholds, groups)
    width = 2 + max(map(len, figures))
    for name, estimate in figures.items():
        errors.say(f"{in_words(name):<{width}}{estimate}")
    if arguments.versus:
        _print_comparison(rows, truths, names, arguments)


def _print_comparison(
    rows: Rows, truths: NDArray, names: list[str], arguments: argparse.Namespace
) -> None:
    versus, table = arguments.versus, arguments.predictions
    others, other_names = read_findings(versus)
    if other_names != names:
        raise UserError(
            f"{versus}: got the findings {', '.join(other_names)}, wanted {', '.join(names)}, as "
            f"in {table}"
        )
    same = same_images(rows, others, versus, table)
    note_training(same, versus)
    groups = groups_in(rows)
    own, other = _shares(rows, names), _shares(same, names)
    change = compare_findings(truths, own, other, names, groups)
    errors.say(f"\nmean AUROC of {versus} minus that of {table}: {change}")
    for k, name in enumerate(names):
        if 0 < truths[:, k].sum() < len(rows):
            of_one, p = compare(truths[:, k], own[:, k], other[:, k], groups)
            errors.say(f"AUROC, {name}: {of_one}, p = {p:.3g} (DeLong)")


def _thresholds(rows: Rows, names: list[str], table: Path) -> dict[str, float]:
    """The threshold of each finding that gives the column predicted. UserError: none does."""
    called = which_held([row["predicted"] for row in rows], names)
    found = {}
    for name, of_one in zip(names, called.T, strict=True):
        without = f"no {name}"
        answers = [
            row | {"predicted": name if is_called else without}
            for row, is_called in zip(rows, of_one, strict=True)
        ]
        found[name] = threshold_of(answers, [without, name], table, AGAIN)
    return found


def _shares(rows: Rows, names: list[str]) -> NDArray:
    return np.array([[float(row[PREFIX + name]) for name in names] for row in rows])
