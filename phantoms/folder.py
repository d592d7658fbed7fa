"""The folders of made-up images: images/<label>/*.png, masks/*.png and manifest.csv.

data.prepare reads them.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import errors
from data.geometry import Box
from data.tables import write_table
from data.workers import on_all_cores
from errors import UserError
from files import folder_written_whole
from locks import held_beside

# one image: its row of the manifest, and the pixels of each file in the folder
Made = tuple[tuple[str, ...], Mapping[str, npt.NDArray[np.uint8]]]


def boxes_of(masks: Sequence[npt.NDArray[np.uint8]]) -> list[Box]:
    """The box of each mask in half-open pixels x0, y0, x1, y1; an empty mask has none."""
    rectangles = [cv2.boundingRect(mask) for mask in masks if mask.any()]
    return [(left, top, left + width, top + height) for left, top, width, height in rectangles]


def write_folder(
    output: Path,
    columns: Sequence[str],
    make: Callable[[int], Made],
    count: int,
    workers: int | None = None,
) -> Path:
    """Write what ``make`` gives for index 0 to ``count`` - 1 and, last, manifest.csv.

    Returns:
        the manifest's path.

    Raises:
        UserError: ``output`` is no empty folder; and whatever ``make`` raises.
        FolderInUse: another process is making it.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output} is not an empty folder: name a new one or empty it")
    make(0)  # wrong numbers fail here, before anything is written
    with held_beside(output), folder_written_whole(output) as made:
        save = partial(_save, make=make, folder=made)
        rows = on_all_cores(save, range(count), "phantoms", 8, workers)
        table = [dict(zip(columns, row, strict=True)) for row in rows]
        write_table(made / "manifest.csv", table, columns)
        if output.exists():
            output.rmdir()  # it is empty
    return output / "manifest.csv"


def _save(index: int, make: Callable[[int], Made], folder: Path) -> tuple[str, ...]:
    row, files = make(index)
    for name, pixels in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(folder / name), pixels):
            raise OSError(f"could not write {folder / name}")
    return row


def command(write: Callable[..., Path], name: str, what: str, **defaults: float | str) -> None:
    """The command line ``python -m phantoms.<name>``, which calls ``write``.

    Its options are ``--OUTPUT`` and one for each of ``defaults``.
    """
    parser = argparse.ArgumentParser(f"python -m phantoms.{name}", description=f"Write {what}.")
    parser.add_argument(
        "--OUTPUT", "--output", dest="output", type=Path, required=True, help="a new folder"
    )
    for option, default in defaults.items():
        parser.add_argument(
            f"--{option}", type=type(default), default=default, help=f"{default} by default"
        )

    def main(argv: list[str]) -> None:
        arguments = parser.parse_args(argv)
        with errors.ending_in_one_line():
            errors.say(str(write(**vars(arguments))))

    errors.run(main)
