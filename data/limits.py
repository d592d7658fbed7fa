"""What every reader of images holds to: its error, sizes, and the scale of whole numbers."""

from pathlib import Path

from errors import UserError

MAX_PIXELS = 64_000_000
DEPTHS = (8, 10, 12, 14, 16)  # bits that devices store


class DataError(UserError):
    """One or more faults in images or their folders, a line each."""


def check_size(path: Path, height: int, width: int) -> None:
    """Raise DataError for an image too small to show anything, or too large for the memory."""
    if min(height, width) < 8 or height * width > MAX_PIXELS:
        raise DataError(
            f"{path}: got {height} x {width} px, wanted 8 px a side at least and "
            f"{MAX_PIXELS // 10**6} megapixels at most; resize, replace or remove it"
        )


def full_scale(highest: float) -> int:
    """The greatest value of the fewest bits, of DEPTHS, that hold ``highest``.

    So 12 bits that are stored in 16 do not turn dark.
    """
    return next(2**bits - 1 for bits in DEPTHS if highest < 2**bits)
