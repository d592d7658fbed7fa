"""One scale for the whole numbers of a set: the same stored value is the same grey everywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.limits import DataError, full_scale
from data.picture import Stored, scaled

CONTAINER = 16  # bits: a file that declares them tells no more than that it stores 16


@dataclass(frozen=True)
class Depth:
    """What an image of more than 8 bits tells of its scale.

    Args:
        bits: that its file declares, fewer than 16; None: it does not say.
        greatest: of its values.
    """

    bits: int | None
    greatest: int

    @property
    def white(self) -> int:
        """The value of white, if there were no other image."""
        return full_scale(self.greatest) if self.bits is None else 2**self.bits - 1


def depth_of(stored: Stored) -> Depth | None:
    """None for 8 bits, and for floating numbers from 0 to 1: they have one scale already."""
    if stored.pixels.dtype != np.uint16:
        return None
    greatest = int(stored.pixels.max())
    bits = stored.bits
    is_told = bits is not None and bits < CONTAINER and greatest < 2**bits
    return Depth(bits if is_told else None, greatest)


def white_of(depths: Sequence[Depth]) -> int | None:
    """The value of white of a set: by the bits that all files declare, else by all its values.

    None: no image has more than 8 bits.
    """
    if not depths:
        return None
    declared = {depth.bits for depth in depths}
    bits = declared.pop()
    if not declared and bits is not None:
        return 2**bits - 1
    return full_scale(max(depth.greatest for depth in depths))


def grey_of(stored: Stored, white: int | None) -> NDArray:
    """(H, W) uint8 from 0 to 255, or float32 from 0 to 1.

    ``white``: the value of white where whole numbers have more than 8 bits, above which all is
    white; None: by the image alone.
    """
    depth = depth_of(stored)
    if depth is None:
        return scaled(stored)
    chosen = depth.white if white is None else white
    return np.minimum(stored.pixels.astype(np.float32) / np.float32(chosen), np.float32(1))


def check_one_scale(ends: Mapping[str, tuple[float, float] | None]) -> None:
    """Refuse a set where the least and the greatest value of each image are its black and white.

    ``ends``: of each image, by its path, as in ``Stored``.

    Raises:
        DataError: one line, with a window that shows all values.
    """
    own = {path: each for path, each in ends.items() if each}
    if not own:
        return
    first = min(own)
    least = min(low for low, _ in own.values())
    most = max(high for _, high in own.values())
    raise DataError(
        f"{len(own)} of {len(ends)} images are DICOM with negative or rescaled values and name no "
        f"window, such as {first} with {own[first][0]:g} to {own[first][1]:g}, so that each would "
        f"have a scale of its own; wanted one window for all, such as --window_centre="
        f"{(least + most) / 2:g} --window_width={most - least or 1:g}, which shows all of them"
    )


def note_of(depths: Sequence[Depth], count: int) -> list[str]:
    """What the summary says of the scale of a set of ``count`` images."""
    white = white_of(depths)
    if white is None:
        return []
    greatest = max(depth.greatest for depth in depths)
    some = f"{len(depths)} of {count} images, of 16 bit"
    whose = "16 bit images" if len(depths) == count else some
    return [f"{whose}: {white} is white, the greatest value of all is {greatest}"]
