"""Estimates from a predictions.csv of grades, on the terminal; report.evaluate calls it."""

import argparse

import numpy as np
from numpy.typing import NDArray

import errors
from errors import UserError
from metrics.grades import compare_grades, evaluate_grades
from metrics.intervals import groups_in
from metrics.levels import Rows
from report.matching import note_training, same_images, with_manifest
from report.predicted import PREFIX, read_grades

OF_TWO = ("threshold", "prevalence", "column")  # options that grades have no use for


def print_grades(arguments: argparse.Namespace) -> None:
    """Print the estimates of grades, and how much better another model tells them.

    Raises:
        UserError: files that do not fit, classes without an order, an option of two classes.
    """
    for name in OF_TWO:
        if getattr(arguments, name):
            raise UserError(f"--{name}: is of two classes, got grades; leave it out")
    table = arguments.predictions
    everyone, names = read_grades(table, arguments.order)
    known = [row for row in everyone if row["truth"]]
    rows = with_manifest(known, names, arguments.manifest) if arguments.manifest else known
    if not rows:
        raise UserError(f"{table}: no image of known truth; wanted truth, the name of a grade")
    groups = groups_in(rows)
    parts = [
        f"{len(rows)} of {len(everyone)} images",
        f"{len(set(groups))} groups" if "group" in rows[0] else "each image its own group",
        f"grades {' < '.join(names)}",
    ]
    if unknown := [row["path"] for row in everyone if not row["truth"]]:
        parts.append(f"{len(unknown)} without truth, such as {unknown[0]}")
    errors.say("; ".join(parts))
    note_training(rows, table)
    truths, called = _indices(rows, "truth", names), _indices(rows, "predicted", names)
    shares = np.array([[float(row[PREFIX + name]) for name in names] for row in rows])
    for name, estimate in evaluate_grades(truths, shares, called, names, groups).items():
        errors.say(f"{name.replace('_', ' '):<24}{estimate}")
    if arguments.versus:
        others, other_names = read_grades(arguments.versus, arguments.order)
        if other_names != names:
            raise UserError(
                f"{arguments.versus}: got the grades {', '.join(other_names)}, wanted "
                f"{', '.join(names)}, as in {table}"
            )
        same = same_images(rows, others, arguments.versus, table)
        note_training(same, arguments.versus)
        change = compare_grades(truths, called, _indices(same, "predicted", names), groups)
        errors.say(f"\nkappa of {arguments.versus} minus that of {table}: {change}")


def _indices(rows: Rows, column: str, names: list[str]) -> NDArray:
    """(n,) the index of the grade in a column."""
    return np.array([names.index(row[column]) for row in rows])
