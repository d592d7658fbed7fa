"""The ProcessedFolder: grey .npy images under split/class/, manifest.csv and dataset.json."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import errors
from data import tree
from data.boxes import check_inside
from data.dataset_info import Info, read_info, write_info
from data.multilabel import LEAST_FINDINGS, Findings, is_name
from data.readers import DataError, as_grey, check_size, fault_of
from data.samples import COLUMNS, SPLITS, Processed, Sample, file_faults, identity, listed_twice
from data.split_words import split_of
from data.tables import Row, read_table, write_table
from data.words import NORMAL_NAMES, POSITIVE_NAMES, is_normal, is_positive

__all__ = [
    "COLUMNS",
    "NORMAL_NAMES",
    "POSITIVE_NAMES",
    "SPLITS",
    "Processed",
    "Sample",
    "load",
    "order_classes",
    "statistics",
    "write",
]

FIRST_VERSION_CLASSES = {"0": "normal", "1": "abnormal"}
MOST_SHOWN = 12  # folds in an error


def order_classes(names: set[str], positive: str | None) -> list[str]:
    """Class names in index order: a known normal one first, the positive one last.

    Raises:
        DataError: fewer than two classes, or ``positive`` is none of them.
    """
    if len(names) < 2:
        raise DataError(
            f"got {'the class ' + ', '.join(names) if names else 'no class'}, wanted two or more: "
            "a folder for each, such as normal/ and abnormal/"
        )
    if positive is not None and positive not in names:
        raise DataError(f"--positive: got {positive}, wanted one of: {', '.join(sorted(names))}")
    ordered = sorted(
        names,
        key=lambda name: (not is_normal(name), is_positive(name), name),
    )
    last = positive or ordered[-1]
    return [*(name for name in ordered if name != last), last]


def statistics(images: list[NDArray]) -> tuple[float, float]:
    """Mean and standard deviation of all pixels of stored images of one size, grey range 0 to 1."""
    means = []
    squares = []
    for image in images:
        scale = 255.0 if image.dtype == np.uint8 else 1.0
        means.append(image.mean(dtype=np.float64) / scale)
        squares.append((image.astype(np.float64) ** 2).mean() / scale**2)
    mean = float(np.mean(means))
    return mean, math.sqrt(max(float(np.mean(squares)) - mean**2, 1e-6))


def write(folder: Path, samples: list[Sample], info: Info) -> None:
    """Write dataset.json, then manifest.csv, without which a folder is not complete."""
    write_info(info, folder / "dataset.json")
    more = sorted({column for sample in samples for column in sample.more})
    rows = [sample.as_row() for sample in samples]
    write_table(folder / "manifest.csv", rows, [*COLUMNS, *more])


def load(folder: Path, for_training: bool = True) -> Processed:
    """Read a ProcessedFolder and check it.

    One of the first published form (train/0, val/1, no manifest) is read too.

    Args:
        folder: where it lies.
        for_training: whether it has to have train and val; a set for testing alone has neither.

    Raises:
        DataError: every fault found, a line each: missing files and splits, classes, shapes, types,
            NaN, range, boxes; rows of one file, words for splits, folds; images that are not
            listed.
    """
    info: Info = {}
    faults: list[str] = []
    manifest = folder / "manifest.csv"
    if manifest.exists() or manifest.is_symlink():
        samples = [_from_row(row) for row in read_table(manifest, folder)]
        info = read_info(folder / "dataset.json")
        faults += listed_twice(manifest, [(sample.path, sample.label) for sample in samples])
        faults += _fold_faults(samples, manifest)
    else:
        samples = _without_manifest(folder)
    samples.sort(key=lambda sample: sample.path)
    names = info.get("class_names") or order_classes({sample.label for sample in samples}, None)
    if info.get("multilabel"):
        samples, unread = _with_findings(samples, names, manifest)
        faults += unread
    processed = Processed(folder, samples, names, info)
    faults += _missing_classes(processed) if for_training else []
    faults += _unlisted(processed, bool(info))
    for sample in samples:
        faults += _faults_of(sample, processed)
    if len(faults) == 1 and not processed.of("train"):
        raise DataError(faults[0])
    if faults:
        raise DataError("\n".join([f"{folder}: {len(faults)} faults", *faults]))
    return processed


def _from_row(row: Row) -> Sample:
    """A row's image; Train is train for its split, and 4.0 is 4 for its fold, as pandas writes."""
    sample = Sample.from_row(row)
    fold = sample.fold.strip()
    try:
        number = float(fold)
    except ValueError:  # told by _fold_faults, as is a fraction
        number = math.nan
    if number.is_integer():
        fold = str(int(number))
    return replace(sample, split=split_of(sample.split) or sample.split, fold=fold)


def _with_findings(
    samples: Sequence[Sample], names: list[str], manifest: Path
) -> tuple[list[Sample], list[str]]:
    """The images with their findings in the order of the names, and what is wrong with labels."""
    if len(names) < LEAST_FINDINGS or not all(map(is_name, names)):
        raise DataError(
            f"{manifest.with_name('dataset.json')}: got multilabel and the class_names "
            f"{', '.join(names)}, wanted findings; prepare the folder again"
        )
    findings = Findings(names)
    read, faults = [], []
    for sample in samples:
        try:
            read.append(replace(sample, label=findings.read(sample.label)))
        except DataError as error:
            read.append(sample)
            faults.append(f"{manifest}: {sample.path}: got {error}; wanted {', '.join(names)}")
    return read, faults


def _fold_faults(samples: Sequence[Sample], manifest: Path) -> list[str]:
    """What is wrong with the folds: images would be left out of cross-validation unsaid."""
    folds = {sample.fold for sample in samples} - {""}
    if not folds:
        return []
    faults = []
    lacking = [each.path for each in samples if each.split in ("train", "val") and not each.fold]
    if lacking:
        faults.append(
            f"{manifest}: {len(lacking)} images of train and val have no fold, such as "
            f"{lacking[0]}; give a fold to each of them, or empty the whole column"
        )
    tested = [sample.path for sample in samples if sample.split == "test" and sample.fold]
    if tested:
        faults.append(
            f"{manifest}: {len(tested)} images of test have a fold, such as {tested[0]}; empty "
            "its cell, for cross-validation would train on it"
        )
    if folds != {str(number) for number in range(len(folds))}:
        ordered = sorted(folds, key=lambda fold: (not fold.isdecimal(), len(fold), fold))
        shown = ", ".join(ordered[:MOST_SHOWN]) + ", ..." * (len(ordered) > MOST_SHOWN)
        faults.append(
            f"{manifest}: got the folds {shown}, wanted whole numbers from 0 to {len(folds) - 1}; "
            "number them anew"
        )
    return faults


def _without_manifest(folder: Path) -> list[Sample]:
    if (folder / "dataset.json").exists():
        raise DataError(
            f"{folder}: got dataset.json without manifest.csv, which tells labels, splits and "
            "groups; put it back, or prepare the folder again"
        )
    samples = []
    for name in _images_in(folder):
        split, label = name.split("/")[:2]
        path = folder / name
        digest = "" if fault_of(path, folder) else hashlib.sha256(path.read_bytes()).hexdigest()
        label = FIRST_VERSION_CLASSES.get(label, label)
        samples.append(Sample(name, split, label, group=name, sha256=digest))
    if not samples:
        wanted = "no images; wanted train/<class>/*.npy and val/<class>/*.npy"
        raise DataError(
            f"{folder}: {wanted if folder.is_dir() else 'no such folder'}; make one with: "
            f"python -m data.prepare --Path RAW_IMAGES --OUTPUT {folder}"
        )
    foreign = [each for each in samples if each.path.split("/")[1] not in FIRST_VERSION_CLASSES]
    if foreign:
        raise DataError(
            f"{folder}: got no manifest.csv, and {len(foreign)} images in folders of other names "
            f"than 0 and 1, such as {foreign[0].path}; put the manifest back, or prepare the raw "
            "images with: python -m data.prepare"
        )
    return samples


def _images_in(folder: Path) -> list[str]:
    """Every .npy file of a class folder of a split, by its name in the folder."""
    paths = [path for split in SPLITS for path in folder.glob(f"{split}/*/[!.]*.npy")]
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _unlisted(processed: Processed, has_manifest: bool) -> list[str]:
    """That there are images which nobody reads; empty: there are none in a split.

    Of those elsewhere, as in a folder of pictures that somebody has drawn, a note is made.
    """
    folder = processed.folder
    try:
        there = {*tree.look(folder).images, *_images_in(folder)}
    except DataError as error:
        return str(error).splitlines()
    files = (name for sample in processed.samples for name in (sample.path, sample.mask) if name)
    listed = {identity(folder / name) for name in files}
    more = sorted(name for name in there if identity(folder / name) not in listed)
    beside = [name for name in more if "/" not in name or not split_of(name.split("/")[0])]
    if beside:
        count = f"{len(beside)} images lie outside its splits and are not used"
        errors.note(f"{folder}: {count}, such as {beside[0]}")
    unread = [name for name in more if name not in beside]
    if not unread:
        return []
    if has_manifest:
        return [
            f"{folder}: {len(unread)} images are not listed in manifest.csv, such as "
            f"{unread[0]}; remove them, or add them to the raw images and prepare again"
        ]
    return [
        f"{folder}: {len(unread)} images are not read, such as {unread[0]}; wanted train/0/*.npy, "
        "train/1/*.npy and the same of val; remove them, or prepare the raw images with: "
        "python -m data.prepare"
    ]


def _missing_classes(processed: Processed) -> list[str]:
    if not processed.of("train"):
        there = ", ".join(split for split in SPLITS if processed.of(split)) or "none"
        return [
            f"{processed.folder}: no images of train, only of {there}: a set for testing alone; "
            "give it to predict.py, and train on another"
        ]
    faults = []
    for split in ("train", "val"):
        samples = processed.of(split)
        present = processed.by_class(samples)
        missing = [name for name in processed.class_names if not present[name]]
        if missing:
            faults.append(
                f"{processed.folder / split}: no image of class {', '.join(missing)}; "
                "every class needs some"
            )
        whole = [name for name in processed.class_names if len(present[name]) == len(samples)]
        if processed.multilabel and samples and whole:
            faults.append(
                f"{processed.folder / split}: all images have {', '.join(whole)}; every finding "
                "needs some images without it"
            )
    return faults


def _faults_of(sample: Sample, processed: Processed) -> list[str]:
    path = processed.folder / sample.path
    faults = []
    if sample.split not in SPLITS:
        faults.append(f"{path}: got split {sample.split!r}, wanted train, val or test")
    if not processed.multilabel and sample.label not in processed.class_names:
        wanted = ", ".join(processed.class_names)
        faults.append(f"{path}: got label {sample.label!r}, wanted one of {wanted}")
    unread = file_faults(sample, processed.folder)
    if unread:
        return faults + unread
    try:
        image = processed.image(sample)
        check_size(path, *image.shape[:2])
        faults += _box_faults(sample, path, *image.shape[:2])
        if sample.mask and processed.stored(sample.mask).shape != image.shape:
            raise DataError(f"its mask {sample.mask} is of another shape")
    except Exception as error:  # numpy raises whatever a damaged header leads to
        reason = " ".join(str(error).split())
        return [*faults, f"{path}: not readable: {reason}"]
    wrong = _pixel_fault(image, path)
    return [*faults, wrong] if wrong else faults


def _box_faults(sample: Sample, path: Path, height: int, width: int) -> list[str]:
    faults = []
    for box in sample.boxes:
        try:
            check_inside([box], height, width)
        except DataError as error:
            faults.append(f"{path}: {error}")
    return faults


def _pixel_fault(image: NDArray, path: Path) -> str:
    """What is wrong with a stored image; empty if nothing is, and prediction takes it too."""
    if image.ndim != 2 or (image.dtype != np.uint8 and image.dtype.kind != "f"):
        return f"{path}: got {image.dtype} {image.shape}, wanted uint8 or float (H, W) or (H, W, 1)"
    try:
        as_grey(image, path)
    except DataError as error:
        return str(error)
    return ""
