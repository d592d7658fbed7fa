"""DICOM files that stand in an archive: of a patient, of a study, with UIDs of their own."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataelem import DataElement

from tests.image_files import dicom, picture, save

ROOT = "1.2.826.0.1.3680043.8.498.7"


def of_archive(number: int, pixels: NDArray | None = None, **elements: Any) -> bytes:
    """A file of the study 1 of patient P7; its instance is called by a number."""
    given = pixels if pixels is not None else (picture(number) * 4095).astype("<u2")
    bits = {} if pixels is not None else {"BitsStored": 12, "HighBit": 11}
    named = {
        "SOPInstanceUID": f"{ROOT}.3.{number}",
        "SeriesInstanceUID": f"{ROOT}.2",
        "StudyInstanceUID": f"{ROOT}.1",
        "PatientName": "Doe^Jane",
        "PatientBirthDate": "19610203",
        "PatientSex": "F",
        "StudyDate": "20240131",
        "StudyTime": "101500",
        "StudyID": "S1",
        "AccessionNumber": "A12",
        "Modality": "XA",
    }
    return dicom(given, **(named | bits | elements))


def run(frames: int) -> NDArray:
    """(frames, 40, 32) uint8, each another picture."""
    return np.stack([np.round(picture(i) * 255).astype(np.uint8) for i in range(frames)])


def without(content: bytes, keyword: str) -> bytes:
    """A file that lacks an element."""
    data = pydicom.dcmread(io.BytesIO(content))
    delattr(data, keyword)
    return _bytes(data)


def written_as(content: bytes, keyword: str, form: str, value: Any) -> bytes:
    """A file with an element in another form (VR) than DICOM gives it."""
    data = pydicom.dcmread(io.BytesIO(content))
    tag = pydicom.datadict.tag_for_keyword(keyword)
    assert tag is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data[tag] = DataElement(tag, form, value)
    return _bytes(data)


def swapped(content: bytes, before: bytes, after: bytes) -> bytes:
    """A file with other bytes of the same length in one place."""
    assert content.count(before) == 1
    assert len(before) == len(after)
    return content.replace(before, after)


def _bytes(data: pydicom.Dataset) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.save_as(file)
    return file.getvalue()


def saved(folder: Path, **files: bytes) -> Path:
    """A folder with .dcm files of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        save(folder / f"{name}.dcm", content)
    return folder
