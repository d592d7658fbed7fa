"""Finding the images of a data set, with label, split, group, boxes and mask, as people keep them."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from data.geometry import Box, parse_boxes
from data.processed import COLUMNS, NORMAL_NAMES, POSITIVE_NAMES, read_table
from data.readers import SUFFIXES, DataError

SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
CLASS_NAMES = {*NORMAL_NAMES, *POSITIVE_NAMES, "1"}  # a lone one is a class, not a folder around classes
GROUP_COLUMNS = ("group", "patient", "patient_id", "vessel", "frame", "study")


@dataclass(frozen=True)
class Source:
    """One image to prepare. ``group`` ties images that belong together; empty: nothing known."""

    path: Path
    name: str  # relative to the folder of the data set, with forward slashes
    label: str
    split: str = ""
    group: str = ""
    boxes: list[Box] = field(default_factory=list)
    mask: Path | None = None
    pixel_spacing_mm: str = ""
    more: dict[str, str] = field(default_factory=dict)


def find(root: Path, group: str | None, notes: list[str]) -> list[Source]:
    """The images below ``root``: from its manifest.csv, else split folders of classes, else class folders.

    Args:
        root: a folder, or a manifest file.
        group: name of a manifest column, or a regular expression over relative paths (its first bracket, else
            the whole match, names the group).
        notes: takes lines that the user should read.

    Raises:
        DataError: nothing found, or every fault of the manifest, a line each.
    """
    manifest = root if root.suffix.lower() == ".csv" else root / "manifest.csv"
    if not root.exists():
        raise DataError(f"{root}: no such folder; --Path is the folder that holds the class folders")
    if root.is_file() and manifest != root:
        raise DataError(f"{root}: is a file; --Path is a folder of class folders, or a manifest ending in .csv")
    if any(root.glob("*/*/annotations/*.json")) or any(root.glob("*/annotations/*.json")):
        raise DataError(f"{root}: holds COCO annotations as ARCADE is downloaded; first turn it into labelled windows: "
                        f"python -m data.arcade --Path {root} --OUTPUT windows")  # fmt: skip
    if manifest.is_file():
        sources = _from_manifest(manifest, group, notes)
        group = None if group in read_table(manifest)[0] else group
    else:
        sources = _from_folders(root, notes)
    if group is not None:
        sources = _grouped_by_pattern(sources, group, notes)
    return sorted(sources, key=lambda source: source.name)


def _from_manifest(manifest: Path, group: str | None, notes: list[str]) -> list[Source]:
    root, rows, sources, faults = manifest.parent, read_table(manifest), [], []
    missing = {"path", "label"} - set(rows[0])
    if missing:
        raise DataError(f"{manifest}: no column {', '.join(sorted(missing))}; got {', '.join(rows[0])}")
    column = group if group in rows[0] else next((name for name in GROUP_COLUMNS if name in rows[0]), "")
    if column:
        notes.append(f"images with the same {column} stay on one side of the split")
    for line, row in enumerate(rows, start=2):
        path, given = root / row["path"], row.get("split", "")
        split = SPLIT_NAMES.get(given.lower(), "")
        mask = root / row["mask"] if row.get("mask") else None
        try:
            boxes = parse_boxes(row.get("lesion_boxes_xyxy", ""))
        except ValueError as error:
            faults.append(f"{manifest}, line {line}: {error}")
            continue
        if bool(given) != bool(split):
            faults.append(f"{manifest}, line {line}: got split {given!r}, wanted train, val or test")
        for file in filter(None, (path, mask)):
            if not file.resolve().is_relative_to(root.resolve()):
                faults.append(f"{manifest}, line {line}: {file} lies outside {root}; nothing there is read")
            elif not file.is_file():
                faults.append(f"{manifest}, line {line}: no such file {file}")
        if not re.fullmatch(r"[^/\\.][^/\\]*", row["label"]):
            faults.append(f"{manifest}, line {line}: got label {row['label']!r}, wanted a name that a folder can have")
        more = {name: value for name, value in row.items() if name not in COLUMNS}
        tie, spacing = row.get(column, ""), row.get("pixel_spacing_mm", "")
        sources.append(Source(path, row["path"], row["label"], split, tie, boxes, mask, spacing, more))
    if any(source.split for source in sources) and not all(source.split for source in sources):
        faults.append(f"{manifest}: some rows have a split and others have none; fill in all or none")
    doubled = [name for name, count in Counter(source.name for source in sources).items() if count > 1]
    faults += [f"{manifest}: {name} is listed more than once" for name in doubled]
    if faults:
        raise DataError("\n".join(faults))
    return sources


def _images(folder: Path) -> list[Path]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        path
        for path in files
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
    ]


def _from_folders(root: Path, notes: list[str]) -> list[Source]:
    splits = {
        child: SPLIT_NAMES[child.name.lower()] for child in _with_images(root) if child.name.lower() in SPLIT_NAMES
    }
    if "train" in splits.values():
        return [source for folder, split in splits.items() for source in _from_classes(folder, split, root, notes)]
    return _from_classes(root, "", root, notes)


def _with_images(folder: Path) -> list[Path]:
    return [child for child in sorted(folder.iterdir()) if child.is_dir() and _images(child)]


def _from_classes(folder: Path, split: str, root: Path, notes: list[str]) -> list[Source]:
    classes = _with_images(folder)
    while len(classes) == 1 and classes[0].name.lower() not in CLASS_NAMES and _with_images(classes[0]):
        classes = _with_images(classes[0])
    if len(classes) < 2:
        found = f"only {classes[0].name}/" if classes else "none"
        raise DataError(f"{folder}: wanted a folder with images for each class, such as normal/ and abnormal/; "
                        f"got {found}. Image files end in {', '.join(SUFFIXES)}")  # fmt: skip
    loose = [path for path in classes[0].parent.iterdir() if path.suffix.lower() in SUFFIXES]
    if loose:
        notes.append(
            f"{classes[0].parent}: {len(loose)} images beside the class folders have no label and are left out"
        )
    return [
        Source(path, path.relative_to(root).as_posix(), child.name, split)
        for child in classes
        for path in _images(child)
    ]


def _grouped_by_pattern(sources: list[Source], pattern: str, notes: list[str]) -> list[Source]:
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise DataError(f"--group: {pattern!r} is no manifest column and no regular expression: {error}") from None
    grouped, unmatched = [], 0
    for source in sources:
        match = regex.search(source.name)
        unmatched += match is None
        tie = (match.group(1) if regex.groups else match.group(0)) if match else ""
        grouped.append(Source(**{**vars(source), "group": tie or source.group}))
    if unmatched == len(sources):
        raise DataError(f"--group: {pattern!r} matches no path, such as {sources[0].name}")
    if unmatched:
        notes.append(f"--group: {unmatched} of {len(sources)} paths do not match {pattern!r}; each stands alone")
    return grouped
