"""What the answers to a DICOM file take over from it: its patient, its study, and its own name."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom import uid

from data.dicom import opened
from data.dicom_text import TextError, Texts, refused, text_of, texts_of
from data.limits import DataError
from data.readers import kind_of
from metrics.names import is_nobody

MAKER = "coronary-vit"  # Manufacturer of every answer
UTF_8 = "ISO_IR 192"
NAMES = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# By these an archive decides whose an object is. DICOM lets each be empty, but not be wrong.
WHOSE = ("PatientID", "IssuerOfPatientID", "PatientName", "AccessionNumber")
# These say more of patient and study; each may be empty.
MORE = (
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "ReferringPhysicianName",
)
SEXES = ("M", "F", "O")
EVER_EMPTY = ("IssuerOfPatientID", "StudyDescription")  # DICOM type 3: left out where not known
LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless)


@dataclass(frozen=True)
class Source:
    """A DICOM file that is answered.

    Args:
        path: the file.
        about: a data set of what its answers take over: NAMES, WHOSE and MORE, in UTF-8; empty
            where the file says nothing.
        left_out: those of MORE that stand there in a form that DICOM does not allow.
        is_lossy: whether its pixels went through a compression that changed them; None: not known.
        has_burned_text: whether it says that text is burned into its pixels; None: not known.
    """

    path: Path
    about: pydicom.Dataset
    left_out: tuple[str, ...] = ()
    is_lossy: bool | None = None
    has_burned_text: bool | None = None

    @property
    def instance(self) -> str:
        """Its SOP instance UID."""
        return str(self.about.SOPInstanceUID)

    @property
    def study(self) -> str:
        """The UID of its study."""
        return str(self.about.StudyInstanceUID)


def hand_on(about: pydicom.Dataset, answer: pydicom.Dataset) -> None:
    """Write patient and study of a source into an answer. ``about``: as in ``Source``."""
    for keyword in ("SpecificCharacterSet", "StudyInstanceUID", *WHOSE, *MORE):
        if keyword in about:
            answer.add(about[keyword])


def sources_of(paths: Iterable[Path]) -> list[Source]:
    """A Source for each file, in order.

    Raises:
        DataError: all faults, a line each: no DICOM, an answer of this program, no UID of study,
            series or instance, or a patient in letters that cannot be read; two files of one SOP
            instance UID; one study of two patients.
    """
    sources = []
    faults = []
    for path in paths:
        try:
            sources.append(source_of(path))
        except DataError as error:
            faults.append(str(error))
    faults += [*_same_instance(sources), *_other_patient(sources)]
    if faults:
        raise DataError("\n".join(faults))
    return sources


def source_of(path: Path) -> Source:
    """What the answers to a file take over. DataError: see ``sources_of``."""
    if (kind := kind_of(path)) != "DICOM":
        raise DataError(
            f"{path}: is {kind or 'packed, or of no known kind'}, wanted a DICOM file, which "
            "--dicom answers; leave out --dicom, or give the DICOM files alone"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _taken(path, texts_of(opened(path)))
    except DataError:
        raise
    except Exception as error:  # pydicom raises whatever a damaged byte leads to
        reason = " ".join(str(error).split())[:240] or type(error).__name__
        raise DataError(f"{path}: no readable DICOM file: {reason}; replace or remove it") from None


def _taken(path: Path, texts: Texts) -> Source:
    if _said(texts, "Manufacturer") == MAKER:
        raise DataError(
            f"{path}: is an answer that predict.py --dicom has written; give the sources alone"
        )
    about = pydicom.Dataset()
    about.SpecificCharacterSet = UTF_8
    for keyword in (*NAMES, *WHOSE):
        try:
            text = text_of(texts, keyword)
        except TextError as error:
            raise refused(path, keyword, error) from None
        if keyword in NAMES and not text:
            raise DataError(
                f"{path}: names no {keyword}, wanted one, by which an archive knows the picture; "
                "export the file again from the archive"
            )
        _put(about, keyword, text)
    if (kind := uid.UID(about.SOPClassUID)).type != "SOP Class":
        raise DataError(
            f"{path}: SOPClassUID: got {kind}, wanted one of DICOM, as no report can refer to "
            "another; export the file as a usual image"
        )
    left_out = []
    for keyword in MORE:
        try:
            text = text_of(texts, keyword)
            if keyword == "PatientSex" and text and text not in SEXES:
                raise TextError("none of DICOM's")
        except TextError:
            left_out.append(keyword)
            text = ""
        _put(about, keyword, text)
    burned = {"YES": True, "NO": False}.get(_said(texts, "BurnedInAnnotation"))
    return Source(path, about, tuple(left_out), _is_lossy(texts), burned)


def _put(about: pydicom.Dataset, keyword: str, text: str) -> None:
    if text or keyword not in EVER_EMPTY:
        setattr(about, keyword, text)


def _said(texts: Texts, keyword: str) -> str:
    """A word of the header that decides nothing about the patient; empty where it is unusable."""
    try:
        return text_of(texts, keyword)
    except TextError:
        return ""


def _is_lossy(texts: Texts) -> bool | None:
    said = _said(texts, "LossyImageCompression")
    if said == "01" or texts.data.file_meta.TransferSyntaxUID in LOSSY:
        return True
    return False if said == "00" else None


def _same_instance(sources: list[Source]) -> list[str]:
    first: dict[str, Source] = {}
    faults = []
    for source in sources:
        other = first.setdefault(source.instance, source)
        if other is not source:
            faults.append(
                f"{source.path}: has the SOPInstanceUID of {other.path}, so that an archive holds "
                "only one of them; remove the other"
            )
    return faults


def _other_patient(sources: list[Source]) -> list[str]:
    first: dict[str, Source] = {}
    faults = []
    for source in sources:
        other = first.setdefault(source.study, source)
        if apart := _apart(source.about, other.about):
            faults.append(
                f"{source.path}: has the StudyInstanceUID of {other.path} and another {apart}, "
                "wanted one patient for a study; correct the files"
            )
    return faults


def other_patients(sources: Sequence[Source]) -> str:
    """Why files of a group are not surely of one patient, as one line; empty: they are.

    They are if they have one PatientID, and no two issuers or days of birth. Without an ID that
    names somebody they are if they are of one study.
    """
    ordered = sorted(sources, key=lambda source: source.path)
    end = "though both are in one group, wanted one patient for a group; correct files or manifest"
    for keyword in ("PatientID", "IssuerOfPatientID", "PatientBirthDate"):
        first: dict[str, Source] = {}
        for source in ordered:
            told = str(source.about.get(keyword) or "")
            if told or keyword == "PatientID":
                first.setdefault(told, source)
        if len(first) > 1:
            one, other, *_ = first.values()
            return f"{other.path}: has another {keyword} than {one.path}, {end}"
    studies = {source.study: source for source in reversed(ordered)}
    if is_nobody(ordered[0].about.PatientID) and len(studies) > 1:
        *_, other, one = studies.values()
        why = f"is of another study than {one.path}, and neither names a patient"
        return f"{other.path}: {why}, {end}"
    return ""


def _apart(one: pydicom.Dataset, two: pydicom.Dataset) -> str:
    """By which element two sources are of different patients; empty: by none.

    An ID is of the place that issued it. A name may be typed in many ways, so it counts only where
    there is no ID.
    """
    if one.PatientID != two.PatientID:
        return "PatientID"
    issuers = {str(each.get("IssuerOfPatientID") or "") for each in (one, two)} - {""}
    if one.PatientID and len(issuers) > 1:
        return "IssuerOfPatientID"
    return "" if one.PatientID or one.PatientName == two.PatientName else "PatientName"
