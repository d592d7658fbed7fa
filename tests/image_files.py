"""Good and damaged image files of every kind."""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pydicom.data
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

HEIGHT = 40
WIDTH = 32


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray:
    """Smooth noise, float from 0 to 1, both reached."""
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.random((height, width)), (0, 0), 3)
    return (image - image.min()) / np.ptp(image)


def encode(suffix: str, image: NDArray, *options: int) -> bytes:
    return bytes(cv2.imencode(suffix, image, options)[1])


def npy(image: NDArray) -> bytes:
    file = io.BytesIO()
    np.save(file, image, allow_pickle=True)
    return file.getvalue()


def dicom(
    pixels: NDArray, syntax: str = uid.ExplicitVRLittleEndian, mark: bool = True, **elements: Any
) -> bytes:
    """A DICOM file of (H, W) or (frames, H, W) whole numbers."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID = uid.XRayAngiographicImageStorage
    data.SOPInstanceUID = "1.2.3"
    data.Rows, data.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PatientID = "P7"
    data.BitsAllocated = data.BitsStored = 8 * pixels.itemsize
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.HighBit = data.BitsStored - 1
    data.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(data, name, value)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if mark:
            pydicom.dcmwrite(file, data, enforce_file_format=True)
        else:
            del data.file_meta
            pydicom.dcmwrite(file, data, implicit_vr=True, little_endian=True)
    return file.getvalue()


def item(**elements: Any) -> Dataset:
    data = Dataset()
    for name, value in elements.items():
        setattr(data, name, value)
    return data


def bytes_of(seed: int) -> Callable[[str], NDArray]:
    image = picture(seed)
    return lambda dtype: (image * np.iinfo(dtype).max).astype(dtype)


def good(seed: int) -> dict[str, bytes]:
    """Files that must be read, by name."""
    whole = bytes_of(seed)
    image = picture(seed)
    eight = whole("u1")
    sixteen = whole("u2")
    palette = io.BytesIO()
    Image.fromarray(eight).convert("P").save(palette, "PNG")
    return {
        "grey.jpg": encode(".jpg", eight),
        "progressive.JPG": encode(".jpg", eight, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "colour.jpeg": encode(".jpg", np.dstack([eight] * 3)),
        "grey.png": encode(".png", eight),
        "palette.png": palette.getvalue(),
        "twelve_bits.png": encode(".png", sixteen >> 4),
        "colour16.png": encode(".png", np.dstack([sixteen] * 3)),
        "grey.bmp": encode(".bmp", eight),
        "grey.tif": encode(".tif", eight),
        "grey16.tiff": encode(".tif", sixteen),
        "colour16.tif": encode(".tif", np.dstack([sixteen] * 3)),
        "float.tif": encode(".tif", image.astype(np.float32)),
        "png_called.jpg": encode(".png", eight),
        "whole.npy": npy(eight),
        "half.npy": npy(image.astype(np.float16)[:, :, None]),
        "fortran.npy": npy(np.asfortranarray(image)),
        "long.npy": npy(eight.astype(np.int64)),
        "plain.dcm": dicom(eight),
        "no_suffix": dicom(sixteen >> 4, BitsStored=12, HighBit=11),
        "no_mark.dcm": dicom(eight, mark=False),
    }


@cache
def bomb() -> bytes:
    """A small DICOM file that unpacks to 140 MB."""
    pixels = np.zeros((8, 8), np.uint8)
    return dicom(pixels, uid.DeflatedExplicitVRLittleEndian, PixelData=bytes(140_000_000))


def truncated(seed: int) -> dict[str, bytes]:
    """Files that end too early."""
    eight = bytes_of(seed)("u1")
    share = 0.2 + 0.79 * np.random.default_rng(seed).random()
    whole = {suffix: encode(suffix, eight) for suffix in (".jpg", ".png", ".tif", ".bmp")}
    whole.update({".npy": npy(eight), ".dcm": dicom(eight)})
    return {f"truncated{suffix}": file[: int(len(file) * share)] for suffix, file in whole.items()}


def huge(seed: int) -> dict[str, bytes]:
    """Files whose header says that they hold far more pixels than they do."""
    eight = bytes_of(seed)("u1")
    png = bytearray(encode(".png", eight))
    png[16:24] = struct.pack(">II", 60_000, 60_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    bmp = bytearray(encode(".bmp", eight))
    bmp[18:26] = struct.pack("<ii", 50_000, 50_000)
    jpg = bytearray(encode(".jpg", eight))
    frame = jpg.index(b"\xff\xc0")
    jpg[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    tif = encode(".tif", eight, cv2.IMWRITE_TIFF_COMPRESSION, 1)
    for tag, old in ((256, WIDTH), (257, HEIGHT)):
        entry = tif.index(struct.pack("<HHI", tag, 3, 1) + struct.pack("<H", old))
        tif = tif[: entry + 8] + struct.pack("<H", 60_000) + tif[entry + 10 :]
    array = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(array, header)  # type: ignore[arg-type]
    return {
        "huge.npy": array.getvalue(),
        "huge.png": bytes(png),
        "huge.bmp": bytes(bmp),
        "huge.jpg": bytes(jpg),
        "huge.tif": tif,
        "huge.dcm": dicom(eight, Rows=65_000, Columns=65_000),
        "bomb.dcm": bomb(),
    }


def bad_arrays(seed: int) -> dict[str, bytes]:
    """Arrays that are no grey picture."""
    whole = bytes_of(seed)
    image = picture(seed)
    nan = image.copy()
    nan[3, 4] = np.nan
    infinite = image.copy()
    infinite[5, 6] = np.inf
    return {
        "nan.npy": npy(nan),
        "infinite.npy": npy(infinite),
        "object.npy": npy(np.array([{"a": 1}], dtype=object)),
        "complex.npy": npy(image.astype(complex)),
        "words.npy": npy(np.full((9, 9), "word")),
        "four_axes.npy": npy(np.zeros((1, 3, 20, 20), np.float32) + image[:20, :20]),
        "no_pixels.npy": npy(np.zeros((0, 20), np.uint8)),
        "over_one.npy": npy(image * 255),
        "below_zero.npy": npy(whole("i2") - 20_000),
        "thirty_bits.npy": npy(whole("i4")),
    }


def no_pictures(seed: int) -> dict[str, bytes]:
    """Files that hold something else, or more or less than one picture."""
    eight = bytes_of(seed)("u1")
    flipped = bytearray(encode(".png", eight))
    flipped[60 + seed % 200] ^= 1 << seed % 8
    pages = io.BytesIO()
    page = Image.fromarray(eight)
    page.save(pages, "TIFF", save_all=True, append_images=[page])
    rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    return {
        "empty.png": b"",
        "text.png": b"see the other folder\n" * 9,
        "html.jpg": b"<!DOCTYPE html><html><body>404 not found</body></html>",
        "text.dcm": b"see the other folder\n" * 9,
        "zeros.dcm": bytes(5000),
        "constant.png": encode(".png", np.full_like(eight, seed % 256)),
        "tiny.png": encode(".png", np.full((1, 1), 7, np.uint8)),
        "flipped_bit.png": bytes(flipped),
        "pages.tif": pages.getvalue(),
        "colour.dcm": dicom(eight, PixelData=np.dstack([eight] * 3).tobytes(), **rgb),
        "no_frame.dcm": dicom(eight, NumberOfFrames=0, PixelData=b""),
    }


def damaged(seed: int) -> dict[str, bytes]:
    """Files that must be refused, by name: one kind of damage each."""
    return truncated(seed) | huge(seed) | bad_arrays(seed) | no_pictures(seed)


def write(folder: Path, make: Callable[[int], dict[str, bytes]], count: int) -> list[Path]:
    paths = []
    for seed in range(count):
        for name, content in make(seed).items():
            path = folder / f"{make.__name__}{seed:03d}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            paths.append(path)
    return paths


def odd(folder: Path) -> list[Path]:
    """What stands in for a file and is none."""
    (folder / "folder.png").mkdir(parents=True)
    (folder / "link.png").symlink_to(folder / "nowhere.png")
    os.mkfifo(folder / "pipe.png")
    names = ("folder.png", "link.png", "pipe.png", "missing.png")
    paths = [folder / name for name in names]
    secret = folder / "secret.png"
    if os.getuid() != 0:
        secret.write_bytes(encode(".png", bytes_of(0)("u1")))
        secret.chmod(0)
        paths.append(secret)
    return paths


def save(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
