"""The order of grades, such as CAD-RADS 0 to 5 or none, mild and severe, as their names tell it."""

import math
import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from data.readers import DataError
from data.words import composed, in_one_spelling, is_normal

LEAST_GRADES = 3  # two classes have a threshold instead
# words of one grade in a line, the lowest first; a normal class comes before all of them
WORDS = (
    {"none", "absent"},
    {"minimal", "trace"},
    {"mild", "low"},
    {"moderate", "medium", "intermediate"},
    {"severe", "high"},
    {"occluded", "occlusion", "total"},
)
HIGHEST = len(WORDS) - 1
RANKS = {word: rank for rank, words in enumerate(WORDS) for word in words}
ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "x": 10}
# words beside a grade that say nothing of it
FILLING = {"grade", "grades", "class", "category", "score", "stage", "degree", "level", "cad"}
FILLING |= {"rads", "cadrads", "percent", "stenosis", "narrowing", "disease", "plaque"}
FILLING |= {"lesion", "and", "or", "to"}
UPWARDS = {">", ">=", "≥", "+", "gt", "ge", "over", "above", "more", "least"}
DOWNWARDS = {"<", "<=", "≤", "lt", "le", "under", "below", "less", "most"}
PIECE = re.compile(r"\d+(?:\.\d+)?(?:[a-c](?![^\W\d_]))?|[^\W\d_]+|[<>]=?|[≤≥+]")
BETWEEN = re.compile(r"[\s_%:=()\[\].,/\u2010-\u2015\u2212-]*")  # signs that say nothing of a grade
MINUS = r"[\u2010-\u2015\u2212-]"
UNSURE = re.compile(
    rf"""\d\s*[,/]\s*\d | \d\s+\d | \d\.\d+\.\d  # 1,000 or 0,5; 1/2; 1 000; 1.2.2020
    | (?<!\d)[.,]\d  # .5
    | (?:^ | [(\[<>=:_] | [^\W\d_]\s)\s*{MINUS}\d  # below zero
    | {MINUS}\s*$  # without an end
    | \d\s*%?\s*[<>\u2264\u2265]  # 50 < is more than 50
    """,
    re.VERBOSE,
)
ADVICE = "give the order: --order LOWEST ... HIGHEST"


class Reading(NamedTuple):
    """What a name says.

    Args:
        low, high: the ends of its numbers; None: it has none.
        rank: of the grade that its word means, as in WORDS; None: it has no such word.
    """

    low: float | None
    high: float | None
    rank: int | None


def order_of(names: Collection[str]) -> list[str]:
    """The grades, the lowest first.

    Numbers and ranges go by their value, as 0, 1-49, 50-69, 100 and CAD-RADS 4A; known words by
    their meaning, as in WORDS. Beside numbers a normal class is the lowest and an occlusion the
    highest.

    Raises:
        DataError: fewer than three, a name that is no grade, or two that are not apart.
    """
    check_count(names)
    readings = {name: reading_of(name) for name in sorted(names)}
    numbered = [name for name, reading in readings.items() if reading.low is not None]
    ends = {name: _ends(name, reading, bool(numbered)) for name, reading in readings.items()}
    ordered = sorted(ends, key=lambda name: ends[name])
    for lower, upper in pairwise(ordered):
        if not _are_apart(ends[lower], ends[upper]):
            raise DataError(f"grades: {lower} and {upper} are not apart; {ADVICE}")
    _check_words([(name, readings[name].rank) for name in ordered])
    return ordered


def _check_words(ranks: Sequence[tuple[str, int | None]]) -> None:
    """Raise DataError where words contradict the order of the numbers.

    ``ranks``: each name with the grade that its word means, in the order of the numbers.
    """
    known = [(name, rank) for name, rank in ranks if rank is not None]
    for (lower, low), (upper, high) in pairwise(known):
        if low >= high:
            raise DataError(
                f"grades: the numbers of {lower} and {upper} contradict their words; {ADVICE}"
            )
    (lowest, _), *_, (highest, _) = ranks
    for name, rank in known:
        if rank == 0 and name != lowest:
            raise DataError(f"grades: by its number {name} is not the lowest; {ADVICE}")
        if rank == HIGHEST and name != highest:
            raise DataError(f"grades: by its number {name} is not the highest; {ADVICE}")


def _are_apart(lower: tuple[float, float], upper: tuple[float, float]) -> bool:
    """Whether one grade ends before the next begins; two ranges may share an end, as 50 and 50."""
    if lower[1] == -math.inf:  # normal
        return upper[1] > 0
    are_ranges = lower[0] < lower[1] and upper[0] < upper[1]
    return lower[1] < upper[0] or (are_ranges and lower[1] == upper[0])


def check_count(names: Collection[str]) -> None:
    """Raise DataError unless there are enough grades for an order to matter."""
    if len(names) < LEAST_GRADES:
        raise DataError(
            f"task: ordinal: got {len(names)} classes ({', '.join(sorted(names))}), wanted "
            f"{LEAST_GRADES} grades or more; of two classes the order says nothing more: set task: "
            "classes"
        )


def as_given(names: Collection[str], order: Sequence[str]) -> list[str]:
    """The grades in the order that the user gives, as the data set spells them.

    Raises:
        DataError: a name that is no class, one that is left out, or one given twice.
    """
    check_count(names)
    spelt = {in_one_spelling(name): name for name in names}
    ordered = [spelt.get(in_one_spelling(given), "") for given in order]
    if sorted(ordered) != sorted(names):
        raise DataError(
            f"--order: got {', '.join(order)}; wanted each class once: {', '.join(sorted(names))}"
        )
    return ordered


def is_free_of_disease(name: str) -> bool:
    """Whether a grade says that there is nothing: 0, none, normal."""
    try:
        reading = reading_of(name)
    except DataError:
        return False
    return reading.rank == 0 or (reading.rank is None and reading.high == 0)


def reading_of(name: str) -> Reading:
    """What the name of a grade says. DataError: it is no grade."""
    text = composed(name).casefold()
    pieces = [piece for piece in PIECE.findall(text) if piece not in FILLING]
    has_digits = any(piece[0].isdecimal() for piece in pieces)
    values = {piece: _number(piece, roman=not has_digits) for piece in pieces}
    numbers = [value for piece in pieces if (value := values[piece]) is not None]
    words = [piece for piece in pieces if values[piece] is None]
    upwards = any(word in UPWARDS for word in words)
    downwards = any(word in DOWNWARDS for word in words)
    left = [word for word in words if word not in UPWARDS | DOWNWARDS]
    rank = _rank(name, left)
    is_read = bool(numbers) or rank is not None
    is_rising = numbers == sorted(numbers)
    signs = upwards + downwards  # a sign is of one number; less severe and 50-70+ are no grades
    is_plain = (len(numbers) == 1 if signs else len(numbers) <= 2) and signs <= 1 and len(left) <= 1
    is_whole = BETWEEN.fullmatch(PIECE.sub("", text)) and not UNSURE.search(text)
    is_known = is_read and is_plain and is_rising and is_whole
    if not is_known or (left and rank is None and not is_normal(name)):
        raise DataError(f"grades: got {name}, whose place in the order is not known; {ADVICE}")
    if not numbers:
        return Reading(None, None, rank)
    low = -math.inf if downwards else min(numbers)
    high = math.inf if upwards else max(numbers)
    return Reading(low, high, rank)


def _rank(name: str, words: list[str]) -> int | None:
    """The grade that the words of a name mean; None: none that is known."""
    if is_normal(name) and name.strip() != "0":
        return 0
    ranks = {RANKS.get(word) for word in words}
    return ranks.pop() if len(ranks) == 1 else None


def _number(piece: str, roman: bool) -> float | None:
    """The value of a number, of 4a and 4b after 4, or of a Roman one; None: it is a word."""
    if roman and piece in ROMAN:
        return float(ROMAN[piece])
    if not piece[0].isdecimal():
        return None
    letter = piece[-1] if piece[-1].isalpha() else ""
    value = float(piece.removesuffix(letter))
    return value + (ord(letter) - ord("a") + 1) / 100 if letter else value


def _ends(name: str, reading: Reading, among_numbers: bool) -> tuple[float, float]:
    """Where a grade begins and ends."""
    if reading.low is not None and reading.high is not None:
        return reading.low, reading.high
    assert reading.rank is not None, "a reading has numbers or a rank"
    if not among_numbers:
        return float(reading.rank), float(reading.rank)
    if reading.rank == 0:
        return -math.inf, -math.inf
    if reading.rank == HIGHEST:
        return math.inf, math.inf
    raise DataError(f"grades: got {name} among numbers, so its place is not known; {ADVICE}")
