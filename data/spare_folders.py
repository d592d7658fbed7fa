"""Folders beside class folders that hold no class: what was put aside, and copies of classes."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from data.words import FILLING, composed, letters, meaning_of
from errors import one_line

# what is put aside, or made of the images, in any number: backup, old_2023, New folder (2)
SPARE = {"backup", "backups", "bak", "archive", "archives", "archived", "old", "older", "new"}
SPARE |= {"tmp", "temp", "temporary", "misc", "miscellaneous", "unsorted", "todo", "untitled"}
SPARE |= {"trash", "junk", "excluded", "exclude", "discarded", "rejected", "removed", "deleted"}
SPARE |= {"unused", "duplicate", "duplicates", "results", "output", "outputs", "figures", "plots"}
SPARE |= {"thumbnails", "thumbs", "previews", "screenshots", "logs", "docs", "examples", "demo"}
# German, French, Spanish, Italian, Portuguese
SPARE |= {"alt", "neu", "neuer", "papierkorb", "sonstiges", "unsortiert", "archiv", "sicherung"}
SPARE |= {"nouveau", "ancien", "corbeille", "divers", "nueva", "nuevo", "papelera", "respaldo"}
SPARE |= {"nuova", "cestino", "nova", "lixeira"}
FOLDER = {"folder", "directory", "ordner", "dossier", "carpeta", "cartella", "pasta"}
# what a system writes around the name of a folder that it copies
COPY = {"copy", "copies", "kopie", "kopien", "copie", "copia", "copias", "cópia", "kopia"}
COPY |= {"副本"}
OF = {"of", "von", "de", "di", "da"}
# as browsers and Windows write a second download; of several such folders the numbers are grades
LONE = re.compile(r"(.*?)\s*[(\[]\d[)\]]\s*")
KEPT = {"old", "new", "backup", "bak", "archive", "orig", "original", "alt", "neu"}  # with a class


def is_spare(name: str) -> bool:
    """Whether a folder is no class by its name, where there are others that are classes."""
    words = {word for word in _words(name) if not word.isdigit()}
    if letters(name) == "todo":  # to do
        return True
    return bool(words & (SPARE | COPY)) and words <= SPARE | COPY | OF | FOLDER | FILLING


def spare_among(names: Iterable[str], means_class: Callable[[str], bool]) -> set[str]:
    """Those of the images that lie in no class but in a folder that is none by its name.

    None where no other image lies in a folder that means a class: old and new may be classes.

    Args:
        names: relative paths with forward slashes.
        means_class: whether the name of a folder means a class for sure.
    """
    inside: dict[str, list[str]] = {}
    for name in names:
        inside.setdefault(name.rpartition("/")[0], []).append(name)
    spare: set[str] = set()
    others: set[str] = set()
    for folder, images in inside.items():
        parts = folder.split("/")
        outer = next((part for part in parts if means_class(part) or is_spare(part)), "")
        if outer and not means_class(outer):
            spare.update(images)
        else:
            others.update(parts)
    return spare if any(map(means_class, others)) or {"0", "1"} <= others else set()


def note_of_spare_inside(labels: Mapping[str, str]) -> list[str]:
    """What is said of images that are used though they lie in normal/excluded or the like.

    ``labels``: for each image, as a path within the data set, its class.
    """
    found = []
    for name, label in labels.items():
        folders = [folder.strip() for folder in name.split("/")[:-1]]
        inner = folders[folders.index(label) + 1 :] if label in folders else []
        if any(map(is_spare, inner)):
            found.append(name)
    if not found:
        return []
    return [
        f"{len(found)} images lie in a folder for what is put aside, within a class folder, such "
        f"as {one_line(min(found))}; they are used: move them away if they are not to be"
    ]


def copied_class(labels: Iterable[str]) -> tuple[str, str]:
    """A folder that is the copy of a class by its name, and that class; empty where there is none.

    normal (1), normal - Copy and normal_old are, beside normal; a number alone counts only behind a
    word for a class: type_2 is no copy of type. normal (1) is a copy if it is the only one, too.
    """
    first: dict[tuple[str, ...], str] = {}
    for label in sorted(labels):
        first.setdefault(tuple(_words(label)), label)
    numbered = Counter(
        match[1].casefold() for label in first.values() if (match := LONE.fullmatch(label))
    )
    for words, label in first.items():
        is_copy = bool(COPY & set(words))
        around = COPY | (OF if is_copy else set()) | KEPT
        rest = tuple(word for word in words if word not in around and not word.isdigit())
        if not rest or rest == words:
            continue
        original = first.get(rest, "")
        is_sure = is_copy or bool(KEPT & set(words)) or label.endswith((")", "]"))
        if original and (is_sure or meaning_of(original)):
            return label, original
        match = LONE.fullmatch(label)
        is_lone = match is not None and numbered[match[1].casefold()] == 1
        if (is_copy or is_lone) and not original and meaning_of(" ".join(rest)):
            return label, " ".join(rest)
    return "", ""


def _words(name: str) -> list[str]:
    """Its words and numbers in small letters: normal2 is two, NewFolder too."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", composed(name)).casefold()
    return re.findall(r"[^\W\d_]+|\d+", apart)
