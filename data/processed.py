"""The ProcessedFolder: grey .npy images under split/class/, manifest.csv and dataset.json."""

import hashlib
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.dataset_info import Info, read_info, write_info
from data.geometry import parse_boxes
from data.readers import DataError, check_size, fault_of
from data.samples import COLUMNS, SPLITS, Processed, Sample, file_faults
from data.tables import read_table, write_table

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

POSITIVE_NAMES = ("abnormal", "diseased", "positive", "lesion")
NORMAL_NAMES = ("normal", "healthy", "negative", "0")
FIRST_VERSION_CLASSES = {"0": "normal", "1": "abnormal"}
ROUNDING = 1e-3  # by which stored pixels may lie beyond 0 to 1


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
        key=lambda name: (name.lower() not in NORMAL_NAMES, name.lower() in POSITIVE_NAMES, name),
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


def load(folder: Path) -> Processed:
    """Read a ProcessedFolder and check it.

    One of the first published form (train/0, val/1, no manifest) is read too.

    Raises:
        DataError: every fault found, a line each: missing files and splits, classes, shapes, types,
            NaN, range.
    """
    info: Info = {}
    if (folder / "manifest.csv").exists():
        samples = [Sample.from_row(row) for row in read_table(folder / "manifest.csv")]
        info = read_info(folder / "dataset.json")
    else:
        samples = _without_manifest(folder)
    samples.sort(key=lambda sample: sample.path)
    names = info.get("class_names") or order_classes({sample.label for sample in samples}, None)
    processed = Processed(folder, samples, names, info)
    faults = _missing_classes(processed)
    for sample in samples:
        faults += _faults_of(sample, processed)
    if faults:
        raise DataError("\n".join([f"{folder}: {len(faults)} faults", *faults]))
    return processed


def _without_manifest(folder: Path) -> list[Sample]:
    samples = []
    for path in sorted(folder.glob("*/*/*.npy")):
        split, label = path.parts[-3:-1]
        if split in SPLITS:
            digest = "" if fault_of(path, folder) else hashlib.sha256(path.read_bytes()).hexdigest()
            name = path.relative_to(folder).as_posix()
            label = FIRST_VERSION_CLASSES.get(label, label)
            samples.append(Sample(name, split, label, group=name, sha256=digest))
    if not samples:
        wanted = "no images; wanted train/<class>/*.npy and val/<class>/*.npy"
        raise DataError(
            f"{folder}: {wanted if folder.is_dir() else 'no such folder'}; make one with: "
            f"python -m data.prepare --Path RAW_IMAGES --OUTPUT {folder}"
        )
    return samples


def _missing_classes(processed: Processed) -> list[str]:
    faults = []
    for split in ("train", "val"):
        present = {sample.label for sample in processed.of(split)}
        missing = [name for name in processed.class_names if name not in present]
        if missing:
            faults.append(
                f"{processed.folder / split}: no image of class {', '.join(missing)}; "
                "every class needs some"
            )
    return faults


def _faults_of(sample: Sample, processed: Processed) -> list[str]:
    path = processed.folder / sample.path
    faults = []
    if sample.label not in processed.class_names:
        wanted = ", ".join(processed.class_names)
        faults.append(f"{path}: got label {sample.label!r}, wanted one of {wanted}")
    unread = file_faults(sample, processed.folder)
    if unread:
        return faults + unread
    try:
        image = processed.image(sample)
        check_size(path, *image.shape[:2])
        parse_boxes(sample.lesion_boxes_xyxy)
        if sample.mask and processed.stored(sample.mask).shape != image.shape:
            raise DataError(f"its mask {sample.mask} is of another shape")
    except Exception as error:  # numpy raises whatever a damaged header leads to
        reason = " ".join(str(error).split())
        return [*faults, f"{path}: not readable: {reason}"]
    wrong = _pixel_fault(image)
    return [*faults, f"{path}: {wrong}"] if wrong else faults


def _pixel_fault(image: NDArray) -> str:
    """What is wrong with the pixels of a stored image; empty if nothing is."""
    if image.ndim != 2 or (image.dtype != np.uint8 and image.dtype.kind != "f"):
        return f"got {image.dtype} {image.shape}, wanted uint8 or float (H, W) or (H, W, 1)"
    if image.dtype != np.uint8:
        low = float(image.min())
        high = float(image.max())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):
            return f"got pixels from {low:.4g} to {high:.4g}, wanted 0 to 1 without NaN"
    return ""
