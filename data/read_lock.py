"""A lock for what a command reads, so that data.prepare does not replace it meanwhile."""

import glob
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from data.dataset_info import NEAR
from data.tree import OWN_TABLES
from locks import read_here


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Keep data.prepare from replacing the ProcessedFolders that a path leads into meanwhile.

    Args:
        path: a file, a folder or a glob.

    Raises:
        FolderInUse: data.prepare is replacing one.
    """
    given = [path] if Path(path).exists() else glob.iglob(path, recursive=True)
    places = {os.path.realpath(each) for each in given}
    near = {folder for each in map(Path, places) for folder in [each, *list(each.parents)[:NEAR]]}
    with ExitStack() as locks:
        for folder in sorted(near):
            if all((folder / name).is_file() for name in OWN_TABLES):
                locks.enter_context(read_here(folder))
        yield
