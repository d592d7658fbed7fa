"""The words that names of masks hold, and what is left of such a name without them."""

import re
from collections.abc import Iterator

SURE = r"masken|maske|masques?|m[aá]scaras?|mascher[ae]|掩[码膜碼]"
SURE += r"|masks?|msks?|segmentations?|label[-_. ]?maps?|ground[-_. ]?truths?|annotations?"
NAMED = rf"{SURE}|segs?|labels?|gts?"  # numbered classes and pieces of a vessel are called so too
# what pictures and classes are called too: counts beside an image of that name, by the content
DRAWN = r"lesions?|rois?|contours?|outlines?|overlays?|overlaid|contoured|outlined|annotated"
DRAWN += r"|label(?:l?)ed|segmented|marked|masked"
FINDINGS = r"lesions?|stenos[ei]s|plaques?|calcifications?"
DRAWN += rf"|{FINDINGS}|binari[sz]ed|thresholded|(?<![a-z])(?:annots?|annos?|bin|bw)(?![a-z])"
FILLERS = r"binary|manual|auto|expert|class|object|instance|final|images?|imgs?|pngs?|files?"
OTHERS = r"vessels?|arter(?:y|ies)|lumens?|hearts?|bod(?:y|ies)|lungs?"
GAPS = "-_.,;+()[] "

_GAP = rf"[{re.escape(GAPS)}]"
_ANY = rf"{DRAWN}|{NAMED}|{FILLERS}|{OTHERS}"
_WORD = re.compile(
    rf"(?P<drawn>{DRAWN})|(?P<sure>{SURE})|(?P<named>{NAMED})|(?P<filler>{FILLERS})"
    rf"|(?P<other>{OTHERS})|(?P<number>\d+(?:x\d+)?)",
    re.IGNORECASE,
)
_MASK = re.compile(rf"{DRAWN}|{NAMED}", re.IGNORECASE)
_BEHIND = re.compile(
    rf"{_GAP}*+(?:(?:{_ANY}){_GAP}*+)*?(?:{DRAWN}|{NAMED})"
    rf"(?:{_GAP}*(?:{FILLERS}|\d++))*+(?:{_GAP}+[^\W_]+)?{_GAP}*",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    rf"{_GAP}*(?:(?:(?:{_ANY}){_GAP}*)*(?:{DRAWN}|{NAMED})\d*{_GAP}+|(?:{SURE}|gt))", re.IGNORECASE
)
_ALONE = re.compile(
    rf".+{_GAP}(?:{NAMED}){_GAP}*|{_GAP}*(?:{NAMED}){_GAP}.+",
    re.IGNORECASE,
)
_NUMBERED = re.compile(rf".+{_GAP}(?:{SURE}){_GAP}*\d+{_GAP}*", re.IGNORECASE)


def is_mask_folder(name: str) -> bool:
    """Whether a folder of that name holds masks: it is made of words for them alone."""
    kinds = _kinds(name)
    return "sure" in kinds or ("named" in kinds and "number" not in kinds)


def may_be_mask_folder(name: str) -> bool:
    """Whether a folder of that name may hold masks, but images as well."""
    return "drawn" in _kinds(name)


def is_mask_alone(stem: str) -> bool:
    """Whether a file of that name, without its suffix, is a mask even if its image is not there."""
    return bool(_ALONE.fullmatch(stem))


def is_numbered_mask(stem: str) -> bool:
    """Whether a file is a mask by its name, if its content is one: with_mask_1 may be a face."""
    return bool(_NUMBERED.fullmatch(stem))


def without_mask_words(stem: str) -> Iterator[tuple[str, str]]:
    """Each name that a mask of that name may belong to, the longest first, and the words."""
    words = list(_MASK.finditer(stem))
    if not words:
        return
    for cut in range(words[-1].start(), 0, -1):
        if _BEHIND.fullmatch(stem[cut:]):
            yield bare(stem[:cut]), stem[cut:]
    for cut in range(words[0].end(), len(stem)):
        if _BEFORE.fullmatch(stem[:cut]):
            yield bare(stem[cut:]), stem[:cut]


def bare(stem: str) -> str:
    """A name as names are compared: without case, and without what is around it."""
    return stem.strip(GAPS).casefold() or stem


def means_others(words: str) -> bool:
    """Whether words of a mask say that it is one of something else than lesions."""
    found = re.split(r"[\W\d_]+", words)
    return any(re.fullmatch(OTHERS, word, re.IGNORECASE) for word in found)


def is_finding(words: str) -> bool:
    """Whether words say what images show, as those of a class do too: CAD_plaque beside CAD."""
    return bool(re.search(FINDINGS, words, re.IGNORECASE))


def _kinds(name: str) -> set[str]:
    """The kinds of words that a name is made of; none where anything else is in it."""
    if _WORD.sub("", name).strip(GAPS):
        return set()
    return {match.lastgroup or "" for match in _WORD.finditer(name)}
