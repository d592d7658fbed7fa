"""The split where a table tells it in columns of yes and no, such as is_train and is_test."""

import re
from collections.abc import Sequence
from pathlib import Path

from data.readers import DataError
from data.split_words import SPLIT_NAMES
from data.tables import Row
from data.words import letters
from errors import one_line

FLAG = re.compile(r"(?P<before>isin|is|in|usefor|usedfor|for)?(?P<word>.+?)(?P<behind>set|flag)?")
YES = {"1", "1.0", "true", "yes", "y", "t", "x"}
NO = {"0", "0.0", "false", "no", "n", "f", ""}
ADVICE = "write a column split with train, val or test in each row, or call this one something else"


def splits_flagged(rows: list[Row], table: Path, notes: list[str]) -> list[str]:
    """The split of each row by its columns of yes and no; all empty where there are none.

    A row that no column names is train where none of the columns is for train.

    Args:
        rows: of the table.
        table: named in an error.
        notes: takes which columns are read.

    Raises:
        DataError: such columns that leave open which split an image is in.
    """
    columns = {}
    for name, (side, _) in flags_among(rows[0]).items():
        cells = {_cell(row, name) for row in rows}
        if cells <= YES | NO and cells & YES and cells & NO:
            columns[name] = side
        elif _is_sure(name):
            notes.append(f"the column {name} is not read as the split: it is not both yes and no")
    if not columns:
        return [""] * len(rows)
    told = " and ".join(map(one_line, columns))
    sides = list(columns.values())
    if sides == ["train"] or (len(sides) == 1 and not _is_sure(*columns)):
        raise DataError(f"{table}: the column {told} does not tell the whole split; {ADVICE}")
    rest = "" if "train" in sides else "train"
    splits = []
    for number, row in enumerate(rows, start=2):
        named = sorted({side for name, side in columns.items() if _cell(row, name) in YES})
        if len(named) > 1 or not (named or rest):
            got = " and ".join(named) or "none"
            raise DataError(
                f"{table}, line {number}: the columns {told} say {got}, wanted one split; {ADVICE}"
            )
        splits.append(named[0] if named else rest)
    all_others = f"; all other images are {rest}" if rest else ""
    notes.append(f"the split is that of the columns {told}{all_others}")
    return splits


def check_flags(rows: list[Row], splits: Sequence[str], table: Path) -> None:
    """Raise DataError where a column of yes and no says another split than another column."""
    for name, (side, sure) in flags_among(rows[0]).items():
        pairs = zip(rows, splits, strict=True)
        others = [split for row, split in pairs if _cell(row, name) in YES and split != side]
        if sure and others:
            raise DataError(
                f"{table}: the column {one_line(name)} and that of the split differ in "
                f"{len(others)} rows, which say {others[0]!r}; keep one of them"
            )


def flags_among(names: Sequence[str] | Row) -> dict[str, tuple[str, bool]]:
    """The columns that may be flags: the split of each, and whether the name is sure."""
    flags = {}
    for name in names:
        match = FLAG.fullmatch(letters(name))
        if match and (side := SPLIT_NAMES.get(match["word"])):
            flags[name] = (side, bool(match["before"] or match["behind"]))
    return flags


def _cell(row: Row, name: str) -> str:
    return row.get(name, "").strip().casefold()


def _is_sure(name: str) -> bool:
    """Whether a column of such a name can tell nothing but a split: test may be that of stress."""
    return any(sure for _, sure in flags_among([name]).values())
