"""Columns of a raw table beside those of the findings: known ones, of 0 and 1, and for none."""

from collections.abc import Sequence
from pathlib import Path

from data import group_columns, split_columns, split_flags
from data.finding_words import answer_of, is_column_for_none, is_nothing, is_unsure
from data.lesion_columns import BOX_NAME, MASK_NAME
from data.readers import DataError
from data.samples import COLUMNS
from data.tables import Row
from data.words import letters
from errors import one_line
from metrics.decision import apart

SHOWN = 20  # columns that are named


def is_known(name: str) -> bool:
    """Whether a column of that name says something else: path, label, split, patient, mask, ..."""
    word = letters(name)
    return (
        name.strip().lower() in COLUMNS
        or word in split_columns.NAMES
        or bool(BOX_NAME.fullmatch(word) or MASK_NAME.fullmatch(word))
        or bool(group_columns.columns_among([name]))
        or bool(split_flags.flags_among([name]))
    )


def flag_columns(rows: list[Row]) -> dict[str, int]:
    """In how many rows each column of 0 and 1, or of no and yes, says 1; of those that ever do.

    Cells may also be empty or unsure. Left out are columns that are known, and those for none.
    """
    counts = {}
    for name in rows[0]:
        if is_known(name) or is_column_for_none(name):
            continue
        cells = [row.get(name, "") for row in rows]
        answers = [answer_of(cell) for cell in cells]
        are_flags = all(
            answer is not None or is_unsure(cell)
            for cell, answer in zip(cells, answers, strict=True)
        )
        if are_flags and any(answers):
            counts[name] = answers.count(True)
    return counts


def note_of_unread(rows: list[Row], read: Sequence[str]) -> list[str]:
    """What is said of columns of 0 and 1 that are not ``read``: they may be findings."""
    other = {name: count for name, count in flag_columns(rows).items() if name not in read}
    if not other:
        return []
    told = [f"{one_line(name)} ({count} in {len(rows)} rows)" for name, count in other.items()]
    more = f" and {len(told) - SHOWN} others" if len(told) > SHOWN else ""
    return [
        f"columns of 0 and 1 that are not read: {', '.join(told[:SHOWN])}{more}; name them with "
        "--findings if they are findings"
    ]


def denial_in(row: Row, label: str) -> str:
    """What of a row says that there is nothing, though the ``label`` names a finding; or empty."""
    if not apart(label):
        return ""
    if is_nothing(row.get("label", "")):
        return "whose label says that there is nothing"
    said = [name for name, cell in row.items() if is_column_for_none(name) and answer_of(cell)]
    return f"that have 1 in the column {said[0]}" if said else ""


def check_denials(rows: list[Row], told: list[str], table: Path, notes: list[str]) -> None:
    """Compare the labels that rows mean with what else says that there is nothing, or something.

    Args:
        rows: of the table.
        told: the label of each, as ``metrics.decision.joined``.
        table: for messages.
        notes: takes how many images have something that is none of the findings.

    Raises:
        DataError: a label or column that says that there is nothing, beside a finding.
    """
    denied: dict[str, list[int]] = {}
    others: dict[str, list[int]] = {}
    for line, (row, label) in enumerate(zip(rows, told, strict=True), start=2):
        if denial := denial_in(row, label):
            denied.setdefault(denial, []).append(line)
        if not apart(label) and (other := _other_in(row)):
            others.setdefault(other, []).append(line)
    if denied:
        raise DataError(
            "\n".join(
                f"{table}: {len(lines)} rows {denial}, though a finding is named, such as line "
                f"{lines[0]}; mend the one or the other, or rename the column if it means "
                "something else"
                for denial, lines in denied.items()
            )
        )
    notes += [
        f"{len(lines)} images have none of the findings, though {other}, such as line {lines[0]}: "
        "they may have one that is not named with --findings"
        for other, lines in others.items()
    ]


def _other_in(row: Row) -> str:
    """What of a row without findings says that it has something; empty: nothing does."""
    columns = [name for name in row if is_column_for_none(name)]
    said = [name for name in columns if answer_of(row[name]) is False]
    if said:
        return f"the column {one_line(said[0])} says 0"
    label = row.get("label", "")
    is_none = is_nothing(label) or answer_of(label) is False
    return "" if is_none or is_unsure(label) else "their label is no word for none"
