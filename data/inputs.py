"""The images that predict.py is given, with what their folder knows of them."""

import glob
import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.geometry import parse_boxes, rasterise, read_mask
from data.preprocessing import Preprocessing
from data.processed import NORMAL_NAMES, POSITIVE_NAMES
from data.readers import SUFFIXES, DataError, as_grey, fault_of, read_grey
from data.sources import is_image
from data.tables import read_table


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
        pixels: (H, W) grey picture that is no file, uint8 or float32 from 0 to 1; None: a file.
    """

    path: Path
    name: str
    truth: str = ""
    boxes: str = ""
    mask: Path | None = None
    row: dict[str, str] = field(default_factory=dict, hash=False)
    pixels: NDArray | None = field(default=None, compare=False)

    @property
    def prepared(self) -> bool:
        """Whether data.prepare has made it, so that it is not cut and placed again."""
        return self.pixels is None and self.path.suffix.lower() == ".npy"

    def resized(self, size: int) -> bool:
        """Whether a prepared image is of another size."""
        return self.prepared and read_grey(self.path).shape != (size, size)

    def grey(self, preprocessing: Preprocessing) -> NDArray:
        """(H, W) grey picture as its file holds it. DataError: it cannot be read."""
        return preprocessing.read(self.path) if self.pixels is None else self.pixels

    def image(self, preprocessing: Preprocessing) -> NDArray:
        """(S, S) float32 from 0 to 1, prepared as the training images were."""
        return preprocessing.place(self.grey(preprocessing), self.prepared)

    def digests(self, preprocessing: Preprocessing) -> set[str]:
        """The sha256 by which training may have known it: of its grey pixels, or of its file.

        data.prepare takes the first and writes it to the manifest; a folder without a manifest has
        the second.
        """
        contents = [self.grey(preprocessing).tobytes()]
        if self.pixels is None:
            contents.append(self.path.read_bytes())
        found = {hashlib.sha256(content).hexdigest() for content in contents}
        listed = self.row.get("sha256")
        return found | {listed} if listed else found

    def lesion(self, preprocessing: Preprocessing) -> NDArray | None:
        """(S, S) mask of the known lesions, or None where nothing is known."""
        if self.mask is None and not self.boxes:
            return None
        shape = self.grey(preprocessing).shape
        placement = preprocessing.placement(shape, self.prepared)
        if self.mask is not None and (self.mask.is_file() or not self.boxes):
            return placement.mask(read_mask(self.mask, shape))
        size = preprocessing.image_size
        return rasterise(placement.boxes(parse_boxes(self.boxes)), (size, size))


Picture = str | Path | NDArray | Image.Image | Input  # what Python code may hand over
PLAIN_MODES = ("L", "I;16", "F", "RGB", "RGBA")  # of PIL; others are turned into RGB


def find(path: str) -> list[Path]:
    """The image files of a folder or a glob, or the one file; no masks and no hidden files.

    Raises:
        DataError: there is none.
    """
    root = Path(path)
    if root.is_file():
        return [root]
    if root.is_dir():
        images = sorted(file for file in root.rglob("*") if is_image(file, root))
    else:
        root = Path(re.split(r"[^/\\]*[*?[]", path)[0])  # before the first part with a wildcard
        images = [
            Path(file)
            for file in sorted(glob.glob(path, recursive=True))
            if is_image(Path(file), root)
        ]
    if faults := [fault for file in images if (fault := fault_of(file, root))]:
        raise DataError("\n".join(faults))
    if not images:
        wanted = f"wanted a folder, a file, or a glob in quotes, of {', '.join(SUFFIXES)}"
        raise DataError(f"{path}: no image there; {wanted}")
    return images


def inputs_of(images: Picture | Sequence[Picture], class_names: list[str]) -> list[Input]:
    """An Input for each image that Python code hands over, in order.

    Args:
        images: one or several of: a path, a folder, a glob; a numpy array, (H, W) grey or (H, W, 3)
            RGB, uint8, uint16, or floating from 0 to 1; a PIL image; an Input.
        class_names: by which folders and manifests may name the truth.

    Raises:
        DataError: nothing there, or nothing that is an image.
    """
    single = isinstance(images, str | Path | np.ndarray | Image.Image | Input)
    inputs: list[Input] = []
    for image in cast(Sequence[Picture], [images] if single else images):
        if isinstance(image, Input):
            inputs.append(image)
        elif isinstance(image, str | Path):
            inputs += gather(find(str(image)), class_names)
        elif isinstance(image, np.ndarray | Image.Image):
            name = f"image {len(inputs)}"
            inputs.append(Input(Path(name), name, pixels=_grey_pixels(image, name)))
        else:
            wanted = "wanted a path, a numpy array or a PIL image"
            raise DataError(f"image {len(inputs)}: got {type(image).__name__}, {wanted}")
    return inputs


def _grey_pixels(image: NDArray | Image.Image, name: str) -> NDArray:
    if isinstance(image, Image.Image):
        plain = image if image.mode in PLAIN_MODES else image.convert("RGB")
        image = np.asarray(plain)
    if image.ndim == 3 and image.shape[2] in (3, 4):
        image = image[:, :, 2::-1]  # as OpenCV orders colours
    return as_grey(image, Path(name))


def gather(paths: list[Path], class_names: list[str]) -> list[Input]:
    """An Input for each file, with what its folder knows of it.

    Truth and lesions come from the manifest.csv of a folder above, else truth from the folder.
    """
    known = _known(paths)
    inputs = []
    for path in paths:
        root, row = known.get(path.resolve(), (path.parent, {}))
        truth = _truth(row.get("label") or path.parent.name, class_names)
        mask = root / row["mask"] if row.get("mask") else None
        if mask and (fault := fault_of(mask, root)):
            if not row.get("lesion_boxes_xyxy"):
                raise DataError(f"{root / 'manifest.csv'}: {fault}")
            mask = None
        inputs.append(
            Input(path, path.as_posix(), truth, row.get("lesion_boxes_xyxy", ""), mask, row)
        )
    return inputs


def _truth(label: str, class_names: list[str]) -> str:
    """The class that a label or folder means.

    It is the name of a class, or of two classes another word for normal or diseased.
    """
    meant = dict.fromkeys(NORMAL_NAMES, 0) | dict.fromkeys((*POSITIVE_NAMES, "1"), 1)
    if label not in class_names and len(class_names) == 2 and label.lower() in meant:
        return class_names[meant[label.lower()]]
    return label if label in class_names else ""


def _known(paths: list[Path]) -> dict[Path, tuple[Path, dict[str, str]]]:
    """For each file in a manifest.csv above any of the paths: the manifest's folder and its row."""
    known = {}
    for folder in {parent for path in paths for parent in list(path.resolve().parents)[:4]}:
        manifest = folder / "manifest.csv"
        if manifest.is_file():
            rows = read_table(manifest)
            for row in rows:
                with suppress(OSError, RuntimeError, ValueError):  # a name that no file has
                    known[(folder / row.get("path", "")).resolve()] = (folder, row)
    return known
