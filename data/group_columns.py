"""Which images belong together, as columns of a table and headers of DICOM files say."""

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.words import letters

Values = Mapping[str, Sequence[str]]  # for each level, from the widest on, that of each image

# from the widest level to the narrowest, each by its names without blanks and hyphens
LEVELS = {
    "group": ("group", "groupid"),
    "patient": ("patient", "patientid", "patientname", "patientnumber", "patientkey", "pid"),
    "subject": ("subject", "subjectid", "participant", "participantid"),
    "MRN": ("mrn", "medicalrecordnumber"),
    "case": ("case", "caseid", "casenumber"),
    "study": ("study", "studyid", "studyinstanceuid", "studyuid", "exam", "examid"),
    "accession": ("accession", "accessionnumber", "accessionid"),
    "frame of reference": ("frameofreferenceuid",),
    "vessel": ("vessel", "vesselid", "artery"),
    "frame": ("frame", "frameid"),
}
UID = re.compile(r"[0-9]+(\.[0-9]+){3,}")  # is never given twice, so one for all is one study
NOBODY = {"", "nan", "none", "na", "null", "unknown", "anonymous", "anonymized", "anonymised"}
DEFLATED = b"1.2.840.10008.1.2.1.99"  # the transfer syntax
HEAD = 2000  # bytes of a file, which hold its transfer syntax
FEW = 4  # images of a class that may well be all of one patient


def columns_among(names: Sequence[str]) -> dict[str, str]:
    """For each level that a table has, from the widest on, the name of its column."""
    by_letters = {letters(name): name for name in names}
    return {
        level: by_letters[word]
        for level, words in LEVELS.items()
        for word in reversed(words)
        if word in by_letters
    }


def without_common(values: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The same names, but empty where one stands for nobody, or for all images of a class.

    One that is built as those of other images, such as P3 beside P1 and P2, stands for itself. A
    bare number does not tell how it was built.
    """
    held = defaultdict(list)
    for value, label in zip(values, labels, strict=True):
        held[label].append(value)
    common = {
        found[0]
        for found in held.values()
        if len(set(found)) == 1 and len(found) >= FEW and not UID.fullmatch(found[0])
    }
    others = {_form(value) for value in values if value not in common} - {"0"}
    common = {value for value in common if _form(value) not in others}
    return ["" if value in common or _is_nobody(value) else value for value in values]


def _form(value: str) -> str:
    return re.sub(r"\d+", "0", value)


def _is_nobody(value: str) -> bool:
    return letters(value) in NOBODY or not re.sub(r"[\W0_]", "", value)


def groups_of(
    values: Values, labels: Sequence[str], columns: Mapping[str, str], notes: list[str]
) -> list[str]:
    """For each image the name of its group, by the widest level that tells images apart.

    An image that has no name of its own on a level is tied by the next one.

    Args:
        values: for each level, from the widest on, the names that the images have.
        labels: the class of each image.
        columns: what each level is called where the values come from.
        notes: takes what was used and what was not, and why.

    Returns:
        a name for each image; empty for one that stands alone.
    """
    groups = [""] * len(labels)
    for level, given in values.items():
        usable = list(given) if level == "group" else without_common(given, labels)
        _note_common(given, usable, columns[level], notes)
        filled = _fill(groups, usable, level)
        if filled:
            notes.append(_used(columns[level], filled, len(labels)))
        if all(groups) or (filled and level == "group"):
            return groups
    return groups


def _note_common(
    given: Sequence[str], usable: Sequence[str], column: str, notes: list[str]
) -> None:
    pairs = zip(given, usable, strict=True)
    common = Counter(value for value, used in pairs if value and not used)
    if common:
        told = " and ".join(f"{value!r} in {count}" for value, count in common.most_common(2))
        more = f" (and {len(common) - 2} others)" if len(common) > 2 else ""
        notes.append(
            f"{column} is {told} images{more}: it was made anonymous, or is the same in a whole "
            "class, and the next column that ties images is used for them"
        )


def _used(column: str, filled: int, count: int) -> str:
    share = "" if filled == count else f"; {filled} of {count} images have one"
    return f"images with the same {column} stay on one side of the split{share}"


def _fill(groups: list[str], values: Sequence[str], level: str) -> int:
    """Give each image that has no group yet its value; says how many got one."""
    filled = 0
    for number, value in enumerate(values):
        if value and not groups[number]:
            groups[number] = f"{level} {value}"
            filled += 1
    return filled


@dataclass(frozen=True)
class Header:
    """What the header of a DICOM file says; empty where it says nothing."""

    patient: str = ""
    study: str = ""
    frame_of_reference: str = ""
    frames: int = 1


def header_of(path: Path) -> Header:
    """The header of a DICOM file; an empty one where it is not readable, as its picture tells."""
    import pydicom  # takes time to load, and most sets need none

    tags = ["PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "NumberOfFrames"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _is_deflated(path):
                return Header()  # all of it would have to be inflated
            data = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=tags)
            patient, study, frame = (str(data.get(tag) or "").strip() for tag in tags[:3])
            return Header(patient, study, frame, int(data.get("NumberOfFrames") or 1))
    except Exception:  # pydicom raises whatever a damaged byte leads to
        return Header()


def _is_deflated(path: Path) -> bool:
    with open(path, "rb") as file:
        return DEFLATED in file.read(HEAD)
