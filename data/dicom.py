"""Reading one DICOM file as a grey picture, as a viewer shows it."""

import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.encaps import get_frame
from pydicom.filereader import read_file_meta_info
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing
from pydicom.pixels.utils import pixel_array

from data.limits import MAX_PIXELS, DataError, check_size, full_scale

GREY = ("MONOCHROME1", "MONOCHROME2")
# GDCM is the one decoder of JPEG lossless and of 12 bits without the GPL. A damaged file can make
# it end the process. So others decode what they can, and GDCM gets only what fits by the JPEG's own
# header.
DECODERS = {
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEG2000: "pillow",
    uid.JPEG2000Lossless: "pillow",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
}
GDCM_ONLY = (uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGExtended12Bit)
# JPEG markers
SEGMENTS = (*range(0xC0, 0xD0), 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE)  # before the scan
FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
SCAN = 0xDA
# enhanced objects keep per frame what plain ones keep for the file
FRAME_GROUPS = ("PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameVOILUTSequence")


@dataclass(frozen=True)
class Dicom:
    """One frame of a DICOM file.

    Args:
        pixels: (H, W) float32 from 0 to 1, bright where a viewer shows it bright.
        pixel_spacing_mm: distance of pixel centres, "0.3", or "0.3 0.4" where rows and columns
            differ; on the patient, else (angiography) on the detector; empty where unknown.
        patient: PatientID, or empty.
    """

    pixels: NDArray
    pixel_spacing_mm: str
    patient: str


def read_dicom(path: Path, window: Sequence[float] | None = None, frame: int = -1) -> Dicom:
    """One frame of a grey DICOM file as a viewer shows it.

    Modality LUT or rescale come first, then the window; MONOCHROME1 is turned over last.

    Args:
        path: the file; one without the DICM mark is tried only if it is called .dcm.
        window: centre and width in the unit of the rescaled values (HU for CT), which become 0.5
            and the span from 0 to 1. None: the file's own VOI LUT, else its first window. Without
            either, whole numbers that were not rescaled are divided by the full scale of their
            bits, others run from their least to their greatest.
        frame: from 0; -1 is the middle one.

    Raises:
        DataError: one line: not DICOM, no image, colour (such pictures are mostly screen captures
            with text burned in), too large, damaged, no such frame.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(path, window, frame)
    except DataError:
        raise
    except Exception as error:  # pydicom and its decoders raise whatever a damaged byte leads to
        reason = " ".join(str(error).split())[:240] or type(error).__name__
        raise DataError(
            f"{path}: no readable DICOM image: {reason}; convert it, or replace or remove it"
        ) from None


def _read(path: Path, window: Sequence[float] | None, frame: int) -> Dicom:
    data = _open(path)
    photometric = data.get("PhotometricInterpretation", "no image")
    if photometric not in GREY:
        raise DataError(
            f"{path}: got {photometric}, wanted a grey DICOM image ({' or '.join(GREY)}); "
            "export it as grey, or remove it"
        )
    frames = int(data.get("NumberOfFrames") or 1)
    index = frames // 2 if frame == -1 else frame
    if not 0 <= index < frames:
        raise DataError(f"{path}: got frame {index}, wanted one from 0 to {frames - 1}")
    check_size(path, data.Rows, data.Columns)
    _take_frame_values(data, index)
    syntax = data.file_meta.TransferSyntaxUID
    if syntax in GDCM_ONLY:
        _check_jpeg(get_frame(data.PixelData, index, number_of_frames=frames), data)
        # GDCM reads the depth from the JPEG itself; by the name of the syntax pydicom would keep
        # 12 bits from it
        data.file_meta.TransferSyntaxUID = uid.JPEGLossless
    stored = pixel_array(data, index=index, decoding_plugin=DECODERS.get(syntax, ""))
    pixels = _shown(stored, data, window)
    if photometric == "MONOCHROME1":
        pixels = 1 - pixels
    spacing = data.get("PixelSpacing") or data.get("ImagerPixelSpacing") or []
    texts = dict.fromkeys(f"{float(value):g}" for value in spacing)
    return Dicom(pixels, " ".join(texts), str(data.get("PatientID") or ""))


def _take_frame_values(data: pydicom.Dataset, index: int) -> None:
    """Give the data set what an enhanced object keeps for all frames, then for this one."""
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        sequence = list(data.get(name) or [])[: index + 1]
        if not sequence:
            continue
        for group in FRAME_GROUPS:
            for item in sequence[-1].get(group) or []:
                data.update(item)


def _open(path: Path) -> pydicom.Dataset:
    """The data set of a file, its transfer syntax set so that pydicom decodes it."""
    try:
        meta = read_file_meta_info(path)
    except pydicom.errors.InvalidDicomError:
        meta = None
    if meta is not None and meta.get("TransferSyntaxUID") == uid.DeflatedExplicitVRLittleEndian:
        _check_inflated(path, meta)
    data = pydicom.dcmread(path, force=path.suffix.lower() == ".dcm")
    # files from before the standard had a file header have none
    if "TransferSyntaxUID" not in data.file_meta:
        implicit = data.original_encoding[0]
        syntax = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        data.file_meta.TransferSyntaxUID = syntax
    return data


def _check_inflated(path: Path, meta: pydicom.Dataset) -> None:
    """Raise DataError for a file that pydicom would inflate without end."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    packed = path.read_bytes()[144 + meta.FileMetaInformationGroupLength :]
    inflate.decompress(packed, 2 * MAX_PIXELS)
    if inflate.unconsumed_tail:
        raise DataError(
            f"{path}: inflates to over {2 * MAX_PIXELS} bytes; save it with another transfer syntax"
        )


def _check_jpeg(frame: bytes, data: pydicom.Dataset) -> None:
    """Raise ValueError unless the header of a JPEG is whole and fits what the file says."""
    place = 2
    header = (0, 0, 0, 0)  # bits, height, width, channels
    while frame[place + 1] != SCAN:
        marker = frame[place + 1]
        if frame[place] != 0xFF or marker not in SEGMENTS:
            raise ValueError("the header of its JPEG is damaged")
        if marker in FRAME_HEADERS:
            header = struct.unpack_from(">BHHB", frame, place + 4)
        place += 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
    bits, height, width, channels = header
    deep = data.BitsAllocated - 8 < bits <= data.BitsAllocated <= 16
    shaped = (height, width, channels) == (data.Rows, data.Columns, 1)
    if frame[place] != 0xFF or not (deep and shaped):
        raise ValueError(
            f"its JPEG has {bits} bits and (H, W, channels) {(height, width, channels)}, "
            "the file says otherwise"
        )


def _shown(values: NDArray, data: pydicom.Dataset, window: Sequence[float] | None) -> NDArray:
    """Stored values (H, W) to float32 from 0 to 1. DICOM PS3.3 C.11.1 and C.11.2."""
    values = apply_modality_lut(values, data)
    low = 0.0
    high = 1.0
    if window is not None:
        centre, width = window
        if not width > 0:
            raise DataError(f"window: got width {width:g}, wanted more than 0")
        low = centre - width / 2
        high = centre + width / 2
    elif data.get("VOILUTSequence"):
        values = apply_voi(values, data)
        high = 2 ** data.VOILUTSequence[0].LUTDescriptor[2] - 1
    elif None not in (data.get("WindowCenter"), data.get("WindowWidth")):
        values = apply_windowing(values, data)
        with np.errstate(over="ignore"):  # the ends of the range that pydicom maps a window to
            low, high = map(float, apply_windowing(np.array([-1e30, 1e30]), data))
    elif values.dtype.kind == "u" and values.max() < 2**16:
        high = min(full_scale(values.max()), 2**data.BitsStored - 1)
    else:
        low = float(values.min())
        high = float(values.max())
    span = float(high - low) or 1.0
    return np.clip((values - low) / span, 0, 1).astype(np.float32)
