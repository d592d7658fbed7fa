"""One text of a DICOM header, read so that it can be written again as it was meant.

pydicom reads on where a text is damaged: an unknown character set becomes Latin-1, a letter that
cannot be read a question mark. That will do to look at a picture. It will not do for the name of a
patient that is written into another file, so here every doubt is an error.
"""

import datetime
import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import pydicom
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.valuerep import STR_VR, TEXT_VR_DELIMS, PersonName

from data.limits import DataError

WITHOUT_FORM = (None, "UN")  # of a file that does not name the form of a value
READ_AS_TEXT = (*STR_VR, *WITHOUT_FORM)
IN_ANY_LETTERS = ("LO", "PN", "SH")  # written in the character set of the file
ESCAPE = b"\x1b"
STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd]")
# characters: DICOM PS3.5 table 6.2-1
LONGEST = {"CS": 16, "DA": 8, "LO": 64, "SH": 16, "TM": 16, "UI": 64}
FORMS = {
    "CS": re.compile(r"[A-Z0-9 _]+"),
    "DA": re.compile(r"\d{8}"),
    "TM": re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"),
    "UI": re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+"),
}
PERSON_GROUPS = 3  # letters, ideographs, sounds
PERSON_PARTS = 5
LONGEST_PERSON = 64  # characters of each group


class TextError(ValueError):
    """Why a text of a header cannot be taken over: what was got and what was wanted."""


class Texts(NamedTuple):
    """What is read from: the elements of a file, and how its texts are encoded.

    Args:
        data: none of its elements has been looked at yet, so that they are as the file has them.
        encodings: names in SpecificCharacterSet, the first one for what no escape precedes.
    """

    data: pydicom.Dataset
    encodings: tuple[str, ...]


def texts_of(data: pydicom.Dataset) -> Texts:
    """The texts of a header, with their character set."""
    given = data.get("SpecificCharacterSet") or ""  # pydicom has looked at this one element
    names = given.split("\\") if isinstance(given, str) else given
    return Texts(data, tuple(str(name or "").strip(" \0") for name in names))


def text_of(texts: Texts, keyword: str) -> str:
    """A text as it was meant, without its padding; empty where the file has none.

    Raises:
        TextError: written as a number, or in letters that cannot be read; more than one value,
            too long, or of another form than DICOM gives it (PS3.5 section 6.2).
    """
    form = dictionary_VR(keyword)
    letters = _letters(_bytes_of(texts.data, keyword), texts.encodings, form)
    text = letters.strip(" \0")
    if not text:
        return ""
    if steering := STEERING.search(text):
        raise TextError(f"got the character {steering[0]!a} in it, wanted letters")
    if "\\" in text:
        raise TextError(f"got {text.count(chr(92)) + 1} values, wanted one")
    if form == "PN":
        _check_person(text)
        return text
    if len(text) > LONGEST[form]:
        raise TextError(f"got {len(text)} characters, wanted {LONGEST[form]} at most")
    if form in FORMS and not FORMS[form].fullmatch(text):
        raise TextError(f"got {text!a}, wanted the form {form} of DICOM")
    if form == "DA":
        _check_date(text)
    return text


def _bytes_of(data: pydicom.Dataset, keyword: str) -> bytes:
    """What stands in the file; b"" where there is nothing."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, "it is a word of DICOM"
    if tag not in data:
        return b""
    element = data.get_item(tag)
    if not element.value:
        return b""
    if not isinstance(element, RawDataElement) or element.VR not in READ_AS_TEXT:
        raise TextError(f"got the form {element.VR}, wanted {dictionary_VR(tag)}")
    return bytes(element.value)


def _letters(raw: bytes, encodings: Sequence[str], form: str) -> str:
    if raw.isascii() and ESCAPE not in raw:  # every character set of DICOM has ASCII
        return raw.decode("ascii")
    if form not in IN_ANY_LETTERS:
        raise TextError("got letters beyond ASCII, wanted none")
    if not any(encodings):
        raise TextError("got letters beyond ASCII, and the file names no SpecificCharacterSet")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pydicom warns where it would guess
            known = convert_encodings(list(encodings))
            if form == "PN":
                return str(PersonName(raw.rstrip(b" \0"), known).decode(known))
            return decode_bytes(raw, known, TEXT_VR_DELIMS)
    except Exception as error:  # pydicom and the codecs raise many kinds
        said = " ".join(str(error).split())[:120]
        raise TextError(
            f"got letters that SpecificCharacterSet {'/'.join(encodings)} does not hold: {said}"
        ) from None


def _check_date(text: str) -> None:
    try:
        datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise TextError(f"got {text!a}, wanted a day of the calendar") from None


def _check_person(text: str) -> None:
    groups = text.split("=")
    if len(groups) > PERSON_GROUPS:
        raise TextError(f"got {len(groups)} ways to write a name, wanted {PERSON_GROUPS} at most")
    for group in groups:
        if len(group) > LONGEST_PERSON:
            raise TextError(f"got {len(group)} characters, wanted {LONGEST_PERSON} at most")
        if group.count("^") >= PERSON_PARTS:
            raise TextError(f"got {group.count('^') + 1} parts, wanted {PERSON_PARTS} at most")


def refused(path: object, keyword: str, error: TextError) -> DataError:
    """A fault of a header, as one line."""
    return DataError(f"{path}: {keyword}: {error}; correct the file, as with dcmodify")
