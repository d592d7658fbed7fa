"""Made-up images on disk: more than fit into memory, made once for all processes of a run.

A file holds the pictures of one configuration, and a table beside it what is known of each. The
table grows as they are made, so that a run that was stopped goes on where it was.
"""

import csv
import hashlib
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import errors
from data.readers import DataError
from data.workers import on_all_cores
from locks import held_beside

BLOCK = 2048  # images that are made before they are noted
CHUNK = 32  # images that are sent to a process at once
WAIT = 24 * 3600.0  # seconds that another process may take to make them
SPARE = 1.05  # times the bytes of the pictures that have to be free on the disk
COLUMNS = ("label", "sha256", "mean", "square")


class Drawn(NamedTuple):
    """One made-up image.

    Args:
        label: of CONFIG's classes.
        planes: (2, S, S) uint8: grey; LESION and VESSEL as bits.
    """

    label: str
    planes: NDArray[np.uint8]


class Known(NamedTuple):
    """What the table says of one image.

    Args:
        label: its class.
        sha256: of its grey values.
        mean, square: of the grey values and of their squares, from 0 to 1.
    """

    label: str
    sha256: str
    mean: float
    square: float


def code_digest() -> str:
    """Of the code that makes the images: other code makes other images."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=4)
def planes_of(file: Path) -> NDArray:
    """(n, 2, S, S) uint8, read from the disk where they are asked for."""
    planes: NDArray = np.load(file, mmap_mode="r")
    return planes


def make_once(file: Path, draw: Callable[[int], Drawn], count: int, size: int) -> list[Known]:
    """Make images 0 to ``count`` - 1 on all cores, or those of them that are missing.

    Args:
        file: where the pictures go, ``.npy``; the table goes beside it, ``.csv``.
        draw: gives an image by its number; is sent to other processes.
        count, size: how many, and edge in pixels.

    Raises:
        DataError: the disk has too little room.
        FolderInUse: another process has been making them for a day.
    """
    table = file.with_suffix(".csv")
    with held_beside(file, WAIT):
        known = _read(table) if _fits(file, (count, 2, size, size)) else []
        if len(known) == count:
            return known
        file.parent.mkdir(parents=True, exist_ok=True)
        planes = np.load(file, mmap_mode="r+") if known else _new(file, count, size)
        errors.say(f"{count - len(known)} made-up images go into {file}; it may be deleted later")
        for start in range(len(known), count, BLOCK):
            numbers = range(start, min(start + BLOCK, count))
            drawn = on_all_cores(draw, numbers, f"phantoms to {numbers[-1] + 1}", CHUNK)
            planes[start : start + len(drawn)] = np.stack([one.planes for one in drawn])
            planes.flush()  # before they are noted
            new = [_known(one) for one in drawn]
            _append(table, new, start == 0)
            known += new
    return known


def _fits(file: Path, shape: tuple[int, ...]) -> bool:
    """Whether a whole file of such pictures is there."""
    if not file.exists():
        return False
    try:
        planes = np.load(file, mmap_mode="r")
    except (ValueError, OSError, EOFError):  # damaged
        return False
    return bool(planes.shape == shape and planes.dtype == np.uint8)


def _new(file: Path, count: int, size: int) -> np.memmap:
    """Black pictures, whose room on the disk is taken at once."""
    need = 2 * count * size**2
    free = _free(file.parent)
    if free < SPARE * need:
        raise DataError(
            f"{file.parent}: {count} made-up images of {size} px need {need / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free; make room, or choose another --OUTPUT or a smaller "
            f"phantom_count"
        )
    shape = (count, 2, size, size)
    planes = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):  # else a disk that fills up later kills the process
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    return planes


def _free(folder: Path) -> float:
    """Bytes that are free on the disk."""
    if not hasattr(os, "statvfs"):  # Windows
        return float("inf")
    disk = os.statvfs(folder)
    return float(disk.f_bavail * disk.f_frsize)


def _known(drawn: Drawn) -> Known:
    grey = np.ascontiguousarray(drawn.planes[0])
    share = grey / 255.0
    digest = hashlib.sha256(grey.tobytes()).hexdigest()
    return Known(drawn.label, digest, float(share.mean()), float((share**2).mean()))


def _append(table: Path, known: Sequence[Known], first: bool) -> None:
    with table.open("w" if first else "a", newline="", encoding="utf-8") as rows:
        writer = csv.writer(rows)
        if first:
            writer.writerow(COLUMNS)
        writer.writerows(known)
        rows.flush()
        os.fsync(rows.fileno())


def _read(table: Path) -> list[Known]:
    """Of each image whose row is whole; a row that was cut ends the table there."""
    if not table.exists():
        return []
    text = table.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        table.write_text(whole, encoding="utf-8")
    rows: list[dict[str, Any]] = list(csv.DictReader(whole.splitlines()))
    try:
        return [
            Known(row["label"], row["sha256"], float(row["mean"]), float(row["square"]))
            for row in rows
        ]
    except (KeyError, TypeError, ValueError):  # damaged: they are made again
        return []
