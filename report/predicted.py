"""A predictions.csv that comes back, perhaps edited: every cell is checked before it counts."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from posixpath import normpath

import numpy as np
from numpy.typing import NDArray

import errors
from data.grades import LEAST_GRADES, as_given, order_of
from data.multilabel import LEAST_FINDINGS, Findings, is_name
from data.readers import DataError
from data.tables import read_table
from data.words import is_normal, is_positive
from errors import UserError
from metrics.decision import NO_FINDING, apart
from metrics.levels import Rows

PREFIX = "probability_"  # of the columns that hold the probability of a class
ADVICE = ", write the table again with predict.py, or give --threshold"
DECIMAL_COMMA = re.compile(r"\s*\d+,\d+([eE][+-]?\d+)?\s*")
OFF = 0.02  # that the probabilities of an image may miss 1 by, as they were rounded


def read_predictions(path: Path) -> tuple[Rows, list[str]]:
    """The rows of a predictions.csv, and the two classes, positive last.

    The positive class is the one whose name is known to be, else that of the last column.
    Probabilities with decimal commas are read.

    Raises:
        UserError: other columns, or the first cells that cannot be right, a line each.
    """
    rows, names = _read(path, most=2)
    return rows, _ordered(names)


def read_grades(path: Path, order: Sequence[str] | None) -> tuple[Rows, list[str]]:
    """As ``read_predictions``, of three grades or more, the lowest first.

    Args:
        path: of the table.
        order: of the grades; None: as their names tell.

    Raises:
        UserError: as ``read_predictions`` does; classes that have no order.
    """
    rows, names = _read(path, most=None)
    if order:
        return rows, as_given(names, order)
    told = order_of(names)
    if told != names:
        errors.note(
            f"{path}: the grades are ordered as their names tell, {' < '.join(told)}, though the "
            f"columns stand otherwise; if the model has their order: --order {shlex.join(names)}"
        )
    return rows, told


def read_findings(path: Path) -> tuple[Rows, list[str]]:
    """As ``read_predictions``, of findings, of which an image may have several.

    Truth and prediction are written as ``metrics.decision.joined`` does, in the order of the
    columns.

    Raises:
        UserError: as ``read_predictions`` does; names that are none of findings.
    """
    rows, names = _read(path, most=None, findings=True)
    if wrong := [name for name in names if not is_name(name)]:
        raise UserError(f"{path}: got {PREFIX}{wrong[0]}, which is the name of no finding")
    found = Findings(names)
    return [
        row
        | {
            column: found.read(row[column]) if row[column] else ""
            for column in ("truth", "predicted")
        }
        for row in rows
    ], names


def count_of_classes(path: Path) -> int:
    """How many classes a predictions.csv has a probability of."""
    return len(_names_in(read_table(path)[0]))


def holds_findings(path: Path) -> bool:
    """Whether a truth or a prediction of a table names several of its classes, or none of them."""
    rows = read_table(path)
    names = set(_names_in(rows[0]))
    said = {row.get(column, "") for row in rows for column in ("truth", "predicted")} - names
    return any(label == NO_FINDING or set(apart(label)) <= names for label in said if label)


def _names_in(columns: Iterable[str]) -> list[str]:
    return [name.removeprefix(PREFIX) for name in columns if name.startswith(PREFIX)]


def _read(path: Path, most: int | None, findings: bool = False) -> tuple[Rows, list[str]]:
    """The rows, checked, and the classes in the order of their columns."""
    rows = _of_labels(read_table(path), path)
    columns = rows[0]
    names = _names_in(columns)
    least = LEAST_FINDINGS if findings else LEAST_GRADES
    fits = len(names) == most if most else len(names) >= least
    if not fits or not {"path", "truth", "predicted"} <= columns.keys():
        wanted = most or f"{least} or more"
        raise UserError(
            f"{path}: got {', '.join(columns)}; wanted path, truth, predicted, "
            f"{wanted} of probability_<class>"
        )
    shares = [PREFIX + name for name in names]
    rows = [row | {column: _with_point(row[column]) for column in shares} for row in rows]
    faults = []
    for number, row in enumerate(rows, start=1):
        if fault := _fault(row, names, findings):
            faults.append(f"{path}, row {number}, {row['path']}: {fault}")
    faults += [f"{path}: {twice}" for twice in _twice(rows)]
    _refuse(faults, "mend the table, or write it again with predict.py")
    return rows, names


def _of_labels(rows: Rows, path: Path) -> Rows:
    """The rows; of patients.csv the group's name stands for the path.

    Raises:
        UserError: rows of single pictures, whose label is that of their group.
    """
    columns = rows[0]
    if {"group", "weight", "path"} <= columns.keys():
        raise UserError(
            f"{path}: is of single pictures of a model that learned labels of groups; wanted the "
            "patients.csv beside it"
        )
    if "decided_by" in columns and "group" in columns:
        return [{"path": row["group"], **row} for row in rows]
    return rows


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell) else cell


def _ordered(names: list[str]) -> list[str]:
    """Two classes, the positive one last: by their names, else in the order that they have."""
    first, last = names
    if is_positive(first) != is_positive(last):
        swapped = is_positive(first)
    else:
        swapped = is_normal(last) and not is_normal(first)
    if not swapped:
        return names
    errors.note(f"{first} is taken as the positive class for the names, though {last} comes last")
    return [last, first]


def threshold_of(rows: Rows, names: list[str], path: Path, advice: str = ADVICE) -> float:
    """The threshold that gives the column predicted; 0.5 where that does.

    Args:
        rows, names: of ``read_predictions``.
        path: the table, for messages.
        advice: what else can be done where none does.

    Raises:
        UserError: no threshold does.
    """
    scores = np.array([float(row[PREFIX + names[1]]) for row in rows])
    called = np.array([row["predicted"] == names[1] for row in rows])
    if not ((scores >= 0.5) != called).any():
        return 0.5
    threshold = float(scores[called].min(initial=1))
    passed = np.flatnonzero((scores >= threshold) & ~called)
    if (scores[passed] > threshold).any():
        nearest = _nearest_threshold(scores, called)
        other = np.flatnonzero((scores >= nearest) != called)
        row = rows[other[0]]
        raise UserError(
            f"{path}: no threshold gives the column predicted: with {nearest:.4g}, which comes "
            f"closest, {len(other)} of {len(rows)} would differ, as {row['path']}: got "
            f"{row['predicted']!r} with {PREFIX}{names[1]} {row[PREFIX + names[1]]}; "
            f"mend such rows{advice}"
        )
    if passed.size:  # two of one probability, for it was rounded
        errors.note(
            f"{path}: the threshold {threshold:.4g} is the probability of images that were "
            f"predicted {names[0]} and count as {names[1]} here: {passed.size}, such as "
            f"{rows[passed[0]]['path']}"
        )
    return threshold


def _nearest_threshold(scores: NDArray, called: NDArray) -> float:
    """The threshold that misses the fewest of the (n,) ``called``; 0.5 where that is one."""
    order = np.argsort(scores)
    below = np.append(0, np.cumsum(called[order]))  # (n + 1,) called, of the k lowest
    choices = np.append(0.5, scores)
    index = np.searchsorted(scores[order], choices)
    missed = below[index] + (~called).sum() - (index - below[index])
    return float(choices[missed.argmin()])


def read_manifest(path: Path) -> Rows:
    """The rows of a manifest.csv. UserError: it lists an image twice."""
    rows = read_table(path)
    if "path" not in rows[0]:
        raise UserError(f"{path}: got {', '.join(rows[0])}; wanted a column path, of the images")
    _refuse([f"{path}: {twice}" for twice in _twice(rows)], "keep one row of each image")
    return rows


def _fault(row: dict[str, str], names: list[str], findings: bool) -> str:
    """What is wrong with a row; empty if nothing is."""
    for column in ("truth", "predicted"):
        said = row[column]
        if findings and said:
            try:
                Findings(names).read(said)
            except DataError as error:
                return f"{column}: got {error}; wanted {', '.join(names)}, or none"
        elif said not in names and (said or column == "predicted"):
            wanted = " or ".join(repr(name) for name in names)
            return f"{column}: got {said!r}, wanted {wanted}"
    total = 0.0
    for name in names:
        share = _number(row[PREFIX + name])
        if share is None or not 0 <= share <= 1:
            got = row[PREFIX + name]
            return f"{PREFIX}{name}: got {got!r}, wanted a number from 0 to 1"
        total += share
    if not findings and abs(total - 1) > OFF:
        return (
            f"the probabilities: got a sum of {total:.3f}, wanted 1; if an image may have several "
            "of these, give --findings"
        )
    return ""


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _twice(rows: Rows) -> list[str]:
    counts = Counter(normpath(row["path"].strip().replace("\\", "/")) for row in rows)
    return [
        f"{path}: got {count} rows, wanted one of each image"
        for path, count in counts.items()
        if count > 1
    ]


def _refuse(faults: list[str], advice: str) -> None:
    """Raise UserError with the first faults; nothing where there are none."""
    if faults:
        more = [f"and {len(faults) - 3} more"] if len(faults) > 3 else []
        raise UserError("\n".join([*faults[:3], *more, advice]))
