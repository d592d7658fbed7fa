"""What the words of labels and the names of class folders mean: a normal or a diseased class."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from errors import one_line
from metrics.names import composed as composed
from metrics.names import letters as letters

NORMAL_NAMES = ("normal", "healthy", "negative", "0")
POSITIVE_NAMES = ("abnormal", "diseased", "positive", "lesion")
NORMAL_WORDS = {"normal", "normals", "healthy", "negative", "negatives", "control", "controls"}
NORMAL_WORDS |= {"neg", "unremarkable", "unaffected"}
# Spanish, French, German, Italian, Portuguese, Chinese
NORMAL_WORDS |= {"sano", "sana", "sanos", "sanas", "saludable", "sain", "sains", "saine", "saines"}
NORMAL_WORDS |= {"normale", "normales", "normaux", "normali", "normais", "gesund", "gesunde"}
NORMAL_WORDS |= {"unauffällig", "sani", "saudavel", "saudável"}
NORMAL_WORDS |= {"正常", "健康", "阴性", "陰性"}
NORMAL_WORDS |= {"zdrowy", "zdrowe", "zdrowa"}  # Polish
POSITIVE_WORDS = {"abnormal", "abnormals", "disease", "diseased", "positive", "positives", "lesion"}
POSITIVE_WORDS |= {"lesions", "stenosis", "stenoses", "stenotic", "cad", "sick", "unhealthy"}
POSITIVE_WORDS |= {"finding", "findings", "pathology", "pathological", "obstructive"}
POSITIVE_WORDS |= {"pos", "affected", "occlusion", "occlusions", "occluded"}
POSITIVE_WORDS |= {"enfermo", "enferma", "enfermos", "anormal", "anormales", "anormale", "anormaux"}
POSITIVE_WORDS |= {"malade", "malades", "krank", "kranke", "auffällig", "malato", "malati"}
POSITIVE_WORDS |= {"anormali", "doente", "doentes"}
POSITIVE_WORDS |= {"异常", "異常", "患病", "病变", "阳性", "陽性"}
POSITIVE_WORDS |= {"chory", "chore", "chora"}
ANSWERS = {"no": "normal", "false": "normal", "absent": "normal"}  # by themselves alone
ANSWERS |= {"yes": "abnormal", "true": "abnormal", "present": "abnormal"}
ANSWERS |= {"nein": "normal", "ja": "abnormal", "non": "normal", "oui": "abnormal"}
ANSWERS |= {"否": "normal", "是": "abnormal"}
# words beside them that say nothing of the class, such as in normal_cases
FILLING = {"class", "label", "group", "case", "cases", "patient", "patients", "subject", "subjects"}
FILLING |= {"image", "images", "img", "imgs", "picture", "pictures", "scan", "scans", "data", "set"}
FILLING |= {"dataset", "folder", "vessel", "vessels", "artery", "arteries", "coronary"}
CASES = {"case", "cases", "patient", "patients"}  # of a table that compares them with controls
DENIALS = ("non", "not", "no", "without")
DENIED = re.compile(rf"^({'|'.join(DENIALS)})(?=.)")
SIGN = re.compile(r"^(.*?)[\s_]*[(\[]?([+\-\u2212\u2013])[)\]]?\s*$")  # as in CAD+ and lesion (-)
NOT_KNOWN = {"nan", "na", "null", "unknown", "undefined", "unlabeled", "unlabelled", "missing"}
NOT_KNOWN |= {"notlabeled", "notlabelled", "nolabel", "tbd", "todo", "", "?"}
CELL_FAULT = re.compile(r"#(REF|VALUE|NAME|DIV/0|NULL|NUM|N/A|SPILL|CALC)[!?]?", re.IGNORECASE)
NO_CLASS = "which says that the class is not known; leave such images out, or give their class"


def meaning_of(name: str) -> str:
    """normal or abnormal where the word for a class is known, else empty; 0 and 1 are no words.

    CAD+ and CAD- are known by their sign, normal_cases and 0_normal by the word within.
    """
    name = composed(name)
    if signed := SIGN.match(name):
        return _of_sign(*signed.groups())
    if known_whole := ANSWERS.get(letters(name)) or _of_word(letters(name)):
        return known_whole
    words = [word for word in re.split(r"[\W_]+", _apart(name)) if word not in FILLING]
    if len(words) > 1 and words[0].isdigit():
        words = words[1:]
    if len(words) > 1 and words[0] in DENIALS:
        words = [words[0] + words[1], *words[2:]]
    meanings = {_of_word(word) for word in words}
    return meanings.pop() if len(meanings) == 1 else ""


def _of_sign(rest: str, sign: str) -> str:
    """What a sign behind ``rest`` means: CAD+ and CAD-; but CAD+/- is both, and group- is none."""
    before = _of_word(letters(rest))
    if re.search(r"[+/\u00b1]", rest):
        return ""
    if sign == "+":
        return "abnormal" if before == "abnormal" or not rest else ""
    return "normal" if before or not rest else ""


def _apart(name: str) -> str:
    """Its words in small letters: NormalCases is two."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", composed(name)).casefold().strip()


def _of_word(word: str) -> str:
    if word in NORMAL_WORDS:
        return "normal"
    if word in POSITIVE_WORDS:
        return "abnormal"
    rest = DENIED.sub("", word)
    if rest != word and rest in NORMAL_WORDS:
        return "abnormal"
    return "normal" if rest != word and rest in POSITIVE_WORDS else ""


def is_no_class(label: str) -> bool:
    """Whether a label says that the class is not known."""
    if CELL_FAULT.fullmatch(label.strip()):
        return True
    words = {word for word in re.split(r"[\W_]+", _apart(label)) if word and word not in FILLING}
    return (letters(label) or label.strip()) in NOT_KNOWN or (bool(words) and words <= NOT_KNOWN)


def is_normal(label: str) -> bool:
    """Whether a class counts as the normal one; 0 does, where it is a class."""
    return label.strip() == "0" or meaning_of(label) == "normal"


def is_positive(label: str) -> bool:
    """Whether a class is known to be the diseased one."""
    return meaning_of(label) == "abnormal"


def in_one_spelling(label: str) -> str:
    """Without case, and with one blank for blanks, underscores and hyphens between its words."""
    spelt = re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", composed(label).strip().casefold())
    return re.sub(r"^(\d+)\.0+$", r"\1", spelt)  # as tables write numbers where one is missing


def tells_class(cells: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether the cells of a column, whatever its name, are words for classes alone.

    Case counts as one, and so does what the images' ``labels`` are called, unless it is a number
    and does not repeat each label.
    """
    spelt = [in_one_spelling(cell) for cell in cells]
    known = [in_one_spelling(label) for label in labels]
    if spelt == known:
        return True
    words = set(spelt) - {""}
    names = {label for label in known if not label.isdigit()} | CASES
    return bool(words) and all(word in names or meaning_of(word) for word in words)


def one_spelling(labels: list[str], notes: list[str]) -> dict[str, str]:
    """For each label that of its class, where labels differ only in case, blanks and hyphens.

    The most frequent spelling is taken, of equals the one in lower case; ``notes`` says so.
    """
    spellings: dict[str, Counter[str]] = {}
    for label in labels:
        word = in_one_spelling(label)
        spellings.setdefault(word, Counter())[label] += 1
    chosen: dict[str, str] = {}
    for counts in spellings.values():
        trimmed: Counter[str] = Counter()
        for label, count in counts.items():
            trimmed[label.strip()] += count
        name = min(trimmed, key=lambda label: (-trimmed[label], label != label.lower(), label))
        chosen |= dict.fromkeys(counts, name)
        if len(counts) > 1:
            seen = ", ".join(f"{label!r} ({count})" for label, count in sorted(counts.items()))
            notes.append(
                f"labels that differ only in case, blanks or hyphens are one class, {name}: {seen}"
            )
    return chosen


@dataclass
class LeftOut:
    """What of a data set is not used: for each reason its files."""

    files: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, names: Iterable[str]) -> None:
        """Remember files, as paths relative to the data set, under the reason."""
        names = list(names)
        if names:
            self.files.setdefault(reason, []).extend(names)

    def __len__(self) -> int:
        return sum(map(len, self.files.values()))

    def lines(self) -> list[str]:
        """For each reason how many files there are, with an example."""
        return [
            f"left out: {len(names)} files, {reason}; such as {one_line(min(names))}"
            for reason, names in sorted(self.files.items())
        ]
