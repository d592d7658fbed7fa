"""Reading JPEG, PNG, BMP and WebP by Pillow, as a viewer shows them."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from data.aspect import aspect_of
from data.limits import MAX_PIXELS, DataError, check_size
from data.picture import Picture, as_opencv, upright_picture

ORIENTATION = 274  # the EXIF tag
RESOLUTION = (282, 283)  # likewise: pixels in a unit, across and down
DENSITIES = ("jfif_density", "aspect", "dpi")  # likewise, by Pillow's names, of JPEG, PNG and BMP
PNG_HEAD = 8
PNG_PLAIN = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"sBIT", b"pHYs")
PNG_ORIENTATION = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")  # of text that is kept
SCAN = b"\xff\xda"
MAX_SCANS = 200  # of a JPEG; encoders make ten
MAX_SCANNED = 20 * MAX_PIXELS  # scans times pixels
LARGEST_PIXEL = 4  # bytes of a BMP
BESIDE_PIXELS = 2_000_000  # bytes of a BMP for its header, palette and colour profile


def read_photo(path: Path, kind: str) -> Picture:
    """The picture of a file of ``kind`` JPEG, PNG, BMP or WEBP, turned as its EXIF says.

    Raises:
        DataError: several pictures, or a size that no picture has.
        Exception: whatever Pillow raises for a damaged file.
    """
    content = path.read_bytes()
    if kind == "PNG":
        content = _lean_png(content)
    elif kind == "WEBP":
        check_size(path, *_webp_size(content))
    with _opened(content, kind) as image:
        check_size(path, image.height, image.width)
        _check_frames(path, kind, image)
        _check_cost(path, kind, content, image)
        image.load()
        if kind == "PNG" and content[24] == 16 and content[25] != 0:
            from imagecodecs import png_decode  # takes time to load; Pillow keeps 8 of 16 bits

            pixels = as_opencv(png_decode(content))
        else:
            pixels = _pixels(image, content[24] if kind == "PNG" else 8)
        exif = image.getexif()
        orientation = exif.get(ORIENTATION, 1)
        aspect = _aspect(image, exif)
    if kind == "JPEG" and _is_cut(content):
        raise ValueError(f"damaged or truncated ({len(content)} bytes)")
    return upright_picture(pixels, orientation if isinstance(orientation, int) else 1, None, aspect)


def _aspect(image: Image.Image, exif: Image.Exif) -> float:
    """Height of a pixel over its width, by how many of them there are in either direction."""
    for name in DENSITIES:
        if name in image.info:
            return aspect_of(image.info[name])
    return aspect_of(exif.get(tag) for tag in RESOLUTION)


def _opened(content: bytes, kind: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content), formats=[kind])
    except UnidentifiedImageError:
        raise ValueError(f"damaged, or a {kind} of a kind that Pillow does not know") from None
    if image.mode == "CMYK" and "adobe" not in image.info:
        raise ValueError("its four colours may be stored either way round")
    return image


def _check_frames(path: Path, kind: str, image: Image.Image) -> None:
    """DataError: an animation. Of a JPEG with a preview behind it viewers show the first."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and kind != "JPEG":
        raise DataError(f"{path}: got {frames} pages, wanted one; save each as a file of its own")


def _check_cost(path: Path, kind: str, content: bytes, image: Image.Image) -> None:
    """DataError: a file that takes far more time than its pixels need."""
    pixels = image.height * image.width
    if kind == "JPEG":
        scans = content.count(SCAN)
        if scans > MAX_SCANS or scans * pixels > MAX_SCANNED:
            raise DataError(
                f"{path}: got a JPEG of {scans} scans, wanted {MAX_SCANS} at most, fewer for a "
                "large picture; save it again as a plain JPEG"
            )
    most = LARGEST_PIXEL * (pixels + image.height) + BESIDE_PIXELS
    if kind == "BMP" and len(content) > most:
        raise DataError(
            f"{path}: got {len(content)} bytes, wanted {most} at most for its {image.height} x "
            f"{image.width} px; save it again"
        )


def _pixels(image: Image.Image, bits: int) -> NDArray:
    """(H, W), (H, W, 3) or (H, W, 4) in the order of OpenCV; ``bits`` as stored."""
    clear = image.info.get("transparency")
    if image.mode == "P":
        image = image.convert("RGB" if clear is None else "RGBA")
        clear = None
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    elif image.mode in ("1", "PA", "RGBX"):
        image = image.convert({"1": "L", "PA": "RGBA", "RGBX": "RGB"}[image.mode])
    if isinstance(clear, int) and bits < 8:
        clear = clear * 255 // (2**bits - 1)  # Pillow widens pixels, and leaves this
    pixels = np.asarray(image)
    if image.mode == "I":  # 16 bits, as older Pillow opens them
        pixels = pixels.astype(np.uint16)
    if clear is not None:
        pixels = _with_alpha(pixels, clear)
    return as_opencv(pixels)


def _with_alpha(pixels: NDArray, clear: int | tuple[int, ...]) -> NDArray:
    """(H, W, 4): pixels of the colour ``clear`` are those that a viewer does not show."""
    colours = pixels if pixels.ndim == 3 else pixels[:, :, None]
    hidden = (colours == np.array(clear)).all(axis=2)
    alpha = np.where(hidden, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    colours = np.broadcast_to(colours, (*hidden.shape, 3))
    return np.dstack([colours, alpha])


def _lean_png(content: bytes) -> bytes:
    """A PNG with nothing but what its pixels and their orientation need.

    Long text and colour profiles are of no use here, and can inflate to gigabytes.

    Raises:
        ValueError: a chunk is damaged, or the end is missing.
    """
    kept = [content[:PNG_HEAD]]
    data = []
    for name, body in _png_chunks(content):
        is_text = name in (b"tEXt", b"zTXt", b"iTXt") and body.startswith(PNG_ORIENTATION)
        if name in PNG_PLAIN or name == b"acTL" or is_text:
            kept.append(_png_chunk(name, body))
        elif name == b"IDAT":
            data.append(body)
        elif not name[0] & 32 and name != b"IEND":
            raise ValueError(f"unknown chunk {name!r}")
    return b"".join([*kept, _png_chunk(b"IDAT", b"".join(data)), _png_chunk(b"IEND", b"")])


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = PNG_HEAD
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        body = content[place + 8 : place + 8 + length]
        end = content[place + 8 + length : place + 12 + length]
        if end != struct.pack(">I", zlib.crc32(body, zlib.crc32(name))):
            raise ValueError(f"chunk {name!r} is damaged")
        yield name, body
        if name == b"IEND":
            return
        place += 12 + length
    raise ValueError("its end is missing")


def _png_chunk(name: bytes, body: bytes) -> bytes:
    check = zlib.crc32(body, zlib.crc32(name))
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)


def _webp_size(content: bytes) -> tuple[int, int]:
    """Height and width by the header, before libwebp takes memory for them."""
    kind = content[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(content[24:27], "little")
        return 1 + int.from_bytes(content[27:30], "little"), width
    if kind == b"VP8L":
        packed = int.from_bytes(content[21:25], "little")
        return 1 + (packed >> 14 & 0x3FFF), 1 + (packed & 0x3FFF)
    width, height = struct.unpack_from("<HH", content, 26)
    return height & 0x3FFF, width & 0x3FFF


def _is_cut(jpeg: bytes) -> bool:
    """Whether no end of the image follows the last start of a scan.

    A decoder fills with grey what such a file lacks.
    """
    return jpeg.rfind(b"\xff\xd9") < jpeg.rfind(SCAN)
