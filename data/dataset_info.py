"""dataset.json: what holds for all images of a ProcessedFolder."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.readers import DataError
from files import written_whole

# class_names, image_size, mean, std, border, stretch, window, frame, split, notes; none is a must
Info = dict[str, Any]


def read_info(path: Path) -> Info:
    """What a dataset.json says.

    Raises:
        DataError: unreadable, or a value of another type or range than data.prepare writes.
    """
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(info, dict):
            raise ValueError(f"got a {type(info).__name__}, wanted names with their values")
        wrong = [name for name, fits in CHECKS.items() if name in info and not fits(info[name])]
        if wrong:
            raise ValueError(
                f"got another type or range than it is written with: {', '.join(wrong)}"
            )
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable: {error}; prepare the folder again") from None
    return info


def write_info(info: Info, path: Path) -> None:
    """Write a dataset.json that ``read_info`` reads."""
    with written_whole(path) as beside:
        beside.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


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


CHECKS: dict[str, Callable[[Any], bool]] = {
    "class_names": _are_class_names,
    "mean": _number_in(0, 1),
    "std": _number_in(1e-6, 1),
    "border": _number_in(0, 0.45),
    "stretch": lambda value: isinstance(value, bool),
    "window": _is_window,
    "frame": lambda value: type(value) is int,
    "split": lambda value: isinstance(value, str),
    "notes": _are_texts,
}
