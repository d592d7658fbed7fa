"""Whose picture a DICOM file is, as its header says."""

import warnings
from dataclasses import dataclass
from pathlib import Path

FRAMES = "NumberOfFrames"
DEFLATED = b"1.2.840.10008.1.2.1.99"  # the transfer syntax
HEAD = 2000  # bytes of a file, which hold its transfer syntax


@dataclass(frozen=True)
class Header:
    """What the header of a DICOM file says; empty where it says nothing."""

    patient: str = ""
    name: str = ""
    study: str = ""
    frame_of_reference: str = ""
    frames: int = 1


def header_of(path: Path) -> Header:
    """The header of a DICOM file; an empty one where it is not readable, as its picture tells."""
    import pydicom  # takes time to load, and most sets need none

    tags = ["PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _is_deflated(path):
                return Header()  # all of it would have to be inflated
            data = pydicom.dcmread(
                path, stop_before_pixels=True, force=True, specific_tags=[*tags, FRAMES]
            )
            patient, name, study, frame = (str(data.get(tag) or "").strip() for tag in tags)
            return Header(patient, name, study, frame, int(data.get(FRAMES) or 1))
    except Exception:  # pydicom raises whatever a damaged byte leads to
        return Header()


def _is_deflated(path: Path) -> bool:
    with open(path, "rb") as file:
        return DEFLATED in file.read(HEAD)
