"""Files of a folder whose names a table writes in another way."""

import os
import unicodedata
from collections import defaultdict
from functools import cached_property
from pathlib import Path, PurePosixPath


class ListedFiles:
    """The files below a folder. They are listed when a name of the table is not found.

    Args:
        root: the folder of the table.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def named(self, name: str) -> str:
        """The name as the folder has it, where the table has blanks or backslashes in it.

        An accented letter is one character (NFC) or two (NFD). Both are the same name. A whole path
        into the folder is the part below it.
        """
        for other in (name, name.strip(), name.strip().replace("\\", "/")):
            if not other.strip() or self.holds(other):
                return self._below_root(other)
        same = self._by_form.get(_form(name), [])
        return same[0] if len(same) == 1 else name

    def _below_root(self, name: str) -> str:
        """The name without the root before it, and without . and .. in it, if it is that file."""
        if not name.strip():
            return name
        root = self._root.absolute()
        below = Path(os.path.relpath(os.path.normpath(root / name), root)).as_posix()
        is_same = self.holds(below) and (root / below).samefile(root / name)
        return below if is_same and not below.startswith("../") else name

    def holds(self, name: str) -> bool:
        """Whether a file has that very name."""
        try:
            return (self._root / name).is_file()
        except (OSError, ValueError):  # a name that no file can have
            return False

    def advice(self, name: str) -> str:
        """How to write a name that is not there, if a file of the same name lies elsewhere."""
        wanted = PurePosixPath(_form(name))
        near = self._by_stem.get(wanted.name, []) or self._by_stem.get(wanted.stem, [])
        if not near:
            return ""
        return f"write each path as it lies below {self._root}, such as {near[0]} for {name}"

    @cached_property
    def _names(self) -> list[str]:
        """Paths of all files relative to the folder, with forward slashes."""
        found = []
        for folder, _, files in os.walk(self._root):
            found += [Path(folder, file).relative_to(self._root).as_posix() for file in files]
        return sorted(found)

    @cached_property
    def _by_form(self) -> dict[str, list[str]]:
        forms = defaultdict(list)
        for name in self._names:
            forms[_form(name)].append(name)
        return forms

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        """For each last part of a path, with its suffix and without, the paths."""
        stems = defaultdict(list)
        for name in self._names:
            last = PurePosixPath(_form(name))
            for part in {last.name, last.stem}:
                stems[part].append(name)
        return stems


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/"))
