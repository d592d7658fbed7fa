"""How many near-duplicates made from real frames are found, and how many other pairs are tied.

python -m benchmarks.near_duplicates --Path ../shared/datasets/arcade_sample --without 617 75 Frames
are cut into tiles that do not overlap; each is changed in one way and sought among all. --without
leaves out frames that are near-duplicates of others.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data.duplicates import describe, near_duplicates
from data.readers import read_grey

Image = NDArray[Any]


def moved(image: Image, degrees: float, x: float) -> Image:
    size = image.shape[0]
    matrix = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), degrees, 1)
    matrix[0, 2] += x
    return cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)


def compressed(image: Image, quality: int) -> Image:
    return np.asarray(
        cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0)
    )


KINDS: dict[str, Callable[[Image], Image]] = {
    "turned by 5 degrees": lambda image: moved(image, 5, 0),
    "shifted by 6 px": lambda image: moved(image, 0, 6),
    "JPEG quality 40": lambda image: compressed(image, 40),
    "gamma 1.3": lambda image: np.round(255 * (image / 255) ** 1.3).astype(np.uint8),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--Path", type=Path, required=True, help="a folder of grey PNG frames")
    parser.add_argument("--tile", type=int, default=128, help="edge of a tile [px]")
    parser.add_argument(
        "--inner", action="store_true", help="no tile at a frame's edge, where the collimator is"
    )
    parser.add_argument("--without", nargs="*", default=[], help="names of frames to leave out")
    given = parser.parse_args()
    tiles = []
    for path in sorted(given.Path.rglob("*.png")):
        if path.stem not in given.without:
            frame = read_grey(path)
            step = given.tile
            frame = frame[step:-step, step:-step] if given.inner else frame
            tiles += [
                frame[y : y + step, x : x + step]
                for y in range(0, frame.shape[0] - step + 1, step)
                for x in range(0, frame.shape[1] - step + 1, step)
            ]
    count = len(tiles)
    own = [describe(tile) for tile in tiles]
    for kind, change in KINDS.items():
        pairs = near_duplicates(np.stack(own + [describe(change(tile)) for tile in tiles]))
        right = int((pairs[:, 1] - pairs[:, 0] == count).sum())
        wrong = int(((pairs[:, 1] - pairs[:, 0]) % count != 0).sum())
        precision = right / max(right + wrong, 1)
        print(
            f"{kind:<22}recall {right / count:.3f} ({right} of {count}), precision {precision:.3f} ({wrong} others)"
        )


if __name__ == "__main__":
    main()
