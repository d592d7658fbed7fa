"""Reading TIFF and BigTIFF by tifffile, as a viewer shows them."""

import logging
import math
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from data.aspect import aspect_of
from data.codestreams import jpeg_frame
from data.limits import DataError, check_size
from data.picture import Picture, as_opencv, upright_picture

ORIENTATION = 274
RESOLUTION = (282, 283)  # pixels in a unit, across and down
MAX_SAMPLE_VALUE = 281
INK_SET = 332
JPEG = 7
COMPRESSIONS = {
    1: "none",
    2: "CCITT RLE",
    3: "CCITT G3",
    4: "CCITT G4",
    5: "LZW",
    JPEG: "JPEG",
    8: "Deflate",
    32773: "PackBits",
    32946: "Deflate",
    50000: "Zstandard",
}
WHITE_IS_ZERO = 0
PALETTE = 3
SEPARATED = 5
YCBCR = 6
COLOURS = {WHITE_IS_ZERO: 1, 1: 1, 2: 3, PALETTE: 1, SEPARATED: 4, YCBCR: 3}  # by photometric tag
UNSIGNED = 1
SIGNED = 2
FLOATING = 3
MAX_ENTRIES = 4096  # of the table of a page
MAX_SEGMENTS = 2**17  # strips or tiles of a page
COUNTED_PAGES = 100
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # a damaged file is one DataError


def read_tiff(path: Path) -> Picture:
    """The picture of a TIFF file of one page.

    Raises:
        DataError: several pages, or a kind of TIFF whose look is not known for sure.
        Exception: whatever tifffile raises for a damaged file.
    """
    with path.open("rb") as file, TiffFile(file) as tiff:
        page = tiff.pages.first
        _check_single(path, tiff, page)
        check_size(path, page.imagelength, page.imagewidth)
        _check_known(path, page)
        _check_segments(path, tiff, page)
        pixels = page.asarray(maxworkers=1)
        if page.planarconfig == 2 and pixels.ndim == 3:
            pixels = np.moveaxis(pixels, 0, 2)
        return _shown(path, page, pixels)


def _check_single(path: Path, tiff: TiffFile, page: TiffPage) -> None:
    """DataError: more than one picture, whichever way the file says so."""
    if len(page.tags) > MAX_ENTRIES:
        raise DataError(f"{path}: got {len(page.tags)} tags, wanted {MAX_ENTRIES} at most")
    pages = _count_pages(tiff)
    if tiff.is_imagej:
        pages = max(pages, int((tiff.imagej_metadata or {}).get("images", 1)))
    if page.is_shaped and tiff.shaped_metadata:
        pixels = math.prod(tiff.shaped_metadata[0].get("shape", (1,)))
        pages = max(pages, pixels // max(1, math.prod(page.shape)))
    if pages > 1 or page.is_stk or page.imagedepth > 1:
        said = f"{pages} pages" if pages > 1 else "a stack"
        raise DataError(f"{path}: got {said}, wanted one page; save each as a file of its own")


def _count_pages(tiff: TiffFile) -> int:
    """How many pages follow each other, counted up to COUNTED_PAGES."""
    form = tiff.tiff
    file = tiff.filehandle
    place = tiff.pages.first.offset
    pages = 0
    while place and pages < COUNTED_PAGES:
        pages += 1
        file.seek(place)
        entries = int.from_bytes(file.read(form.tagnosize), _order(tiff))
        file.seek(place + form.tagnosize + entries * form.tagsize)
        place = int.from_bytes(file.read(form.offsetsize), _order(tiff))
    return pages


def _order(tiff: TiffFile) -> Literal["little", "big"]:
    return "little" if tiff.byteorder == "<" else "big"


def _check_known(path: Path, page: TiffPage) -> None:
    """DataError: a kind of TIFF whose look is not known for sure."""
    extra = len(page.extrasamples)
    photometric = int(page.photometric) if 262 in page.tags else -1
    form = int(page.sampleformat) if isinstance(page.sampleformat, int) else -1
    bits = page.bitspersample
    fault = ""
    if page.compression not in COMPRESSIONS:
        wanted = ", ".join(dict.fromkeys(COMPRESSIONS.values()))
        fault = f"compression {int(page.compression)}, wanted {wanted}"
    elif photometric not in COLOURS:
        fault = "no photometric tag" if photometric < 0 else f"photometric {photometric}"
        fault += ", wanted grey, RGB, palette, CMYK or YCbCr"
    elif page.samplesperpixel - extra != COLOURS[photometric] or extra > 1:
        fault = f"{page.samplesperpixel} samples a pixel, wanted {COLOURS[photometric]}"
    elif not isinstance(bits, int) or form not in (UNSIGNED, SIGNED, FLOATING):
        fault = f"samples of {bits} bits in form {form}, wanted whole or floating numbers"
    elif form == SIGNED and (bits != 16 or photometric != 1):
        fault = f"signed numbers of {bits} bits, wanted unsigned or floating ones"
    elif photometric == YCBCR and page.compression != JPEG:
        fault = "YCbCr without JPEG, wanted RGB"
    elif photometric == WHITE_IS_ZERO and extra:
        fault = "white for 0 with alpha, wanted black for 0"
    elif page.tags.valueof(INK_SET, 1) != 1:
        fault = "inks other than CMYK, wanted RGB"
    elif photometric in (PALETTE, SEPARATED) and (form != UNSIGNED or bits > 8 or extra):
        fault = f"a palette or CMYK of {bits} bits, wanted 8"
    if fault:
        raise DataError(f"{path}: got a TIFF of {fault}; save it again")


def _check_segments(path: Path, tiff: TiffFile, page: TiffPage) -> None:
    """DataError: strips or tiles that are missing, or cost more than the pixels need."""
    height, width = page.imagelength, page.imagewidth
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    if page.is_tiled:
        tall, wide = page.tilelength, page.tilewidth
        least = 256  # edge that encoders use for a small picture as well
        if tall > max(2 * height, 4 * least) or wide > max(2 * width, 4 * least):
            raise DataError(f"{path}: got tiles of {tall} x {wide} px; save it in strips")
        wanted = planes * math.ceil(height / tall) * math.ceil(width / wide)
    else:
        tall, wide = min(page.rowsperstrip, height), width
        wanted = planes * math.ceil(height / tall)
    found = min(len(page.dataoffsets), len(page.databytecounts))
    if wanted > MAX_SEGMENTS:
        raise DataError(
            f"{path}: got {wanted} strips or tiles, wanted {MAX_SEGMENTS} at most; save it again"
        )
    if found < wanted:
        raise ValueError(f"{found} of {wanted} strips or tiles are there")
    segments = list(zip(page.dataoffsets[:wanted], page.databytecounts[:wanted], strict=True))
    if any(size == 0 or place + size > tiff.filehandle.size for place, size in segments):
        raise ValueError("the file ends before its pixels")
    if page.compression == JPEG:
        _check_jpegs(tiff, page, segments, (tall, wide))


def _check_jpegs(
    tiff: TiffFile, page: TiffPage, segments: list[tuple[int, int]], most: tuple[int, int]
) -> None:
    """ValueError: a JPEG within the file says that it is another picture."""
    for place, size in segments:
        tiff.filehandle.seek(place)
        frame = jpeg_frame(tiff.filehandle.read(size))
        fits = frame.height <= most[0] and frame.width <= most[1]
        if not fits or frame.channels > page.samplesperpixel or frame.bits != 8:
            raise ValueError(f"a JPEG in it is {frame}")


def _shown(path: Path, page: TiffPage, pixels: NDArray) -> Picture:
    """Samples as they are stored to what a viewer shows."""
    photometric = int(page.photometric)
    bits = page.bitspersample
    declared = None
    if photometric == PALETTE:
        pixels = _by_palette(page, pixels)
    elif pixels.dtype.kind != "f" and page.sampleformat == UNSIGNED:
        pixels, declared = _widened(page, pixels, bits)
    if photometric == WHITE_IS_ZERO:
        pixels = _turned_over(pixels, bits)
    if photometric == SEPARATED:
        pixels = _from_inks(pixels)
    if pixels.ndim == 3:
        pixels = as_opencv(pixels)
    turned = page.tags.valueof(ORIENTATION, 1)
    turned = turned if isinstance(turned, int) else 1
    return upright_picture(pixels, turned, declared, _aspect(page))


def _aspect(page: TiffPage) -> float:
    """Height of a pixel over its width, of the pixels that an inch holds in either direction."""
    try:
        across, down = (n / d for n, d in (page.tags.valueof(tag) for tag in RESOLUTION))
    except (TypeError, ValueError, ZeroDivisionError):
        return 1.0
    return aspect_of((across, down))


def _widened(page: TiffPage, pixels: NDArray, bits: int) -> tuple[NDArray, int | None]:
    """Whole numbers as uint8 from 0 to 255 or as uint16, and the bits that the file declares."""
    if bits < 8:
        white = 2**bits - 1
        wide = pixels.astype(np.uint16) * 255 + white // 2
        return (wide // white).astype(np.uint8), 8
    if bits in (8, 32, 64):
        return pixels, 8 if bits == 8 else None
    if bits != 16:
        return pixels, bits
    most = page.tags.valueof(MAX_SAMPLE_VALUE)
    most = most[0] if isinstance(most, tuple) else most or 0
    is_white = most > 255 and most & (most + 1) == 0 and pixels.max() <= most < 2**16 - 1
    return pixels, int(most).bit_length() if is_white else None


def _turned_over(pixels: NDArray, bits: int) -> NDArray:
    """Black for white."""
    if pixels.dtype.kind == "f":
        return np.asarray(1 - pixels)
    white = 255 if pixels.dtype == np.uint8 else 2**bits - 1
    return (white - pixels).astype(pixels.dtype)


def _by_palette(page: TiffPage, pixels: NDArray) -> NDArray:
    """(H, W) indices to (H, W, 3) uint8. Old writers put 8 bits where 16 belong."""
    colours = np.asarray(page.colormap)  # (3, 2**bits)
    if colours.max() > 255:
        colours = colours >> 8  # writers put v * 256 or v * 257
    return colours.astype(np.uint8)[:, pixels].transpose(1, 2, 0)


def _from_inks(pixels: NDArray) -> NDArray:
    """(H, W, 4) uint8 cyan, magenta, yellow, black to RGB."""
    light = 255 - pixels.astype(np.uint32)
    return ((light[:, :, :3] * light[:, :, 3:] + 127) // 255).astype(np.uint8)
