"""TIFF of every make is read as a viewer shows it, or refused."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from data.readers import DataError, kind_of, read_grey, read_pixels, read_stored
from tests.image_files import HEIGHT, WIDTH, bytes_of, picture
from tests.test_reader_photos import LEVEL, colours, grey_of, shown

LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 32)},
    "big": {"bigtiff": True},
}
PACKINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "deflate": {"compression": "deflate"},
    "deflate predicted": {"compression": "deflate", "predictor": True},
    "lzw": {"compression": "lzw"},
    "zstd": {"compression": "zstd"},
    "packbits": {"compression": "packbits"},
}
Pair = tuple[str, bytes, NDArray]


def tiff(pixels: NDArray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **{"metadata": None, **options})
    return stream.getvalue()


def grey_files() -> Iterator[Pair]:
    """Name, content, and what it shows from 0 to 1: types, both ways of black, byte orders."""
    for dtype in ("u1", "u2", "f2", "f4", "f8"):
        is_float = dtype[0] == "f"
        pixels = picture(4).astype(dtype) if is_float else bytes_of(4)(dtype)
        white = 1 if is_float else np.iinfo(dtype).max
        for photometric in ("minisblack", "miniswhite"):
            stored = pixels if photometric == "minisblack" else (white - pixels).astype(dtype)
            for layout, placed in LAYOUTS.items():
                for packing, packed in PACKINGS.items():
                    for order in "<>":
                        name = f"{dtype} {photometric} {layout} {packing} {order}"
                        options = {"photometric": photometric, **placed, **packed}
                        if is_float and "predictor" in packed and dtype == "f2":
                            continue
                        content = tiff(stored.astype(order + dtype), byteorder=order, **options)
                        yield name, content, pixels / white


def colour_files() -> Iterator[Pair]:
    for dtype in ("u1", "u2"):
        rgb = colours().astype(dtype) * (1 if dtype == "u1" else 257)
        alpha = np.full((HEIGHT, WIDTH, 1), np.iinfo(dtype).max, dtype)
        for planes in ("contig", "separate"):
            for extra in (False, True):
                pixels = np.dstack([rgb, alpha]) if extra else rgb
                stored = np.moveaxis(pixels, 2, 0) if planes == "separate" else pixels
                options: dict[str, Any] = {"extrasamples": ["unassalpha"]} if extra else {}
                for layout, placed in LAYOUTS.items():
                    for packing, packed in PACKINGS.items():
                        content = tiff(
                            stored,
                            photometric="rgb",
                            planarconfig=planes,
                            **(options | placed | packed),
                        )
                        yield f"{dtype} {planes} {extra} {layout} {packing}", content, grey_of(rgb)


def test_what_tifffile_writes_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    count = 0
    for name, content, wanted in [*grey_files(), *colour_files()]:
        path.write_bytes(content)
        np.testing.assert_allclose(shown(path), wanted, atol=LEVEL, err_msg=name)
        count += 1
    assert count == 5 * 2 * 4 * 6 * 2 - 16 + 2 * 2 * 2 * 4 * 6


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "I;16", "F", "LA", "RGBA"])
def test_what_libtiff_writes_is_what_pillow_shows(tmp_path: Path, mode: str) -> None:
    rgb = Image.fromarray(colours())
    deep = Image.fromarray(bytes_of(2)("u2"))
    images = {"I;16": deep, "F": Image.fromarray(picture(2).astype("f4"))}
    image = images.get(mode) or (rgb.quantize(50) if mode == "P" else rgb.convert(mode))
    packings = ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd"]
    packings += ["jpeg"] if mode in ("L", "RGB") else []
    packings += ["group3", "group4", "tiff_ccitt"] if mode == "1" else []
    path = tmp_path / "a.tiff"
    for packing in packings:
        image.save(tmp_path / "lying.tiff", "TIFF", compression=packing, strip_size=300)
        for turn in range(1, 9):
            image.save(path, "TIFF", compression=packing, strip_size=300, tiffinfo={274: turn})
            wanted = by_pillow(tmp_path / "lying.tiff", turn)
            np.testing.assert_allclose(
                shown(path), wanted, atol=1.01 * LEVEL, err_msg=f"{packing} {turn}"
            )


def by_pillow(lying: Path, turn: int) -> NDArray:
    """From 0 to 1. Pillow 13 scrambles an uncompressed TIFF that it turns; so it turns later."""
    with Image.open(lying) as image:
        image.getexif()[274] = turn
        seen = ImageOps.exif_transpose(image)
    if seen.mode == "F":
        return np.asarray(seen)
    if seen.mode == "I;16":
        return np.asarray(seen) / 65535
    return grey_of(np.asarray(seen.convert("RGB")))


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_every_depth(tmp_path: Path, bits: int, order: str, white_is_zero: bool) -> None:
    """Packed by hand, most significant bit first, as the standard says."""
    top = 2**bits - 1
    values = np.round(picture(6) * top).astype(np.uint16)
    stored = top - values if white_is_zero else values
    if bits == 16:
        data = stored.astype(order + "u2").tobytes()
    else:
        lines = (stored[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
        data = np.packbits(lines.reshape(HEIGHT, -1).astype(np.uint8), axis=1).tobytes()
    path = tmp_path / "a.tif"
    path.write_bytes(by_hand(data, order, bits, 0 if white_is_zero else 1))
    found = read_stored(path)
    if bits <= 8:
        assert found.bits == 8
        np.testing.assert_array_equal(found.pixels, np.round(values * (255 / top)))
    else:
        assert found.bits == (bits if bits < 16 else None)
        np.testing.assert_array_equal(found.pixels, values)


def by_hand(data: bytes, order: str, bits: int, photometric: int, **tags: int) -> bytes:
    """A TIFF of one strip."""
    entries = {256: WIDTH, 257: HEIGHT, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1}
    entries |= {278: HEIGHT, 279: len(data)} | {int(tag[1:]): value for tag, value in tags.items()}
    if photometric < 0:
        del entries[262]
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8 + len(data))
    table = struct.pack(f"{order}H", len(entries))
    for tag, value in sorted(entries.items()):
        table += struct.pack(f"{order}HHII", tag, 4, 1, value)
    return head + data + table + bytes(4)


@pytest.mark.parametrize(
    ("most", "declared"), [(4095, 12), (1023, 10), (65535, None), (3000, None), (511, None)]
)
def test_the_greatest_sample_that_a_file_declares(
    tmp_path: Path, most: int, declared: int | None
) -> None:
    values = np.round(picture(6) * 900).astype("<u2")
    path = tmp_path / "a.tif"
    path.write_bytes(by_hand(values.tobytes(), "<", 16, 1, t281=most))
    assert read_stored(path).bits == declared


def refused_files() -> dict[str, tuple[bytes, str]]:
    """Content and what is said of it."""
    grey = bytes_of(2)("u1")
    rgb = colours()
    clear = np.dstack([rgb, grey])
    three = np.stack([grey] * 3)
    plain = grey.tobytes()
    return {
        "no photometric": (by_hand(plain, "<", 8, -1), "no photometric tag"),
        "CIELab": (by_hand(plain, "<", 8, 8), "photometric 8"),
        "mask": (by_hand(plain, "<", 8, 4), "photometric 4"),
        "raw sensor": (by_hand(plain, "<", 8, 32803), "photometric 32803"),
        "signed": (tiff(grey.view("i1"), photometric="minisblack"), "signed numbers of 8 bits"),
        "signed offset": (tiff(grey.astype("i2") - 100, photometric="minisblack"), "pixels from -"),
        "32 bits": (tiff(grey.astype("u4") << 20, photometric="minisblack"), "wanted 0 to 65535"),
        "complex": (tiff(grey.astype("c8"), photometric="minisblack"), "wanted whole or floating"),
        "alpha": (tiff(clear, photometric="rgb", extrasamples=["unassalpha"]), "transparent"),
        "five": (tiff(np.dstack([clear, grey]), photometric="rgb"), "samples a pixel"),
        "pages": (tiff(three, photometric="minisblack"), "got 3 pages"),
        "ImageJ": (tiff(three, imagej=True, metadata={"axes": "ZYX"}), "got 3 pages"),
        "truncated": (one_page_of(three), "got 3 pages"),
        "volume": (tiff(three, volumetric=True, photometric="minisblack"), "a stack"),
        "JPEG 2000": (tiff(grey, compression="jpeg2000"), "compression 34712"),
        "WebP": (tiff(rgb, compression="webp", photometric="rgb"), "compression 50001"),
    }


def one_page_of(pixels: NDArray) -> bytes:
    """All in one page, the rest named in tifffile's description alone."""
    return tiff(pixels, truncate=True, metadata={}, photometric="minisblack")


@pytest.mark.parametrize("name", refused_files())
def test_what_is_not_known_for_sure_is_refused(tmp_path: Path, name: str) -> None:
    content, said = refused_files()[name]
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        read_grey(path)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{path}: ")


def test_a_big_tiff_is_found_by_its_content(tmp_path: Path) -> None:
    for order in "<>":
        path = tmp_path / "a"
        path.write_bytes(tiff(bytes_of(2)("u1"), bigtiff=True, byteorder=order))
        assert kind_of(path) == "TIFF"
        assert read_grey(path).shape == (HEIGHT, WIDTH)


def test_colours_of_jpeg_in_tiff_are_those_of_libtiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for options in ({}, {"tile": (16, 16)}, {"compressionargs": {"level": 80}}):
        content = tiff(colours(), photometric="rgb", compression="jpeg", **options)
        path.write_bytes(content)
        found = read_pixels(path)[:, :, ::-1].astype(int)
        assert np.abs(found - imagecodecs.tiff_decode(content)).max() <= 2


def test_a_table_that_points_at_itself_ends(tmp_path: Path) -> None:
    content = bytearray(by_hand(bytes_of(2)("u1").tobytes(), "<", 8, 1))
    content[-4:] = content[4:8]
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"got 100 pages, wanted one"):
        read_grey(path)


def test_a_million_strips_are_refused_before_they_are_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    rows = np.zeros((200_000, 8), np.uint8)
    tifffile.imwrite(stream, rows, rowsperstrip=1, compression="deflate", metadata=None)
    path = tmp_path / "a.tif"
    path.write_bytes(stream.getvalue())
    with pytest.raises(DataError, match=r"got 200000 strips or tiles, wanted 131072 at most"):
        read_grey(path)


def test_a_jpeg_in_a_tiff_that_says_it_is_huge_is_refused(tmp_path: Path) -> None:
    content = bytearray(tiff(bytes_of(2)("u1"), compression="jpeg", photometric="minisblack"))
    place = content.index(b"\xff\xc0")
    struct.pack_into(">HH", content, place + 5, 60_000, 60_000)
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a JPEG in it is Frame"):
        read_grey(path)


def test_huge_tiles_for_a_small_picture_are_refused(tmp_path: Path) -> None:
    content = tiff(bytes_of(2)("u1"), tile=(4096, 4096), compression="deflate")
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"got tiles of 4096 x 4096 px; save it in strips"):
        read_grey(path)
