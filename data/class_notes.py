"""What is said of the names of classes: which is positive, which are unknown, which are alike."""

import re

from data.words import is_normal, is_positive


def notes_of_classes(names: list[str], positive: str | None) -> list[str]:
    """Lines for the summary.

    Args:
        names: of the classes in index order, the positive one last.
        positive: the class that the user named as positive; None: nobody did.
    """
    normal = [name for name in names if is_normal(name)]
    diseased = [name for name in names if is_positive(name)]
    unknown = [name for name in names if name not in normal + diseased]
    notes = []
    if positive is None and not diseased:
        if not normal:
            notes.append(
                f"no class has a known name, so {names[-1]} is taken as positive; "
                "--positive names another"
            )
        elif len(names) > 2:
            notes.append(
                f"no name of a class means diseased, so {names[-1]} is taken as positive; "
                "--positive names another"
            )
    if unknown and normal and diseased:
        notes.append(
            f"{' and '.join(unknown)} is no known name and counts as a class of its own; move its "
            "images if it is no class, or another one in a wrong spelling"
        )
    for alike, meaning in ((normal, "normal"), (diseased, "diseased")):
        if len(alike) > 1:
            notes.append(
                f"{' and '.join(alike)} mean {meaning}, but are {len(alike)} classes; give them "
                "one name if they are the same"
            )
    return [*notes, *_note_of_joined(names)]


def _note_of_joined(names: list[str]) -> list[str]:
    """What is said where a class seems to join several others, as a;b joins a and b."""
    parts = {name: [part.strip() for part in re.split(r"[;,|]", name)] for name in names}
    joined = [name for name in names if len(parts[name]) > 1 and set(parts[name]) <= set(names)]
    if not joined:
        return []
    found = " ".join(sorted({part for name in joined for part in parts[name]}))
    return [
        f"{len(joined)} classes are named as several others together, such as {joined[0]}, and "
        f"count as classes of their own; if an image may have several: --findings {found}"
    ]
