"""A predictions.csv that comes back, perhaps edited: every cell is checked before it counts."""

from collections import Counter
from pathlib import Path

from data.tables import read_table
from errors import UserError
from metrics.levels import Rows

PREFIX = "probability_"  # of the columns that hold the probability of a class
OFF = 0.02  # that the probabilities of an image may miss 1 by, as they were rounded


def read_predictions(path: Path) -> tuple[Rows, list[str]]:
    """The rows of a predictions.csv where truth is known, and the two classes, positive last.

    Raises:
        UserError: other columns, or the first cells that cannot be right, a line each.
    """
    rows = read_table(path)
    columns = rows[0]
    names = [name.removeprefix(PREFIX) for name in columns if name.startswith(PREFIX)]
    if len(names) != 2 or not {"path", "truth", "predicted"} <= columns.keys():
        raise UserError(
            f"{path}: got {', '.join(columns)}; wanted path, truth, predicted, "
            "2 of probability_<class>"
        )
    faults = []
    for number, row in enumerate(rows, start=1):
        if fault := _fault(row, names):
            faults.append(f"{path}, row {number}, {row['path']}: {fault}")
    faults += [f"{path}: {twice}" for twice in _twice(rows)]
    _refuse(faults, "mend the table, or write it again with predict.py")
    return [row for row in rows if row["truth"]], names


def read_manifest(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a manifest.csv by path. UserError: it lists an image twice."""
    rows = read_table(path)
    if "path" not in rows[0]:
        raise UserError(f"{path}: got {', '.join(rows[0])}; wanted a column path, of the images")
    _refuse([f"{path}: {twice}" for twice in _twice(rows)], "keep one row of each image")
    return {row["path"]: row for row in rows}


def _fault(row: dict[str, str], names: list[str]) -> str:
    """What is wrong with a row; empty if nothing is."""
    for column in ("truth", "predicted"):
        said = row[column]
        if said not in names and (said or column == "predicted"):
            return f"{column}: got {said!r}, wanted {names[0]!r} or {names[1]!r}"
    total = 0.0
    for name in names:
        share = _number(row[PREFIX + name])
        if share is None or not 0 <= share <= 1:
            got = row[PREFIX + name]
            return f"{PREFIX}{name}: got {got!r}, wanted a number from 0 to 1"
        total += share
    if abs(total - 1) > OFF:
        return f"the probabilities: got a sum of {total:.3f}, wanted 1"
    return ""


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _twice(rows: Rows) -> list[str]:
    counts = Counter(row["path"] for row in rows)
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
