"""Why the folders of a data set are refused: they would become classes that they are not."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from data.dicom_header import header_of
from data.layout import Layout
from data.readers import SUFFIXES, DataError, is_dicom
from data.spare_folders import copied_class, is_spare
from data.split_words import PATIENT, split_of
from data.tree import Tree
from data.words import letters, meaning_of
from errors import one_line

TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods")
SAME = 3  # folders that mean normal: they are no classes
MANY_CLASSES = 10  # folders of which none has a known name for a class
LABEL_THEM = (
    "put the files into a folder for each class, or name the class of each in a manifest.csv "
    "with the columns path and label"
)


def refuse_patients(root: Path, found: Tree, layout: Layout) -> None:
    """Raise DataError where the folders are those of patients, and would become classes."""
    labels = layout.labels
    are_normal = [label for label in labels if meaning_of(label) == "normal"]
    if len(are_normal) < SAME and any(map(meaning_of, labels)):
        return
    names = (name for files in found.left_out.files.values() for name in files)
    is_export = any(name.upper().endswith("DICOMDIR") for name in names)
    patients = _patients_of(root, found.images)
    are_patients = all(map(PATIENT.fullmatch, labels)) or all(
        letters(place.label) == letters(patients.get(name, "")) != ""
        for name, place in layout.places.items()
    )
    if is_export or len(labels) > MANY_CLASSES or are_patients or len(are_normal) >= SAME:
        raise DataError(
            f"{root}: wanted a folder for each class, such as normal/ and abnormal/; got "
            f"{_dicom_told(patients)}{len(labels)} folders such as {min(labels)}, which look like "
            f"patients; {LABEL_THEM}"
        )


def refuse_joined(root: Path, labels: Iterable[str]) -> None:
    """Raise DataError where folders such as train_normal tell a split and a class at once."""
    joined = []
    for label in sorted(labels):
        words = re.split(r"[\W_]+", label)
        splits = [word for word in words if split_of(word)]
        rest = "_".join(word for word in words if word not in splits)
        if splits and rest and meaning_of(rest):
            joined.append((label, f"{splits[0]}/{rest}"))
    if len(joined) > 1:
        label, wanted = joined[0]
        raise DataError(
            f"{root}: got {len(joined)} folders such as {label}, which name a split and a class at "
            f"once; wanted one folder in the other, such as {wanted}"
        )


def refuse_copied(root: Path, labels: Collection[str]) -> None:
    """Raise DataError where a folder such as normal (1) is a copy of a class by its name."""
    copy, original = copied_class(labels)
    if not copy:
        return
    name = one_line(original)
    is_there = original in labels
    advice = f"merge it into {name}/ or remove it" if is_there else f"rename it to {name}/"
    raise DataError(
        f"{root}: got a folder {one_line(copy)}/, which looks like a copy of the class {name}; "
        f"{advice}, or, if it is a class of its own, give it a name of its own"
    )


def refuse_spare(root: Path, labels: Iterable[str]) -> None:
    """Raise DataError where a folder such as backup would be a class beside others.

    Beside known classes it is left out. Where all folders are such, as old and new, they are
    classes.
    """
    names = sorted(set(labels))
    spare = [name for name in names if is_spare(name)]
    others = [name for name in names if not is_spare(name)]
    if spare and others and not any(map(meaning_of, names)):
        raise DataError(
            f"{root}: got a folder {one_line(spare[0])}/ beside {one_line(others[0])}/; by its "
            "name it is no class; move it away, or, if it is one, give it another name"
        )


def too_few_classes(root: Path, found: Tree, layout: Layout) -> str:
    """The error where the folders make less than two classes: what is there, and what to do."""
    labels = sorted(layout.labels)
    got = f"only {labels[0]}/" if labels else "none"
    told = "".join(f"; {line}" for line in [*layout.left_out.lines(), *found.left_out.lines()])
    dicom = _dicom_told(_patients_of(root, found.images))
    advice = (
        LABEL_THEM
        if dicom
        else f"image files are {', '.join(SUFFIXES)}, DICOM files also without a suffix"
    )
    return (
        f"{root}: wanted a folder with images for each class, such as normal/ and abnormal/; "
        f"got {dicom}{got}; {advice}{told}{_tables_told(found)}"
    )


def _tables_told(found: Tree) -> str:
    """What to do with a table that is no manifest.csv, such as train/_classes.csv."""
    names = sorted(name for files in found.left_out.files.values() for name in files)
    tables = [name for name in names if Path(name).suffix.lower() in TABLES]
    tables.sort(key=lambda name: name.count("/"))
    if not tables:
        return ""
    return (
        f"; if {one_line(tables[0])} holds the labels, save it as manifest.csv with the columns "
        "path and label"
    )


def _patients_of(root: Path, images: list[str]) -> dict[str, str]:
    """The patient of each image, where all are DICOM files."""
    if not all(is_dicom(root / name) for name in images):
        return {}
    return {name: header_of(root / name).patient for name in images}


def _dicom_told(patients: dict[str, str]) -> str:
    if not patients:
        return ""
    count = len(set(patients.values()) - {""})
    return f"{len(patients)} DICOM images of {count or 'unknown'} patients, no classes: "
