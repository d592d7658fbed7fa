"""Finding the images of a data set as people keep them, with label, split, group and lesions."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from data import group_columns, manifest, tree
from data.dicom_header import header_of
from data.layout import Layout
from data.multilabel import Findings
from data.patient_folders import patients_within
from data.patient_names import note_of_names
from data.readers import DataError, is_dicom
from data.refusals import (
    refuse_copied,
    refuse_joined,
    refuse_patients,
    refuse_spare,
    too_few_classes,
)
from data.samples import Sample
from data.spare_folders import note_of_spare_inside
from data.tree import is_image as is_image
from data.words import NO_CLASS, LeftOut, is_no_class, is_normal, one_spelling
from data.workers import on_all_cores
from errors import one_line

FEW = 300  # images for which starting processes takes longer than the work
MASKS_OF_LOST = "which are masks of images that are left out"
UNLISTED = "which the manifest does not list"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
DICOM_NAMES = {
    "patient": "PatientID",
    "subject": "PatientName",
    "study": "StudyInstanceUID",
    "frame of reference": "FrameOfReferenceUID",
}
Result = TypeVar("Result")


def find(
    root: Path, group: str | None, notes: list[str], findings: Findings | None = None
) -> tuple[Path, list[Sample], bool]:
    """The images below ``root``, as its manifest.csv or its folders name them.

    Without a manifest these are split folders of class folders, or class folders.

    Args:
        root: a folder, or a manifest file.
        group: name of a manifest column, or a regular expression over relative paths (its first
            bracket, else the whole match, names the group).
        notes: takes lines that the user should read: what ties images, and what is left out.
        findings: that a label may name several of; None: a label is one class.

    Returns:
        the folder of the data set; its images by path, with masks and boxes as they are in the
        files; and whether they lie in plain class folders, as exported, with text burned into their
        borders.

    Raises:
        DataError: nothing found, or every fault of the manifest, a line each.
    """
    table = manifest.manifest_in(root)
    _check_root(root, table)
    listed = table.exists() or table.is_symlink()
    if listed:
        samples, is_column = manifest.samples_of(table, group, notes, findings)
        group = None if is_column else group
        _note_unlisted(table, samples, notes)
    elif findings is not None:
        raise DataError(
            f"{root}: got no manifest.csv, which findings need: a class folder holds one label; "
            "wanted a table of path and label, such as a.png,calcified;stent"
        )
    else:
        samples = _from_folders(root, notes)
    samples = _tied_by_headers(samples, table.parent, notes)
    if not listed and group is None:
        samples = _tied_by_folders(samples, notes)
    if group is None:
        notes += note_of_names(sample.path for sample in samples if not sample.group)
    else:
        samples = _grouped_by_pattern(samples, group, notes)
    notes += _note_healthy_lesions(samples)
    plain = not listed and not any(sample.split for sample in samples)
    return table.parent, sorted(samples, key=lambda sample: sample.path), plain


def _check_root(root: Path, table: Path) -> None:
    if not root.exists():
        raise DataError(
            f"{root}: no such folder; --Path is the folder that holds the class folders"
        )
    if root.is_file() and table != root:
        raise DataError(
            f"{root}: is a file; --Path is a folder of class folders, or a manifest ending in .csv"
        )
    annotations = [*root.glob("*/annotations/*.json"), *root.glob("*/*/annotations/*.json")]
    if any(_holds(file.parents[1], {"annotations", "images"}) for file in annotations):
        raise DataError(
            f"{root}: holds COCO annotations as ARCADE is downloaded; first turn it into "
            f"labelled windows: python -m data.arcade --Path {root} --OUTPUT windows"
        )


def _holds(folder: Path, names: set[str]) -> bool:
    """Whether a folder holds nothing but these, and what is hidden."""
    return {each.name for each in folder.iterdir() if not each.name.startswith(".")} <= names


def each(work: Callable[[Sample], Result], samples: list[Sample], title: str) -> list[Result]:
    """What ``work`` gives for each image, on all cores unless they are few."""
    if len(samples) < FEW:
        return [work(sample) for sample in samples]
    return on_all_cores(work, samples, title, 16)


def _from_folders(root: Path, notes: list[str]) -> list[Sample]:
    found = tree.look(root)
    faults = [
        f"{str(root / name)!a} is no usable name; rename the file"
        for name in found.images
        if CONTROL.search(name)
    ]
    if faults:
        raise DataError("\n".join(faults))
    layout = Layout(found.images)
    if layout.fault:
        raise DataError(f"{root}: {layout.fault}")
    spelling = [place.label for place in layout.places.values()]
    spelt = one_spelling(spelling, notes)
    for label in filter(is_no_class, spelt.values()):
        raise DataError(f"{root}: got a class folder {label}/, {NO_CLASS}")
    if len(set(spelt.values())) < 2:
        raise DataError(too_few_classes(root, found, layout))
    refuse_joined(root, layout.labels)
    refuse_patients(root, found, layout)
    refuse_copied(root, set(spelt.values()))
    refuse_spare(root, layout.labels)
    samples = [
        Sample(name, place.split, spelt[place.label], place.patient, mask=found.masks[name])
        for name, place in layout.places.items()
    ]
    notes += layout.notes
    if masks := sorted(sample.mask for sample in samples if sample.mask):
        notes.append(f"{len(masks)} masks beside images are used as theirs, such as {masks[0]}")
    lost = [mask for name, mask in found.masks.items() if mask and name not in layout.places]
    layout.left_out.add(MASKS_OF_LOST, lost)
    notes += note_of_spare_inside({sample.path: sample.label for sample in samples})
    if found.empty:
        example = one_line(found.empty[0])
        notes.append(f"{len(found.empty)} folders are empty, such as {example}, and are no classes")
    notes += found.left_out.lines()
    notes += layout.left_out.lines()
    return samples


def _note_healthy_lesions(samples: list[Sample]) -> list[str]:
    """What is said where all lesions that are known lie in normal images."""
    boxed = [sample for sample in samples if sample.lesion_boxes_xyxy.strip()]
    if not boxed or not all(is_normal(sample.label) for sample in boxed):
        return []
    return [
        f"all {len(boxed)} images with lesion boxes are {boxed[0].label}, such as "
        f"{one_line(boxed[0].path)}: are labels or boxes exchanged?"
    ]


def _note_unlisted(table: Path, samples: list[Sample], notes: list[str]) -> None:
    """Say which files of the folder no row of the manifest names: images, and what is none."""
    named = {str(Path(name)) for sample in samples for name in (sample.path, sample.mask) if name}
    found = tree.look(table.parent)
    unlisted = LeftOut()
    files = [*found.images, *filter(None, found.masks.values())]
    named.add(table.name)
    columns = _other_columns(samples)
    for name in files:
        if name in columns and name not in named:
            unlisted.add(f"which the manifest names in column {columns[name]} alone", [name])
    named |= columns.keys()
    for reason, names in [(UNLISTED, files), *found.left_out.files.items()]:
        unlisted.add(reason, [name for name in names if name not in named])
    notes += unlisted.lines()


def _other_columns(samples: list[Sample]) -> dict[str, str]:
    """Columns that are not read, by the values in them, as paths."""
    return {
        str(Path(value)): column
        for sample in samples
        for column, value in sample.more.items()
        if value
    }


def _tied_by_headers(samples: list[Sample], folder: Path, notes: list[str]) -> list[Sample]:
    """DICOM images that nothing ties yet, tied by patient, study or frame of reference."""
    numbers = [
        number
        for number, sample in enumerate(samples)
        if not sample.group and is_dicom(folder / sample.path)
    ]
    if not numbers:
        return samples
    headers = [header_of(folder / samples[number].path) for number in numbers]
    values: group_columns.Values = {
        "patient": [header.patient for header in headers],
        "subject": [header.name for header in headers],
        "study": [header.study for header in headers],
        "frame of reference": [header.frame_of_reference for header in headers],
    }
    labels = [samples[number].label for number in numbers]
    values = group_columns.without_classes(values, labels, DICOM_NAMES, notes)
    ties = group_columns.groups_of(values, labels, DICOM_NAMES, notes)
    tied = list(samples)
    for number, tie in zip(numbers, ties, strict=True):
        tied[number] = replace(samples[number], group=tie)
    return tied


def _tied_by_folders(samples: list[Sample], notes: list[str]) -> list[Sample]:
    """Images that nothing ties yet, tied by the patients' folders within those of classes."""
    ties = patients_within({each.path: each.label for each in samples if not each.group}, notes)
    return [replace(each, group=each.group or ties.get(each.path, "")) for each in samples]


def _grouped_by_pattern(samples: list[Sample], pattern: str, notes: list[str]) -> list[Sample]:
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise DataError(
            f"--group: {pattern!r} is no manifest column and no regular expression: {error}"
        ) from None
    matches = [regex.search(sample.path) for sample in samples]
    unmatched = matches.count(None)
    if unmatched == len(samples):
        raise DataError(f"--group: {pattern!r} matches no path, such as {samples[0].path}")
    if unmatched:
        notes.append(
            f"--group: {unmatched} of {len(samples)} paths do not match {pattern!r}; "
            "each stands alone"
        )
    bracket = 1 if regex.groups else 0
    ties = [match[bracket] if match else "" for match in matches]
    return [
        replace(sample, group=tie or sample.group)
        for sample, tie in zip(samples, ties, strict=True)
    ]
