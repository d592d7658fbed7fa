"""Reading one DICOM file as a grey picture, as a viewer shows it."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.filereader import read_partial
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_windowing
from pydicom.pixels.utils import pixel_array

from data.aspect import aspect_of
from data.dicom_cost import GDCM_ONLY, ElementCount, check_file, check_frame
from data.dicom_header import Header
from data.dicom_remarks import assumed_window, remarks_of
from data.dicom_tables import bits_of, declared_bits, looked_up, rescaled
from data.limits import DataError, check_size
from data.picture import Stored, scaled
from data.runs import RunFrame, best_choice, is_best, plain_choice
from data.scale import CONTAINER

GREY = ("MONOCHROME1", "MONOCHROME2")
# others decode what they can, see data.dicom_cost on GDCM
DECODERS = {
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEG2000: "pillow",
    uid.JPEG2000Lossless: "pillow",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
}
OF_AN_IMAGE = (0x00080016, 0x00280010, 0x00280011)  # SOPClassUID, Rows, Columns
# enhanced objects keep per frame what plain ones keep for the file
FRAME_GROUPS = ("PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameVOILUTSequence")
# centre and width [HU] for CT whose file names no window: a usual one for coronary CT angiography,
# wide enough for contrast and calcium
CT_WINDOW = (300.0, 800.0)


@dataclass(frozen=True)
class Dicom:
    """One frame of a DICOM file.

    Args:
        stored: bright where a viewer shows it bright; uint16 with the bits that the file declares
            where the file gives no window and the numbers are whole, else float32 from 0 to 1.
        pixel_spacing_mm: distance of pixel centres, "0.3", or "0.3 0.4" where rows and columns
            differ; on the patient, else (angiography) on the detector; empty where unknown.
        header: whose it is.
    """

    stored: Stored
    pixel_spacing_mm: str
    header: Header

    @property
    def pixels(self) -> NDArray:
        """(H, W) float32 from 0 to 1."""
        return scaled(self.stored)


def read_dicom(path: Path, window: Sequence[float] | None = None, frame: int | str = -1) -> Dicom:
    """One frame of a grey DICOM file as a viewer shows it.

    Modality LUT or rescale come first, then the window; MONOCHROME1 is turned over last.

    Args:
        path: the file; one without the DICM mark is tried only if it is called .dcm.
        window: centre and width in the unit of the rescaled values (HU for CT), which become 0.5
            and the span from 0 to 1. None: the file's own VOI LUT, else its first window. Without
            either, CT with a rescale to HU is shown in CT_WINDOW (bytes that it leaves as they are
            hold no HU); whole numbers that no rescale changes are divided by the full scale of
            their bits; others run from their least to their greatest. Padding (PixelPaddingValue)
            is then black and outside the scale.
        frame: as in CONFIG: from 0; -1: the middle one; or a word.

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


def is_image(path: Path) -> bool:
    """Whether a file without the DICM mark is a DICOM image for sure."""
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            data = read_partial(file, ElementCount(path), force=True, specific_tags=[*OF_AN_IMAGE])
            size = data.get("Rows"), data.get("Columns")
            known = uid.UID(str(data.get("SOPClassUID", ""))).type == "SOP Class"
            return known and all(isinstance(edge, int) and edge > 0 for edge in size)
    except Exception:  # pydicom raises whatever a file that is none leads to
        return False


def _read(path: Path, window: Sequence[float] | None, frame: int | str) -> Dicom:
    data = opened(path)
    photometric = data.get("PhotometricInterpretation", "no image")
    if photometric not in GREY:
        raise DataError(
            f"{path}: got {photometric}, wanted a grey DICOM image ({' or '.join(GREY)}); "
            "export it as grey, or remove it"
        )
    if photometric == "MONOCHROME2" and data.get("PresentationLUTShape") == "INVERSE":
        raise DataError(f"{path}: got MONOCHROME2 with an inverse presentation; export it again")
    check_size(path, data.Rows, data.Columns)
    chosen = _chosen(path, data, frame, window)
    index, frames = chosen.index, chosen.count
    _take_frame_values(data, index)
    check_frame(data, index, frames)
    if window is None:
        _check_window(path, data)
    stored = _shown(_decoded(path, data, index), data, window)
    spacing = data.get("PixelSpacing") or data.get("ImagerPixelSpacing") or []
    stored = replace(stored, aspect=aspect_of(spacing or data.get("PixelAspectRatio") or []))
    remarks = stored.remarks + remarks_of(data)
    if frames > 1:
        remarks += (chosen.remark,)
        stored = replace(stored, run=chosen)
    stored = replace(stored, remarks=remarks)
    texts = dict.fromkeys(f"{float(value):g}" for value in spacing)
    return Dicom(stored, " ".join(texts), Header.of(data))


def _chosen(
    path: Path, data: pydicom.Dataset, frame: int | str, window: Sequence[float] | None
) -> RunFrame:
    """The frame to show. DataError: there is no such one, or a run that cannot be judged."""
    frames = int(data.get("NumberOfFrames") or 1)
    try:
        if frames > 1 and is_best(frame, str(data.get("Modality"))):
            changed = path.stat()
            is_windowed = window is not None
            return _best(path, is_windowed, changed.st_mtime_ns, changed.st_size)
        return plain_choice(frame, frames)
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


@lru_cache(maxsize=4096)
def _best(path: Path, is_windowed: bool, _changed: int, _size: int) -> RunFrame:
    """The frame with the most filled vessels; a file that is the same is judged once."""
    data = opened(path)
    _take_frame_values(data, 0)
    frames = int(data.NumberOfFrames)

    def read(index: int) -> NDArray:
        check_frame(data, index, frames)
        return _decoded(path, data, index)

    return best_choice(frames, data.Rows * data.Columns, _is_inverse(data, is_windowed), read)


def _is_inverse(data: pydicom.Dataset, is_windowed: bool) -> bool:
    """Whether a viewer shows low stored values bright.

    So it is with MONOCHROME1, with a rescale or a table that falls, and not with two of these.

    Args:
        data: of the file.
        is_windowed: whether a window of the user stands for the table of the file.
    """
    bits = int(data.get("BitsStored") or 1)  # floating numbers have none
    is_signed = data.get("PixelRepresentation") == 1
    low = -(2 ** (bits - 1)) if is_signed else 0
    ends = rescaled(np.array([[low, low + 2**bits - 1]]), data)
    if data.get("VOILUTSequence") and not is_windowed:
        ends = looked_up(ends, data.VOILUTSequence[0], data)
    first, last = ends[0]
    return bool(last < first) != (data.PhotometricInterpretation == "MONOCHROME1")


def _take_frame_values(data: pydicom.Dataset, index: int) -> None:
    """Give the data set what an enhanced object keeps for all frames, then for this one."""
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        sequence = list(data.get(name) or [])[: index + 1]
        if not sequence:
            continue
        for group in FRAME_GROUPS:
            for item in sequence[-1].get(group) or []:
                data.update(item)


def opened(path: Path) -> pydicom.Dataset:
    """The data set of a file, its transfer syntax set so that pydicom decodes it.

    Raises:
        DataError: it would be inflated or taken apart without end.
        Exception: whatever a damaged byte leads to.
    """
    check_file(path)
    with path.open("rb") as file:
        data = read_partial(file, ElementCount(path), force=True)
    # files from before the standard had a file header have none
    if "TransferSyntaxUID" not in data.file_meta:
        implicit, little = data.original_encoding
        syntax = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        data.file_meta.TransferSyntaxUID = syntax if little else uid.ExplicitVRBigEndian
    return data


def _decoded(path: Path, data: pydicom.Dataset, index: int) -> NDArray:
    """Stored values (H, W) of one frame, in the low bits."""
    syntax = data.file_meta.TransferSyntaxUID
    decoder = DECODERS.get(syntax, "")
    if syntax in GDCM_ONLY:
        # GDCM reads the depth from the JPEG itself; by the name of the syntax pydicom would keep
        # 12 bits from it
        data.file_meta.TransferSyntaxUID = uid.JPEGLossless
    bits = data.get("BitsStored")
    high = data.get("HighBit")
    shift = 0 if None in (bits, high) else high + 1 - bits
    if shift == 0:
        return pixel_array(data, index=index, decoding_plugin=decoder)
    plain = syntax == uid.RLELossless or not syntax.is_encapsulated
    if shift < 0 or high >= data.BitsAllocated or not plain:
        raise DataError(
            f"{path}: got HighBit {high} with {bits} of {data.BitsAllocated} bits stored, wanted "
            f"HighBit {bits - 1}; export it again"
        )
    data.BitsStored = high + 1  # so that pydicom keeps all bits below the highest
    values = pixel_array(data, index=index, decoding_plugin=decoder)
    data.BitsStored = bits
    if values.min() >= 0 and values.max() < 2**bits and (values & (2**shift - 1)).any():
        raise DataError(
            f"{path}: got HighBit {high}, but pixels that end at bit {bits - 1}; export it again"
        )
    return values >> shift


def _shown(stored: NDArray, data: pydicom.Dataset, window: Sequence[float] | None) -> Stored:
    """Stored values (H, W) to what a viewer shows. DICOM PS3.3 C.11.1 and C.11.2."""
    values = rescaled(stored, data)
    inverse = data.PhotometricInterpretation == "MONOCHROME1"
    named = None
    if window is not None:
        low, high = _ends(window)
    elif data.get("VOILUTSequence"):
        values = looked_up(values, data.VOILUTSequence[0], data)
        low = 0.0
        high = 2 ** bits_of(data.VOILUTSequence[0]) - 1
    elif None not in (data.get("WindowCenter"), data.get("WindowWidth")):
        named = _named_window(data)
        values = apply_windowing(values, data)
        with np.errstate(over="ignore"):  # the ends of the range that pydicom maps a window to
            low, high = map(float, apply_windowing(np.array([-1e30, 1e30]), data))
    else:
        return _without_window(values, stored, data)
    return Stored(_between(values, low, high, inverse), None, window=named)


def _check_window(path: Path, data: pydicom.Dataset) -> None:
    """DataError: the file names a window that shows nothing."""
    if data.get("VOILUTSequence") or None in (data.get("WindowCenter"), data.get("WindowWidth")):
        return
    low, high = _named_window(data)
    least = 1 if data.get("VOILUTFunction", "LINEAR") == "LINEAR" else 0
    if not high - low > 0 or high - low < least:
        raise DataError(
            f"{path}: names a grey window of width {high - low:g}, wanted {least} or more; choose "
            "one with --window_centre and --window_width"
        )


def _named_window(data: pydicom.Dataset) -> tuple[float, float]:
    """The values that are black and white by the first window that the file names."""
    given = (data.WindowCenter, data.WindowWidth)
    centre, width = (float(each[0] if isinstance(each, MultiValue) else each) for each in given)
    return centre - width / 2, centre + width / 2


def _without_window(values: NDArray, stored: NDArray, data: pydicom.Dataset) -> Stored:
    """What a file shows that names no window; its padding is black."""
    inverse = data.PhotometricInterpretation == "MONOCHROME1"
    padding = _padding(stored, data)
    if (data.get("RescaleSlope"), data.get("RescaleIntercept")) == (1, 0):
        values = stored
    is_ct = data.get("Modality") == "CT" and data.get("RescaleSlope") is not None
    is_ct = is_ct and str(data.get("RescaleType") or "HU").startswith("HU")  # MGML is iodine
    is_ct = is_ct and values.dtype != np.uint8  # bytes that no rescale changes are no HU
    shown = np.where(padding, values.dtype.type(0), values)
    is_signed = values.dtype.kind == "i"
    is_whole = values.dtype.kind in "iu" and shown.min() >= 0 and shown.max() < 2**16
    bits = declared_bits(data) if is_whole else 0
    # turned over at a white that is not known, such a picture would be white all over
    is_unsure = inverse and bits >= CONTAINER and shown.max() < 2 ** (CONTAINER - 1)
    if is_whole and not is_ct and not is_unsure:
        if is_signed and bits < CONTAINER:  # a whole container declares nothing, signed or not
            bits -= 1  # one of them is the sign
        whole = shown.astype(np.uint16)
        if inverse:
            whole = (2**bits - 1) - whole
        return Stored(np.where(padding, np.uint16(0), whole), bits)
    seen = values[~padding]
    own = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    low, high = _ends(CT_WINDOW) if is_ct else own
    grey = np.where(padding, np.float32(0), _between(values, low, high, inverse))
    if is_ct:
        return Stored(grey, None, window=(low, high), remarks=(assumed_window(*CT_WINDOW),))
    return Stored(grey, None, ends=own)


def _ends(window: Sequence[float]) -> tuple[float, float]:
    """The least and the greatest value that a window shows."""
    centre, width = window
    if not width > 0:
        raise DataError(f"window: got width {width:g}, wanted more than 0")
    return centre - width / 2, centre + width / 2


def _between(values: NDArray, low: float, high: float, inverse: bool) -> NDArray:
    """float32 from 0 at ``low`` to 1 at ``high``, or the other way round."""
    span = float(high - low) or 1.0
    shown = np.clip((values - low) / span, 0, 1)
    return (1 - shown if inverse else shown).astype(np.float32)


def _padding(stored: NDArray, data: pydicom.Dataset) -> NDArray:
    """(H, W) bool, where the file says that there is no picture."""
    first = data.get("PixelPaddingValue")
    if not isinstance(first, int) or stored.dtype.kind not in "ui":
        return np.zeros(stored.shape, bool)
    last = data.get("PixelPaddingRangeLimit")
    ends = np.array([first, last if isinstance(last, int) else first]).astype(stored.dtype)
    return (stored >= ends.min()) & (stored <= ends.max())
