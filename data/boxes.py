"""Lesion boxes as people write them: what is understood, what is said, what is refused."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from data.geometry import Box, format_boxes, parse_boxes, parts_of
from data.readers import DataError
from data.samples import Sample
from data.tables import numbered_rows

REMEDY = "wanted pixels of the file: x0,y0,x1,y1"


def check_units(samples: Sequence[Sample], table: Path) -> None:
    """Refuse boxes that are shares of the image, or below a pixel.

    Args:
        samples: of the raw data set.
        table: its manifest.

    Raises:
        DataError: a line each, with the line of the table.
    """
    boxed = [sample for sample in samples if sample.lesion_boxes_xyxy.strip()]
    small = [(sample, box) for sample in boxed for box in sample.boxes if min(_size_of(box)) < 1]
    if not small:
        return
    if all(max(box) <= 1 for sample in boxed for box in sample.boxes):
        sample, box = small[0]
        raise DataError(
            f"{where(sample.path, table)}: got the box {format_boxes([box])}, and all "
            f"{len(small)} boxes of the table lie between 0 and 1, as shares of the image do; "
            f"{REMEDY}; multiply x by the width and y by the height"
        )
    raise DataError(
        "\n".join(
            f"{where(sample.path, table)}: got the box {format_boxes([box])}, which is narrower "
            f"than a pixel; {REMEDY}; mend or remove it"
            for sample, box in small
        )
    )


def check_inside(boxes: Sequence[Box], height: int, width: int) -> None:
    """Refuse a box of which nothing lies in its image.

    Raises:
        DataError: without the name of the file.
    """
    for box in boxes:
        x0, y0, x1, y1 = box
        if min(x1, width) <= max(x0, 0) or min(y1, height) <= max(y0, 0):
            raise DataError(
                f"got the box {format_boxes([box])} outside the image of {height} x {width} px "
                f"(height x width); {REMEDY}; were the boxes drawn at another resolution?"
            )


def check_told_size(more: Mapping[str, str], height: int, width: int) -> None:
    """Refuse boxes of a table whose columns width and height tell another size of the image.

    Args:
        more: the further columns of its row.
        height, width: of the image in its file.

    Raises:
        DataError: without the name of the file.
    """
    told = {}
    for name, cell in more.items():
        if (word := name.strip().lower()) in ("width", "height"):
            try:
                told[word] = float(cell)
            except ValueError:
                return
    if len(told) == 2 and (told["height"], told["width"]) != (height, width):
        raise DataError(
            f"got boxes of an image of {told['height']:g} x {told['width']:g} px (height x width), "
            f"as the table says, but the file has {height} x {width} px; scale the boxes, or use "
            "the files that they were drawn on"
        )


def notes_of(
    boxes: Sequence[tuple[str, str]], sizes: Sequence[tuple[int, int]], kept: Sequence[int]
) -> list[str]:
    """What the summary says of the boxes of a set.

    Args:
        boxes: for each image its path, and its boxes as the table has them.
        sizes: for each image its height and width.
        kept: for each image how many boxes are left after the border is cut.

    Raises:
        DataError: corners look exchanged, but all boxes may as well be x, y, width and height.
    """
    exchanged: list[str] = []
    beyond: list[str] = []
    cut_off: list[str] = []
    as_widths = True
    for (path, text), (height, width), left in zip(boxes, sizes, kept, strict=True):
        for x0, y0, x1, y1 in parts_of(text):
            if x0 > x1 or y0 > y1:
                exchanged.append(f"{path}: {x0:g},{y0:g},{x1:g},{y1:g}")
            as_widths &= x0 + x1 <= width and y0 + y1 <= height
        parsed = parse_boxes(text)
        beyond += [path for box in parsed if _reaches_beyond(box, height, width)]
        cut_off += [path] * (len(parsed) - left)
    if exchanged and as_widths:
        raise DataError(
            f"{exchanged[0]}: is the box x,y,width,height or are its corners exchanged? {REMEDY}, "
            f"with x0 < x1 and y0 < y1; {len(exchanged)} boxes are like it"
        )
    return [
        *_counted(exchanged, "boxes have exchanged corners and are taken the right way round"),
        *_counted(beyond, "boxes reach beyond their images and end at the edge"),
        *_counted(cut_off, "boxes lie in the border that is cut off, and are not kept"),
    ]


def where(path: str, table: Path) -> str:
    """The table and the line in it that names an image."""
    line = _lines_of(table, table.stat().st_mtime_ns).get(path)
    return f"{table}, line {line}" if line else str(table)


@lru_cache(maxsize=1)
def _lines_of(table: Path, changed: int) -> dict[str, int]:
    """The line of each image in a table, which was last changed then."""
    lines: dict[str, int] = {}
    for line, row in numbered_rows(table):
        names = {name.lower(): cell for name, cell in row.items()}
        lines.setdefault(names.get("path", "").strip().replace("\\", "/"), line)
    return lines


def _size_of(box: Box) -> tuple[float, float]:
    x0, y0, x1, y1 = box
    return x1 - x0, y1 - y0


def _reaches_beyond(box: Box, height: int, width: int) -> bool:
    """Whether more than a rounded edge of it lies outside the image."""
    x0, y0, x1, y1 = box
    return min(x0, y0) < -1 or x1 > width + 1 or y1 > height + 1


def _counted(found: list[str], words: str) -> list[str]:
    return [f"{len(found)} {words}, such as {found[0]}"] if found else []
