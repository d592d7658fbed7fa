"""What is said of the names of classes: which is positive, which are unknown, which are alike."""

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
    return notes
