"""Tables on disk: the one reader and the one writer of CSV files."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.readers import DataError
from files import written_whole


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file. Raises DataError if it is unreadable or has no rows."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not readable as CSV: {error}") from None
    if not rows:
        raise DataError(f"{path}: no rows")
    return [{name: value or "" for name, value in row.items() if name is not None} for row in rows]


def write_table(
    path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()
) -> None:
    """Write a CSV file that ``read_table`` reads.

    Without ``columns`` it has those of the first row.
    """
    with written_whole(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns or list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
