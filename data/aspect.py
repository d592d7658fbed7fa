"""Pixels that are not square: what a file says of them, and what is said to the user."""

import math
from collections.abc import Callable, Iterable, Mapping

NARROW = 8  # times that the square is as wide as what is left of a picture
NEARLY = 0.01  # by which height and width may differ, as of rounded numbers


def aspect_of(edges: Iterable[object]) -> float:
    """Height of a pixel over its width, from both; 1 where they are not two lengths."""
    try:
        height, width = (float(str(edge)) for edge in edges)
    except (TypeError, ValueError):
        return 1.0
    return height / width if 0 < height < math.inf and 0 < width < math.inf else 1.0


def aspect_told(spacing: str, by_file: float) -> float:
    """That of an image whose table gives a pixel spacing, one or two lengths, or else its file."""
    return aspect_of((spacing.split() * 2)[:2]) if spacing else by_file


def note_of_narrow(
    sizes: Mapping[str, tuple[int, int]], place: Callable[[int, int], tuple[int, int]], size: int
) -> list[str]:
    """What is said where little is left of the shorter edge once the longer one fits.

    Args:
        sizes: of each image, by its name, height and width in its file.
        place: width and height in the square of an image of that height and width.
        size: edge of the square.
    """
    left = {name: min(place(*each)) for name, each in sizes.items()}
    narrow = [name for name, edge in left.items() if edge * NARROW < size]
    if not narrow:
        return []
    first = min(narrow)
    height, width = sizes[first]
    return [
        f"{len(narrow)} of {len(sizes)} images are very long and narrow, such as {first} of "
        f"{height} x {width} px (height x width): only {left[first]} px of its shorter edge are "
        f"left in the square of {size} px; cut such images, or stretch them with --stretch"
    ]


def note_of_aspects(aspects: Mapping[str, float], stretch: bool) -> list[str]:
    """What is said where files have pixels that are not square, for they are shown as if they were.

    Args:
        aspects: of each image, by its name, height over width of a pixel.
        stretch: whether all pictures fill the square, so that no shape is kept.
    """
    oblong = {name: aspect for name, aspect in aspects.items() if abs(aspect - 1) > NEARLY}
    if not oblong or stretch:
        return []
    first = min(oblong)
    return [
        f"{len(oblong)} of {len(aspects)} images have pixels that are not square, such as {first}, "
        f"whose are {oblong[first]:.3g} times as high as wide: they are taken for square, so what "
        "they show is distorted; resample them first where it matters"
    ]
