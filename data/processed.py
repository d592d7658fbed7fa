"""The ProcessedFolder: grey .npy images under split/class/, manifest.csv and dataset.json."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.geometry import Box, parse_boxes, rasterise
from data.readers import DataError, check_size, fault_of
from data.tables import read_table, write_table
from files import written_whole

SPLITS = ("train", "val", "test")
POSITIVE_NAMES = ("abnormal", "diseased", "positive", "lesion")
NORMAL_NAMES = ("normal", "healthy", "negative", "0")
FIRST_VERSION_CLASSES = {"0": "normal", "1": "abnormal"}
INFO: dict[str, Any] = {
    "class_names": list,
    "mean": float | int,
    "std": float | int,
    "border": float | int,
    "stretch": bool,
    "window": list | None,
    "frame": int,
    "split": str,
    "notes": list,
}


@dataclass(frozen=True)
class Sample:
    """One row of the manifest. ``path`` and ``mask`` are relative to the folder, with forward
    slashes.
    """

    path: str
    split: str
    label: str
    group: str = ""
    fold: str = ""  # number of its fold in cross-validation; empty for test images
    source: str = ""
    sha256: str = ""
    pixel_spacing_mm: str = ""
    lesion_boxes_xyxy: str = ""
    mask: str = ""
    more: dict[str, str] = field(default_factory=dict)  # further columns that the source brought

    @classmethod
    def from_row(cls, row: dict[str, str]) -> "Sample":
        """A row of a manifest.csv."""
        fixed = {column: row.get(column, "") for column in COLUMNS}
        return cls(
            **fixed, more={column: value for column, value in row.items() if column not in COLUMNS}
        )

    @property
    def boxes(self) -> list[Box]:
        """Lesion boxes in pixels of the prepared image."""
        return parse_boxes(self.lesion_boxes_xyxy)


COLUMNS = [column.name for column in fields(Sample) if column.name != "more"]


@dataclass(frozen=True)
class Processed:
    """A ProcessedFolder: its samples, its class names in index order, and what dataset.json says."""

    folder: Path
    samples: list[Sample]
    class_names: list[str]
    info: dict[str, Any]

    def of(self, split: str) -> list[Sample]:
        """The samples of one split, in the order of their paths."""
        return [sample for sample in self.samples if sample.split == split]

    def image(self, sample: Sample) -> NDArray:
        """(H, W) pixels, uint8 from 0 to 255 or float16 from 0 to 1; mapped from the file unless
        ``keep`` read it.
        """
        return self._mapped(sample.path)

    def keep(self, splits: Sequence[str], most: int = 2 << 30) -> None:
        """Read the images and masks of these splits into memory, which loader workers share, up to
        ``most`` bytes.
        """
        for sample in self.samples:
            for name in {sample.path, sample.mask} - {""} if sample.split in splits else ():
                image = np.array(self._mapped(name))
                most -= image.nbytes
                if most < 0:
                    return
                self._kept[name] = image

    @cached_property
    def _kept(self) -> dict[str, NDArray]:
        return {}

    def _mapped(self, name: str) -> NDArray:
        if name in self._kept:
            return self._kept[name]
        image = np.lib.format.open_memmap(
            self.folder / name, mode="r"
        )  # opens .npy alone, and no pickled objects
        return image[:, :, 0] if image.ndim == 3 else image

    def with_fold(self, number: int) -> "Processed":
        """The same images, those of one fold for validation and those of all others for training."""
        sides = {str(number): "val", "": "test"}
        samples = [
            replace(sample, split=sides.get(sample.fold, "train")) for sample in self.samples
        ]
        return replace(self, samples=samples)

    @property
    def folds(self) -> int:
        """How many folds data.prepare assigned; 0: none."""
        return len({sample.fold for sample in self.samples} - {""})

    @cached_property
    def knows_lesions(self) -> bool:
        """Whether any training image has a lesion mask or box."""
        return any(sample.mask or sample.lesion_boxes_xyxy for sample in self.of("train"))

    def lesion(self, sample: Sample) -> NDArray | None:
        """(H, W) uint8 mask of the lesions, all zero in the first, normal class; None where nothing
        is known.
        """
        if sample.mask:
            return np.asarray(self._mapped(sample.mask))
        if sample.lesion_boxes_xyxy or (self.knows_lesions and sample.label == self.class_names[0]):
            return rasterise(sample.boxes, self.image(sample).shape)
        return None

    def vessel(self, sample: Sample) -> NDArray | None:
        """(H, W) uint8 mask of the vessels; None, for a folder holds none."""
        return None

    def split_hash(self) -> str:
        """sha256 over which image, by content, is in which split under which label."""
        rows = sorted(
            f"{sample.split} {sample.fold} {sample.label} {sample.sha256}"
            for sample in self.samples
        )
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


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


def write(folder: Path, samples: list[Sample], info: dict[str, Any]) -> None:
    """Write manifest.csv and dataset.json, the manifest last: a folder without it is not complete."""
    more = sorted({column for sample in samples for column in sample.more})
    with written_whole(folder / "dataset.json") as beside:
        beside.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
    rows = [
        {column: getattr(sample, column) for column in COLUMNS} | sample.more for sample in samples
    ]
    write_table(folder / "manifest.csv", rows, [*COLUMNS, *more])


def statistics(images: list[NDArray]) -> tuple[float, float]:
    """Mean and standard deviation of all pixels of stored images of one size, grey range 0 to 1."""
    scales = [255.0 if image.dtype == np.uint8 else 1.0 for image in images]
    means = [
        image.mean(dtype=np.float64) / scale for image, scale in zip(images, scales, strict=True)
    ]
    squares = [
        (image.astype(np.float64) ** 2).mean() / s**2
        for image, s in zip(images, scales, strict=True)
    ]
    mean = float(np.mean(means))
    return mean, math.sqrt(max(float(np.mean(squares)) - mean**2, 1e-6))


def load(folder: Path) -> Processed:
    """Read a ProcessedFolder, or one of the first published form (train/0, val/1, no manifest), and
    check it.

    Raises:
        DataError: every fault found, a line each: missing files and splits, classes, shapes, types,
            NaN, range.
    """
    info: dict[str, Any] = {}
    if (folder / "manifest.csv").exists():
        samples = [Sample.from_row(row) for row in read_table(folder / "manifest.csv")]
        info = _info(folder / "dataset.json")
    else:
        samples = _scan(folder)
    samples.sort(key=lambda sample: sample.path)
    names = info.get("class_names") or order_classes({sample.label for sample in samples}, None)
    processed = Processed(folder, samples, names, info)
    faults = _faults(processed)
    if faults:
        raise DataError("\n".join([f"{folder}: {len(faults)} faults", *faults]))
    return processed


def _info(path: Path) -> dict[str, Any]:
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        given = {name: (info[name], kind) for name, kind in INFO.items() if name in info}
        wrong = [
            name
            for name, (value, kind) in given.items()
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ]
        names = info.get("class_names", [])
        window = info.get("window")
        centre, width = (0.0, 1.0) if window is None else window
        wrong += [
            name
            for name in ("class_names", "notes")
            if not all(isinstance(t, str) for t in info.get(name, []))
        ]
        wrong += ["class_names"] * (
            len(set(names)) < len(names) or not all(min(name) >= " " for name in names)
        )
        mean, std, border = (
            info.get(name, usual) for name, usual in (("mean", 0), ("std", 1), ("border", 0))
        )
        wrong += ["mean, std or border"] * (
            not (0 <= mean <= 1 and 1e-6 <= std <= 1 and 0 <= border <= 0.45)
        )
        wrong += ["window"] * (not (isinstance(centre, float | int) and 0 < width < math.inf))
        if wrong:
            raise ValueError(
                f"got another type or range than it is written with: {', '.join(wrong)}"
            )
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not readable: {error}; prepare the folder again") from None
    return dict(info)


def _scan(folder: Path) -> list[Sample]:
    samples = []
    for path in sorted(folder.glob("*/*/*.npy")):
        split = path.parts[-3]
        label = path.parts[-2]
        if split in SPLITS:
            digest = "" if fault_of(path, folder) else hashlib.sha256(path.read_bytes()).hexdigest()
            name = path.relative_to(folder).as_posix()
            label = FIRST_VERSION_CLASSES.get(label, label)
            samples.append(Sample(name, split, label, group=name, sha256=digest))
    if not samples:
        fault = (
            "no images; wanted train/<class>/*.npy and val/<class>/*.npy"
            if folder.is_dir()
            else "no such folder"
        )
        raise DataError(
            f"{folder}: {fault}; make one with: python -m data.prepare --Path RAW_IMAGES --OUTPUT {folder}"
        )
    return samples


def _faults(processed: Processed) -> list[str]:
    faults = []
    for split in ("train", "val"):
        present = {sample.label for sample in processed.of(split)}
        missing = [name for name in processed.class_names if name not in present]
        if missing:
            faults.append(
                f"{processed.folder / split}: no image of class {', '.join(missing)}; every class needs some"
            )
    for sample in processed.samples:
        path = processed.folder / sample.path
        if sample.label not in processed.class_names:
            faults.append(
                f"{path}: got label {sample.label!r}, wanted one of {', '.join(processed.class_names)}"
            )
        files = [path, *([processed.folder / sample.mask] if sample.mask else [])]
        if missing := [fault for file in files if (fault := fault_of(file, processed.folder))]:
            faults += missing
            continue
        try:
            image = processed.image(sample)
            check_size(path, *image.shape[:2])
            sample.boxes  # noqa: B018  its parser is the check
            if sample.mask and processed._mapped(sample.mask).shape != image.shape:
                raise ValueError(f"its mask {sample.mask} is of another shape")
        except Exception as error:  # numpy raises whatever a damaged header leads to
            faults.append(f"{path}: not readable: {' '.join(str(error).split())}")
            continue
        if image.ndim != 2 or (image.dtype != np.uint8 and image.dtype.kind != "f"):
            faults.append(
                f"{path}: got {image.dtype} {image.shape}, wanted uint8 or float (H, W) or (H, W, 1)"
            )
        elif image.dtype != np.uint8:
            low = float(image.min())
            high = float(image.max())
            if not (low >= -1e-3 and high <= 1 + 1e-3):
                faults.append(
                    f"{path}: got pixels from {low:.4g} to {high:.4g}, wanted 0 to 1 without NaN"
                )
    return faults
