"""When two names of a patient, a group or a vessel are one, however they were typed or stored."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

UID = re.compile(r"[0-9]+(\.[0-9]+){3,}")  # of DICOM: no zero in it is left out
NOBODY = {"", "nan", "none", "na", "null", "unknown", "nobody", "noname", "removed", "redacted"}
NOBODY |= {"missing", "notknown", "unknownpatient", "anonymouspatient", "anonymousanonymous"}
NOBODY |= {"anon", "anonym", "anonymous", "anonymized", "anonymised", "deidentified"}
PATIENT_NUMBER = "patient_number"  # column of a manifest that data.prepare writes
PATIENTS = ("patient", "patient_id", PATIENT_NUMBER)  # columns that name the patient


def composed(name: str) -> str:
    """The name with each letter and its accent as one sign (NFC), without invisible signs."""
    return re.sub(r"[\u200b-\u200f\u2060\ufeff]", "", unicodedata.normalize("NFC", name))


def without_accents(name: str) -> str:
    """The name with plain letters in place of those with accents: numéro is numero."""
    apart = unicodedata.normalize("NFD", name)
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


def letters(name: str) -> str:
    """A name without case, blanks, hyphens, underscores and dots; an accent is one sign."""
    return re.sub(r"[\W_]+", "", composed(name).casefold())


def is_nobody(value: str) -> bool:
    """Whether a name of a patient stands for nobody: blank, unknown, anonymous, zeros."""
    return letters(value) in NOBODY or not re.sub(r"[\W0_]", "", value)


def nobodies_in(names: Iterable[str]) -> set[str]:
    """Those of the names of patients that stand for nobody.

    Zeros are the first number, and no nobody, where a 1 of as many digits is a name too.
    """
    given = set(names)
    ones = {len(name) for name in given if canonical(name) == "1"}
    counted = {name for name in given if canonical(name) == "0" and len(name) in ones}
    return {name for name in given if is_nobody(name)} - counted


def canonical(value: str) -> str:
    """A name without what differs where it was typed or stored again: case, blanks, zeros."""
    same = " ".join(composed(value).casefold().split())
    whole = re.sub(r"^(\d+)\.0$", r"\1", same)  # as a spreadsheet writes numbers
    return re.sub(r"(?<![\d.])0+(?=\d)", "", whole)


def as_first_written(names: Sequence[str]) -> list[str]:
    """The names, where those that are the same are written as the first of them; UIDs stay."""
    first: dict[str, str] = {}
    same = [name if UID.fullmatch(name) else canonical(name) for name in names]
    return [first.setdefault(key, name.strip()) for key, name in zip(same, names, strict=True)]


def patients_of(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The patient whom each row of a manifest names, in one spelling; empty where it names nobody.

    A number that data.prepare gave is no name of the other columns.
    """
    columns = {column: [row.get(column) or "" for row in rows] for column in PATIENTS}
    nobodies = {column: nobodies_in(names) for column, names in columns.items()}
    found = [""] * len(rows)
    for column, names in columns.items():
        place = f"{column} " if column == PATIENT_NUMBER else ""
        for number, name in enumerate(names):
            if not found[number] and name not in nobodies[column]:
                found[number] = f"{place}{name}"
    return as_first_written(found)
