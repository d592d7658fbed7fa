"""Whose picture a DICOM file is, as its header says."""

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metrics.names import canonical, is_nobody

if TYPE_CHECKING:
    import pydicom

FRAMES = "NumberOfFrames"
WHOSE = (
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
)
DEFLATED = b"1.2.840.10008.1.2.1.99"  # the transfer syntax
HEAD = 2000  # bytes of a file, which hold its transfer syntax


@dataclass(frozen=True)
class Header:
    """What the header of a DICOM file says; empty where it says nothing."""

    patient: str = ""
    issuer: str = ""
    name: str = ""
    study: str = ""
    frame_of_reference: str = ""
    frames: int = 1

    @classmethod
    def of(cls, data: "pydicom.Dataset") -> "Header":
        """The header of an open file."""
        patient, issuer, name, study, frame = (str(data.get(tag) or "").strip() for tag in WHOSE)
        return cls(patient, issuer, name, study, frame, int(data.get(FRAMES) or 1))


def header_of(path: Path) -> Header:
    """The header of a DICOM file; an empty one where it is not readable, as its picture tells."""
    import pydicom  # takes time to load, and most sets need none

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _is_deflated(path):
                return Header()  # all of it would have to be inflated
            data = pydicom.dcmread(
                path, stop_before_pixels=True, force=True, specific_tags=[*WHOSE, FRAMES]
            )
            return Header.of(data)
    except Exception:  # pydicom raises whatever a damaged byte leads to
        return Header()


def patients_named(headers: Sequence[Header]) -> list[str]:
    """The PatientID of each header, else its PatientName; empty where both name nobody."""
    return [
        patient or ("" if is_nobody(header.name) else header.name)
        for patient, header in zip(ids_in(headers), headers, strict=True)
    ]


def ids_in(headers: Sequence[Header]) -> list[str]:
    """The PatientID of each header, so that equal ones are one patient; empty where it is none.

    Two hospitals may give one ID to two patients. Where files of one ID name several issuers, the
    issuer stands behind it, and the ID of a file that names none counts for nothing.
    """
    issuers: dict[str, set[str]] = defaultdict(set)
    for header in headers:
        issuers[canonical(header.patient)] |= {canonical(header.issuer)} - {""}
    return [_id_of(header, len(issuers[canonical(header.patient)]) > 1) for header in headers]


def _id_of(header: Header, is_shared: bool) -> str:
    if is_nobody(header.patient) or (is_shared and not header.issuer):
        return ""
    return f"{header.patient} ({header.issuer})" if is_shared else header.patient


def _is_deflated(path: Path) -> bool:
    with open(path, "rb") as file:
        return DEFLATED in file.read(HEAD)
