"""Made pictures of every form that app.html reads, and of forms that it refuses."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from tests.image_files import dicom, item, picture

HOSTILE = "<img src=x onerror=hacked=1> & '\"=1+1.png"
RED = picture(6, 70, 50)
COLOURS = np.dstack([RED, picture(7, 70, 50), picture(8, 70, 50)])
GREY = picture(6, 70, 50)


def whole(values: NDArray, bits: int, form: str = "") -> NDArray:
    """Whole numbers of so many bits, the greatest reached."""
    return np.round(values * (2**bits - 1)).astype(form or ("u1" if bits <= 8 else "<u2"))


def pillow(pixels: NDArray, form: str, mode: str | None = None, **options: Any) -> bytes:
    """A file as Pillow writes it."""
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, form, **options)
    return file.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(samples: NDArray, bits: int, colour: int, *more: bytes) -> bytes:
    """A PNG of (H, W) or (H, W, C) samples of so many bits, with more chunks before the pixels."""
    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1)
    if bits == 16:
        packed = rows.astype(">u2").view(np.uint8).reshape(height, -1)
    else:
        spread = np.unpackbits(rows.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - bits :]
        packed = np.packbits(spread.reshape(height, -1), axis=1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    parts = [b"\x89PNG\r\n\x1a\n", head, *more, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"".join(parts)


def turned(orientation: int) -> bytes:
    """EXIF that says how a picture is turned."""
    exif = Image.Exif()
    exif[274] = orientation
    return exif.tobytes()


def pngs() -> dict[str, bytes]:
    eight = whole(COLOURS, 8)
    palette = chunk(b"PLTE", bytes(range(48)))
    opaque = np.full((*GREY.shape, 1), 255, np.uint8)
    made = {f"grey{bits}.png": png(whole(GREY, bits), bits, 0) for bits in (1, 2, 4, 8, 16)}
    return made | {
        "twelve_of_16.png": png(whole(GREY, 12), 16, 0),
        "colour8.png": png(eight, 8, 2),
        "colour16.png": png(whole(COLOURS, 16), 16, 2),
        "alpha8.png": png(np.dstack([eight, opaque]), 8, 6),
        "grey_alpha8.png": png(np.dstack([whole(GREY, 8), opaque]), 8, 4),
        "palette4.png": png(whole(GREY, 4), 4, 3, palette),
        "gamma.png": png(whole(GREY, 8), 8, 0, chunk(b"gAMA", struct.pack(">I", 220_000))),
        "turned.png": png(whole(GREY, 8), 8, 0, chunk(b"eXIf", turned(6)[6:])),
        "oblong.png": png(whole(GREY, 8), 8, 0, chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0))),
        "colour_key.png": png(whole(GREY, 8) // 2, 8, 0, chunk(b"tRNS", b"\0\xff")),
    }


def jpegs() -> dict[str, bytes]:
    eight = whole(COLOURS, 8)
    made = {
        f"turned{orientation}.jpg": pillow(eight, "JPEG", exif=turned(orientation))
        for orientation in range(2, 9)
    }
    return made | {
        "grey.jpg": pillow(eight, "JPEG", "L"),
        "colour420.jpg": pillow(eight, "JPEG", quality=60),
        "colour444.jpg": pillow(eight, "JPEG", subsampling=0),
        "progressive.jpg": pillow(eight, "JPEG", progressive=True),
        "rgb.jpg": pillow(eight, "JPEG", keep_rgb=True),
    }


def dicoms() -> dict[str, bytes]:
    eight, twelve = whole(GREY, 8), whole(GREY, 12)
    deep: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}
    signed = (twelve.astype(np.int32) - 1500).astype("<i2")
    hounsfield: dict[str, Any] = {"RescaleSlope": 1.5, "RescaleIntercept": -900, "Modality": "CT"}
    window: dict[str, Any] = {"WindowCenter": [1800, 100], "WindowWidth": [2500, 10]}
    run = np.stack([whole(picture(seed, 70, 50), 8) for seed in range(4)])
    frames = [
        item(FrameVOILUTSequence=[item(WindowCenter=60 * (i + 1), WindowWidth=180)])
        for i in range(4)
    ]
    table = item(LUTDescriptor=[4096, 0, 10], LUTData=(np.arange(4096)[::-1] // 4).tolist())
    table["LUTData"].VR = "US"
    return {
        "plain.dcm": dicom(eight),
        "big.dcm": big_endian(twelve, **deep),
        "deflated.dcm": dicom(twelve, uid.DeflatedExplicitVRLittleEndian, **deep),
        "implicit.dcm": dicom(twelve, uid.ImplicitVRLittleEndian, **deep, PixelPaddingValue=0),
        "inverse.dcm": dicom(eight, PhotometricInterpretation="MONOCHROME1"),
        "linear.dcm": dicom(twelve, **deep, **window),
        "exact.dcm": dicom(twelve, **deep, **window, VOILUTFunction="LINEAR_EXACT"),
        "sigmoid.dcm": dicom(twelve, **deep, **window, VOILUTFunction="SIGMOID"),
        "falling.dcm": dicom(twelve, **deep, **window, RescaleSlope=-1, RescaleIntercept=4095),
        "signed.dcm": dicom(signed, BitsStored=13, HighBit=12),
        "ct.dcm": dicom(twelve, **deep, **hounsfield),
        "padded.dcm": dicom(signed, PixelPaddingValue=-1500, PixelPaddingRangeLimit=-1000),
        "voi.dcm": dicom(twelve, **deep, VOILUTSequence=[table]),
        "modality.dcm": dicom(twelve, **deep, ModalityLUTSequence=[table]),
        "high_bit.dcm": dicom(twelve << 4, BitsStored=12, HighBit=15),
        "junk_above.dcm": dicom(twelve | np.uint16(0xF000), **deep),
        "run.dcm": dicom(run),
        "enhanced.dcm": dicom(run, PerFrameFunctionalGroupsSequence=frames),
        "rle.dcm": compressed(twelve, uid.RLELossless, rle(twelve), **deep),
        "j2k8.dcm": compressed(eight, uid.JPEG2000Lossless, j2k(eight)),
        "j2k12.dcm": compressed(twelve, uid.JPEG2000Lossless, j2k(twelve), **deep),
        "jls8.dcm": compressed(eight, uid.JPEGLSLossless, imagecodecs.jpegls_encode(eight)),
        "jls12.dcm": compressed(
            twelve, uid.JPEGLSLossless, imagecodecs.jpegls_encode(twelve), **deep
        ),
        "lossless8.dcm": compressed(eight, uid.JPEGLosslessSV1, imagecodecs.ljpeg_encode(eight)),
        "lossless16.dcm": compressed(
            whole(GREY, 16), uid.JPEGLosslessSV1, imagecodecs.ljpeg_encode(whole(GREY, 16))
        ),
        "baseline.dcm": compressed(eight, uid.JPEGBaseline8Bit, pillow(eight, "JPEG", "L")),
    }


def big_endian(pixels: NDArray, **elements: Any) -> bytes:
    swapped = pixels.astype(pixels.dtype.newbyteorder(">"))
    return dicom(swapped, uid.ExplicitVRBigEndian, **elements)


def compressed(pixels: NDArray, syntax: str, code: bytes, **elements: Any) -> bytes:
    return dicom(pixels, syntax, PixelData=encapsulate([bytes(code)]), **elements)


def j2k(pixels: NDArray) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, level=0))


def rle(pixels: NDArray) -> bytes:
    """DICOM's runs, all of bytes as they are."""
    planes = [pixels.view(np.uint8).reshape(-1, 2)[:, place].tobytes() for place in (1, 0)]
    coded = []
    for plane in planes:
        parts = [plane[i : i + 128] for i in range(0, len(plane), 128)]
        runs = b"".join(bytes([len(part) - 1]) + part for part in parts)
        coded.append(runs + b"\0" * (len(runs) % 2))
    starts = [2, 64, 64 + len(coded[0]), *[0] * 13]
    return struct.pack("<16I", *starts) + b"".join(coded)


def both_refuse() -> dict[str, bytes]:
    eight = whole(COLOURS, 8)
    clear = np.full((*GREY.shape, 1), 254, np.uint8)
    jpeg = pillow(eight, "JPEG")
    rest = png(whole(GREY, 8), 8, 0)
    return {
        "clear.png": png(np.dstack([eight, clear]), 8, 6),
        "flat.png": png(np.full((40, 40), 7), 8, 0),
        "small.png": png(whole(GREY, 8)[:7], 8, 0),
        "cut.png": rest[:-20],
        "damaged.png": rest[:60] + b"xxxx" + rest[64:],
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "colour.dcm": dicom(whole(GREY, 8), PhotometricInterpretation="RGB"),
        "cut.dcm": dicom(whole(GREY, 8))[:-400],
        "short_window.dcm": dicom(whole(GREY, 8), WindowCenter=5, WindowWidth=0),
        "text.txt": b"no picture at all, only words",
        "text.png": b"no picture at all, only words",
        "empty.png": b"",
        "zip.dcm": b"PK\3\4" + bytes(400),
    }


def page_refuses() -> dict[str, bytes]:
    """What predict.py takes and the page does not."""
    eight = whole(COLOURS, 8)
    return {
        "four_colours.jpg": pillow(eight, "JPEG", "CMYK"),
        "a.bmp": pillow(eight, "BMP"),
        "a.tif": pillow(eight, "TIFF"),
        "no_mark.dcm": dicom(whole(GREY, 8), mark=False),
    }


def write(folder: Path, made: dict[str, bytes]) -> list[Path]:
    paths = []
    for name, content in made.items():
        (folder / name).write_bytes(content)
        paths.append(folder / name)
    return paths
