"""Reading one image file as a grey picture."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".npy")


class DataError(ValueError):
    """One or more faults in images or their folders, a line each."""


def read_grey(path: Path) -> NDArray:
    """The image at ``path``, colour turned grey.

    Returns:
        (H, W) array: uint8 (0 to 255) where the file holds 8 bits, else float32 from 0 to 1.

    Raises:
        DataError: the file is missing, empty, not an image, constant, or holds NaN or values out of range.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: not readable: {error.strerror}") from None
    if not content:
        raise DataError(f"{path}: empty file (0 bytes); replace or remove it")
    image = (
        _read_npy(path)
        if path.suffix.lower() == ".npy"
        else cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    )
    if image is None:
        raise DataError(
            f"{path}: no readable image; got {len(content)} bytes that no decoder takes, replace or remove it"
        )
    return _as_grey(image, path)


def _read_npy(path: Path) -> NDArray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a plain .npy array: {error}") from None


def _as_grey(image: NDArray, path: Path) -> NDArray:
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.dtype.kind not in "uif":
        raise DataError(f"{path}: got pixels of type {image.dtype}, wanted whole or floating numbers")
    if image.dtype != np.uint8:
        full = np.iinfo(image.dtype).max if image.dtype.kind in "ui" else 1
        image = image.astype(np.float32) / full
    if image.ndim == 3 and image.shape[2] in (3, 4):
        image = cv2.cvtColor(np.ascontiguousarray(image[:, :, :3]), cv2.COLOR_BGR2GRAY)
    if image.ndim != 2 or min(image.shape) < 8:
        raise DataError(
            f"{path}: got an array of shape {image.shape}, wanted (H, W), (H, W, 1) or (H, W, 3), 8 px at least"
        )
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise DataError(f"{path}: holds NaN or infinite pixels; replace or remove it")
    if image.dtype != np.uint8 and (low < -1e-3 or high > 1 + 1e-3):
        raise DataError(f"{path}: got pixels from {low:.4g} to {high:.4g}, wanted 0 to 1")
    if low == high:
        raise DataError(f"{path}: every pixel has the same value; replace or remove it")
    return image
