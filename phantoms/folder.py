"""The folders of made-up images: images/<label>/*.png, masks/*.png and manifest.csv, as
`data.prepare` reads them.
"""

import argparse
import csv
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from data.geometry import Box
from data.workers import on_all_cores
from files import end_ctrl_c_in_one_line, folder_written_whole

Made = tuple[
    tuple[str, ...], Mapping[str, npt.NDArray[np.uint8]]
]  # row of the manifest; file in the folder: pixels


def boxes_of(masks: Sequence[npt.NDArray[np.uint8]]) -> list[Box]:
    """The box of each mask in half-open pixels x0, y0, x1, y1."""
    return [
        (left, top, left + wide, top + high)
        for left, top, wide, high in map(cv2.boundingRect, masks)
    ]


def _save(index: int, make: Callable[[int], Made], folder: Path) -> tuple[str, ...]:
    row, files = make(index)
    for name, pixels in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(folder / name), pixels):
            raise OSError(f"could not write {folder / name}")
    return row


def write_folder(
    output: Path,
    columns: Sequence[str],
    make: Callable[[int], Made],
    count: int,
    workers: int | None = None,
) -> Path:
    """Writes what `make` gives for index 0 to `count` - 1 and, last, manifest.csv; gives the
    manifest's path.

    `workers`: processes, all cores by default. ValueError if output is not an empty folder, or from
    `make`.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output} is not an empty folder: name a new one or empty it")
    make(0)  # wrong numbers fail here, before anything is written
    with folder_written_whole(output) as made:
        rows = on_all_cores(
            partial(_save, make=make, folder=made), range(count), "phantoms", 8, workers
        )
        with (made / "manifest.csv").open("w", newline="") as file:
            csv.writer(file).writerows([columns, *rows])
        if output.exists():
            output.rmdir()  # it is empty
    return output / "manifest.csv"


def command(write: Callable[..., Path], name: str, what: str, **defaults: float) -> None:
    """The command line `python -m phantoms.<name>`: `--OUTPUT` and a number for each of `defaults`,
    given to `write`.
    """
    end_ctrl_c_in_one_line()
    parser = argparse.ArgumentParser(f"python -m phantoms.{name}", description=f"Write {what}.")
    parser.add_argument(
        "--OUTPUT", "--output", dest="output", type=Path, required=True, help="a new folder"
    )
    for option, default in defaults.items():
        parser.add_argument(
            f"--{option}", type=type(default), default=default, help=f"{default} by default"
        )
    try:
        print(write(**vars(parser.parse_args())))
    except (ValueError, OSError) as error:
        raise SystemExit(f"{name}: {error}") from None
