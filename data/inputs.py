"""The images that predict.py is given, with what their folder knows of them."""

import glob
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

import errors
from data import tree
from data.boxes import check_inside, check_told_size
from data.dataset_info import processed_folder
from data.geometry import parse_boxes, rasterise, read_mask
from data.mask_levels import picture_size
from data.masks import tell_apart
from data.multilabel import Findings
from data.picture import Picture as PlainPicture
from data.picture import Stored, as_opencv, stored_grey
from data.preprocessing import Preprocessing
from data.readers import SUFFIXES, DataError, fault_of, read_grey
from data.runs import RunFrame, run_in
from data.samples import pixels_sha256
from data.tree import is_image
from data.truths import (
    classes_of,
    folders_name,
    note_of_unknown,
    rows_above,
    truths_by_folder,
)


@dataclass(frozen=True)
class Input:
    """One image file.

    Args:
        path: the file.
        name: how it is called in tables and pictures.
        truth: its class name, or empty where unknown.
        boxes: known lesion boxes as text, in pixels of the file.
        mask: file of the known lesion mask, or None.
        row: of the manifest.csv above it; empty if none lists it.
        pixels: (H, W) grey picture that is no file, uint8, uint16 or float32 from 0 to 1; None: a
            file.
        frame: of a run, where several of its frames are pictures; None: as the model takes one.
        read: the frame of a run that was read for the model; None: not read yet, or no run.
    """

    path: Path
    name: str
    truth: str = ""
    boxes: str = ""
    mask: Path | None = None
    row: dict[str, str] = field(default_factory=dict, hash=False)
    pixels: NDArray | None = field(default=None, compare=False)
    frame: int | None = None
    read: RunFrame | None = None

    @property
    def run(self) -> RunFrame | None:
        """The frame that it is of a run of several, as far as is known; None: it is none."""
        return self.read or (run_in(self.row) if self.prepared else None)

    @cached_property
    def folder(self) -> Path | None:
        """The ProcessedFolder that data.prepare has put the image in; None: a raw picture."""
        if self.pixels is not None or self.path.suffix.lower() != ".npy":
            return None
        return processed_folder(self.path)

    @property
    def prepared(self) -> bool:
        """Whether data.prepare has made it, so that it is not cut and placed again."""
        return self.folder is not None

    def resized(self, size: int) -> bool:
        """Whether a prepared image is of another size."""
        return self.prepared and read_grey(self.path).shape != (size, size)

    def stored(self, preprocessing: Preprocessing) -> Stored:
        """The picture before whole numbers are scaled. DataError: it cannot be read."""
        if self.pixels is None:
            return preprocessing.read_stored(self.path, self.frame)
        return Stored(self.pixels, None)

    def grey(self, preprocessing: Preprocessing) -> NDArray:
        """(H, W) grey picture as its file holds it. DataError: it cannot be read."""
        return preprocessing.grey(self.stored(preprocessing))

    def image(self, preprocessing: Preprocessing) -> NDArray:
        """(S, S) float32 from 0 to 1, prepared as the training images were."""
        return preprocessing.place(self.grey(preprocessing), self.prepared)

    def digests(self, preprocessing: Preprocessing, stored: Stored | None = None) -> set[str]:
        """The sha256 by which training may have known it: of its grey pixels, or of its file.

        data.prepare takes the first and writes it to the manifest; a folder without a manifest has
        the second. Grey pixels are known as they are stored in the source, as they are stored in a
        ProcessedFolder, and, to older versions, as they are scaled. ``stored``: the picture, where
        it is read already.
        """
        if stored is None:
            stored = self.stored(preprocessing)
        contents = [stored.pixels.tobytes(), preprocessing.grey(stored).tobytes()]
        if self.pixels is None:
            contents.append(self.path.read_bytes())
        found = {hashlib.sha256(content).hexdigest() for content in contents}
        if self.pixels is None and stored.pixels.dtype.kind == "f":
            found.add(pixels_sha256(stored.pixels.astype(np.float16)))
        listed = self.row.get("sha256")
        return found | {listed} if listed else found

    def lesion(self, preprocessing: Preprocessing) -> NDArray | None:
        """(S, S) mask of the known lesions, or None where nothing is known.

        DataError: a mask that cannot be read, or a box outside the picture.
        """
        if self.mask is None and not self.boxes:
            return None
        shape = self.grey(preprocessing).shape
        placement = preprocessing.placement(shape, self.prepared)
        if self.mask is not None and (self.mask.is_file() or not self.boxes):
            return placement.mask(read_mask(self.mask, shape))
        size = preprocessing.image_size
        boxes = parse_boxes(self.boxes)
        try:
            if not self.prepared:
                check_told_size(self.row, *shape)
            check_inside(boxes, *shape)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from None
        return rasterise(placement.boxes(boxes), (size, size))


Picture = str | Path | NDArray | Image.Image | Input  # what Python code may hand over
PLAIN_MODES = ("L", "I", "I;16", "I;16B", "F", "RGB")  # of PIL, kept as they are; others turn RGB


def find(path: str) -> list[Path]:
    """The image files of a folder or a glob, or the one file; no masks and no hidden files.

    What is left out is said on stderr, unless it is what a ProcessedFolder always holds.

    Raises:
        DataError: there is none.
    """
    root = Path(path)
    if root.is_file():
        itself = root.resolve()  # a link may lead anywhere, for this file was given by name
        if fault := fault_of(itself, itself.parent):
            raise DataError(fault)
        return [root]
    if root.is_dir():
        found = tree.look(root)
        images = [root / name for name in found.images]
        for line in found.left_out.lines():
            if not (root / "dataset.json").is_file():
                errors.note(line)
    else:
        root = folder_given(path)
        found_files = map(Path, sorted(glob.glob(path, recursive=True)))
        images = _without_masks([file for file in found_files if is_image(file, root)], root)
    if faults := [fault for file in images if (fault := fault_of(file, root))]:
        raise DataError("\n".join(faults))
    if not images:
        wanted = f"wanted a folder, a file, or a glob in quotes, of {', '.join(SUFFIXES)}"
        raise DataError(f"{path}: no image there; {wanted}")
    return images


def _without_masks(files: list[Path], root: Path) -> list[Path]:
    """Those of the files below ``root`` that are no masks; what is left out is said on stderr."""
    names = {file.relative_to(root).as_posix(): file for file in files}
    masks, left_out = tell_apart(list(names), lambda name: picture_size(root / name))
    left_out.add("which are masks of other images", filter(None, masks.values()))
    for line in left_out.lines():
        errors.note(line)
    return [file for name, file in names.items() if name in masks]


def folder_given(path: str) -> Path:
    """The folder that a user gave: the path itself, or what stands before its first wildcard."""
    if Path(path).exists():
        return Path(path)
    return Path(re.split(r"[^/\\]*[*?[]", path)[0])


def inputs_of(
    images: Picture | Sequence[Picture], class_names: list[str], findings: Findings | None = None
) -> list[Input]:
    """An Input for each image that Python code hands over, in order.

    Args:
        images: one or several of: a path, a folder, a glob; a numpy array, (H, W) grey or (H, W, 3)
            RGB, uint8, uint16, or floating from 0 to 1; a PIL image; an Input.
        class_names: by which folders and manifests may name the truth.
        findings: as of ``gather``.

    Raises:
        DataError: nothing there, or nothing that is an image.
    """
    single = isinstance(images, str | Path | np.ndarray | Image.Image | Input)
    inputs: list[Input] = []
    for image in cast(Sequence[Picture], [images] if single else images):
        if isinstance(image, Input):
            inputs.append(image)
        elif isinstance(image, str | Path):
            inputs += gather(find(str(image)), class_names, folder_given(str(image)), findings)
        elif isinstance(image, np.ndarray | Image.Image):
            name = f"image {len(inputs)}"
            inputs.append(Input(Path(name), name, pixels=_grey_pixels(image, name)))
        else:
            wanted = "wanted a path, a numpy array or a PIL image"
            raise DataError(f"image {len(inputs)}: got {type(image).__name__}, {wanted}")
    return inputs


def _grey_pixels(image: NDArray | Image.Image, name: str) -> NDArray:
    """(H, W) grey. DataError: no picture, or one whose transparent pixels hide what is there."""
    if isinstance(image, Image.Image):
        shown = ImageOps.exif_transpose(image)
        if "A" in shown.getbands() or "transparency" in shown.info:
            shown = shown.convert("RGBA")
        elif shown.mode not in PLAIN_MODES:
            shown = shown.convert("RGB")
        image = np.asarray(shown)
    if image.ndim == 3 and image.shape[2] in (3, 4):
        image = as_opencv(image)
    return stored_grey(PlainPicture(image), Path(name)).pixels


def gather(
    paths: list[Path],
    class_names: list[str],
    given: Path | None = None,
    findings: Findings | None = None,
) -> list[Input]:
    """An Input for each file, with what its folder knows of it.

    Truth and lesions come from the manifest.csv of a folder above. Else truth comes from the class
    folders of the folder that was given, right in it or in its split folders: never from the name
    of a file's folder alone.

    Args:
        paths: the files.
        class_names: by which folders and manifests may name the truth.
        given: the folder that they were found in; None: no folder tells a truth.
        findings: that a manifest may name several of, which no folder does; None: a truth is one
            class.
    """
    known = rows_above(paths, findings)
    by_folder = {} if findings else truths_by_folder(paths, class_names, given)
    labels: dict[Path, set[str]] = {}
    for root, row in known.values():
        labels.setdefault(root, set()).add(row.get("label", ""))
    meant = {root: classes_of(given, class_names) for root, given in labels.items()}
    inputs = []
    for path in paths:
        root, row = known.get(path.resolve(), (path.parent, {}))
        truth = meant[root][row["label"]] if row.get("label") else by_folder.get(path, "")
        truth = findings.truth_of(row) if findings else truth
        mask = root / row["mask"] if row.get("mask") else None
        if mask and (fault := fault_of(mask, root)):
            if not row.get("lesion_boxes_xyxy"):
                raise DataError(f"{root / 'manifest.csv'}: {fault}")
            mask = None
        inputs.append(
            Input(path, path.as_posix(), truth, row.get("lesion_boxes_xyxy", ""), mask, row)
        )
    labelled = any(image.row.get("label") for image in inputs)
    if findings:
        labelled = labelled or any(findings.some_columns(list(image.row)) for image in inputs)
        labelled = labelled or folders_name(paths, given, findings)
    truths = {image.name: image.truth for image in inputs}
    for line in note_of_unknown(truths, labelled, findings is not None):
        errors.note(line)
    return inputs
