"""Raw data sets for the tests: folders of pictures, and manifests."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from data import sources
from data.samples import Sample

CLASSES = ("normal", "abnormal")
UNKNOWN = ("open", "narrow")  # of which nothing says that they are classes


def picture(path: Path, seed: int, greys: int = 256) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, greys, (24, 24), np.uint8)
    path.write_bytes(cv2.imencode(".png", pixels * (255 // (greys - 1)))[1].tobytes())


def pictures_in(root: Path, *folders: str, greys: int = 256) -> Path:
    for number, folder in enumerate(folders):
        for image in range(3):
            picture(root / folder / f"p{image}.png", 100 * number + image, greys)
    return root


def holding(outer: tuple[str, ...], inner: tuple[str, ...] = CLASSES) -> list[str]:
    return [f"{folder}/{label}" for folder in outer for label in inner]


def found(root: Path) -> tuple[list[Sample], str]:
    notes: list[str] = []
    samples = sources.find(root, None, notes)[1]
    return samples, "\n".join(notes)


def counts(samples: list[Sample]) -> dict[tuple[str, str], int]:
    return dict(Counter((each.split, each.label) for each in samples))


def table(root: Path, name: str = "manifest.csv", **columns: list[str]) -> Path:
    """A manifest of six pictures, three of each class."""
    lines = [",".join(["path", "label", *columns])]
    for number in range(6):
        picture(root / f"i{number}.png", number)
        cells = [column[number] for column in columns.values()]
        lines.append(",".join([f"i{number}.png", CLASSES[number % 2], *cells]))
    (root / name).write_text("\n".join(lines) + "\n")
    return root
