"""What a DICOM file costs is judged by its own headers, before memory or time is taken."""

import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
from pydicom import uid
from pydicom.encaps import get_frame
from pydicom.filereader import read_file_meta_info

from data.codestreams import Frame, jpeg_2000_frame, jpeg_frame
from data.limits import MAX_PIXELS, DataError

JPEG_2000 = (uid.JPEG2000, uid.JPEG2000Lossless)
# GDCM is the one decoder of JPEG lossless and of 12 bits without the GPL. A damaged file can make
# it end the process. So it gets only what fits by the JPEG's own header.
GDCM_ONLY = (uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGExtended12Bit)
JPEG = (uid.JPEGBaseline8Bit, uid.JPEGLSLossless, uid.JPEGLSNearLossless, *GDCM_ONLY)
ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # what an item of a sequence starts with
MAX_ITEMS = 200_000
MAX_ELEMENTS = 20_000
RLE_HEADER = 64  # bytes
SLACK = 1024  # bytes by which encoders fill up


def check_file(path: Path) -> None:
    """Raise DataError for a file that pydicom would inflate or take apart without end."""
    try:
        meta = read_file_meta_info(path)
    except pydicom.errors.InvalidDicomError:
        meta = None
    content = path.read_bytes()
    if meta is not None and meta.get("TransferSyntaxUID") == uid.DeflatedExplicitVRLittleEndian:
        content = _inflated(path, content[144 + meta.FileMetaInformationGroupLength :])
    items = sum(content.count(start) for start in ITEMS)
    if items > MAX_ITEMS:
        raise DataError(
            f"{path}: got {items} items in sequences, wanted {MAX_ITEMS} at most; export it again"
        )


def _inflated(path: Path, packed: bytes) -> bytes:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflate.decompress(packed, 2 * MAX_PIXELS)
    if inflate.unconsumed_tail:
        raise DataError(
            f"{path}: inflates to over {2 * MAX_PIXELS} bytes; save it with another transfer syntax"
        )
    return content


class ElementCount:
    """Ends the reading of a file that has more elements than any image."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.elements = 0

    def __call__(self, tag: object, form: str | None, length: int) -> bool:
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise DataError(
                f"{self.path}: got over {MAX_ELEMENTS} elements, wanted fewer; export it again"
            )
        return False


def check_frame(data: pydicom.Dataset, index: int, frames: int) -> None:
    """Raise ValueError unless the compressed frame is as large as the file says."""
    syntax = data.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or syntax == uid.DeflatedExplicitVRLittleEndian:
        return
    code = get_frame(data.PixelData, index, number_of_frames=frames)
    if syntax == uid.RLELossless:
        _check_rle(code, data)
        return
    if syntax not in (*JPEG_2000, *JPEG):
        raise ValueError(f"its transfer syntax is {syntax.name}")
    found = jpeg_2000_frame(code) if syntax in JPEG_2000 else jpeg_frame(code)
    deep = syntax not in GDCM_ONLY or _is_deep(found.bits, data.BitsAllocated)
    shaped = (found.height, found.width, found.channels) == (data.Rows, data.Columns, 1)
    if not (deep and shaped):
        raise ValueError(_unlike(found))


def _is_deep(bits: int, allocated: int) -> bool:
    return allocated - 8 < bits <= allocated <= 16


def _unlike(found: Frame) -> str:
    size = (found.height, found.width, found.channels)
    bits = f"{found.bits} bits and " if found.bits else ""
    return f"its JPEG has {bits}(H, W, channels) {size}, the file says otherwise"


def _check_rle(code: bytes, data: pydicom.Dataset) -> None:
    """Raise ValueError for runs that unpack to more bytes than the picture has."""
    starts = np.frombuffer(code[:RLE_HEADER], "<u4")
    count = int(starts[0])
    if count > 15 or len(starts) != 16:
        raise ValueError("the header of its RLE is damaged")
    edges = [*map(int, starts[1 : count + 1]), len(code)]
    most = 2 * data.Rows * data.Columns + SLACK
    if any(_unpacks_to_more(code[start:end], most) for start, end in pairwise(edges)):
        raise ValueError("its RLE unpacks to more pixels than it has")


def _unpacks_to_more(runs: bytes, most: int) -> bool:
    """DICOM PS3.5 annex G: a byte says how long a run, or what follows it as it is."""
    place = 0
    unpacked = 0
    while place < len(runs) and unpacked <= most:
        said = runs[place]
        place += 2 if said > 128 else said + 2 if said < 128 else 1
        unpacked += 257 - said if said > 128 else said + 1 if said < 128 else 0
    return unpacked > most
