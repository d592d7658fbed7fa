"""Tables that a DICOM file brings for its values: modality LUT and VOI LUT."""

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_modality_lut


def bits_of(table: pydicom.Dataset) -> int:
    """Of each entry, so that white is 2**bits - 1."""
    return int(table.LUTDescriptor[2])


def declared_bits(data: pydicom.Dataset) -> int:
    """Of whole numbers after the modality LUT, if the file has one; else of the stored ones."""
    if data.get("ModalityLUTSequence"):
        return bits_of(data.ModalityLUTSequence[0])
    return int(data.BitsStored)


def rescaled(stored: NDArray, data: pydicom.Dataset) -> NDArray:
    """Stored values (H, W) after the modality LUT or the rescale of their file."""
    if data.get("ModalityLUTSequence"):
        return looked_up(stored, data.ModalityLUTSequence[0], data)
    return apply_modality_lut(stored, data)


def looked_up(values: NDArray, table: pydicom.Dataset, data: pydicom.Dataset) -> NDArray:
    """The entry of each value (H, W), uint8 or uint16. DICOM PS3.3 C.11.1.1 and C.11.2.1.1.

    pydicom numbers the entries in the type of the values or of the entries, which is too short for
    a table of 8 bits with more than 256 entries: from there on it starts again at the first one.

    Args:
        values: stored or rescaled; those between two entries take the nearest.
        table: an item of ModalityLUTSequence or VOILUTSequence.
        data: the file that the table is of.

    Raises:
        ValueError: the table lacks entries that the values need, or they exceed its bits.
    """
    count = int(table.LUTDescriptor[0]) or 2**16
    first = int(table.LUTDescriptor[1])
    bits = bits_of(table)
    if not 1 <= bits <= 16:
        raise ValueError(f"its table has {bits} bits an entry, wanted 1 to 16")
    entries = _entries(table, count, bits, bool(data.original_encoding[1]))
    places = np.clip(np.rint(values.astype(np.float64) - first), 0, count - 1).astype(np.int64)
    if places.max() >= entries.size:
        raise ValueError(f"its table has {entries.size} entries, wanted {count}")
    found = entries[places]
    if found.max() >= 2**bits:
        most = 2**bits - 1
        raise ValueError(f"its table has entries up to {found.max()}, wanted {most} at most")
    return found.astype(np.uint8 if bits <= 8 else np.uint16)


def _entries(table: pydicom.Dataset, count: int, bits: int, is_little: bool) -> NDArray:
    """(count,) uint16 or uint8, or fewer where the file holds fewer."""
    data = table.LUTData
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if is_little else ">u2")
    else:
        words = np.atleast_1d(np.asarray(data, np.uint16))
    if bits <= 8 and words.size < count <= 2 * words.size:  # two entries in a word, the low first
        return words.astype("<u2").view(np.uint8)[:count]
    return words[:count]
