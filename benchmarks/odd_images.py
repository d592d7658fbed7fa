"""Real image files, to be changed at random, and what reads them; for benchmarks.fuzz."""

import io
from pathlib import Path

import cv2
import numpy as np
import pydicom

from benchmarks.odd_files import PROJECT
from data.geometry import read_mask
from data.readers import about_dicom, read_grey

LARGEST = 200_000  # bytes


def image_seeds() -> list[bytes]:
    """Made files of each kind, and a few of the shared data sets where they are there."""
    image = np.random.default_rng(0).integers(0, 256, (40, 32), np.uint8)
    made = [cv2.imencode(suffix, image)[1].tobytes() for suffix in (".png", ".jpg", ".bmp", ".tif")]
    for array in (image, (image / 255).astype(np.float16)):
        file = io.BytesIO()
        np.save(file, array)
        made.append(file.getvalue())
    shared = sorted((PROJECT.parent / "shared" / "datasets").rglob("*.[jp][pn]g"))[:2000:100]
    return made + _small(shared)


def dicom_seeds() -> list[bytes]:
    """pydicom's test data; its own finder would download more."""
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    return _small(sorted(folder.glob("*.dcm")))


def _small(paths: list[Path]) -> list[bytes]:
    return [path.read_bytes() for path in paths if path.stat().st_size < LARGEST]


def read_dicom(path: Path) -> None:
    """As data.prepare and predict.py read a picture."""
    about_dicom(path)
    read_grey(path)


def read_image(path: Path) -> None:
    """The same, and the mask that it may be."""
    about_dicom(path)
    read_mask(path, read_grey(path).shape)
