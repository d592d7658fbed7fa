"""Reading one image file as a grey picture."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.limits import DataError as DataError
from data.limits import check_size as check_size
from data.limits import full_scale as full_scale

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
MAX_BYTES = 512_000_000
cv2.utils.logging.setLogLevel(0)  # a damaged file is one DataError, not lines of OpenCV beside it


def read_grey(path: Path, window: Sequence[float] | None = None, frame: int = -1) -> NDArray:
    """The image at ``path``, colour turned grey.

    The content of a file decides what it is, not its name. Whole numbers of more than 8 bits are
    divided by full_scale; floating ones are from 0 to 1 already. Size is judged by the file's
    header, before memory is taken for pixels.

    Args:
        path: a JPEG, PNG, BMP, TIFF, .npy or DICOM file.
        window: centre and width, for DICOM only; see data.dicom.
        frame: for DICOM only; -1 is the middle one.

    Returns:
        (H, W) uint8 from 0 to 255 where the file holds 8 bits, else float32 from 0 to 1, as of
        DICOM.

    Raises:
        DataError: the file is missing, empty, not an image, truncated, damaged, too large or too
            small, constant, or holds several pages, NaN or values out of range.
    """
    if kind_of(path) == "DICOM":
        from data.dicom import read_dicom  # pydicom takes time to load, and most sets need none

        return as_grey(read_dicom(path, window, frame).pixels, path)
    return as_grey(read_pixels(path), path)


def read_pixels(path: Path) -> NDArray:
    """What a file other than DICOM holds, colours in the order of OpenCV, .npy mapped.

    Errors are as of ``read_grey``.
    """
    kind = kind_of(path)
    if kind in ("", "DICOM"):
        raise DataError(
            f"{path}: no readable image; got {path.stat().st_size} bytes that are none of "
            f"{', '.join(dict.fromkeys(KINDS.values()))}; replace or remove it"
        )
    return _read_npy(path) if kind == "NPY" else _read_picture(path, kind)


def fault_of(file: Path, folder: Path) -> str:
    """Why a file that a folder or its table names is not read; empty if it can be.

    It has to be there, and inside the folder after all links are followed.
    """
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            return f"{file} lies outside {folder}; nothing there is read"
        str(file).encode()
        return "" if file.is_file() else f"no such file {file}"
    except (OSError, RuntimeError, ValueError) as error:  # too long, a circle of links, or no text
        return f"{str(file)!a} is no usable name: {str(error)!a}"


def about_dicom(path: Path) -> tuple[str, str]:
    """Patient id and pixel spacing in mm of a DICOM file, both empty for other kinds.

    Errors are as of ``read_grey``.
    """
    if kind_of(path) != "DICOM":
        return "", ""
    from data.dicom import read_dicom  # as above

    dicom = read_dicom(path)
    return dicom.patient, dicom.pixel_spacing_mm


def kind_of(path: Path) -> str:
    """JPEG, PNG, BMP, TIFF, NPY or DICOM by the first bytes of a file, else "".

    A file called .dcm whose first bytes say nothing is taken for DICOM.

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
    for first, kind in FIRST_BYTES.items():
        if start.startswith(first):
            return kind
    return "DICOM" if path.suffix.lower() == ".dcm" else ""


def wrong_suffix(path: Path) -> str:
    """What is wrong with a file's name, as one line; empty where it says what the content is."""
    kind = kind_of(path)
    named = KINDS.get(path.suffix.lower(), "no image")
    return f"{path}: holds {kind}, its name says {named}" if kind and kind != named else ""


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
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not readable as {kind}: {reason}; replace or remove it") from None
    if pages > 1:
        raise DataError(f"{path}: got {pages} pages, wanted one; save each as a file of its own")
    if image is None or (kind == "JPEG" and _is_cut(content)):
        raise DataError(
            f"{path}: damaged or truncated {kind} ({len(content)} bytes); replace or remove it"
        )
    return image


def _is_cut(jpeg: bytes) -> bool:
    """Whether no end of the image follows the last start of a scan.

    Older OpenCV fills with grey what such a file lacks.
    """
    return jpeg.rfind(b"\xff\xd9") < jpeg.rfind(b"\xff\xda")


def _read_npy(path: Path) -> NDArray:
    try:
        # mapping takes no memory, and fails if the file is too short
        image = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy raises whatever a damaged header leads to
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not a plain .npy array: {reason}; save it again") from None
    if image.ndim == 3 and image.shape[2] in (3, 4):
        image = image[:, :, 2::-1]  # (H, W, 3) as OpenCV orders colours
    return image


def as_grey(image: NDArray, path: Path) -> NDArray:
    """Pixels of any kind, as ``read_grey`` gives them; ``path`` names them in an error.

    ``image`` is (H, W), (H, W, 1), or (H, W, 3) with colours in the order of OpenCV. Errors are as
    of ``read_grey``.
    """
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
    highest = _check_range(image, path)
    if image.dtype != np.uint8:
        image = image.astype(np.float32 if image.dtype.kind == "f" else np.uint16)
    if image.ndim == 3:
        image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2GRAY)
    if image.dtype == np.uint16:
        image = image.astype(np.float32) / np.float32(full_scale(highest))
    if image.min() == image.max():
        raise DataError(f"{path}: every pixel has the same value; replace or remove it")
    return np.ascontiguousarray(image)


def _check_range(image: NDArray, path: Path) -> float:
    """The greatest pixel. DataError: pixels of another type or range than read_grey takes."""
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
    return high
