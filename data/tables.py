"""Tables on disk: the one reader and the one writer of CSV files."""

import csv
import io
import re
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import errors
from data.readers import DataError
from files import written_whole

MAX_BYTES = 100_000_000  # of a table or a dataset.json
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
DELIMITERS = ",;\t"
EMPTY_TOP = re.compile(r"(?:[ ,;\t\r]*\n)+")
FORMULA = re.compile(r"'*[=+@\-]")  # the beginning of what a spreadsheet runs, marked or not
SIGNED_NUMBER = re.compile(r"[+-](\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-](nan|inf)")
STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
WORKBOOKS = (b"PK\3\4", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods, and .xls
MOST_CELL = 10_000_000  # characters, so that a stray quote is said and not read for ever
Row = dict[str, str]


def read_table(path: Path, inside: Path | None = None) -> list[Row]:
    """The rows of a CSV file, whatever a spreadsheet made of it.

    Read are UTF-8, UTF-16 and, with a note, Latin-1; commas, semicolons or tabs between the cells;
    a first line ``sep=;``; empty lines at the top; empty cells and rows at the end.

    Args:
        path: the file.
        inside: the data folder whose table it is: a link that leads out of it is refused, and so
            is a table with control characters.

    Raises:
        DataError: unreadable, no plain file, too large, no rows, a column twice, cells too many.
    """
    return [row for _, row in numbered_rows(path, inside)]


def numbered_rows(path: Path, inside: Path | None = None) -> list[tuple[int, Row]]:
    """As ``read_table``, each row with the line of the file that it ends in."""
    text = _decoded(plain_bytes(path, inside), path)
    _check_characters(text, path, inside is not None)
    body = text[_empty_top(text) :]
    given = re.fullmatch(r'"?sep=(.)"?[,;\s]*', body.partition("\n")[0], re.IGNORECASE)
    if given:
        body = body.partition("\n")[2]
        body = body[_empty_top(body) :]
    skipped = text.count("\n", 0, len(text) - len(body))
    delimiter = given[1] if given else _delimiter(body.partition("\n")[0])
    csv.field_size_limit(MOST_CELL)
    try:
        reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter)
        lines = [(reader.line_num + skipped, cells) for cells in reader]
    except csv.Error as error:
        raise DataError(f"{path}: not readable as CSV: {error}") from None
    if not lines:
        raise DataError(f"{path}: no rows")
    header = [unguarded(name.strip()) for name in lines[0][1]]
    _check_header(header, path)
    rows = [
        (number, _row(header, cells, number, path))
        for number, cells in lines[1:]
        if any(map(str.strip, cells))
    ]
    if not rows:
        raise DataError(f"{path}: no rows")
    return rows


def plain_bytes(path: Path, inside: Path | None = None) -> bytes:
    """What a plain file holds; checked before it is opened.

    Raises:
        DataError: a folder, a FIFO or a device; over 100 MB; a link that leads out of ``inside``.
    """
    try:
        found = path.stat()
        if inside is not None and not path.resolve().is_relative_to(inside.resolve()):
            raise DataError(f"{path}: not readable: lies outside {inside}; put a copy there")
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"{path}: not readable: wanted a file, got a folder, pipe or device")
        if found.st_size > MAX_BYTES:
            raise DataError(
                f"{path}: not readable: got {found.st_size} bytes, wanted {MAX_BYTES} at most"
            )
        return path.read_bytes()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: not readable: {reason}; mend or remove it") from None


def _decoded(content: bytes, path: Path) -> str:
    if content.startswith(WORKBOOKS):
        raise DataError(
            f"{path}: not readable as CSV: it is a workbook of a spreadsheet under another name; "
            "open it there and save it as CSV"
        )
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _as(content, "utf-16", path)
    if len(content) > 3 and content[1:4:2] == b"\0\0":
        return _as(content, "utf-16-le", path)
    if len(content) > 3 and content[0:4:2] == b"\0\0":
        return _as(content, "utf-16-be", path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        errors.note(f"{path}: is not UTF-8 and is read as Latin-1; check letters with accents")
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _empty_top(text: str) -> int:
    """How many characters the lines take that stand above the first one with a word in it."""
    found = EMPTY_TOP.match(text)
    return found.end() if found else 0


def _as(content: bytes, encoding: str, path: Path) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not readable as {encoding}: {error.reason}; save it as UTF-8"
        ) from None


def _check_characters(text: str, path: Path, strict: bool) -> None:
    found = CONTROL.search(text) if strict else re.search("\0", text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise DataError(
            f"{path}, line {line}: got the control character {found[0]!a}, wanted text; "
            "save the table again without it"
        )


def _delimiter(header: str) -> str:
    unquoted = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=unquoted.count)


def _check_header(header: list[str], path: Path) -> None:
    counts = Counter(" ".join(name.casefold().split()) for name in header if name)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise DataError(
            f"{path}: got the column {twice[0]} {counts[twice[0]]} times, wanted it once; "
            "rename or remove the others"
        )


def _row(header: list[str], cells: list[str], number: int, path: Path) -> Row:
    """The named cells of a line; cells without a name, as of a row's number, are left out."""
    if any(cell.strip() for cell in cells[len(header) :]):
        raise DataError(
            f"{path}, line {number}: got {len(cells)} cells under {len(header)} names of columns; "
            "put quotes around a cell that holds the separator"
        )
    padded = [*map(unguarded, cells), *[""] * (len(header) - len(cells))]
    return {name: cell for name, cell in zip(header, padded, strict=False) if name}


def write_table(
    path: Path,
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[str] = (),
    keep_former: bool = False,
) -> None:
    """Write a CSV file that ``read_table`` reads.

    No cell of it is a formula for a spreadsheet, and each row is one line.

    Args:
        path: the file.
        rows: values by column.
        columns: their order; none: those of the first row.
        keep_former: as in ``written_whole``.
    """
    names = columns or list(rows[0])
    with (
        written_whole(path, keep_former) as beside,
        open(beside, "w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow([guarded(name) for name in names])
        for row in rows:
            table.writerow([guarded(row.get(name, "")) for name in names])


def guarded(value: object) -> str:
    """A cell that a spreadsheet shows and never runs; ``unguarded`` takes the mark away again.

    Numbers stay as they are. A character that steers, such as a carriage return, is spelt out.
    """
    text = "".join(repr(c)[1:-1] if STEERING.match(c) else c for c in str(value))
    return f"'{text}" if FORMULA.match(text) and not SIGNED_NUMBER.fullmatch(text) else text


def unguarded(cell: str) -> str:
    """What a cell that ``guarded`` made says."""
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell
