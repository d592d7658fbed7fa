"""One image on its way into a ProcessedFolder: read, placed in its square, stored."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from CONFIG import Config
from data.aspect import aspect_told
from data.boxes import check_inside, check_told_size, where
from data.dicom_header import Header
from data.geometry import Placement, format_boxes, read_mask
from data.multilabel import in_folder
from data.readers import DataError, about_dicom, read_stored
from data.remarks import TURNED, Remark
from data.runs import columns_of
from data.samples import Sample, pixels_sha256
from data.scale import Depth, depth_of, grey_of
from data.sketch import Sketch, sketch
from data.splits import Division


@dataclass(frozen=True)
class Prepared:
    """One image as it will be stored.

    Args:
        sample: its boxes and spacing are those of the stored pixels; its path is that of its
            source.
        image: (S, S) uint8 from 0 to 255, or float16 from 0 to 1.
        mask: (S, S) uint8, 1 = lesion; None where there is none.
        header: of its DICOM file; None: it is no DICOM.
        sketch: for data.copies.
        size: height and width of the picture in its file.
        given_boxes: as the table has them.
        depth: of whole numbers with more than 8 bits, else None.
        ends: of its values, where they alone decide what is black and white; else None.
        window: values that became black and white, where the file names them; else None.
        aspect: height of a pixel over its width, by the table, else by the file.
        remarks: what is to be said of the picture.
    """

    sample: Sample
    image: NDArray
    mask: NDArray | None
    header: Header | None
    sketch: Sketch
    size: tuple[int, int]
    given_boxes: str
    depth: Depth | None
    ends: tuple[float, float] | None
    window: tuple[float, float] | None
    aspect: float
    remarks: tuple[Remark, ...] = ()


def prepare_one(
    sample: Sample, folder: Path, config: Config, table: Path, white: int | None = None
) -> Prepared | str:
    """The prepared image, or the fault as one line.

    Args:
        sample: of the raw data set.
        folder: where it lies.
        config: how it is prepared.
        table: the manifest that lists its boxes, if it has any.
        white: the value of white in images of more than 8 bits; None: by the image alone.
    """
    path = folder / sample.file
    try:
        if sample.frame is None:
            seen = read_stored(path, config.window, config.frame)
        else:
            seen = read_stored(path, config.window, sample.frame).as_one_of_all()
        image = grey_of(seen, white)
        header, spacing = about_dicom(path, seen.run.index if seen.run else -1)
        height, width = image.shape
        place = Placement(height, width, config.image_size, config.border, config.stretch)
        mask = place.mask(read_mask(folder / sample.mask, image.shape)) if sample.mask else None
        spacing = place.spacing(sample.pixel_spacing_mm or spacing)
        _check_boxes(path, sample, table, height, width)
    except ValueError as error:
        return str(error)
    pixels = place.image(image)
    stored = pixels if pixels.dtype == np.uint8 else np.clip(pixels, 0, 1).astype(np.float16)
    given_boxes = sample.lesion_boxes_xyxy
    given_spacing = sample.pixel_spacing_mm
    is_drawn = mask is not None or bool(given_boxes.strip())
    sample = replace(
        sample,
        sha256=hashlib.sha256(seen.pixels.tobytes()).hexdigest(),
        prepared_sha256=pixels_sha256(stored),
        pixel_spacing_mm=spacing,
        lesion_boxes_xyxy=format_boxes(place.boxes(sample.boxes)),
        more=sample.more | columns_of(seen.run),
    )
    return Prepared(
        sample,
        stored,
        mask,
        header,
        sketch(pixels),
        (height, width),
        given_boxes,
        depth_of(seen),
        seen.ends,
        seen.window,
        aspect_told(given_spacing, seen.aspect),
        (*seen.remarks, TURNED) if is_drawn and seen.turned else seen.remarks,
    )


def _check_boxes(path: Path, sample: Sample, table: Path, height: int, width: int) -> None:
    try:
        if sample.boxes:
            check_told_size(sample.more, height, width)
        check_inside(sample.boxes, height, width)
    except DataError as error:
        raise DataError(f"{where(sample.path, table)}: {path}: {error}") from None


def store(
    folder: Path,
    images: Sequence[Prepared],
    division: Division,
    folds: Sequence[str],
    multilabel: bool = False,
) -> list[Sample]:
    """Write images and masks as .npy; gives the rows of the manifest.

    Args:
        folder: to write into.
        images: to write.
        division: their sides and groups.
        folds: the number of each image's fold, or empty.
        multilabel: whether a label may name several findings.
    """
    samples = []
    taken: set[str] = set()
    sides = division.sides.tolist()
    for image, side, group, fold in zip(images, sides, division.groups, folds, strict=True):
        label = image.sample.label
        place = f"{side}/{in_folder(label) if multilabel else label}"
        path = _free_name(place, Path(image.sample.path), taken)
        taken.add(path.casefold())
        _save(folder / path, image.image)
        mask = ""
        if image.mask is not None:
            mask = f"masks/{path}"
            _save(folder / mask, image.mask)
        stored = replace(
            image.sample,
            path=path,
            source=image.sample.path,
            split=side,
            group=f"g{group:05d}",
            fold=fold,
            mask=mask,
        )
        samples.append(stored)
    return samples


def _free_name(folder: str, source: Path, taken: set[str]) -> str:
    """A path that no image has yet, not even on disks that do not tell capitals from small ones."""
    long = f"{'__'.join(source.with_suffix('').parts)}{source.suffix}"
    numbered = (f"{long}__{number}" for number in itertools.count(2))
    names = itertools.chain([source.stem, long], numbered)
    return next(
        path for path in (f"{folder}/{name}.npy" for name in names) if path.casefold() not in taken
    )


def _save(path: Path, pixels: NDArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, pixels)
