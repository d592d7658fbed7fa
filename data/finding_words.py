"""What the cells of a table say of findings: none, yes or no, or that nobody knows."""

import re

from data.words import (
    ANSWERS,
    DENIED,
    POSITIVE_WORDS,
    SIGN,
    in_one_spelling,
    is_no_class,
    letters,
    meaning_of,
)
from metrics.names import without_accents

NOTHING = {"none", "nothing", "nil", "nofinding", "nofindings", "nothingfound"}
NOTHING |= {"nolesion", "nolesions", "nodisease", "nopathology", "noabnormality"}
NOTHING |= {"noabnormalities"}
# German, French, Spanish, Italian, Portuguese
NOTHING |= {"kein", "keine", "keiner", "nichts", "keinbefund", "keinebefunde", "ohnebefund"}
NOTHING |= {"ohnebefunde", "keinpathologischerbefund", "ohnepathologischenbefund"}
NOTHING |= {"aucun", "aucune", "rien", "neant", "aucuneanomalie", "sansanomalie", "pasdanomalie"}
NOTHING |= {"aucunelesion", "sanslesion", "rienasignaler"}
NOTHING |= {"ninguno", "ninguna", "nada", "ningunhallazgo", "sinhallazgo", "sinhallazgos"}
NOTHING |= {"sinalteraciones", "sinlesion", "sinlesiones"}
NOTHING |= {"nessuno", "nessuna", "niente", "nulla", "nessunreperto", "senzareperti"}
NOTHING |= {"nessunaanomalia", "nessunalesione", "senzalesioni", "nellanorma"}
NOTHING |= {"nenhum", "nenhuma", "nenhumachado", "semachados"}
UNSURE = {"unsure", "uncertain", "equivocal", "possible", "possibly", "maybe", "indeterminate"}
MINUS_ONE = re.compile(r"\s*-1(\.0+)?\s*")  # in public sets: nobody is sure
YES, NO = {"positive", "pos", "y"}, {"negative", "neg", "n"}  # in a column, beside ANSWERS


def is_nothing(word: str) -> bool:
    """Whether a word says that an image has no finding: none, normal, no finding, kein Befund.

    What denies one thing says nothing of others: non-obstructive, no stenosis. Nor does a dash.
    """
    same = letters(word)
    denies = DENIED.sub("", same) in POSITIVE_WORDS or SIGN.match(word)
    return without_accents(same) in NOTHING or (not denies and meaning_of(word) == "normal")


def is_column_for_none(name: str) -> bool:
    """Whether a column of that name says of an image that it has no finding."""
    same = without_accents(letters(name))
    return same in NOTHING | {"normal", "healthy"} and same not in ANSWERS


def is_unsure(cell: str) -> bool:
    """Whether a cell says that nobody knows: empty, unknown, uncertain, and -1 of public sets."""
    return is_no_class(cell) or letters(cell) in UNSURE or bool(MINUS_ONE.fullmatch(cell))


def answer_of(cell: str) -> bool | None:
    """Yes or no, as a column of one finding says it; None: neither."""
    number, word = in_one_spelling(cell), letters(cell)
    if number in ("0", "1"):
        return number == "1"
    meant = ANSWERS.get(word)
    if meant or word in YES | NO:
        return meant == "abnormal" or word in YES
    return None
