"""DICOM of every depth, sign, padding and syntax: values of the standard, worked out by hand."""

import io
import shutil
import struct
import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pydicom.data
import pytest
from numpy.typing import NDArray
from pydicom import uid
from pydicom.encaps import encapsulate

from data.dicom import read_dicom
from data.readers import DataError, kind_of, read_grey, read_stored, wrong_suffix
from tests.image_files import HEIGHT, WIDTH, bytes_of, dicom, item, picture, save

SHIPPED = Path(pydicom.data.__file__).parent
CT: dict[str, Any] = {"Modality": "CT", "RescaleIntercept": -1024, "RescaleSlope": 1}


def stored_bits(values: NDArray, bits: int, high: int, form: str) -> NDArray:
    """Whole numbers as they lie in the file: their lowest ``bits``, up to bit ``high``."""
    kept = values.astype(np.int64) & (2**bits - 1)
    return (kept << (high + 1 - bits)).astype(f"<u{form[1]}")


@pytest.mark.parametrize("bits", [6, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("high", ["low", "one up", "top"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("window", [False, True])
@pytest.mark.parametrize("inverse", [False, True])
def test_every_depth(
    tmp_path: Path, bits: int, high: str, signed: bool, window: bool, inverse: bool
) -> None:
    form = "u1" if bits <= 8 else "u2"
    allocated = 8 * int(form[1])
    place = {"low": bits - 1, "one up": min(bits, allocated - 1), "top": allocated - 1}[high]
    offset = 2 ** (bits - 1) if signed else 0
    values = np.round(picture(5) * (2**bits - 1)).astype(np.int64) - offset
    elements: dict[str, Any] = {"BitsStored": bits, "HighBit": place}
    if inverse:
        elements["PhotometricInterpretation"] = "MONOCHROME1"
    if window:
        elements |= {"WindowCenter": 2 ** (bits - 1) - offset, "WindowWidth": 2**bits}
    elements["PixelRepresentation"] = int(signed)
    pixels = stored_bits(values, bits, place, form)
    found = read_grey(save(tmp_path / "a", dicom(pixels, **elements)))
    wanted = (values + offset) / (2**bits - 1)
    np.testing.assert_allclose(found, 1 - wanted if inverse else wanted, atol=1 / 255)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_whole_numbers_are_kept_with_their_declared_bits(tmp_path: Path, bits: int) -> None:
    values = np.round(picture(5) * 700).astype("<u2")
    values[0, 0] = 2**bits - 1  # else 16 bits would not tell where to turn it over
    for inverse in (False, True):
        photometric = "MONOCHROME1" if inverse else "MONOCHROME2"
        elements = {"BitsStored": bits, "HighBit": bits - 1}
        content = dicom(values, PhotometricInterpretation=photometric, **elements)
        found = read_stored(save(tmp_path / "a", content))
        assert found.bits == bits
        assert found.pixels.dtype == np.uint16
        np.testing.assert_array_equal(found.pixels, 2**bits - 1 - values if inverse else values)


def test_a_rescale_that_changes_nothing_is_none(tmp_path: Path) -> None:
    values = np.round(picture(5) * 700).astype("<u2")
    plain = save(tmp_path / "plain", dicom(values, BitsStored=12, HighBit=11))
    scale = {"RescaleSlope": 1, "RescaleIntercept": 0}
    scaled = save(tmp_path / "scaled", dicom(values, BitsStored=12, HighBit=11, **scale))
    np.testing.assert_array_equal(read_grey(plain), read_grey(scaled))


def test_bits_above_those_stored_are_no_picture(tmp_path: Path) -> None:
    """Old files keep an overlay there."""
    values = np.round(picture(5) * 4095).astype("<u2")
    overlay = (np.indices(values.shape).sum(axis=0) % 3 == 0).astype("<u2") << 12
    path = save(tmp_path / "a", dicom(values | overlay, BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(read_stored(path).pixels, values)


def test_bits_below_those_stored_are_no_picture(tmp_path: Path) -> None:
    values = np.round(picture(5) * 4095).astype("<u2")
    overlay = (np.indices(values.shape).sum(axis=0) % 16).astype("<u2")
    path = save(tmp_path / "a", dicom(values << 4 | overlay, BitsStored=12, HighBit=15))
    np.testing.assert_array_equal(read_stored(path).pixels, values)


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"BitsStored": 12, "HighBit": 15}, "got HighBit 15, but pixels that end at bit 11"),
        ({"BitsStored": 12, "HighBit": 7}, "got HighBit 7 with 12 of 16 bits stored"),
        ({"BitsStored": 12, "HighBit": 20}, "got HighBit 20 with 12 of 16 bits stored"),
    ],
)
def test_a_high_bit_that_cannot_be_is_refused(
    tmp_path: Path, elements: dict[str, int], said: str
) -> None:
    values = np.round(picture(5) * 4000).astype("<u2")
    with pytest.raises(DataError, match=said):
        read_grey(save(tmp_path / "a", dicom(values, **elements)))


def test_ct_without_a_window_is_shown_in_the_stated_one(tmp_path: Path) -> None:
    units = np.round(picture(5) * 3000 - 1000)  # HU
    stored = (units + 1024).astype("<u2")
    wanted = np.clip((units + 100) / 800, 0, 1)  # 300 HU in the middle, 800 wide
    found = read_grey(save(tmp_path / "a", dicom(stored, BitsStored=12, HighBit=11, **CT)))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    darker = (units / 4 + 1024).astype("<u2")  # the same scale whatever else is in the image
    found = read_grey(save(tmp_path / "b", dicom(darker, BitsStored=12, HighBit=11, **CT)))
    np.testing.assert_allclose(found, np.clip((darker - 1024.0 + 100) / 800, 0, 1), atol=1e-6)


@pytest.mark.parametrize("padding", [-2000, 3000])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_padding_is_black_and_outside_the_scale(
    tmp_path: Path, padding: int, modality: str
) -> None:
    inside = np.round(picture(5) * 500 - 40).astype("<i2")
    stored = inside.copy()
    stored[:5] = padding
    elements: dict[str, Any] = {"Modality": modality, "RescaleSlope": 2, "RescaleIntercept": -30}
    content = dicom(stored, **elements)
    data = pydicom.dcmread(io.BytesIO(content))
    data.add_new("PixelPaddingValue", "SS", padding)
    data.save_as(tmp_path / "a")
    found = read_grey(tmp_path / "a")
    units = inside[5:] * 2.0 - 30
    low, high = (-100, 700) if modality == "CT" else (units.min(), units.max())
    assert (found[:5] == 0).all()
    np.testing.assert_allclose(found[5:], np.clip((units - low) / (high - low), 0, 1), atol=1e-6)


def test_a_range_of_padding_in_whole_numbers(tmp_path: Path) -> None:
    values = np.round(picture(5) * 900).astype("<u2")
    stored = values.copy()
    stored[:5] = 60_000
    stored[5:9] = 65_535
    data = pydicom.dcmread(io.BytesIO(dicom(stored)))
    data.add_new("PixelPaddingValue", "US", 65_535)
    data.add_new("PixelPaddingRangeLimit", "US", 60_000)
    data.save_as(tmp_path / "a")
    found = read_stored(tmp_path / "a")
    assert (found.pixels[:9] == 0).all()
    np.testing.assert_array_equal(found.pixels[9:], values[9:])


@pytest.mark.parametrize(("keyword", "form"), [("Float", "<f4"), ("DoubleFloat", "<f8")])
def test_floating_pixels_run_from_least_to_greatest(
    tmp_path: Path, keyword: str, form: str
) -> None:
    values = (picture(5) * 70 - 20).astype(form)
    data = pydicom.dcmread(io.BytesIO(dicom(bytes_of(5)("u1"))))
    del data.PixelData, data.BitsStored, data.HighBit, data.PixelRepresentation
    data.BitsAllocated = 8 * values.itemsize
    setattr(data, f"{keyword}PixelData", values.tobytes())
    data.save_as(tmp_path / "a")
    np.testing.assert_allclose(read_grey(tmp_path / "a"), picture(5), atol=1e-5)


def encoded(pixels: NDArray, syntax: str) -> bytes:
    """By imagecodecs, which reads no pixels here."""
    if syntax == uid.JPEG2000Lossless:
        return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, level=0))
    return bytes(imagecodecs.jpegls_encode(pixels))


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("inverse", [False, True])
def test_what_imagecodecs_packs(tmp_path: Path, syntax: str, bits: int, inverse: bool) -> None:
    top = 2**bits - 1
    values = np.round(picture(5) * top).astype("u1" if bits == 8 else "u2")
    values[0, 0] = top
    photometric = "MONOCHROME1" if inverse else "MONOCHROME2"
    content = dicom(
        values,
        syntax,
        PixelData=encapsulate([encoded(values, syntax)]),
        BitsStored=bits,
        HighBit=bits - 1,
        PhotometricInterpretation=photometric,
    )
    found = read_dicom(save(tmp_path / "a", content)).pixels
    np.testing.assert_allclose(found, abs(inverse - values / top), atol=1e-6)


def test_files_without_their_suffix_are_read_as_with_it(tmp_path: Path) -> None:
    same = 0
    for path in sorted(SHIPPED.rglob("*.dcm")):
        copy = tmp_path / "IM1"
        shutil.copyfile(path, copy)
        answers = []
        for each in (path, copy):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    answers.append(read_grey(each))
            except DataError:
                answers.append(np.zeros(0))
        np.testing.assert_array_equal(*answers, err_msg=str(path))
        same += answers[0].size > 0
    assert same == 38


def test_dicom_without_its_mark_is_found_by_its_elements(tmp_path: Path) -> None:
    path = save(tmp_path / "00000001", dicom(bytes_of(5)("u1"), mark=False))
    assert kind_of(path) == "DICOM"
    assert wrong_suffix(path) == ""
    np.testing.assert_allclose(read_grey(path), bytes_of(5)("u1") / 255, atol=1e-6)


@pytest.mark.parametrize("first", [b"\2\0", b"\0\2", b"\x08\0", b"\0\x08"])
def test_other_files_of_the_same_first_bytes_are_not(tmp_path: Path, first: bytes) -> None:
    rng = np.random.default_rng(0)
    for size in (4, 200, 9000):
        assert kind_of(save(tmp_path / "a", first + rng.bytes(size))) == ""


def costly(kind: str) -> bytes:
    """A file that asks for far more than it holds."""
    pixels = bytes_of(5)("u1")
    if kind == "deflated items":
        empty = b"\xfe\xff\x00\xe0\0\0\0\0"
        body = struct.pack("<HH2sHI", 0x40, 0x555, b"SQ", 0, 0xFFFFFFFF) + empty * 1_000_000
        return dicom(pixels, uid.DeflatedExplicitVRLittleEndian, PixelData=body)
    if kind == "elements":
        return (
            bytes(128)
            + b"DICM"
            + b"".join(struct.pack("<HHI", 0x11, number, 0) for number in range(60_000))
        )
    if kind == "RLE":
        starts = struct.pack("<16I", 1, 64, *[0] * 14)
        return rle(pixels, starts + b"\x81\0" * 2_000_000)
    tiles = bytearray(encoded(pixels, uid.JPEG2000Lossless))
    place = tiles.index(b"\xff\x51") + 22
    struct.pack_into(">II", tiles, place, 1, 1)
    return dicom(pixels, uid.JPEG2000Lossless, PixelData=encapsulate([bytes(tiles)]))


def rle(pixels: NDArray, code: bytes) -> bytes:
    return dicom(pixels, uid.RLELossless, PixelData=encapsulate([code]))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("deflated items", "items in sequences, wanted 200000 at most"),
        ("elements", "got over 20000 elements, wanted fewer"),
        ("RLE", "its RLE unpacks to more pixels than it has"),
        ("JPEG 2000", r"its JPEG 2000 has 1280 tiles in \d+ bytes"),
    ],
)
def test_what_costs_more_than_its_pixels_is_refused(tmp_path: Path, kind: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_grey(save(tmp_path / "a.dcm", costly(kind)))


def test_enhanced_files_keep_their_padding_and_depth(tmp_path: Path) -> None:
    run = np.stack([np.round(picture(seed) * 4095).astype("<u2") for seed in range(3)])
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=[0.25, 0.25])])
    groups = {"SharedFunctionalGroupsSequence": [shared], "BitsStored": 12, "HighBit": 11}
    found = read_stored(save(tmp_path / "a", dicom(run, **groups)), frame=2)
    assert found.pixels.shape == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(found.pixels, run[2])
