"""Finding the images of a data set as people keep them, with label, split, group and lesions."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from data.geometry import parse_boxes
from data.processed import NORMAL_NAMES, POSITIVE_NAMES
from data.readers import SUFFIXES, DataError, fault_of
from data.samples import Sample, file_faults
from data.tables import read_table
from data.workers import on_all_cores

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
# a folder with one of these names that stands alone is a class, not a folder around classes
CLASS_NAMES = {*NORMAL_NAMES, *POSITIVE_NAMES, "1"}
GROUP_COLUMNS = ("group", "patient", "patient_id", "vessel", "frame", "study")
FEW = 300  # images for which starting processes takes longer than the work
Result = TypeVar("Result")


def find(root: Path, group: str | None, notes: list[str]) -> tuple[Path, list[Sample], bool]:
    """The images below ``root``, as its manifest.csv or its folders name them.

    Without a manifest these are split folders of class folders, or class folders.

    Args:
        root: a folder, or a manifest file.
        group: name of a manifest column, or a regular expression over relative paths (its first
            bracket, else the whole match, names the group).
        notes: takes lines that the user should read.

    Returns:
        the folder of the data set; its images by path, with masks and boxes as they are in the
        files; and whether they lie in plain class folders, as exported, with text burned into their
        borders.

    Raises:
        DataError: nothing found, or every fault of the manifest, a line each.
    """
    manifest = root if root.suffix.lower() == ".csv" else root / "manifest.csv"
    _check_root(root, manifest)
    if manifest.is_file():
        rows = read_table(manifest)
        column = next((name for name in (group, *GROUP_COLUMNS) if name in rows[0]), "")
        if column:
            notes.append(f"images with the same {column} stay on one side of the split")
        samples = _from_manifest(manifest, rows, column)
        group = None if group == column else group
    else:
        samples = _from_folders(root, notes)
    if group is not None:
        samples = _grouped_by_pattern(samples, group, notes)
    plain = not manifest.is_file() and not samples[0].split
    return manifest.parent, sorted(samples, key=lambda sample: sample.path), plain


def _check_root(root: Path, manifest: Path) -> None:
    if not root.exists():
        raise DataError(
            f"{root}: no such folder; --Path is the folder that holds the class folders"
        )
    if root.is_file() and manifest != root:
        raise DataError(
            f"{root}: is a file; --Path is a folder of class folders, or a manifest ending in .csv"
        )
    if any(root.glob("*/*/annotations/*.json")) or any(root.glob("*/annotations/*.json")):
        raise DataError(
            f"{root}: holds COCO annotations as ARCADE is downloaded; first turn it into "
            f"labelled windows: python -m data.arcade --Path {root} --OUTPUT windows"
        )


def each(work: Callable[[Sample], Result], samples: list[Sample], title: str) -> list[Result]:
    """What ``work`` gives for each image, on all cores unless they are few."""
    if len(samples) < FEW:
        return [work(sample) for sample in samples]
    return on_all_cores(work, samples, title, 16)


def is_image(path: Path, folder: Path) -> bool:
    """Whether a file below ``folder`` is an image of its own.

    It is not hidden, no mask, and not what data.prepare draws.
    """
    inside = path.parts[len(folder.parts) :]
    left_out = any(part == "masks" or part.startswith((".", "__MACOSX")) for part in inside)
    named = path.suffix.lower() in SUFFIXES and path.name != "contact_sheet.png"
    return named and not left_out and path.is_file()


def _from_manifest(manifest: Path, rows: list[dict[str, str]], column: str) -> list[Sample]:
    """The images of a manifest, grouped by ``column``. DataError: every fault, a line each."""
    missing = {"path", "label"} - set(rows[0])
    if missing:
        raise DataError(
            f"{manifest}: no column {', '.join(sorted(missing))}; got {', '.join(rows[0])}"
        )
    samples = []
    faults = []
    for line, row in enumerate(rows, start=2):
        given = row.get("split", "")
        split = SPLIT_NAMES.get(given.lower(), "")
        sample = replace(Sample.from_row(row), split=split, group=row.get(column, ""))
        samples.append(sample)
        for fault in _row_faults(sample, given, manifest.parent):
            faults.append(f"{manifest}, line {line}: {fault}")
    if len({bool(sample.split) for sample in samples}) > 1:
        faults.append(
            f"{manifest}: some rows have a split and others have none; fill in all or none"
        )
    for name, count in Counter(sample.path for sample in samples).items():
        if count > 1:
            faults.append(f"{manifest}: {name} is listed more than once")
    if faults:
        raise DataError("\n".join(faults))
    return samples


def _row_faults(sample: Sample, given_split: str, root: Path) -> list[str]:
    faults = []
    try:
        parse_boxes(sample.lesion_boxes_xyxy)
    except DataError as error:
        faults.append(str(error))
    if given_split and not sample.split:
        faults.append(f"got split {given_split!r}, wanted train, val or test")
    faults += file_faults(sample, root)
    if not re.fullmatch(r"[^/\\.][^/\\]*", sample.label):
        faults.append(f"got label {sample.label!r}, wanted a name that a folder can have")
    return faults


def _from_folders(root: Path, notes: list[str]) -> list[Sample]:
    splits = {child: SPLIT_NAMES.get(child.name.lower(), "") for child in _with_images(root)}
    if "train" not in splits.values():
        return _from_classes(root, "", root, notes)
    samples = []
    for child, split in splits.items():
        if split:
            samples += _from_classes(child, split, root, notes)
    return samples


def _with_images(folder: Path) -> list[Path]:
    """The folders right in this one that hold images at any depth."""
    folders = [child for child in sorted(folder.iterdir()) if child.is_dir()]
    return [child for child in folders if any(is_image(path, folder) for path in child.rglob("*"))]


def _from_classes(folder: Path, split: str, root: Path, notes: list[str]) -> list[Sample]:
    classes = _classes_below(folder)
    around = classes[0].parent
    loose = sum(is_image(path, around) for path in around.iterdir())
    if loose:
        notes.append(
            f"{around}: {loose} images beside the class folders have no label and are left out"
        )
    images = [
        (path, child.name)
        for child in classes
        for path in child.rglob("*")
        if is_image(path, child)
    ]
    faults = [fault_of(path, root) for path, _ in images]
    if any(faults):
        raise DataError("\n".join(filter(None, faults)))
    return [Sample(path.relative_to(root).as_posix(), split, label) for path, label in images]


def _classes_below(folder: Path) -> list[Path]:
    """The class folders, in this folder or in the lone folders below it."""
    classes = _with_images(folder)
    while len(classes) == 1 and classes[0].name.lower() not in CLASS_NAMES:
        below = _with_images(classes[0])
        if not below:
            break
        classes = below
    if len(classes) < 2:
        found = f"only {classes[0].name}/" if classes else "none"
        raise DataError(
            f"{folder}: wanted a folder with images for each class, such as normal/ and abnormal/; "
            f"got {found}. Image files end in {', '.join(SUFFIXES)}"
        )
    return classes


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
