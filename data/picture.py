"""Pixels on their way from a file to a grey picture: upright, grey, scaled."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data.limits import DataError, check_size, full_scale
from data.remarks import COLOUR, Remark

SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange height and width
TINT = 0.05  # of the range, between colour channels
OPAQUE = {"u1": 2**8 - 1, "u2": 2**16 - 1}  # the alpha that hides nothing; 1 for floating ones


@dataclass(frozen=True)
class Picture:
    """What a file shows.

    Args:
        pixels: (H, W), (H, W, 3) or (H, W, 4), upright, black is 0; colours in the order of
            OpenCV: blue, green, red, alpha.
        bits: how many bits of a pixel the file declares to be used; None where it does not say.
        aspect: height of a pixel over its width, as the file says.
        turned: whether the file stores it turned or mirrored.
    """

    pixels: NDArray
    bits: int | None = None
    aspect: float = 1.0
    turned: bool = False


@dataclass(frozen=True)
class Stored:
    """A grey picture before whole numbers are scaled.

    Args:
        pixels: (H, W), uint8 from 0 to 255, uint16, or float32 from 0 to 1; upright, black is 0.
        bits: how many bits of a pixel the file declares to be used, so that white is
            2**bits - 1; None where it does not say, and for float32.
        ends: the values that became 0 and 1 where these are the least and the greatest of this
            image alone; None: what they are does not depend on it.
        window: the values that became 0 and 1 where the file names them; None: it names none.
        aspect: height of a pixel over its width, as the file says; shown are square pixels.
        turned: whether the file stores it turned or mirrored.
        remarks: what the file declares and the pixels do not show.
        frame: which one of a DICOM file with many it is, from 0; None: the file holds one.
    """

    pixels: NDArray
    bits: int | None
    ends: tuple[float, float] | None = None
    window: tuple[float, float] | None = None
    aspect: float = 1.0
    turned: bool = False
    remarks: tuple[Remark, ...] = ()
    frame: int | None = None


def upright_picture(
    pixels: NDArray, orientation: int, bits: int | None = None, aspect: float = 1.0
) -> Picture:
    """A picture as a viewer turns it, with its ``aspect`` as the file has it before."""
    shown = 1 / aspect if orientation in SIDEWAYS else aspect
    return Picture(upright(pixels, orientation), bits, shown, 1 < orientation <= 8)


def upright(pixels: NDArray, orientation: int) -> NDArray:
    """Pixels (H, W) or (H, W, C) as a viewer turns them.

    ``orientation`` is that of EXIF and TIFF (tag 274). Viewers take any other value for 1.
    """
    if orientation in SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def as_opencv(pixels: NDArray) -> NDArray:
    """RGB, RGBA or grey and alpha to BGR or BGRA; grey stays."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 2:
        pixels = pixels[:, :, [0, 0, 0, 1]]
    return pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]


def stored_grey(picture: Picture, path: Path) -> Stored:
    """A picture turned grey; ``path`` names it in an error.

    Raises:
        DataError: another shape, type or range than a picture has, a constant one, or alpha that
            hides pixels.
    """
    image = picture.pixels
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[2] in (3, 4)):
        raise DataError(
            f"{path}: got an array of shape {image.shape}, wanted (H, W), (H, W, 1) or (H, W, 3); "
            "save one image a file"
        )
    check_size(path, *image.shape[:2])
    _check_range(image, path)
    if image.ndim == 3:
        _check_opaque(image, path)
    bits = picture.bits
    if image.dtype == np.uint8:
        bits = 8
    elif image.dtype.kind == "f":
        image = image.astype(np.float32)
        bits = None
    else:
        image = image.astype(np.uint16)
    remarks = (COLOUR,) if is_coloured(image) else ()
    if image.ndim == 3:
        image = cv2.cvtColor(np.ascontiguousarray(image[:, :, :3]), cv2.COLOR_BGR2GRAY)
    if image.min() == image.max():
        raise DataError(f"{path}: every pixel has the same value; replace or remove it")
    return Stored(
        np.ascontiguousarray(image),
        bits,
        aspect=picture.aspect,
        turned=picture.turned,
        remarks=remarks,
    )


def is_coloured(image: NDArray) -> bool:
    """Whether pixels (H, W) or (H, W, C) are in colour, if only few of them, as of a drawing."""
    if image.ndim < 3 or image.shape[2] < 3:
        return False
    tinted = np.ptp(image[..., :3], axis=2) > TINT * image.max()
    return bool(tinted.mean() > TINT / 100)


def scaled(stored: Stored) -> NDArray:
    """uint8 as it is; float32 from 0 to 1 of the rest."""
    pixels = stored.pixels
    if pixels.dtype != np.uint16:
        return pixels
    white = full_scale(pixels.max())
    if stored.bits is not None:
        white = min(white, 2**stored.bits - 1)
    return pixels.astype(np.float32) / np.float32(white)


def _check_range(image: NDArray, path: Path) -> None:
    """DataError: pixels of another type or range than a picture has."""
    if image.dtype.kind not in "uif":
        raise DataError(
            f"{path}: got pixels of type {image.dtype}, wanted whole or floating numbers; "
            "save it again"
        )
    low = float(image.min())
    high = float(image.max())
    if not np.isfinite([low, high]).all():
        raise DataError(f"{path}: holds NaN or infinite pixels; replace or remove it")
    wanted, slack = (1, 1e-3) if image.dtype.kind == "f" else (2**16 - 1, 0)
    if low < -slack or high > wanted + slack:
        raise DataError(
            f"{path}: got pixels from {low:.4g} to {high:.4g}, wanted 0 to {wanted}; rescale it"
        )


def _check_opaque(image: NDArray, path: Path) -> None:
    """DataError: alpha hides pixels, and what lies behind them is not known."""
    if image.shape[2] == 4 and image[:, :, 3].min() < OPAQUE.get(image.dtype.str[1:], 1):
        raise DataError(
            f"{path}: got transparent pixels, wanted none; save it without an alpha channel"
        )
