"""The columns of a table that tell train, val and test, whatever they are called."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from data.readers import DataError
from data.split_flags import check_flags, splits_flagged
from data.split_words import fold_of, split_of, splits_of
from data.tables import Row
from data.words import letters

NAMES = ("subset", "set", "partition", "phase", "dataset", "datasplit", "usage", "fold")
FEW = 6  # different cells of a column that tells a split


def splits_told(rows: list[Row], table: Path, notes: list[str]) -> list[str]:
    """What the rows tell of the split: of each row a cell, empty where no column tells it.

    The column ``split`` goes before all others. Another one counts if each of its cells is a word
    for train, val or test, and one is train: TR may be a country.

    Args:
        rows: of the table.
        table: named in an error.
        notes: takes which column is read, and which one nearly is or holds folds.

    Raises:
        DataError: two columns tell two splits.
    """
    given = [row.get("split", "").strip() for row in rows]
    if any(given):
        meant = _meant(given)
        check_flags(rows, meant, table)
        return meant
    columns = {
        name: [row.get(name, "").strip() for row in rows]
        for name in rows[0]
        if letters(name) in NAMES or tells_split(row.get(name, "").strip() for row in rows)
    }
    read = {name: cells for name in columns if (cells := _sure(columns[name]))}
    for name in columns.keys() - read.keys():
        _note_unread(name, columns[name], notes)
    if not read:
        return splits_flagged(rows, table, notes)
    first, *others = read
    for other in others:
        if read[other] != read[first]:
            raise DataError(
                f"{table}: the columns {first} and {other} tell two splits; keep one of them, or "
                "call it split"
            )
    check_flags(rows, read[first], table)
    counts = Counter(read[first])
    told = ", ".join(f"{count} {split}" for split, count in sorted(counts.items()))
    notes.append(f"the split is that of the column {first}: {told}")
    return read[first]


def _meant(cells: list[str]) -> list[str]:
    """train, val or test for each cell; a cell that means none stays as it is."""
    splits = splits_of(cells)
    return [splits.get(cell, cell) for cell in cells]


def tells_split(cells: Iterable[str]) -> bool:
    """Whether the cells of a column, whatever its name, are words for splits alone."""
    different = set(cells)
    return len(different) <= FEW and bool(_sure(sorted(different)))


def _sure(cells: list[str]) -> list[str]:
    """The splits of a column that is called otherwise; none where it may be no split."""
    meant = _meant(cells)
    is_split = all(map(split_of, cells)) and "train" in meant and len(set(meant)) > 1
    return meant if is_split else []


def _note_unread(name: str, cells: list[str], notes: list[str]) -> None:
    other = [cell for cell in cells if not split_of(cell)]
    if 0 < len(other) < len(cells):
        notes.append(
            f"the column {name} is not read as the split: {other[0]!r} in {other.count(other[0])} "
            f"of {len(cells)} rows is no word for train, val or test"
        )
    elif other:
        _note_folds(name, cells, notes)
    else:
        notes.append(
            f"the column {name} is not read as the split, for it does not have both train and "
            "another one; if it is the split, call it split"
        )


def _note_folds(name: str, cells: list[str], notes: list[str]) -> None:
    if letters(name) == "fold" and any(cells):
        are_folds = all(cell.isdigit() or fold_of(cell) for cell in cells if cell)
        what = f"the folds of the column {name} are" if are_folds else f"the column {name} is"
        notes.append(f"{what} not kept: data.prepare makes folds of its own")
