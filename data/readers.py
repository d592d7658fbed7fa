"""Reading one image file as a grey picture."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

KINDS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".npy": "NPY",
    ".dcm": "DICOM",
}
SUFFIXES = tuple(KINDS)
FIRST_BYTES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\x93NUMPY": "NPY",
}
MAX_PIXELS = 64_000_000
MAX_BYTES = 512_000_000
DEPTHS = (8, 10, 12, 14, 16)  # bits that devices store
cv2.utils.logging.setLogLevel(0)  # a damaged file is one DataError, not lines of OpenCV beside it


class DataError(ValueError):
    """One or more faults in images or their folders, a line each."""


def read_grey(path: Path, window: Sequence[float] | None = None, frame: int = -1) -> NDArray:
    """The image at ``path``, colour turned grey. What a file is, its content decides, not its name.

    Whole numbers of more than 8 bits are divided by full_scale; floating ones are from 0 to 1
    already. Size is judged by the file's header, before memory is taken for pixels.

    Args:
        path: a JPEG, PNG, BMP, TIFF, .npy or DICOM file.
        window: centre and width, for DICOM only; see data.dicom.
        frame: for DICOM only; -1 is the middle one.

    Returns:
        (H, W) array: uint8 (0 to 255) where the file holds 8 bits, else float32 from 0 to 1. DICOM
            is float32.

    Raises:
        DataError: the file is missing, empty, not an image, truncated, damaged, too large or too
            small, constant, or holds several pages, NaN or values out of range.
    """
    if kind_of(path) == "DICOM":
        from data.dicom import read_dicom  # pydicom takes time to load, and most sets need none

        return _as_grey(read_dicom(path, window, frame).pixels, path)
    return _as_grey(read_pixels(path), path)


def read_pixels(path: Path) -> NDArray:
    """What a file other than DICOM holds, as OpenCV orders colours, .npy mapped. Errors as of
    ``read_grey``.
    """
    kind = kind_of(path)
    if kind in ("", "DICOM"):
        raise DataError(
            f"{path}: no readable image; got {path.stat().st_size} bytes that are none of "
            f"{', '.join(dict.fromkeys(KINDS.values()))}; replace or remove it"
        )
    return _read_npy(path) if kind == "NPY" else _read_picture(path, kind)


def fault_of(file: Path, folder: Path) -> str:
    """Why a file that a folder or its table names is not read; empty if it is there, and in the
    folder for good.
    """
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            return f"{file} lies outside {folder}; nothing there is read"
        str(file).encode()
        return "" if file.is_file() else f"no such file {file}"
    except (OSError, RuntimeError, ValueError) as error:  # too long, a circle of links, or no text
        return f"{str(file)!a} is no usable name: {str(error)!a}"


def about_dicom(path: Path) -> tuple[str, str]:
    """Patient id and pixel spacing in mm of a DICOM file, both empty for other kinds. Errors as of
    ``read_grey``.
    """
    if kind_of(path) != "DICOM":
        return "", ""
    from data.dicom import read_dicom

    about = read_dicom(path)
    return about.patient, about.pixel_spacing_mm


def kind_of(path: Path) -> str:
    """JPEG, PNG, BMP, TIFF, NPY or DICOM by the first bytes of a file; .dcm without a mark is
    DICOM; else "".

    Raises:
        DataError: no such file, no permission, not a plain file, empty, or larger than MAX_BYTES.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise DataError(f"{path}: not readable: wanted a file, got a folder or a device")
        with open(path, "rb") as file:
            start = file.read(132)
    except OSError as error:
        raise DataError(f"{path}: not readable: {error.strerror}; mend or remove it") from None
    if size == 0:
        raise DataError(f"{path}: empty file (0 bytes); replace or remove it")
    if size > MAX_BYTES:
        raise DataError(
            f"{path}: got {size} bytes, wanted {MAX_BYTES} at most; cut it into single images"
        )
    if start[128:] == b"DICM":
        return "DICOM"
    known = [kind for first, kind in FIRST_BYTES.items() if start.startswith(first)]
    return known[0] if known else "DICOM" if path.suffix.lower() == ".dcm" else ""


def wrong_suffix(path: Path) -> str:
    """What is wrong with a file's name, as one line; empty where it says what the content is."""
    kind = kind_of(path)
    named = KINDS.get(path.suffix.lower(), "no image")
    return f"{path}: holds {kind}, its name says {named}" if kind and kind != named else ""


def check_size(path: Path, height: int, width: int) -> None:
    """Raises DataError for an image too small to show anything, or too large to take into memory."""
    if min(height, width) < 8 or height * width > MAX_PIXELS:
        raise DataError(
            f"{path}: got {height} x {width} px, wanted 8 px a side at least and "
            f"{MAX_PIXELS // 10**6} megapixels at most; resize, replace or remove it"
        )


def full_scale(highest: float) -> int:
    """The greatest value of the fewest bits, of DEPTHS, that hold ``highest``: 12 bits stored in 16
    are not dark.
    """
    return next(2**bits - 1 for bits in DEPTHS if highest < 2**bits)


def _read_picture(path: Path, kind: str) -> NDArray:
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore")
            with Image.open(file, formats=[kind]) as header:
                check_size(path, header.height, header.width)
                pages = getattr(header, "n_frames", 1) if kind == "TIFF" else 1
                header.verify()
            file.seek(0)
            content = file.read()
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except DataError:
        raise
    except Exception as error:  # Pillow and OpenCV raise whatever a damaged byte leads to
        said = " ".join(str(error).split())
        raise DataError(f"{path}: not readable as {kind}: {said}; replace or remove it") from None
    if pages > 1:
        raise DataError(f"{path}: got {pages} pages, wanted one; save each as a file of its own")
    # older OpenCV fills what a truncated JPEG lacks with grey: after the last start of a scan an
    # end must follow
    if image is None or (
        kind == "JPEG" and content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda")
    ):
        raise DataError(
            f"{path}: damaged or truncated {kind} ({len(content)} bytes); replace or remove it"
        )
    return image


def _read_npy(path: Path) -> NDArray:
    try:
        image = np.load(
            path, mmap_mode="r", allow_pickle=False
        )  # takes no memory, fails if the file is too short
    except Exception as error:  # as above
        raise DataError(
            f"{path}: not a plain .npy array: {' '.join(str(error).split())}; save it again"
        ) from None
    if image.ndim == 3 and image.shape[2] in (3, 4):
        image = image[:, :, 2::-1]  # (H, W, 3) as OpenCV orders colours
    return image


def _as_grey(image: NDArray, path: Path) -> NDArray:
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim == 3 and image.shape[2] in (3, 4):
        image = image[:, :, :3]
    elif image.ndim != 2:
        raise DataError(
            f"{path}: got an array of shape {image.shape}, wanted (H, W), (H, W, 1) or (H, W, 3); "
            "save one image a file"
        )
    check_size(path, *image.shape[:2])
    if image.dtype.kind not in "uif":
        raise DataError(
            f"{path}: got pixels of type {image.dtype}, wanted whole or floating numbers; save it again"
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
    if image.dtype != np.uint8:
        image = image.astype(np.float32 if image.dtype.kind == "f" else np.uint16)
    if image.ndim == 3:
        image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2GRAY)
    if image.dtype == np.uint16:
        image = image.astype(np.float32) / np.float32(full_scale(high))
    if image.min() == image.max():
        raise DataError(f"{path}: every pixel has the same value; replace or remove it")
    return np.ascontiguousarray(image)
