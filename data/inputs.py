"""The images that predict.py is given, with what their folder knows of them."""

import glob
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from data.dataset import as_float
from data.geometry import Placement, parse_boxes, rasterise, read_mask
from data.processed import FIRST_VERSION_CLASSES, NORMAL_NAMES, POSITIVE_NAMES, read_table
from data.readers import SUFFIXES, DataError, read_grey


@dataclass(frozen=True)
class Input:
    """One image file.

    Args:
        path: the file.
        name: how it is called in tables and pictures.
        truth: its class name, or empty where unknown.
        boxes: known lesion boxes as text, in pixels of the file.
        mask: file of the known lesion mask, or None.
    """

    path: Path
    name: str
    truth: str = ""
    boxes: str = ""
    mask: Path | None = None

    def image(self, how: dict[str, Any]) -> NDArray:
        """(size, size) float32 from 0 to 1, prepared as the training images were; .npy is prepared already."""
        grey = _read(self.path, how)
        size = how["image_size"]
        return as_float(grey if self._prepared else self._place(grey, how).image(grey), size)

    def lesion(self, how: dict[str, Any]) -> NDArray | None:
        """(size, size) mask of the known lesions, or None where nothing is known."""
        if self.mask is None and not self.boxes:
            return None
        grey = _read(self.path, how)
        place = self._place(grey, how)
        if self.mask is not None and self.mask.is_file():
            return place.image(read_mask(self.mask, grey.shape), nearest=True)
        return rasterise(place.boxes(parse_boxes(self.boxes)), (how["image_size"],) * 2)

    @property
    def _prepared(self) -> bool:
        return self.path.suffix.lower() == ".npy"

    def _place(self, grey: NDArray, how: dict[str, Any]) -> Placement:
        border, stretch = (0.0, False) if self._prepared else (how["border"], how["stretch"])
        return Placement(grey.shape[0], grey.shape[1], how["image_size"], border, stretch)


def _read(path: Path, how: dict[str, Any]) -> NDArray:
    """The grey image, DICOM in the window and the frame of the training images."""
    window, frame = how.get("window"), how.get("frame", -1)
    return read_grey(path, (window[0], window[1]) if window else None, None if frame < 0 else frame)


def find(path: str) -> list[Path]:
    """The image files that ``path`` names: a folder's, one, or those of a glob; no masks and no hidden files.

    Raises:
        DataError: there is none.
    """
    root = Path(path)
    if root.is_file():
        return [root]
    found = (
        sorted(root.rglob("*")) if root.is_dir() else [Path(file) for file in sorted(glob.glob(path, recursive=True))]
    )
    start = len(root.parts) if root.is_dir() else 0
    images = [
        file
        for file in found
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and file.name != "contact_sheet.png"
        and not any(part == "masks" or part.startswith((".", "__MACOSX")) for part in file.parts[start:])
    ]
    if not images:
        raise DataError(
            f"{path}: no image there; wanted a folder, a file, or a glob in quotes, of {', '.join(SUFFIXES)}"
        )
    return images


def gather(paths: list[Path], class_names: list[str], how: dict[str, Any]) -> list[Input]:
    """An Input for each file, checked by reading it.

    Truth and lesions come from the manifest.csv of a folder above, else truth from a folder's name.

    Raises:
        DataError: every image that cannot be used, a line each.
    """
    known = _known(paths)
    inputs, faults, resized = [], [], 0
    for path in paths:
        root, row = known.get(path.resolve(), (None, {}))
        truth = _truth(row.get("label") or path.parent.name, class_names)
        mask = root / row["mask"] if root is not None and row.get("mask") else None
        item = Input(path, path.as_posix(), truth, row.get("lesion_boxes_xyxy", ""), mask)
        try:
            shape = _read(path, how).shape
            item.lesion(how)
        except ValueError as error:
            faults.append(str(error))
            continue
        resized += path.suffix.lower() == ".npy" and shape != (how["image_size"],) * 2
        inputs.append(item)
    if faults:
        raise DataError(
            "\n".join([*faults, f"{len(faults)} of {len(paths)} images cannot be used; mend or remove them"])
        )
    if resized:
        print(f"note: {resized} images are resized to the model's {how['image_size']} px", file=sys.stderr)
    return inputs


def _truth(label: str, class_names: list[str]) -> str:
    """The class that a label or folder means: its name, or of two classes another word for normal or diseased."""
    if label in class_names:
        return label
    if len(class_names) == 2:
        for name, words in zip(class_names, (NORMAL_NAMES, POSITIVE_NAMES), strict=True):
            if label.lower() in words:
                return name
    named = FIRST_VERSION_CLASSES.get(label, "")
    return named if named in class_names else ""


def _known(paths: list[Path]) -> dict[Path, tuple[Path, dict[str, str]]]:
    """For each file in a manifest.csv above any of the paths: the manifest's folder and its row."""
    known = {}
    for folder in {parent for path in paths for parent in list(path.resolve().parents)[:4]}:
        manifest = folder / "manifest.csv"
        if manifest.is_file():
            rows = read_table(manifest)
            known.update({(folder / row["path"]).resolve(): (folder, row) for row in rows if row.get("path")})
    return known
