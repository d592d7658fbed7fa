"""Random changes of a training image that leave its diagnosis as it is."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Augment:
    """Mirror, rotate, shift, zoom, change contrast and add noise; each key is described in CONFIG.py."""

    flip: str = "none"
    rotate: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0

    def __call__(self, image: NDArray, rng: np.random.Generator) -> NDArray:
        """(H, W) float32 grey image from 0 to 1 to another such. Everything random comes from ``rng``."""
        height, width = image.shape
        if self.flip != "none" and rng.random() < 0.5:
            image = image[:, ::-1]
        if self.flip == "both" and rng.random() < 0.5:
            image = image[::-1]
        if self.rotate or self.shift or self.zoom:
            angle, zoom = rng.uniform(-self.rotate, self.rotate), 1 + rng.uniform(-self.zoom, self.zoom)
            matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, zoom)
            matrix[:, 2] += rng.uniform(-self.shift, self.shift, 2) * np.array([width, height])
            image = cv2.warpAffine(
                np.ascontiguousarray(image), matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101
            )
        if self.contrast:
            gain, gamma = np.exp(rng.uniform(-self.contrast, self.contrast, 2))
            offset = rng.uniform(-self.contrast, self.contrast) / 2
            image = np.clip(image, 0, 1) ** gamma * gain + offset
        if self.noise:
            sigma = rng.uniform(0, self.noise)
            image = image + sigma * rng.standard_normal(image.shape, np.float32)
        return np.clip(image, 0, 1, dtype=np.float32)
