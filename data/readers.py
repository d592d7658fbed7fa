"""Reading one image file as a grey picture."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.dicom_header import Header
from data.limits import DataError as DataError
from data.limits import check_size as check_size
from data.limits import full_scale as full_scale
from data.photos import read_photo
from data.picture import Picture, as_opencv, scaled, stored_grey
from data.picture import Stored as Stored
from errors import one_line, printable
from files import other_kind

KINDS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".bmp": "BMP",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".npy": "NPY",
    ".dcm": "DICOM",
    ".dicom": "DICOM",
    ".ima": "DICOM",
}
SUFFIXES = tuple(KINDS)
FIRST_BYTES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\x93NUMPY": "NPY",
}
FIRST_GROUPS = (b"\2\0", b"\0\2", b"\x08\0", b"\0\x08")  # of DICOM without its mark
MAX_BYTES = 512_000_000


def read_grey(path: Path, window: Sequence[float] | None = None, frame: int | str = -1) -> NDArray:
    """The image at ``path``, colour turned grey.

    The content of a file decides what it is, not its name. The picture is as viewers show it:
    turned as its EXIF or TIFF orientation says, so that masks and boxes drawn on what is shown
    fit; black is 0, whatever the file stores for it. What is not known for sure is refused. Whole
    numbers of more than 8 bits are divided by full_scale; floating ones are from 0 to 1 already.
    Size is judged by the file's header, before memory is taken for pixels.

    Args:
        path: a JPEG, PNG, BMP, WebP, TIFF, .npy or DICOM file.
        window: centre and width, for DICOM only; see data.dicom.
        frame: for DICOM only, as in CONFIG: from 0; -1: the middle one; or a word.

    Returns:
        (H, W) uint8 from 0 to 255 where the file holds 8 bits, else float32 from 0 to 1, as of
        DICOM.

    Raises:
        DataError: the file is missing, empty, not an image, truncated, damaged, too large or too
            small, constant, or holds several pages, transparent pixels, NaN, or values out of
            range.
    """
    return scaled(read_stored(path, window, frame))


def read_stored(path: Path, window: Sequence[float] | None = None, frame: int | str = -1) -> Stored:
    """The image at ``path``, colour turned grey, whole numbers as they are stored.

    Arguments and errors are as of ``read_grey``.
    """
    if kind_of(path) == "DICOM":
        from data.dicom import read_dicom  # pydicom takes time to load, and most sets need none

        stored = read_dicom(path, window, frame).stored
        grey = stored_grey(Picture(stored.pixels, stored.bits), path)
        return replace(stored, pixels=grey.pixels, bits=grey.bits)
    return stored_grey(_read_picture(path), path)


def read_pixels(path: Path) -> NDArray:
    """What a file other than DICOM shows, upright, colours in the order of OpenCV, .npy mapped.

    Errors are as of ``read_grey``.
    """
    return _read_picture(path).pixels


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its content; one that cannot be read is none."""
    try:
        return kind_of(path) == "DICOM"
    except DataError:
        return False  # reading it tells why


def fault_of(file: Path, folder: Path) -> str:
    """Why a file that a folder or its table names is not read; empty if it can be.

    It has to be there, and inside the folder after all links are followed. A name with a
    line end or a tab would break every message.
    """
    if one_line(str(file)) != printable(str(file)):
        return f"{str(file)!a} is no usable name; rename it"
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            return f"{file} lies outside {folder}; nothing there is read"
        str(file).encode()
        if kind := other_kind(file):
            return f"{file} is {kind}, wanted a file"
        return "" if file.is_file() else f"no such file {file}"
    except (OSError, RuntimeError, ValueError) as error:  # too long, a circle of links, or no text
        return f"{str(file)!a} is no usable name: {str(error)!a}"


def about_dicom(path: Path, frame: int = -1) -> tuple[Header | None, str]:
    """Header and pixel spacing in mm of a DICOM file; None and empty for other kinds.

    Errors are as of ``read_grey``.
    """
    if kind_of(path) != "DICOM":
        return None, ""
    from data.dicom import read_dicom  # as above

    dicom = read_dicom(path, frame=frame)
    return dicom.header, dicom.pixel_spacing_mm


def kind_of(path: Path) -> str:
    """JPEG, PNG, BMP, WEBP, TIFF, NPY or DICOM by the content of a file, else "".

    A file called .dcm, .dicom or .ima whose first bytes say nothing is taken for DICOM.

    Raises:
        DataError: no such file, no permission, not a plain file, empty, or larger than MAX_BYTES.
    """
    try:
        size = path.stat().st_size
        if kind := other_kind(path):
            raise DataError(f"{path}: not readable: is {kind}, wanted a file")
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
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WEBP"
    if KINDS.get(path.suffix.lower()) == "DICOM":
        return "DICOM"
    return "DICOM" if start.startswith(FIRST_GROUPS) and _is_dicom(path) else ""


def _is_dicom(path: Path) -> bool:
    from data.dicom import is_image  # as above

    return is_image(path)


def wrong_suffix(path: Path) -> str:
    """What is wrong with a file's name, as one line; empty where it says what the content is."""
    kind = kind_of(path)
    if kind == "DICOM" and path.suffix.lower() not in KINDS:
        return ""  # scanners and archives name such files without a suffix, or by a number
    named = KINDS.get(path.suffix.lower(), "no image")
    return f"{path}: holds {kind}, its name says {named}" if kind and kind != named else ""


def _read_picture(path: Path) -> Picture:
    """What a file other than DICOM shows. Errors are as of ``read_grey``."""
    kind = kind_of(path)
    if kind in ("", "DICOM"):
        raise DataError(
            f"{path}: no readable image; got {path.stat().st_size} bytes that are none of "
            f"{', '.join(dict.fromkeys(KINDS.values()))}; replace or remove it"
        )
    if kind == "NPY":
        return Picture(_read_npy(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "TIFF":
                from data.tiffs import read_tiff  # tifffile takes time to load

                return read_tiff(path)
            return read_photo(path, kind)
    except DataError:
        raise
    except Exception as error:  # libraries raise whatever a damaged byte leads to
        reason = " ".join(str(error).split())[:240] or type(error).__name__
        raise DataError(f"{path}: not readable as {kind}: {reason}; replace or remove it") from None


def _read_npy(path: Path) -> NDArray:
    try:
        # mapping takes no memory, and fails if the file is too short
        image = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy raises whatever a damaged header leads to
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not a plain .npy array: {reason}; save it again") from None
    if image.ndim == 3 and image.shape[2] in (3, 4):
        image = as_opencv(image)
    return image


def as_grey(image: NDArray, path: Path) -> NDArray:
    """Pixels of any kind, as ``read_grey`` gives them; ``path`` names them in an error.

    ``image`` is (H, W), (H, W, 1), or (H, W, 3) with colours in the order of OpenCV. Errors are as
    of ``read_grey``.
    """
    return scaled(stored_grey(Picture(image), path))
