"""Folders of patients within the folders of classes, as in normal/P001/view1.png."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath

from data.layout import MANY
from data.patient_names import note_of_runs, runs_of
from data.split_words import PATIENT, split_of
from metrics.names import canonical

YEAR = re.compile(r"(19|20)\d\d")


def patients_within(labels: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    """For each image that lies in a patient's folder within its class folder, that folder's name.

    Of folders one in another those count that look like names of patients, else the outermost of
    which each class has many of its own.

    Args:
        labels: for each image, as a path within the data set, its class.
        notes: takes what the folders were taken for.
    """
    inner = {name: _within(name, label) for name, label in labels.items()}
    deepest = max(map(len, inner.values()), default=0)
    levels = [
        {name: parts[depth] for name, parts in inner.items() if len(parts) > depth}
        for depth in range(deepest)
    ]
    named = [level for level in levels if _are_named(level)]
    many = [level for level in levels if _are_many(level, labels)]
    chosen = next(iter([*named, *many]), None)
    if chosen is None:
        _note_others(levels, notes)
        return {}
    name = min(chosen)
    notes.append(
        f"folders within class folders, such as {chosen[name]} of {name}, are taken for a patient "
        "each: their images stay on one side of the split"
    )
    runs = runs_of(set(chosen.values()))
    notes += note_of_runs(runs)
    return {name: canonical(runs.get(part, part)) for name, part in chosen.items()}


def _are_named(level: Mapping[str, str]) -> bool:
    """Whether all folders have names of patients, and not just the numbers of years."""
    names = set(level.values())
    return all(map(PATIENT.fullmatch, names)) and not all(map(YEAR.fullmatch, names))


def _are_many(level: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether each class has many folders, most of them of its own: what all have are views."""
    classes = defaultdict(set)
    for name, part in level.items():
        classes[canonical(part)].add(labels[name])
    held = Counter(label for found in classes.values() for label in found)
    shared = sum(len(found) > 1 for found in classes.values())
    return min(held.values()) > MANY and 2 * shared < len(classes)


def _within(name: str, label: str) -> list[str]:
    """The folders between the class folder of an image and its file, without those of splits."""
    parts = PurePosixPath(name).parts[:-1]
    spelt = [" ".join(part.casefold().split()) for part in parts]
    same = " ".join(label.casefold().split())
    start = len(parts) - spelt[::-1].index(same) if same in spelt else len(parts)
    return [part for part in parts[start:] if not split_of(part)]


def _note_others(levels: list[dict[str, str]], notes: list[str]) -> None:
    several = [level for level in levels if len(set(level.values())) > 1]
    if several:
        name = min(several[0])
        notes.append(
            f"folders within class folders, such as {several[0][name]} of {name}, are taken for "
            "no patients; if they are, --group ties them"
        )
