"""The manifest.csv of a raw data set: which images it lists, and what is wrong with it."""

import math
import re
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

from data import group_columns
from data.finding_columns import flag_columns
from data.folder_notes import notes_of_folders
from data.geometry import parse_boxes
from data.lesion_columns import with_known_names, with_points
from data.listed_files import ListedFiles
from data.multilabel import LEAST_FINDINGS, Findings, labelled
from data.readers import DataError
from data.samples import COLUMNS, Sample, file_faults, listed_twice
from data.split_columns import splits_told, tells_split
from data.split_words import split_of
from data.tables import Row, read_table
from data.words import NO_CLASS, is_no_class, one_spelling
from errors import one_line

LABEL = re.compile(r"[^/\\.\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*")
OTHER_NAMES = {
    "path": ("file", "filename", "file_name", "image", "image_path", "filepath", "name"),
    "label": ("class", "diagnosis", "target", "category", "y"),
}


def manifest_in(root: Path) -> Path:
    """The manifest of a folder, whether it exists or not, or ``root`` itself where it is one.

    Raises:
        DataError: two whose names differ only in case.
    """
    if root.suffix.lower() == ".csv" or not root.is_dir():
        return root if root.suffix.lower() == ".csv" else root / "manifest.csv"
    try:
        names = sorted(each.name for each in root.iterdir() if each.name.lower() == "manifest.csv")
    except OSError:
        names = []  # looking at its files tells why
    if len(names) > 1:
        raise DataError(f"{root}: got {' and '.join(names)}, wanted one manifest.csv; remove one")
    return root / (names[0] if names else "manifest.csv")


def samples_of(
    manifest: Path, group: str | None, notes: list[str], findings: Findings | None = None
) -> tuple[list[Sample], bool]:
    """The images of a manifest, tied by the widest of its columns that ties them.

    Args:
        manifest: the table.
        group: name of a column that is used instead, or something else that is left alone.
        notes: takes lines that the user should read.
        findings: that a label may name several of; None: a label is one class.

    Returns:
        the images, and whether ``group`` is a column.

    Raises:
        DataError: every fault, a line each.
    """
    rows = [known_names(row) for row in read_table(manifest, manifest.parent)]
    if findings is not None:
        rows = labelled(rows, findings, manifest, notes)
    _check_columns(manifest, rows)
    rows = with_known_names(rows, manifest.parent, notes)
    told = splits_told(rows, manifest, notes)
    rows = [{**row, "split": cell} for row, cell in zip(rows, told, strict=True)]
    samples = []
    faults = []
    files = ListedFiles(manifest.parent)
    for line, row in enumerate(rows, start=2):
        sample, fault = _sample(row, manifest.parent, files)
        samples.append(sample)
        faults += [f"{manifest}, line {line}: {each}" for each in fault]
    faults += _advice(manifest, samples, files) if faults else []
    if len({bool(sample.split) for sample in samples}) > 1:
        faults.append(
            f"{manifest}: some rows have a split and others have none; fill in all or none"
        )
    written = [row["path"] if files.holds(row["path"]) else "" for row in rows]
    faults += listed_twice(
        manifest,
        [(name or each.path, each.label) for name, each in zip(written, samples, strict=True)],
    )
    if faults:
        raise DataError("\n".join(faults))
    spelt = one_spelling([row["label"] for row in rows], notes)
    samples = [
        replace(sample, label=spelt[row["label"]])
        for sample, row in zip(samples, rows, strict=True)
    ]
    notes += _note_of_shared_masks(samples)
    notes += notes_of_folders(samples)
    is_column = group is not None and group in rows[0]
    ties = _ties(rows, samples, group if is_column else None, notes)
    tied = [replace(sample, group=tie) for sample, tie in zip(samples, ties, strict=True)]
    return tied, is_column


def _note_of_shared_masks(samples: list[Sample]) -> list[str]:
    """What is said where one file is the mask of several images."""
    counts = Counter(sample.mask for sample in samples if sample.mask)
    several = sorted(mask for mask, count in counts.items() if count > 1)
    if not several:
        return []
    return [
        f"{len(several)} masks belong to more than one image each, such as {one_line(several[0])} "
        f"to {counts[several[0]]}: is that meant?"
    ]


def known_names(row: Row) -> Row:
    """The row with our names of columns, however they are written."""
    return {name.lower() if name.lower() in COLUMNS else name: cell for name, cell in row.items()}


def _check_columns(manifest: Path, rows: list[Row]) -> None:
    row = rows[0]
    missing = {"path", "label"} - set(row)
    if not missing:
        return
    advice = [
        f"rename {name} to {wanted}"
        for wanted in sorted(missing)
        for name in row
        if name.lower() in OTHER_NAMES[wanted]
    ]
    flags = list(flag_columns(rows)) if "label" in missing else []
    if len(flags) >= LEAST_FINDINGS:
        advice.append(
            "if its columns of 0 and 1 are findings, of which an image may have several: "
            f"--findings {shlex.join(flags)}"
        )
    raise DataError(
        f"{manifest}: no column {', '.join(sorted(missing))}; got {', '.join(row)}"
        + "".join(f"; {each}" for each in advice)
    )


def _advice(manifest: Path, samples: list[Sample], files: ListedFiles) -> list[str]:
    """A line about the first image that is not where its path says, if it lies elsewhere."""
    missing = (each.path for each in samples if not files.holds(each.path))
    advice = files.advice(next(missing, ""))
    return [f"{manifest}: {advice}"] if advice else []


def _sample(row: Row, root: Path, files: ListedFiles) -> tuple[Sample, list[str]]:
    """A row's image, and what is wrong with the row."""
    given = row.get("split", "").strip()
    sample = replace(
        Sample.from_row(row),
        path=files.named(row["path"]),
        mask=files.named(row.get("mask", "")),
        label=row["label"].strip(),
        split=split_of(given),
        pixel_spacing_mm=with_points(row.get("pixel_spacing_mm", ""), 1),
        lesion_boxes_xyxy=with_points(row.get("lesion_boxes_xyxy", ""), 4),
    )
    faults = []
    try:
        parse_boxes(sample.lesion_boxes_xyxy)
    except DataError as error:
        faults.append(str(error))
    if given and not sample.split:
        faults.append(f"got split {given!r}, wanted train, val or test")
    if fault := _fault_of_spacing(sample.pixel_spacing_mm):
        faults.append(fault)
    faults += file_faults(sample, root)
    if not LABEL.fullmatch(sample.label):
        faults.append(f"got label {sample.label!r}, wanted a name that a folder can have")
    elif is_no_class(sample.label):
        faults.append(f"got label {sample.label!r}, {NO_CLASS}")
    return sample, faults


def _fault_of_spacing(text: str) -> str:
    """What is wrong with a pixel spacing; empty where it is none or right."""
    numbers = re.split(r"[\s;\\]+", text.strip()) if text.strip() else []
    try:
        are_right = len(numbers) < 3 and all(0 < float(number) < math.inf for number in numbers)
    except ValueError:
        are_right = False
    return "" if are_right else f"got the pixel spacing {text!r}, wanted one or two numbers in mm"


def _ties(rows: list[Row], samples: list[Sample], group: str | None, notes: list[str]) -> list[str]:
    labels = [sample.label for sample in samples]
    names = [name for name in rows[0] if not tells_split(row.get(name, "") for row in rows)]
    columns = {"group": group} if group else group_columns.columns_among(names)
    values: group_columns.Values = {
        level: [row.get(column, "").strip() for row in rows] for level, column in columns.items()
    }
    if not group:
        values = group_columns.without_classes(values, labels, columns, notes)
    return group_columns.groups_of(values, labels, columns, notes)
