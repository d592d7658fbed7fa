"""Tables of DICOM give the same as a plain look-up in numpy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from data.dicom import read_dicom
from data.readers import DataError, read_grey
from tests.image_files import dicom, item, picture, save

SEQUENCES = ["VOILUTSequence", "ModalityLUTSequence"]


def table_of(
    entries: NDArray, bits: int, first: int = 0, form: str = "US", kind: str = "<u2"
) -> Dataset:
    """``entries`` of a table whose first one is for the stored value ``first``."""
    data: Any = entries.tolist() if form == "US" else entries.astype(kind).tobytes()
    table = item(LUTDescriptor=[len(entries), first, bits], LUTData=data)
    table["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    table["LUTData"].VR = form
    return table


def with_table(values: NDArray, sequence: str, table: Dataset) -> bytes:
    elements: dict[str, Any] = {sequence: [table]}
    return dicom(values, **elements)


def bent(count: int, bits: int) -> NDArray:
    """A table that falls, and not on a line."""
    return np.round((1 - np.linspace(0, 1, count) ** 2) * (2**bits - 1)).astype(np.int64)


def looked_up(values: NDArray, entries: NDArray, first: int) -> NDArray:
    return np.asarray(entries[np.clip(values.astype(np.int64) - first, 0, len(entries) - 1)])


@pytest.mark.parametrize("sequence", SEQUENCES)
@pytest.mark.parametrize("form", ["US", "OW"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize(("count", "first"), [(4096, 0), (3000, 100), (200, 1500)])
def test_a_table_of_any_length_and_depth(
    tmp_path: Path, sequence: str, form: str, bits: int, count: int, first: int
) -> None:
    values = np.round(picture(5) * 4000).astype("<u2")
    entries = bent(count, bits)
    content = with_table(values, sequence, table_of(entries, bits, first, form))
    found = read_grey(save(tmp_path / "a.dcm", content))
    np.testing.assert_allclose(found, looked_up(values, entries, first) / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_long_table_for_bytes(tmp_path: Path, sequence: str) -> None:
    values = np.round(picture(5) * 255).astype("u1")
    entries = bent(4096, 8)
    content = with_table(values, sequence, table_of(entries, 8))
    found = read_dicom(save(tmp_path / "a.dcm", content), window=(127.5, 255))
    wanted = values if sequence == "VOILUTSequence" else entries[values]
    np.testing.assert_allclose(found.pixels, wanted / 255, atol=1e-6)
    if sequence == "VOILUTSequence":
        found = read_dicom(tmp_path / "a.dcm")
        np.testing.assert_allclose(found.pixels, entries[values] / 255, atol=1e-6)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_table_that_starts_below_zero(tmp_path: Path, sequence: str) -> None:
    values = np.round(picture(5) * 65_000 - 32_500).astype("<i2")
    entries = bent(60_000, 16)
    content = with_table(values, sequence, table_of(entries, 16, -30_000))
    found = read_grey(save(tmp_path / "a.dcm", content))
    np.testing.assert_allclose(found, looked_up(values, entries, -30_000) / 65_535, atol=1e-6)


def test_a_table_after_a_rescale_takes_the_nearest_entry(tmp_path: Path) -> None:
    values = np.round(picture(5) * 4000).astype("<u2")
    entries = bent(401, 8)
    scale: dict[str, Any] = {"RescaleSlope": 0.1, "RescaleIntercept": 0}
    content = dicom(values, VOILUTSequence=[table_of(entries, 8)], **scale)
    found = read_grey(save(tmp_path / "a.dcm", content))
    np.testing.assert_allclose(found, entries[np.rint(values * 0.1).astype(int)] / 255, atol=1e-6)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_entries_of_8_bits_that_lie_two_in_a_word(tmp_path: Path, sequence: str) -> None:
    values = np.round(picture(5) * 4000).astype("<u2")
    entries = bent(4096, 8)
    content = with_table(values, sequence, table_of(entries, 8, 0, "OW", "u1"))
    found = read_grey(save(tmp_path / "a.dcm", content))
    np.testing.assert_allclose(found, entries[values] / 255, atol=1e-6)


def test_a_table_of_a_file_of_big_ends(tmp_path: Path) -> None:
    values = np.round(picture(5) * 4000).astype(">u2")
    entries = bent(4096, 12)
    table = table_of(entries, 12, 0, "OW", ">u2")
    content = dicom(values, ExplicitVRBigEndian, VOILUTSequence=[table])
    found = read_grey(save(tmp_path / "a.dcm", content))
    np.testing.assert_allclose(found, entries[values] / 4095, atol=1e-6)


@pytest.mark.parametrize("sequence", SEQUENCES)
@pytest.mark.parametrize(
    ("count", "bits", "most", "said"),
    [
        (
            4096,
            8,
            900,
            r"a.dcm: no readable DICOM image: its table has entries up to \d+, wanted 255 at most",
        ),
        (4096, 0, 1, "0 bits an entry, wanted 1 to 16"),
        (9, 8, 255, "9 entries, wanted 4096"),
    ],
)
def test_a_table_that_cannot_be_is_refused(
    tmp_path: Path, sequence: str, count: int, bits: int, most: int, said: str
) -> None:
    values = np.round(picture(5) * 4000).astype("<u2")
    table = table_of(np.linspace(0, most, count).astype(np.int64), bits)
    table.LUTDescriptor = [4096, 0, bits]
    content = with_table(values, sequence, table)
    with pytest.raises(DataError, match=said):
        read_grey(save(tmp_path / "a.dcm", content))
