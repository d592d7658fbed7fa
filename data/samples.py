"""The images of a ProcessedFolder, and what is known of each."""

import hashlib
import json
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.dataset_info import Info
from data.geometry import Box, parse_boxes, rasterise
from data.grades import is_free_of_disease
from data.readers import fault_of
from metrics.decision import NO_FINDING, apart

SPLITS = ("train", "val", "test")
# keys of dataset.json that say what was done to the pixels
PREPARATION = ("image_size", "mean", "std", "border", "stretch", "window", "frame", "full_scale")


@dataclass(frozen=True)
class Sample:
    """One row of the manifest.

    ``path`` and ``mask`` are relative to the folder, with forward slashes. ``fold`` is the number
    of its fold in cross-validation, empty for test images. ``sha256`` is that of the grey pixels of
    the source, ``prepared_sha256`` that of the stored ones. ``more`` are further columns that the
    source brought. ``frame`` is that of a run of which several frames are images (frame: all): the
    path then ends in # and its number.
    """

    path: str
    split: str
    label: str
    group: str = ""
    fold: str = ""
    source: str = ""
    sha256: str = ""
    pixel_spacing_mm: str = ""
    lesion_boxes_xyxy: str = ""
    mask: str = ""
    prepared_sha256: str = ""
    more: dict[str, str] = field(default_factory=dict)
    frame: int | None = None

    @classmethod
    def from_row(cls, row: dict[str, str]) -> "Sample":
        """A row of a manifest.csv."""
        known: dict[str, Any] = {column: row.get(column, "") for column in COLUMNS}
        more = {column: value for column, value in row.items() if column not in COLUMNS}
        return cls(**known, more=more)

    def as_row(self) -> dict[str, str]:
        """The row that ``from_row`` reads."""
        return {column: getattr(self, column) for column in COLUMNS} | self.more

    @property
    def file(self) -> str:
        """The path without the number of a frame."""
        return self.path if self.frame is None else self.path.removesuffix(f"#{self.frame}")

    @property
    def boxes(self) -> list[Box]:
        """Lesion boxes in pixels of the prepared image."""
        return parse_boxes(self.lesion_boxes_xyxy)


COLUMNS = [column.name for column in fields(Sample) if column.name not in ("more", "frame")]


@dataclass(frozen=True)
class Processed:
    """A ProcessedFolder.

    Args:
        folder: where it lies.
        samples: its images in the order of their paths.
        class_names: in index order, the positive class last.
        info: what dataset.json says.
    """

    folder: Path
    samples: list[Sample]
    class_names: list[str]
    info: Info

    def of(self, split: str) -> list[Sample]:
        """The samples of one split, in the order of their paths."""
        return [sample for sample in self.samples if sample.split == split]

    def image(self, sample: Sample) -> NDArray:
        """(H, W) pixels, uint8 from 0 to 255 or float16 from 0 to 1.

        They are mapped from the file unless ``keep`` has read them.
        """
        return self.stored(sample.path)

    def keep(self, splits: Sequence[str], most: int = 2 << 30) -> None:
        """Read images and masks of these splits into memory, up to ``most`` bytes.

        Loader workers share that memory.
        """
        for sample in self.samples:
            if sample.split not in splits:
                continue
            for name in filter(None, (sample.path, sample.mask)):
                image = np.array(self.stored(name))
                most -= image.nbytes
                if most < 0:
                    return
                self._kept[name] = image

    @cached_property
    def _kept(self) -> dict[str, NDArray]:
        return {}

    def stored(self, name: str) -> NDArray:
        """(H, W) what a file of the folder holds: of an image, or of a mask."""
        if name in self._kept:
            return self._kept[name]
        # opens .npy alone, and no pickled objects
        image = np.lib.format.open_memmap(self.folder / name, mode="r")
        return image[:, :, 0] if image.ndim == 3 else image

    def with_fold(self, number: int) -> "Processed":
        """The same images, those of one fold for validation and those of all others for training.

        Images without a fold are for testing.
        """
        sides = {str(number): "val", "": "test"}
        samples = [
            replace(sample, split=sides.get(sample.fold, "train")) for sample in self.samples
        ]
        return replace(self, samples=samples)

    @property
    def folds(self) -> int:
        """How many folds data.prepare assigned; 0: none."""
        return len({sample.fold for sample in self.samples} - {""})

    @property
    def ordered(self) -> bool:
        """Whether the classes are grades, the lowest first."""
        return bool(self.info.get("ordered", False))

    @property
    def multilabel(self) -> bool:
        """Whether the classes are findings, of which an image may have several."""
        return bool(self.info.get("multilabel", False))

    def by_class(self, samples: Sequence[Sample]) -> dict[str, list[Sample]]:
        """For each class the images of it; an image of several findings stands under each.

        Images without a finding stand under NO_FINDING, where there are any.
        """
        found: dict[str, list[Sample]] = {name: [] for name in self.class_names}
        for sample in samples:
            names = apart(sample.label) if self.multilabel else [sample.label]
            for name in names or [NO_FINDING]:
                found.setdefault(name, []).append(sample)
        return found

    @cached_property
    def healthy(self) -> str:
        """The class without lesions: the first; empty where the lowest grade is one of disease."""
        if self.multilabel:
            return NO_FINDING
        first = self.class_names[0]
        return first if not self.ordered or is_free_of_disease(first) else ""

    @cached_property
    def knows_lesions(self) -> bool:
        """Whether any training image has a lesion mask or box."""
        return any(sample.mask or sample.lesion_boxes_xyxy for sample in self.of("train"))

    def lesion(self, sample: Sample) -> NDArray | None:
        """(H, W) uint8 mask of the lesions; None where nothing is known.

        It is all zero in the healthy class.
        """
        if sample.mask:
            return np.asarray(self.stored(sample.mask))
        if sample.lesion_boxes_xyxy or (self.knows_lesions and sample.label == self.healthy):
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
        return _of_text("\n".join(rows))

    def content_hash(self) -> str:
        """sha256 over all that training sees beside the split and the source of each image.

        These are the pixels as they are stored now, masks, boxes, the order of the classes, and how
        the images were prepared. Sides and folds are left to ``split_hash``.
        """
        prepared = {key: self.info.get(key) for key in PREPARATION}
        rows = [json.dumps([self.class_names, prepared], sort_keys=True)]
        rows += [
            f"{sample.path} {self.digests[sample.path]} {self.digests.get(sample.mask, '')} "
            f"{sample.lesion_boxes_xyxy}"
            for sample in self.samples
        ]
        return _of_text("\n".join(rows))

    def changed(self) -> list[str]:
        """The images whose pixels are not those that data.prepare has stored."""
        return [
            sample.path
            for sample in self.samples
            if sample.prepared_sha256 and sample.prepared_sha256 != self.digests[sample.path]
        ]

    @cached_property
    def digests(self) -> dict[str, str]:
        """sha256 of the stored pixels of each image and mask, by its name in the folder."""
        names = [name for sample in self.samples for name in (sample.path, sample.mask) if name]
        return {name: pixels_sha256(self.stored(name)) for name in names}


def _of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def pixels_sha256(pixels: NDArray) -> str:
    """sha256 of stored pixels, (H, W) or (H, W, 1), whatever file holds them."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def identity(file: Path) -> tuple[str, int, int] | None:
    """What two paths have in common that lead to one file, on any disk; None: there is no file.

    Files that are only linked hard stay apart: tools that save space link equal images so.
    """
    try:
        real = os.path.realpath(file)
        found = Path(real).stat()
    except (OSError, ValueError):  # not there, or a name that no file has
        return None
    return unicodedata.normalize("NFC", real).casefold(), found.st_dev, found.st_ino


def listed_twice(table: Path, rows: Iterable[tuple[str, str]]) -> list[str]:
    """A fault for each file that a table names in several rows, however these write its path.

    Args:
        table: a manifest.
        rows: path and label of each.
    """
    named = defaultdict(list)
    for name, label in rows:
        if file := identity(table.parent / name):
            named[file].append((name, label))
    faults = []
    for found in named.values():
        names, labels = (list(dict.fromkeys(column)) for column in zip(*found, strict=True))
        if len(found) > 1:
            others = "".join(f", also as {name}" for name in names[1:])
            classes = f", as {' and as '.join(labels)}" if len(labels) > 1 else ""
            faults.append(
                f"{table}: {names[0]} is listed more than once{classes}{others}; keep one row of "
                "it, which may hold several boxes with semicolons between them"
            )
    return faults


def file_faults(sample: Sample, folder: Path) -> list[str]:
    """Why the files of a sample, its image and its mask, are not read; empty if they can be."""
    files = [folder / name for name in (sample.path, sample.mask) if name]
    return [fault for fault in (fault_of(file, folder) for file in files) if fault]
