"""Writing files so that a reader meets the old one or the new one, never half of one."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; it is synced and renamed to ``path`` if the block succeeds.

    Missing parent folders are made. If the block raises, ``path`` is as it was and the other name is gone.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _keep_aside(path: Path) -> Path | None:
    """Keep a copy of the file at ``path``, if there is one, under a name that holds its date; return that name."""
    if not path.exists():
        return None
    date = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(path.stat().st_mtime))
    names = [
        path.with_name(f"{path.stem}_{date}{tail}{path.suffix}") for tail in ("", *(f"_{n}" for n in range(2, 99)))
    ]
    kept = next(name for name in names if not name.exists())
    with written_whole(kept) as beside:
        shutil.copy2(path, beside)
    return kept


@contextmanager
def keeping_former(path: Path) -> Iterator[None]:
    """Keep the file at ``path`` under a dated name, and say so, unless the block leaves the same file there."""
    former = _keep_aside(path)
    try:
        yield
    finally:
        if former and former.read_bytes() == path.read_bytes():
            former.unlink()
        elif former:
            print(f"kept the former {path} as {former}")
