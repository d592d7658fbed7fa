"""One scale for the whole numbers of a set: the same stored value is the same grey everywhere."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.limits import DataError, full_scale
from data.picture import Stored, scaled

CONTAINER = 16  # bits: a file that declares them tells no more than that it stores 16
BYTE = 8  # bits: what declares no more has a white of its own, as any picture of 8 bits


@dataclass(frozen=True)
class Depth:
    """What an image of more than 8 bits tells of its scale.

    Args:
        bits: that its file declares, 9 to 15; None: it does not say.
        greatest: of its values.
    """

    bits: int | None
    greatest: int

    @property
    def white(self) -> int:
        """The value of white, if there were no other image."""
        return full_scale(self.greatest) if self.bits is None else 2**self.bits - 1


def depth_of(stored: Stored) -> Depth | None:
    """None for 8 declared bits, and for floating numbers from 0 to 1: they have one scale."""
    if stored.pixels.dtype != np.uint16:
        return None
    greatest = int(stored.pixels.max())
    bits = stored.bits
    if bits is None or bits >= CONTAINER or greatest >= 2**bits:
        return Depth(None, greatest)
    return Depth(bits, greatest) if bits > BYTE else None


def white_of(depths: Sequence[Depth]) -> int | None:
    """The value of white of a set: by the most bits, if all files declare some, else by all values.

    None: no image needs more than 8 bits.
    """
    if not depths:
        return None
    declared = [depth.bits for depth in depths if depth.bits is not None]
    if len(declared) == len(depths):
        return 2 ** max(declared) - 1
    white = full_scale(max(depth.greatest for depth in depths))
    return white if tells(white) else None


def tells(white: int | None) -> bool:
    """Whether the white of a set says how images of more than 8 bits are scaled."""
    return white is not None and white >= 2**BYTE


def grey_of(stored: Stored, white: int | None) -> NDArray:
    """(H, W) uint8 from 0 to 255, or float32 from 0 to 1.

    ``white``: the value of white where whole numbers have more than 8 bits, above which all is
    white; None, or one that 8 bits hold: by the image alone.
    """
    depth = depth_of(stored)
    if depth is None:
        return scaled(stored)
    chosen = white if tells(white) else depth.white
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
        f"{len(own)} of {len(ends)} images are DICOM with negative, rescaled or inverted values "
        f"and name no window, such as {first} with {own[first][0]:g} to {own[first][1]:g}, so that "
        f"each would have a scale of its own; wanted one window for all, such as --window_centre="
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
    return [
        f"{whose}: {white} is white, the greatest value of all is {greatest}",
        *_differing(depths, white),
    ]


def _differing(depths: Sequence[Depth], white: int) -> list[str]:
    counts = Counter(depth.bits or 0 for depth in depths)
    if len(counts) < 2:
        return []
    each = ", ".join(
        f"{counts[bits]} files {f'{bits} bits' if bits else 'none'}" for bits in sorted(counts)
    )
    return [
        f"declared depths differ: {each}; the same stored value is the same grey in all of them, "
        f"and {white} is white for all"
    ]


def note_of_windows(windows: Mapping[str, tuple[float, float] | None]) -> list[str]:
    """What is said where DICOM files of a set are shown through different grey windows.

    ``windows``: for each image, by its path, the values that are black and white; None: no window.
    """
    different = sorted({window for window in windows.values() if window})
    without = sum(window is None for window in windows.values())
    if not different or len(different) + bool(without) < 2:
        return []
    low, high = different[0]
    first = min(path for path, window in windows.items() if window == different[0])
    count = "a grey window" if len(different) == 1 else f"{len(different)} different grey windows"
    rest = f", and {without} images have none" if without else ""
    return [
        f"DICOM files are shown through {count}, such as {low:g} to {high:g} in {first}{rest}; so "
        "the same stored value is not the same grey in all images. --window_centre and "
        "--window_width show all DICOM files through one window"
    ]
