"""dataset.json: what holds for all images of a ProcessedFolder."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import CONFIG
from data.readers import DataError
from data.tables import plain_bytes
from files import written_whole

# class_names, image_size, mean, std, border, stretch, window, frame, full_scale, split, notes;
# patients_named, whether every group holds the images of patients who are named; ordered, whether
# the classes are grades, the lowest first; and multilabel, whether they are findings, of which an
# image may have several; none is a must
Info = dict[str, Any]
NEAR = 4  # folders above an image where a ProcessedFolder is looked for
FIRST_CLASSES = ("0", "1")  # folders of the first published form
FIRST_SPLITS = ("train", "val", "test")
SMALLEST_SIZE = 8  # edge of a stored image [px]
LARGEST_SIZE = 4096


def read_info(path: Path) -> Info:
    """What a dataset.json says.

    Raises:
        DataError: unreadable, or a value of another type or range than data.prepare writes.
    """
    try:
        info = json.loads(plain_bytes(path, path.parent).decode("utf-8-sig"))
        if not isinstance(info, dict):
            raise ValueError(f"got a {type(info).__name__}, wanted names with their values")
        wrong = [name for name, fits in CHECKS.items() if name in info and not fits(info[name])]
        if wrong:
            raise ValueError(
                f"got another type or range than it is written with: {', '.join(wrong)}"
            )
    except DataError:
        raise
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable: {error}; prepare the folder again") from None
    return info


def processed_folder(image: Path) -> Path | None:
    """The ProcessedFolder that an image lies in, by the files and names of its folders.

    None: there is none. One of the first published form is told by train/0 and val/1 alone.
    """
    above = image.resolve().parents
    for folder in list(above)[1:NEAR]:
        if all((folder / name).is_file() for name in ("dataset.json", "manifest.csv")):
            return folder
    if len(above) > 2 and above[0].name in FIRST_CLASSES and above[1].name in FIRST_SPLITS:
        return above[2]
    return None


def write_info(info: Info, path: Path) -> None:
    """Write a dataset.json that ``read_info`` reads."""
    with written_whole(path) as beside:
        beside.write_text(json.dumps(info, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _number_in(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and low <= value <= high


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _are_class_names(value: Any) -> bool:
    distinct = _are_texts(value) and len(set(value)) == len(value)
    return distinct and all(name and min(name) >= " " for name in value)


def _is_window(value: Any) -> bool:
    """Centre and width, or None for the window that a file brings."""
    numbers = isinstance(value, list) and all(type(number) in (int, float) for number in value)
    return value is None or (numbers and len(value) == 2 and 0 < value[1] < math.inf)


def is_full_scale(value: Any) -> bool:
    """The value of white in images of more than 8 bits; None where there are none."""
    return value is None or (type(value) is int and 255 < value < 2**16)


def is_frame(value: Any) -> bool:
    """Which frame of a run is taken: its number, -1 for the middle one, or a word of CONFIG."""
    return value in CONFIG.FRAMES if isinstance(value, str) else type(value) is int


CHECKS: dict[str, Callable[[Any], bool]] = {
    "class_names": _are_class_names,
    "image_size": lambda value: type(value) is int and SMALLEST_SIZE <= value <= LARGEST_SIZE,
    "mean": _number_in(0, 1),
    "std": _number_in(1e-6, 1),
    "border": _number_in(0, 0.45),
    "stretch": lambda value: isinstance(value, bool),
    "window": _is_window,
    "frame": is_frame,
    "full_scale": is_full_scale,
    "split": lambda value: isinstance(value, str),
    "patients_named": lambda value: isinstance(value, bool),
    "ordered": lambda value: isinstance(value, bool),
    "multilabel": lambda value: isinstance(value, bool),
    "notes": _are_texts,
}
