"""Columns of lesions in a manifest, as people call them: our names, others that are sure, or none.

A name that leaves open what its numbers are is never guessed: boxes at wrong places look right.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from data.geometry import format_boxes, parts_of
from data.readers import DataError
from data.tables import Row
from data.words import letters
from errors import one_line

BOXES = "lesion_boxes_xyxy"
MASK = "mask"
# both without case and what is no letter
BOX_NAME = re.compile(
    r"(?:lesions?)?(?:b?box(?:es)?|boundingbox(?:es)?)"
    r"(?P<order>xyxy|xywh|yxyx|ltrb|ltwh|cxcywh|xcycwh|px|pixels?|coords?|coordinates)?"
)
MASK_NAME = re.compile(
    r"(?:lesions?)?(?:masks?|segmentations?(?:masks?)?)(?:paths?|files?|filenames?|names?)?"
)
EDGES = ("xmin", "ymin", "xmax", "ymax")
OPEN = (
    "its name does not say what its numbers are; call it lesion_boxes_xyxy (x0,y0,x1,y1) or "
    "lesion_boxes_xywh (x,y,width,height), in pixels of the file"
)
DECIMAL = re.compile(r"-?\d+(,\d+)?")


def with_known_names(rows: Sequence[Row], folder: Path, notes: list[str]) -> list[Row]:
    """The rows of a manifest with its lesions under our names of columns.

    Args:
        rows: of the table, in which our own names are written as we do.
        folder: where its files lie.
        notes: takes what was read under another name, and what was not read.
    """
    found = [dict(row) for row in rows]
    filled = [name for name in rows[0] if any(row.get(name, "").strip() for row in rows)]
    read = {name: name for name in (BOXES, MASK) if name in filled}
    for name in filled:
        kind, fault = _meant(name, [row.get(name, "") for row in rows], folder)
        if not kind or name == kind:
            continue
        if kind in read:
            fault = f"{one_line(read[kind])} is"
        if fault:
            notes.append(f"column {one_line(name)} is not read: {fault}")
            continue
        read[kind] = name
        turned = letters(name).endswith("xywh")
        as_what = f"x,y,width,height and becomes {kind}" if turned else kind
        notes.append(f"column {one_line(name)} is read as {as_what}")
        for row in found:
            cell = row.pop(name, "")
            row[kind] = _from_widths(_without_brackets(cell)) if turned else cell
    if BOXES not in read:
        _join_edges(found, notes)
    for row in found:
        if BOXES in row:
            row[BOXES] = _without_brackets(row[BOXES])
    return found


def _join_edges(rows: list[Row], notes: list[str]) -> None:
    """Put the four edges of a box, each in a column of its own, into one."""
    named = {letters(name): name for name in rows[0]}
    columns = [named[edge] for edge in EDGES if edge in named]
    if len(columns) < len(EDGES):
        return
    notes.append(f"columns {', '.join(map(one_line, columns))} are read as {BOXES}")
    for row in rows:
        cells = [row.get(column, "").strip() for column in columns]
        row[BOXES] = ",".join(cells) if any(cells) else ""


def with_points(text: str, numbers: int) -> str:
    """Numbers with decimal commas as those with points, where the text cannot be meant otherwise.

    ``numbers``: how many make one entry, such as the four edges of a box.
    """
    parts = re.split(r"[;\s]+", text.strip())
    fits = len(parts) % numbers == 0 and all(DECIMAL.fullmatch(part) for part in parts)
    if not (fits and any("," in part for part in parts)):
        return text
    fractions = [part.partition(",")[2] for part in parts]
    if numbers > 1 and all(fractions) and max(map(len, fractions)) > 1:
        return text  # they may be points, x,y each
    points = [part.replace(",", ".") for part in parts]
    if numbers == 1:
        return " ".join(points)
    entries = [points[start : start + numbers] for start in range(0, len(points), numbers)]
    return ";".join(",".join(entry) for entry in entries)


def _meant(name: str, cells: list[str], folder: Path) -> tuple[str, str]:
    """Which of our columns another means, empty for none, and why it cannot be read."""
    word = letters(name)
    if match := BOX_NAME.fullmatch(word):
        return BOXES, "" if match["order"] in ("xyxy", "xywh") else OPEN
    if MASK_NAME.fullmatch(word):
        given = [cell for cell in cells if cell.strip()]
        if any(_is_file(cell, folder) for cell in given):
            return MASK, ""
        return MASK, f"none of its cells, such as {given[0][:40]!r}, names a file"
    return "", ""


def _is_file(cell: str, folder: Path) -> bool:
    try:
        return (folder / cell.strip().replace("\\", "/")).is_file()
    except (OSError, ValueError):  # a name that no file has
        return False


def _without_brackets(text: str) -> str:
    """[[1, 2, 3, 4], [5, 6, 7, 8]], as JSON writes boxes, with a semicolon between them."""
    return re.sub(r"[\])]\s*[,;]\s*[\[(]", ";", text).strip(" []()")


def _from_widths(text: str) -> str:
    """Boxes of x,y,width,height as x0,y0,x1,y1; what is none stays, for reading it tells why."""
    try:
        boxes = parts_of(with_points(text, 4))
    except DataError:
        return text
    return format_boxes([(x, y, x + width, y + height) for x, y, width, height in boxes])
