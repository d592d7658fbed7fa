"""A part of a report: a question, and a table that answers it; as text and on a page the same."""

from collections.abc import Iterator
from dataclasses import dataclass, field

WIDTHS = (26, 27)  # letters of the first column of a text, and of each other


@dataclass(frozen=True)
class Section:
    """A heading, a table and what is said of it.

    Args:
        title: the question.
        heads: of the columns after the first one; []: there is no table.
        rows: of the table: the name of each, and its other cells.
        lines: sentences below it.
    """

    title: str
    heads: list[str] = field(default_factory=list)
    rows: list[tuple[str, list[str]]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def as_text(self) -> Iterator[str]:
        """Lines for a terminal, the first one empty."""
        yield ""
        yield self.title
        if self.heads:
            yield _row("", self.heads)
        for name, cells in self.rows:
            yield _row(name, cells)
        yield from self.lines


def _row(name: str, cells: list[str]) -> str:
    first, other = WIDTHS
    return (f"{name:<{first}}" + "".join(f"{cell:<{other}}" for cell in cells)).rstrip()
