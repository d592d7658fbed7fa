"""Which row of a manifest, or of another table, is that of an image of predictions.csv."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import errors
from data.multilabel import Findings
from data.tables import Row
from data.truths import are_own_numbers, class_of
from errors import UserError
from metrics.levels import Rows
from report.predicted import read_manifest


class Names:
    """The rows of a table by a name that each has of its image.

    Args:
        names: of each row, from ``folder`` on or absolute; empty: it has none.
        folder: in which the table lies.
    """

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        self.names = names
        self._folder = str(folder)
        self._real: dict[str, str] = {}  # folders without links
        self._by_place: dict[str, list[int]] = defaultdict(list)
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_end: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(names):
            if name:
                self._by_place[self._place(self._folder, name)].append(number)
                whole, *ends = _ends(name)
                self._by_name[whole].append(number)
                for end in ends:
                    self._by_end[end].append(number)

    def of_file(self, path: str) -> list[int]:
        """The rows whose file lies where the path leads to, from here, else from the folder."""
        here = self._by_place.get(self._place(".", path), [])
        if here or os.path.lexists(path):  # another file than that of the folder
            return here
        return self._by_place.get(self._place(self._folder, path), [])

    def of_end(self, path: str) -> list[int]:
        """The rows whose name is the longest end of the path, or ends with all of the path."""
        whole, *ends = _ends(path)
        rows = self._by_name.get(whole) or self._by_end.get(whole)
        return rows or next((self._by_name[end] for end in ends if end in self._by_name), [])

    def _place(self, start: str, name: str) -> str:
        name = name.replace("\\", "/")
        whole = name if name.startswith("/") else f"{start}/{name}"
        folder, slash, file = whole.rpartition("/")
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder or "/")
        return self._real[folder] + slash + file


def _ends(name: str) -> list[str]:
    """The name from each of its parts on, the longest first."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return ["/".join(parts[start:]) for start in range(len(parts))] or [name]


def rows_of(paths: Sequence[str], table: Path, *columns: Names) -> list[int | None]:
    """For each image the number of its row in the table; None: it has none there.

    An image is that of a row whose file it is. Only where this is so of no image, as after a move,
    is it found by the end of its path, with a note: by all of the row's name, or all of the path.

    Args:
        paths: of the images.
        table: for messages.
        columns: of the table, that may name the file of an image. The first one has a name for
            each row, and comes first.

    Raises:
        UserError: an image may be that of two rows, or two images are that of one row.
    """
    found = [_first(names.of_file(path) for names in columns) for path in paths]
    by_end = not any(found)
    if by_end:
        found = [_first(names.of_end(path) for names in columns) for path in paths]
    names = columns[0].names
    _check(paths, found, names, table)
    numbers = [rows[0] if rows else None for rows in found]
    pairs = [(path, names[rows[0]]) for path, rows in zip(paths, found, strict=True) if rows]
    if by_end and pairs:
        path, name = pairs[0]
        count = f"{len(pairs)} images are" if len(pairs) > 1 else "1 image is"
        errors.note(
            f"{count} found in {table} by the end of the path alone, such as {path} as {name}; "
            "check that these are the same images"
        )
    return numbers


def _first(choices: Iterable[list[int]]) -> list[int]:
    """The first choice that has rows."""
    return next((rows for rows in choices if rows), [])


def _check(paths: Sequence[str], found: list[list[int]], names: Sequence[str], table: Path) -> None:
    """Raise UserError unless each image has one row at most, and each row one image."""
    image_of: dict[int, str] = {}
    for path, rows in zip(paths, found, strict=True):
        if len(rows) > 1:
            raise UserError(
                f"{table}: {path} may be {names[rows[0]]} or {names[rows[1]]}, wanted one; "
                "predict again with a longer path, from the folder of that table"
            )
        for row in rows:
            if row in image_of:
                raise UserError(
                    f"{table}: for {names[row]} got {image_of[row]} and {path}, wanted one image; "
                    "leave out the rows of the other one"
                )
            image_of[row] = path


def with_manifest(
    rows: Rows, names: list[str], manifest: Path, findings: Findings | None = None
) -> Rows:
    """The rows of predictions whose image the manifest.csv lists, with its columns.

    Args:
        rows: of known truth.
        names: of the classes.
        manifest: its paths begin at its folder; its column ``source`` names raw images.
        findings: that a label may name several of; None: it is one class.

    Raises:
        UserError: as of ``rows_of``; no image is listed; the label of an image is another than its
            truth. A column of labels that has no class at all holds something else, and is passed
            over with a note.
    """
    listed = read_manifest(manifest)
    paths = [row["path"] for row in rows]
    columns = (
        Names([own.get(column, "") for own in listed], manifest.parent)
        for column in ("path", "source")
    )
    numbers = rows_of(paths, manifest, *columns)
    pairs = [
        (listed[number], row)
        for number, row in zip(numbers, rows, strict=True)
        if number is not None
    ]
    if rows and not pairs:
        raise UserError(
            f"no image of known truth that --manifest lists: the predictions have {paths[0]}, "
            f"{manifest} has {listed[0]['path']}; give the manifest.csv of these images"
        )
    _check_labels(pairs, names, manifest, findings)
    return [own | row for own, row in pairs]


def _check_labels(
    pairs: list[tuple[Row, Row]], names: list[str], manifest: Path, findings: Findings | None
) -> None:
    labels = [(_label_in(own), row) for own, row in pairs if _label_in(own)]
    own_numbers = are_own_numbers((label for label, _ in labels), names)
    meant = {label: class_of(label, names, own_numbers) for label, _ in labels}
    if findings:
        labels = [(_findings_in(own, findings), row) for own, row in pairs]
        labels = [(label, row) for label, row in labels if label]
        meant = {label: findings.truth_of({"label": label}) for label, _ in labels}
    if labels and not any(meant.values()):
        errors.note(
            f"{manifest}: its labels, such as {labels[0][0]!r}, are no classes of the predictions "
            "and are not compared with the truth"
        )
        return
    other = [(label, row) for label, row in labels if meant[label] != row["truth"]]
    if other:
        label, row = other[0]
        raise UserError(
            f"{manifest}: got another label than the truth of the predictions for {len(other)} "
            f"images, as {label!r}, not {row['truth']!r}, for {row['path']}; mend the label, or "
            "predict again"
        )


def _label_in(own: Row) -> str:
    """The label in a row of a manifest, however its column is spelt."""
    return next((cell for name, cell in own.items() if name.strip().lower() == "label"), "")


def _findings_in(own: Row, findings: Findings) -> str:
    """The findings that a row of a manifest names; what it says where they are not known."""
    lower = {("label" if name.strip().lower() == "label" else name): own[name] for name in own}
    return findings.truth_of(lower) or lower.get("label", "")


def same_images(rows: Rows, others: Rows, versus: Path, table: Path) -> Rows:
    """The rows of another model's predictions for the same images, in their order.

    Args:
        rows: of ``table``, of known truth.
        others: all rows of ``versus``.
        versus, table: for messages.

    Raises:
        UserError: an image without a row there, or with another truth.
    """
    paths = [row["path"] for row in rows]
    named = Names([row["path"] for row in others], Path())
    numbers = rows_of(paths, versus, named)
    lacking = [path for path, number in zip(paths, numbers, strict=True) if number is None]
    if lacking:
        raise UserError(
            f"{versus}: no row for {len(lacking)} of {len(paths)} images of {table}, such as "
            f"{lacking[0]}; its first is {others[0]['path']}; wanted the same images, predicted "
            "from the same folder"
        )
    found = [others[number] for number in numbers if number is not None]
    truths = [(own["truth"], row["truth"]) for own, row in zip(rows, found, strict=True)]
    other = [path for path, (own, row) in zip(paths, truths, strict=True) if row not in ("", own)]
    if other:
        raise UserError(
            f"{versus}: got another truth than {table} for {len(other)} images, as {other[0]}; "
            "wanted the same"
        )
    return found


def note_training(rows: Rows, table: Path) -> None:
    """Tell the user that a model learned from images, where it did: no figures of others."""
    if learned := sum(row.get("in_training", "").strip().lower() == "yes" for row in rows):
        unit = "groups" if "decided_by" in rows[0] else "images"
        errors.note(
            f"{table}: {learned} of {len(rows)} {unit} were in training: "
            "their predictions look too good"
        )
