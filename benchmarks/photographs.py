"""Crops of photographs and textures that scikit-image and scikit-learn bring.

They are what no coronary image looks like; for benchmarks.uncertainty.
"""

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

CROPS = 600
SMALLEST = 48  # edge of a crop in pixels of its picture
PICTURES = (
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)


def crops(size: int) -> list[NDArray]:
    """Square grey crops, size x size from 0 to 1, of each picture in turn.

    Every other one is at its own resolution.
    """
    pictures = [getattr(skimage.data, name)() for name in PICTURES]
    pictures += load_sample_images().images
    greys = [_grey(image) for image in pictures]
    rng = np.random.default_rng(0)
    made = []
    for number in range(CROPS):
        turn, which = divmod(number, len(greys))
        image = greys[which]
        most = min(image.shape)
        edge = min(size, most) if turn % 2 else int(rng.integers(min(SMALLEST, most), most + 1))
        y, x = (int(rng.integers(length - edge + 1)) for length in image.shape)
        crop = image[y : y + edge, x : x + edge]
        interpolation = cv2.INTER_AREA if edge > size else cv2.INTER_LINEAR
        made.append(cv2.resize(crop, (size, size), interpolation=interpolation))
    return made


def _grey(image: NDArray) -> NDArray:
    grey = image.mean(axis=2) if image.ndim == 3 else image
    return grey.astype(np.float32) / 255
