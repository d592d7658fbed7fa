"""Which images belong together, as columns of a table and headers of DICOM files say."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from data.patient_names import runs_of
from data.words import letters, tells_class
from metrics.groups import join
from metrics.names import UID, as_first_written, nobodies_in, without_accents

Values = Mapping[str, Sequence[str]]  # for each level, from the widest on, that of each image

TAILS: tuple[str, ...] = ("", "id", "ids", "identifier", "uid", "key", "code", "number")
TAILS += ("num", "no", "nr", "name")
TAILS += ("nummer", "kennung", "numero", "codice", "codigo", "编号", "号")
# before the name, in the order of other languages: N° patient, ID del paziente, numéro de patient
HEADS = ("id", "no", "nr", "n", "nº", "num", "number", "numero", "code", "codice", "codigo")
OF = ("", "de", "du", "del", "di", "do", "da", "of")
# German, Spanish, French, Italian, Portuguese, Polish, Chinese
PATIENTS: tuple[str, ...] = ("patienten", "patientin", "paciente", "pacientes", "patiente")
PATIENTS += ("paziente", "pazienti")
PATIENTS += ("pacjent", "pacjenta", "患者", "病人")


def _named(*stems: str, others: Sequence[str] = ()) -> tuple[str, ...]:
    """Usual names of a column for somebody, the likeliest first: patient, patient_id, pat_id.

    Only the first stem is a name by itself: a column anon may well hold yes and no. Those of
    ``others`` are names by themselves too.
    """
    every = (*stems, *others)
    forward = [stem + tail for stem in every for tail in TAILS]
    bare = stems[1:]
    backward = [head + of + stem for stem in every for head in HEADS for of in OF]
    return (*(name for name in forward if name not in bare), *backward)


PATIENT_STUDY = ("patientstudyid", "patientstudy", "patientstudyuid", "studienid")
# from the widest level to the narrowest, each by its names without blanks and hyphens
LEVELS = {
    "group": ("group", "groupid"),
    "patient": (
        *_named("patient", "patients", "pat", "pt", "person", "anon", others=PATIENTS),
        "pid",
        "studypatientid",
    ),
    "subject": _named("subject", "subj", "participant"),
    "MRN": ("mrn", "medicalrecordnumber"),
    "case": ("case", "caseid", "casenumber", "fallnummer", "fallid"),
    # the patient's number in a study, or that of one of the patient's studies
    "study": ("study", "studyid", "studyinstanceuid", "studyuid", "exam", "examid", *PATIENT_STUDY),
    "accession": ("accession", "accessionnumber", "accessionid"),
    "frame of reference": ("frameofreferenceuid",),
    "series": ("series", "seriesid", "seriesinstanceuid", "seriesuid"),
    "vessel": ("vessel", "vesselid", "artery"),
    "frame": ("frame", "frameid"),
}
SHORTENED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)  # 1.23457E+11
FEW = 4  # images of a class that may well be all of one patient
STUDY = 10  # images of one study, on average; of more, the name is that of a trial or a protocol
SEVERAL = 4  # studies, of which a set has at least as many
PEOPLE = ("patient", "subject", "MRN")
WITHIN = ("vessel", "frame")  # what each patient has
STUDIES = ("study", "accession", "frame of reference")


def columns_among(names: Sequence[str]) -> dict[str, str]:
    """For each level that a table has, from the widest on, the name of its column."""
    by_letters = {without_accents(letters(name)): name for name in names}
    return {
        level: by_letters[word]
        for level, words in LEVELS.items()
        for word in reversed(words)
        if word in by_letters
    }


def without_classes(
    values: Values, labels: Sequence[str], columns: Mapping[str, str], notes: list[str]
) -> Values:
    """The levels without those whose names are words for classes, as Case and Control: ``notes``.

    Arguments are as of ``groups_of``.
    """
    kept = {}
    for level, given in values.items():
        if tells_class(given, labels):
            some = " and ".join(repr(name) for name in sorted(set(given) - {""})[:2])
            notes.append(
                f"{columns[level]} holds words for classes, such as {some}, and ties no images"
            )
        else:
            kept[level] = given
    return kept


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
    }  # a UID is never given twice, so one for all is one study
    others = {_form(value) for value in values if value not in common} - {"0"}
    common = {value for value in common if _form(value) not in others}
    common |= nobodies_in(values)
    return ["" if value in common else value for value in values]


def patient_in(group: str) -> str:
    """The name of the patient whose images a group of ``groups_of`` holds; empty: no such name."""
    return group.removeprefix("patient ") if group.startswith("patient ") else ""


def _form(value: str) -> str:
    return re.sub(r"\d+", "0", value)


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
        same = _one_spelling(given, columns[level], notes)
        if shortened := [value for value in same if SHORTENED.fullmatch(value.strip())]:
            notes.append(
                f"{columns[level]}: {len(shortened)} cells, such as {shortened[0]}, are numbers "
                "that a spreadsheet has rounded: several ids may be one now; write them as text"
            )
        usable = same if level == "group" else without_common(same, labels)
        _note_common(same, usable, columns[level], notes)
        if level in PEOPLE and (runs := sorted(runs_of(set(usable)))):
            notes.append(
                f"{columns[level]}: {len(runs)} names differ only in the letter at their end, such "
                f"as {runs[0]!r} and {runs[1]!r}, and stay apart; if they are one, write one name"
            )
        if level == "case" and (wider := _study_of_several(usable, values)):
            notes.append(
                f"{columns[level]} differs from image to image, so {columns[wider]} is used"
            )
            continue
        filled = _fill(groups, usable, level)
        if filled:
            notes.append(_used(columns[level], filled, len(labels)))
        if all(groups) or (filled and level == "group"):
            break
    return _tied_by_uids(groups, values, notes)


def _one_spelling(given: Sequence[str], column: str, notes: list[str]) -> list[str]:
    """The names, where those that differ only in case, blanks or leading zeros are the first's."""
    names = as_first_written(given)
    others = [(a, b.strip()) for a, b in zip(names, given, strict=True) if a != b.strip()]
    if others:
        kept, other = others[0]
        notes.append(
            f"{column}: names that differ only in case, blanks or leading zeros are one, such as "
            f"{kept!r} and {other!r}"
        )
    return names


def _study_of_several(cases: Sequence[str], values: Values) -> str:
    """The level of studies that tie images although ``cases`` tie none; else empty."""
    if len(set(cases)) < len(cases):
        return ""
    for level in STUDIES:
        names = [value for value in values.get(level, ()) if value]
        different = len(set(names))
        if SEVERAL <= different < len(names) <= STUDY * different:
            return level
    return ""


def _tied_by_uids(groups: list[str], values: Values, notes: list[str]) -> list[str]:
    """The groups, joined where images of several are of one study, as its UID says."""
    studies = [values[level] for level in STUDIES if level in values]
    uids = [
        [value if UID.fullmatch(value) else "" for value in given]
        for given in studies
        if len({value for value in given if UID.fullmatch(value)}) > 1
    ]
    if not uids:
        return groups
    numbers = join(list(zip(groups, *uids, strict=True)), np.zeros((0, 2), int))
    first: dict[int, str] = {}
    for number, group in zip(numbers, groups, strict=True):
        if group:
            first.setdefault(int(number), group)
    joined = [first.get(int(number), "") for number in numbers]
    torn = len(set(groups) - {""}) - len(set(joined) - {""})
    if torn:
        notes.append(
            f"images of one study have several names: {torn} of the groups are joined with another"
        )
    return joined


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
    """Give each image that has no group yet its value; says how many got one.

    Where images of the same value have a group already, it gets theirs. Not so of vessels and
    frames, whose names many patients share, nor if the images of any value have several groups.
    """
    wider = defaultdict(set)
    for value, group in zip(values, groups, strict=True):
        if value and group and level not in WITHIN:
            wider[value].add(group)
    is_unique = all(len(theirs) == 1 for theirs in wider.values())
    filled = 0
    for number, value in enumerate(values):
        if value and not groups[number]:
            theirs = wider[value] if is_unique else set()
            groups[number] = next(iter(theirs), f"{level} {value}")
            filled += 1
    return filled
