"""How many near-duplicates of real frames are found, and how many other pairs are tied.

python -m benchmarks.near_duplicates --Path ../shared/datasets/arcade_sample --without 617 75

Frames are cut into tiles that do not overlap. Each is changed in one way and sought among all.
--without leaves out frames that are near-duplicates of others.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import errors
from data.descriptors import describe
from data.duplicates import near_duplicates
from data.readers import read_grey


def moved(image: NDArray, degrees: float, x: float) -> NDArray:
    """Turned about its centre and shifted to the right [px]."""
    size = image.shape[0]
    matrix = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), degrees, 1)
    matrix[0, 2] += x
    return cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)


def compressed(image: NDArray, quality: int) -> NDArray:
    """As a JPEG of that quality shows it."""
    content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(content, 0))


KINDS: dict[str, Callable[[NDArray], NDArray]] = {
    "turned by 5 degrees": lambda image: moved(image, 5, 0),
    "shifted by 6 px": lambda image: moved(image, 0, 6),
    "JPEG quality 40": lambda image: compressed(image, 40),
    "gamma 1.3": lambda image: np.round(255 * (image / 255) ** 1.3).astype(np.uint8),
}


def tiles_of(frame: NDArray, edge: int, inner: bool) -> Iterator[NDArray]:
    """Square tiles of a frame; ``inner``: none at its edge, where the collimator is."""
    if inner:
        frame = frame[edge:-edge, edge:-edge]
    for y in range(0, frame.shape[0] - edge + 1, edge):
        for x in range(0, frame.shape[1] - edge + 1, edge):
            yield frame[y : y + edge, x : x + edge]


def main(argv: list[str]) -> None:
    """Print recall and precision for each kind of change."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.near_duplicates",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path", type=Path, required=True, help="a folder of grey PNG frames")
    parser.add_argument("--tile", type=int, default=128, help="edge of a tile [px]")
    parser.add_argument(
        "--inner", action="store_true", help="no tile at a frame's edge, where the collimator is"
    )
    parser.add_argument("--without", nargs="*", default=[], help="names of frames to leave out")
    given = parser.parse_args(argv)
    tiles: list[NDArray] = []
    with errors.ending_in_one_line():
        for path in sorted(given.Path.rglob("*.png")):
            if path.stem not in given.without:
                tiles += tiles_of(read_grey(path), given.tile, given.inner)
    count = len(tiles)
    own = [describe(tile) for tile in tiles]
    for kind, change in KINDS.items():
        pairs = near_duplicates(np.stack(own + [describe(change(tile)) for tile in tiles]))
        apart = pairs[:, 1] - pairs[:, 0]
        right = int((apart == count).sum())
        wrong = int((apart % count != 0).sum())
        precision = right / max(right + wrong, 1)
        print(
            f"{kind:<22}recall {right / count:.3f} ({right} of {count}), "
            f"precision {precision:.3f} ({wrong} others)"
        )


if __name__ == "__main__":
    errors.run(main)
