"""JPEG, PNG, BMP and WebP of every make are read as a viewer shows them, or refused."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin

from data.geometry import read_mask
from data.readers import DataError, kind_of, read_grey, read_pixels, read_stored
from tests.image_files import HEIGHT, WIDTH, bytes_of, picture

ORIENTATIONS = range(1, 9)
LEVEL = 1 / 255
WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in grey, ITU-R BT.601


def colours(seed: int = 3) -> NDArray[np.uint8]:
    """(H, W, 3) RGB."""
    planes = [picture(seed + k) * 255 for k in range(3)]
    return np.dstack(planes).astype(np.uint8)


def grey_of(rgb: NDArray) -> NDArray:
    """(H, W, 3) of a whole type to (H, W) from 0 to 1."""
    return rgb @ np.array(WEIGHTS) / np.iinfo(rgb.dtype).max


def shown(path: Path) -> NDArray:
    """What is read, from 0 to 1."""
    image = read_grey(path)
    return image / 255 if image.dtype == np.uint8 else image


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[274] = orientation
    return made


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def by_pillow(content: bytes) -> NDArray:
    """An independent reading of 8 bits: turned by Pillow, grey by the formula. From 0 to 1."""
    with Image.open(io.BytesIO(content)) as image:
        return grey_of(np.asarray(ImageOps.exif_transpose(image).convert("RGB")))


def photos() -> Iterator[tuple[str, bytes]]:
    """Files of 8 bits or fewer, by name."""
    grey = Image.fromarray(bytes_of(1)("u1"))
    rgb = Image.fromarray(colours())
    modes = {"L": grey, "RGB": rgb, "P": rgb.quantize(60), "1": grey.convert("1")}
    modes |= {"CMYK": rgb.convert("CMYK"), "RGBA": rgb.convert("RGBA"), "LA": grey.convert("LA")}
    for orientation in ORIENTATIONS:
        turned = {"exif": exif(orientation).tobytes()}
        for mode in ("L", "RGB", "CMYK"):
            for form in ({}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 2}):
                yield (
                    f"{mode}{form}{orientation}.jpg",
                    written(modes[mode], "JPEG", quality=93, **form, **turned),
                )
        for mode in ("L", "RGB", "P", "1", "RGBA", "LA"):
            yield f"{mode}{orientation}.png", written(modes[mode], "PNG", **turned)
        for mode in ("RGB", "RGBA", "L"):
            for lossless in (False, True):
                yield (
                    f"{mode}{lossless}{orientation}.webp",
                    written(modes[mode], "WEBP", lossless=lossless, **turned),
                )
    for mode in ("L", "RGB", "P", "1"):
        yield f"{mode}.bmp", written(modes[mode], "BMP")
    for bits in (1, 2, 4):
        few = Image.fromarray(np.asarray(grey) // 64).convert("P")
        few.putpalette([0, 0, 0, 90, 90, 90, 160, 160, 160, 255, 255, 255][: 3 * 2**bits])
        yield f"palette{bits}.png", written(few, "PNG", bits=bits)
    for optimised in (False, True):
        yield f"optimised{optimised}.png", written(rgb, "PNG", optimize=optimised)


def test_pictures_of_8_bits_are_what_pillow_shows(tmp_path: Path) -> None:
    count = 0
    for name, content in photos():
        path = tmp_path / name
        path.write_bytes(content)
        wanted = by_pillow(content)
        np.testing.assert_allclose(shown(path), wanted, atol=LEVEL, err_msg=name)
        count += 1
    assert count == 8 * (12 + 6 + 6) + 4 + 3 + 2


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_is_what_opencv_shows(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.jfif"
    path.write_bytes(written(Image.fromarray(colours()).convert(mode), "JPEG", quality=80))
    wanted = cv2.imread(str(path), cv2.IMREAD_COLOR)
    found = read_pixels(path)
    found = np.dstack([found] * 3) if found.ndim == 2 else found
    assert np.abs(found.astype(int) - wanted).max() <= (2 if mode == "CMYK" else 0)


def deep() -> dict[str, NDArray]:
    """16 bits: grey, grey with alpha, RGB, RGBA; the alpha hides nothing."""
    grey = bytes_of(5)("u2")
    rgb = colours().astype(np.uint16) * 257 // 16  # 12 bits
    opaque = np.full_like(grey, 65535)
    return {
        "grey": grey,
        "grey_alpha": np.dstack([grey, opaque]),
        "rgb": rgb,
        "rgba": np.dstack([rgb, opaque]),
    }


@pytest.mark.parametrize("name", deep())
def test_png_of_16_bits_keeps_them(tmp_path: Path, name: str) -> None:
    pixels = deep()[name]
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(pixels))
    found = read_stored(path)
    plain = pixels if pixels.ndim == 2 else pixels[:, :, 0]
    if "rgb" in name:
        plain = np.round(pixels[:, :, :3] @ np.array(WEIGHTS))
    assert (found.pixels.dtype, found.bits) == (np.uint16, None)
    assert np.abs(found.pixels - plain.astype(float)).max() <= 1


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """The chunk lies behind the header."""
    return png[:33] + chunk(name, body) + png[33:]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (b"zTXt", b"profile\0\0" + zlib.compress(bytes(30_000_000))),
        (b"iTXt", b"XML\0\1\0\0\0" + zlib.compress(bytes(9_000_000))),
        (b"iCCP", b"icc\0\0" + zlib.compress(bytes(9_000_000))),
        (b"tEXt", b"Comment\0" + b"a" * 2_000_000),
        (b"prVt", b"a" * 2_000_000),
    ],
)
def test_what_is_no_pixel_of_a_png_costs_nothing(tmp_path: Path, name: bytes, body: bytes) -> None:
    grey = bytes_of(1)("u1")
    path = tmp_path / "a.png"
    path.write_bytes(with_chunk(written(Image.fromarray(grey), "PNG"), name, body))
    np.testing.assert_array_equal(read_grey(path), grey)


def test_png_of_many_pieces_is_read_quickly(tmp_path: Path) -> None:
    grey = bytes_of(1)("u1")
    plain = written(Image.fromarray(grey), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(plain[:33] + chunk(b"IDAT", b"") * 200_000 + plain[33:])
    np.testing.assert_array_equal(read_grey(path), grey)


def hidden() -> dict[str, bytes]:
    """Files with transparent pixels."""
    rgb = colours()
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:4] = 0
    rgba = Image.fromarray(np.dstack([rgb, alpha]))
    grey = bytes_of(1)("u1")
    palette = Image.fromarray(grey // 4).convert("P")
    return {
        "rgba.png": written(rgba, "PNG"),
        "la.png": written(rgba.convert("LA"), "PNG"),
        "rgba.webp": written(rgba, "WEBP", lossless=True),
        "key.png": written(Image.fromarray(grey), "PNG", transparency=int(grey[3, 3])),
        "palette.png": written(palette, "PNG", transparency=int(grey[3, 3]) // 4),
        "rgba16.png": imagecodecs.png_encode(np.dstack([rgb, alpha]).astype(np.uint16) * 257),
    }


@pytest.mark.parametrize("name", hidden())
def test_alpha_that_hides_pixels_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(hidden()[name])
    with pytest.raises(DataError, match=r"got transparent pixels, wanted none; save it without"):
        read_grey(path)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(tmp_path: Path, kind: str) -> None:
    frames = [Image.fromarray(colours(seed)) for seed in (1, 5, 9)]
    path = tmp_path / "a"
    path.write_bytes(written(frames[0], kind, save_all=True, append_images=frames[1:]))
    with pytest.raises(DataError, match=r"got [34] pages, wanted one"):
        read_grey(path)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("where", ["exif", "xmp", "raw profile"])
def test_the_orientation_of_a_png_wherever_it_stands(
    tmp_path: Path, orientation: int, where: str
) -> None:
    text = PngImagePlugin.PngInfo()
    options: dict[str, Any] = {"pnginfo": text}
    if where == "exif":
        options["exif"] = exif(orientation).tobytes()
    elif where == "xmp":
        text.add_itxt("XML:com.adobe.xmp", f'<x tiff:Orientation="{orientation}"/>')
    else:
        raw = exif(orientation).tobytes()
        text.add_text("Raw profile type exif", f"\nexif\n{len(raw)}\n{raw.hex()}\n", zip=True)
    path = tmp_path / "a.png"
    content = written(Image.fromarray(bytes_of(1)("u1")), "PNG", **options)
    path.write_bytes(content)
    np.testing.assert_allclose(shown(path), by_pillow(content), atol=1e-6)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_mask_is_turned_as_its_picture(tmp_path: Path, orientation: int) -> None:
    """Both come from one camera, or the mask was drawn on what a viewer shows."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[3:9, 20:30] = 255
    image = Image.fromarray(mask)
    path = tmp_path / "turned.png"
    path.write_bytes(written(image, "PNG", exif=exif(orientation).tobytes()))
    seen = by_pillow(path.read_bytes())
    np.testing.assert_array_equal(read_mask(path, seen.shape), seen > 0)


def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path) -> None:
    grey = bytes_of(1)("u1")
    path = tmp_path / "a.png"
    for orientation in (0, 9, 65535):
        path.write_bytes(written(Image.fromarray(grey), "PNG", exif=exif(orientation).tobytes()))
        np.testing.assert_array_equal(read_grey(path), grey)


def test_a_jpeg_of_more_scans_than_encoders_make_is_refused(tmp_path: Path) -> None:
    whole = written(Image.fromarray(colours()), "JPEG", progressive=True)
    scan = whole.rindex(b"\xff\xda")
    path = tmp_path / "a.jpg"
    path.write_bytes(whole[:scan] + whole[scan:-2] * 300 + whole[-2:])
    with pytest.raises(DataError, match=r"got a JPEG of \d+ scans, wanted 200 at most"):
        read_grey(path)


def test_a_bmp_longer_than_its_pixels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(written(Image.fromarray(bytes_of(1)("u1")), "BMP") + bytes(3_000_000))
    with pytest.raises(DataError, match=r"bytes, wanted \d+ at most for its 40 x 32 px"):
        read_grey(path)


def test_a_webp_that_says_it_is_huge_is_refused(tmp_path: Path) -> None:
    content = bytearray(written(Image.fromarray(colours()), "WEBP", exif=exif(1).tobytes()))
    content[24:30] = b"\xff\x3f\0" * 2
    path = tmp_path / "a.webp"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"got 16384 x 16384 px, wanted 8 px a side"):
        read_grey(path)


@pytest.mark.parametrize("kind", ["GIF", "JPEG2000", "PPM", "TGA"])
def test_other_kinds_are_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(written(Image.fromarray(colours()), kind))
    assert kind_of(path) == ""
    with pytest.raises(DataError, match=r"bytes that are none of JPEG, PNG, BMP, WEBP, TIFF"):
        read_grey(path)


@pytest.mark.parametrize("bits", [2, 4])
def test_a_transparent_grey_of_few_bits_is_found(tmp_path: Path, bits: int) -> None:
    """Pillow widens the pixels of such a file, and leaves the transparent grey as it is stored."""
    top = 2**bits - 1
    values = np.round(picture(1) * top).astype(np.uint8)
    lines = (values[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(lines.reshape(HEIGHT, -1), axis=1)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path = tmp_path / "a.png"
    path.write_bytes(png)
    np.testing.assert_allclose(shown(path), values / top, atol=1e-6)
    path.write_bytes(with_chunk(png, b"tRNS", struct.pack(">H", top)))
    with pytest.raises(DataError, match=r"got transparent pixels"):
        read_grey(path)
