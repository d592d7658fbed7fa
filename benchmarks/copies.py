"""How surely changed copies are found, as sets that were augmented before their split hold them.

python -m benchmarks.copies --Path ../shared/datasets

Each original gets one changed copy, and all are searched together. Four sets: windows of 300
different ARCADE frames, the whole ARCADE frames, 300 CT phantoms and reformations of 150 made-up
patients, each at 256 px. The strengths below were written down before the first measurement; the
thresholds of data/copies.py were chosen with --half choice, on other windows, frames and phantoms.
"""

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import errors
from benchmarks.near_duplicates import compressed
from data.copies import same_pictures
from data.readers import DataError, read_grey
from data.sketch import Sketch, sketch
from phantoms import mpr
from phantoms.ct import phantom

EDGE = 256  # pixels of an image as it is compared
COUNT = 300  # windows, and phantoms, of a set
REFORMATIONS = 150
# frames that are near duplicates of others
REPEATED = ("617", "75")

Rng = np.random.Generator
Change = Callable[[NDArray, Rng], NDArray]


def mirrored(image: NDArray, rng: Rng) -> NDArray:
    """Left to right or top to bottom (RandomHorizontalFlip, RandomVerticalFlip of torchvision)."""
    return np.ascontiguousarray(cv2.flip(image, int(rng.integers(2))))


def turned(image: NDArray, rng: Rng) -> NDArray:
    """By any angle (Albumentations turns by up to 90 degrees), corners black or reflected."""
    return _warped(image, _linear(angle=rng.uniform(-180, 180)), rng)


def zoomed(image: NDArray, rng: Rng) -> NDArray:
    """By 0.8 to 1.2 (the guides of imgaug, and zoom_range=0.2 of Keras)."""
    return _warped(image, _linear(scale=rng.uniform(0.8, 1.2)), rng)


def cropped(image: NDArray, rng: Rng) -> NDArray:
    """Up to 20 % off each side (imgaug Crop(percent=(0, 0.2))), resized to the former size."""
    height, width = image.shape
    top, bottom = (round(float(share) * height) for share in rng.uniform(0, 0.2, 2))
    left, right = (round(float(share) * width) for share in rng.uniform(0, 0.2, 2))
    inner = image[top : height - bottom, left : width - right]
    return cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR)


def sheared(image: NDArray, rng: Rng) -> NDArray:
    """By up to 16 degrees along one axis (the guide of imgaug)."""
    slope = float(np.tan(np.deg2rad(rng.uniform(-16, 16))))
    matrix = np.eye(2)
    if rng.integers(2):
        matrix[0, 1] = slope
    else:
        matrix[1, 0] = slope
    return _warped(image, matrix, rng)


def brightened(image: NDArray, rng: Rng) -> NDArray:
    """Brightness and contrast by up to 0.2 (RandomBrightnessContrast of Albumentations)."""
    gain = rng.uniform(0.8, 1.2)
    shift = 255 * rng.uniform(-0.2, 0.2)
    return _grey(image * gain + shift)


def blurred(image: NDArray, rng: Rng) -> NDArray:
    """Gaussian, 0.1 to 2 px (GaussianBlur of torchvision)."""
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.1, 2))


def noisy(image: NDArray, rng: Rng) -> NDArray:
    """Gaussian, 0.1 of the range (GaussianNoise of torchvision, RandGaussianNoise of MONAI)."""
    return _grey(image + 25.5 * rng.standard_normal(image.shape))


def recompressed(image: NDArray, rng: Rng) -> NDArray:
    """JPEG of quality 40 to 95; Albumentations stops at 80 or 99, by its version."""
    return compressed(image, int(rng.integers(40, 96)))


def cut_out(image: NDArray, rng: Rng) -> NDArray:
    """A black rectangle, 2 to 33 % of the area (RandomErasing of torchvision)."""
    height, width = image.shape
    while True:
        area = rng.uniform(0.02, 0.33) * height * width
        ratio = np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
        tall = round(np.sqrt(area * ratio))
        wide = round(np.sqrt(area / ratio))
        if tall < height and wide < width:
            break
    y = int(rng.integers(height - tall))
    x = int(rng.integers(width - wide))
    made = image.copy()
    made[y : y + tall, x : x + wide] = 0
    return made


def three_at_once(image: NDArray, rng: Rng) -> NDArray:
    """Three of the ten, in a random order."""
    for kind in rng.choice(len(TEN), 3, replace=False):
        image = TEN[kind](image, rng)
    return image


def strongly_cropped(image: NDArray, rng: Rng) -> NDArray:
    """RandomResizedCrop of torchvision as it stands: 8 to 100 % of the area. Beyond the ten."""
    height, width = image.shape
    while True:
        area = rng.uniform(0.08, 1) * height * width
        ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        tall = round(np.sqrt(area / ratio))
        wide = round(np.sqrt(area * ratio))
        if tall <= height and wide <= width:
            break
    y = int(rng.integers(height - tall + 1))
    x = int(rng.integers(width - wide + 1))
    inner = image[y : y + tall, x : x + wide]
    return cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR)


TEN: list[Change] = [
    mirrored,
    turned,
    zoomed,
    cropped,
    sheared,
    brightened,
    blurred,
    noisy,
    recompressed,
    cut_out,
]


def _linear(angle: float = 0, scale: float = 1) -> NDArray:
    return cv2.getRotationMatrix2D((0, 0), angle, scale)[:, :2]


def _warped(image: NDArray, linear: NDArray, rng: Rng) -> NDArray:
    """Changed about its centre; outside it is black, or the picture reflected."""
    height, width = image.shape
    centre = np.array([width - 1, height - 1]) / 2
    matrix = np.column_stack([linear, centre - linear @ centre])
    border = (cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101)[rng.integers(2)]
    return cv2.warpAffine(image, matrix, (width, height), borderMode=border)


def _grey(values: NDArray) -> NDArray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def windows_of(folder: Path, half: str) -> list[NDArray]:
    """One window of each of COUNT frames, of 128 px."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as table:
        first = {row["frame"]: row["path"] for row in reversed(list(csv.DictReader(table)))}
    names = sorted(first)
    order = np.random.default_rng(5).permutation(len(names))
    chosen = order[:COUNT] if half == "choice" else order[COUNT : 2 * COUNT]
    return [read_grey(folder / first[names[i]]) for i in chosen]


def frames_of(folder: Path, half: str) -> list[NDArray]:
    """Whole frames at EDGE pixels: every second one for the choice, all for the test."""
    paths = [path for path in sorted(folder.rglob("*.png")) if path.stem not in REPEATED]
    if half == "choice":
        paths = paths[::2]
    frames = [read_grey(path) for path in paths]
    return [cv2.resize(frame, (EDGE, EDGE), interpolation=cv2.INTER_AREA) for frame in frames]


def phantoms_of(half: str) -> list[NDArray]:
    """COUNT patients."""
    seed = 71 if half == "choice" else 1234
    return [phantom(seed, index, EDGE, 1).image for index in range(COUNT)]


def reformations_of(half: str) -> list[NDArray]:
    """One picture of each of REFORMATIONS patients."""
    seed = 71 if half == "choice" else 1234
    return [mpr.phantom(seed, index, EDGE, 1, 1).image for index in range(REFORMATIONS)]


def measure(name: str, images: list[NDArray], changes: list[Change], seed: int) -> None:
    """Print recall and precision for each kind of change."""
    count = len(images)
    own = sketches_of(images)
    alike = {(int(i), int(j)) for i, j in same_pictures(own)}
    print(f"{name}: originals that are tied themselves: {sorted(alike) or 'none'}")
    for change in changes:
        rng = np.random.default_rng(seed)
        changed = sketches_of([change(image, rng) for image in images])
        start = time.monotonic()
        pairs = same_pictures(own + changed)
        seconds = time.monotonic() - start
        right = int((pairs[:, 1] - pairs[:, 0] == count).sum())
        others = [(int(i) % count, int(j) % count) for i, j in pairs if (j - i) % count]
        known = sum((min(pair), max(pair)) in alike for pair in others)
        print(
            f"{name:<9}{change.__name__:<17}recall {right / count:.3f} ({right} of {count}), "
            f"precision {right / max(right + len(others), 1):.3f} ({len(others)} others, "
            f"{known} of them of tied originals), {seconds:.1f} s",
            flush=True,
        )


def sketches_of(images: list[NDArray]) -> list[Sketch]:
    """Of all of them."""
    return [sketch(image) for image in images]


def main(argv: list[str]) -> None:
    """Print recall and precision for each set and kind of change."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.copies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path", type=Path, required=True, help="the folder shared/datasets")
    parser.add_argument("--half", choices=("choice", "test"), default="test")
    parser.add_argument("--seed", type=int, default=1, help="of the changes")
    parser.add_argument(
        "--sets", nargs="*", default=["windows", "frames", "phantoms", "reformations"]
    )
    parser.add_argument("--kinds", nargs="*", help="names of changes (default: all)")
    given = parser.parse_args(argv)
    changes = [
        change
        for change in [*TEN, three_at_once, strongly_cropped]
        if not given.kinds or change.__name__ in given.kinds
    ]
    with errors.ending_in_one_line():
        for name in given.sets:
            if name == "windows":
                images = windows_of(given.Path / "arcade_windows", given.half)
            elif name == "frames":
                images = frames_of(given.Path / "arcade_sample", given.half)
            elif name == "phantoms":
                images = phantoms_of(given.half)
            elif name == "reformations":
                images = reformations_of(given.half)
            else:
                raise DataError(
                    f"sets: got {name}, wanted windows, frames, phantoms or reformations"
                )
            measure(name, images, changes, given.seed)


if __name__ == "__main__":
    errors.run(main)
