"""Several findings of one image, as a table names them: in its label, or in a column each."""

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data.finding_columns import check_denials, denial_in, is_known, note_of_unread
from data.finding_words import answer_of, is_nothing, is_unsure
from data.readers import DataError
from data.tables import Row
from data.words import in_one_spelling, is_no_class
from errors import one_line
from metrics.decision import BETWEEN, apart, joined

LEAST_FINDINGS = 2  # one by itself is a question of two classes
BETWEEN_NAMES = re.compile(r"[;,|]|(?<=\w)\+(?=\w)")
SEPARATORS = re.compile(r"[;,|]")
LONGEST_FOLDER = 150  # bytes of a folder's name
SHOWN = 5  # kinds of faults that are named


@dataclass(frozen=True)
class Findings:
    """The findings of a data set, by their names.

    Args:
        names: in the order of their probabilities.
    """

    names: list[str]

    @classmethod
    def given(cls, names: Sequence[str]) -> "Findings":
        """Those that a user names. DataError: too few, one twice, or no name of a finding."""
        spelt = [name.strip() for name in names]
        parts = [part.strip() for name in spelt for part in BETWEEN_NAMES.split(name)]
        parts = [part for part in parts if part]
        if parts and any(BETWEEN_NAMES.search(name) for name in spelt):
            raise DataError(
                f"--findings: got {' '.join(spelt)!a}, wanted blanks between the names: "
                f"--findings {shlex.join(parts)}"
            )
        if len(spelt) < LEAST_FINDINGS:
            raise DataError(
                f"--findings: got {', '.join(spelt) or 'nothing'}, wanted {LEAST_FINDINGS} or "
                "more; one by itself is a question of two classes: leave --findings out"
            )
        for name in spelt:
            if not is_name(name):
                raise DataError(
                    f"--findings: got {name!a}, wanted the name of a finding: no word for none or "
                    "for unknown, and none of ; , | / \\ + in it"
                )
        if taken := [name for name in spelt if is_known(name)]:
            raise DataError(
                f"--findings: got {taken[0]!a}, wanted another name: columns of that name say "
                "something else; call the finding, and its column, otherwise"
            )
        counts = Counter(in_one_spelling(name) for name in spelt)
        twice = [name for name in spelt if counts[in_one_spelling(name)] > 1]
        if twice:
            raise DataError(f"--findings: got {' and '.join(twice)}, wanted each finding once")
        return cls(spelt)

    @cached_property
    def _by_spelling(self) -> dict[str, str]:
        return {in_one_spelling(name): name for name in self.names}

    def read(self, cell: str) -> str:
        """The label that a cell means, as ``metrics.decision.joined``.

        Raises:
            DataError: an empty cell, one that names nothing known, or none beside a finding; what
                was got and what was wanted, without the place.
        """
        words = [word.strip() for word in SEPARATORS.split(cell)]
        words = [word for word in words if word]
        known = {self._by_spelling.get(in_one_spelling(word), "") for word in words}
        others = [word for word in words if in_one_spelling(word) not in self._by_spelling]
        unknown = [word for word in others if not is_nothing(word)]
        if not words or unknown:
            got = unknown[0] if unknown else cell
            if is_unsure(got):
                raise DataError(f"the label {got!r}, which does not say what the image has")
            raise DataError(f"the label {got!r}, which is none of the findings")
        if others and len(words) > len(others):
            raise DataError(f"the label {cell!r}, which says both {others[0]} and a finding")
        return joined([name for name in self.names if name in known])

    def read_flags(self, row: Row, columns: dict[str, str]) -> str:
        """The label that a row of 0 and 1 means; ``columns``: by its finding each.

        Raises:
            DataError: a cell that is neither yes nor no, without the place.
        """
        found = []
        for name in self.names:
            cell = row.get(columns[name], "")
            answer = answer_of(cell)
            if answer is None:
                what = "does not say it" if is_unsure(cell) else "is neither 0 nor 1"
                raise DataError(f"{cell!r} in the column {columns[name]}, which {what}")
            found += [name] if answer else []
        return joined(found)

    def columns_among(self, names: Sequence[str]) -> dict[str, str]:
        """By its finding the column of each; {}: the table has not one for each of them."""
        found = self.some_columns(names)
        return found if len(found) == len(self.names) else {}

    def some_columns(self, names: Sequence[str]) -> dict[str, str]:
        """By its finding the column of each that has one."""
        spelt = {in_one_spelling(name): name for name in names}
        return {name: spelt[key] for key, name in self._by_spelling.items() if key in spelt}

    def told_by(self, cell: str) -> str:
        """The label that a cell means; empty where it does not tell it surely."""
        try:
            return self.read(cell)
        except DataError:
            return ""

    def truth_of(self, row: Row) -> str:
        """The label of an image that is predicted; empty where its row does not tell it surely."""
        try:
            columns = self.columns_among(list(row))
            label = self.read_flags(row, columns) if columns else self.read(row.get("label", ""))
            return "" if denial_in(row, label) else label
        except DataError:
            return ""


def is_name(name: str) -> bool:
    """Whether a name is one of a finding, and can stand beside others in a label."""
    usable = re.fullmatch(r"[^/\\.;,|+\x00-\x1f\x7f-\x9f][^/\\;,|+\x00-\x1f\x7f-\x9f]*", name)
    return bool(usable) and not (is_nothing(name) or is_no_class(name) or is_unsure(name))


def labelled(rows: list[Row], findings: Findings, table: Path, notes: list[str]) -> list[Row]:
    """The rows of a raw table with the label that each means; columns of findings are taken out.

    Args:
        rows: of the table.
        findings: that it may name.
        table: for messages.
        notes: takes lines that the user should read.

    Raises:
        DataError: what the rows say that is no finding: of each kind how often, and a line.
    """
    columns = findings.columns_among(list(rows[0]))
    some = findings.some_columns(list(rows[0]))
    if not columns and "label" not in rows[0]:
        raise DataError(f"{table}: {_lacking(rows, findings)}")
    if columns:
        told = _each(rows, lambda row: findings.read_flags(row, columns), findings.names, table)
        taken = f"the findings are those of the columns {', '.join(columns.values())}"
        notes.append(f"{taken}; the label is not read" if "label" in rows[0] else taken)
    else:
        told = _each(rows, lambda row: findings.read(row["label"]), findings.names, table)
        if some:
            notes.append(
                f"the findings are those of the column label; the columns {', '.join(some)} are "
                "not read, for not each finding has one"
            )
    check_denials(rows, told, table, notes)
    notes += note_of_unread(rows, list(some.values()))
    counts = Counter(name for label in told for name in apart(label))
    without = told.count(joined([]))
    named = ", ".join(f"{counts[name]} {name}" for name in findings.names)
    notes.append(f"findings of {len(rows)} images: {named}; {without} have none")
    absent = [name for name in findings.names if not counts[name]]
    if absent:
        raise DataError(f"{table}: no image has {', '.join(absent)}; leave it out of --findings")
    gone = set(columns.values())
    return [
        {name: cell for name, cell in row.items() if name not in gone} | {"label": label}
        for row, label in zip(rows, told, strict=True)
    ]


def _lacking(rows: list[Row], findings: Findings) -> str:
    """What a table lacks that tells no findings, and which column may be meant."""
    some = findings.some_columns(list(rows[0]))
    got = f"got {', '.join(rows[0])}"
    if some:
        lacking = ", ".join(name for name in findings.names if name not in some)
        return f"has no column label, and not a column for each finding; it lacks {lacking}; {got}"
    names = ", ".join(findings.names)
    advice = [
        f"; rename {name} to label"
        for name in rows[0]
        if any(findings.told_by(row.get(name, "")) not in ("", joined([])) for row in rows)
    ]
    return (
        "does not say which findings an image has; wanted a column label, with findings such as "
        f"{';'.join(findings.names[:2])}, or columns of 0 and 1: {names}; {got}"
    ) + "".join(advice[:1])


def _each(rows: list[Row], read: Callable[[Row], str], names: list[str], table: Path) -> list[str]:
    told = []
    faults: dict[str, list[int]] = {}
    for line, row in enumerate(rows, start=2):
        try:
            told.append(read(row))
        except DataError as error:
            faults.setdefault(str(error), []).append(line)
    if faults:
        lines = [
            f"{table}: {len(numbers)} rows with {one_line(fault)}, such as line {numbers[0]}"
            for fault, numbers in sorted(faults.items(), key=lambda item: -len(item[1]))
        ]
        more = [f"and {len(lines) - SHOWN} more kinds"] if len(lines) > SHOWN else []
        raise DataError(
            "\n".join(
                [
                    *lines[:SHOWN],
                    *more,
                    f"wanted {', '.join(names)}, or none; name others with --findings too; where "
                    "the answer is not known, give it, or leave the image out",
                ]
            )
        )
    return told


def in_folder(label: str) -> str:
    """The name of the folder for images of a label: without the sign that ends a shell command."""
    name = label.replace(BETWEEN, "+")
    if len(name.encode()) <= LONGEST_FOLDER:
        return name
    return f"several-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
