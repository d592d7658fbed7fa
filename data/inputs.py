"""The images that predict.py is given, with what their folder knows of them."""

import glob
import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from data.dataset import as_float
from data.geometry import Placement, parse_boxes, rasterise, read_mask
from data.processed import NORMAL_NAMES, POSITIVE_NAMES
from data.readers import SUFFIXES, DataError, fault_of, read_grey
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
    """

    path: Path
    name: str
    truth: str = ""
    boxes: str = ""
    mask: Path | None = None
    row: dict[str, str] = field(default_factory=dict, hash=False)

    def resized(self, size: int) -> bool:
        """Whether a prepared image is of another size."""
        return self.path.suffix.lower() == ".npy" and read_grey(self.path).shape != (size, size)

    def image(self, how: dict[str, Any]) -> NDArray:
        """(size, size) float32 from 0 to 1, prepared as the training images were; .npy is prepared
        already.
        """
        grey, place = self.placed(how)
        return as_float(
            grey if self.path.suffix.lower() == ".npy" else place.image(grey), how["image_size"]
        )

    def digests(self, how: dict[str, Any]) -> set[str]:
        """The sha256 by which training may have known it: of its pixels as read from the source, or
        of its file.

        data.prepare takes the first and writes it to the manifest; a folder without a manifest has
        the second.
        """
        contents = (self.path.read_bytes(), self.placed(how)[0].tobytes())
        return {
            self.row.get("sha256", ""),
            *(hashlib.sha256(each).hexdigest() for each in contents),
        } - {""}

    def lesion(self, how: dict[str, Any]) -> NDArray | None:
        """(size, size) mask of the known lesions, or None where nothing is known."""
        if self.mask is None and not self.boxes:
            return None
        grey, place = self.placed(how)
        if self.mask is not None and (self.mask.is_file() or not self.boxes):
            return place.mask(read_mask(self.mask, grey.shape))
        return rasterise(place.boxes(parse_boxes(self.boxes)), (how["image_size"],) * 2)

    def placed(self, how: dict[str, Any]) -> tuple[NDArray, Placement]:
        """The grey image, DICOM in the window and frame of the training images, and where it comes
        to lie.
        """
        grey = read_grey(self.path, how.get("window"), how.get("frame", -1))
        height, width = grey.shape
        cut = (
            (0.0, False) if self.path.suffix.lower() == ".npy" else (how["border"], how["stretch"])
        )
        return grey, Placement(height, width, how["image_size"], *cut)


def find(path: str) -> list[Path]:
    """The image files that ``path`` names: a folder's, one, or those of a glob; no masks and no
    hidden files.

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


def gather(paths: list[Path], class_names: list[str]) -> list[Input]:
    """An Input for each file; truth and lesions from the manifest.csv of a folder above, else truth
    from its folder.
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
    """The class that a label or folder means: its name, or of two classes another word for normal
    or diseased.
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
