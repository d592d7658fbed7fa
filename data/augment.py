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

    def __call__(
        self, image: NDArray, rng: np.random.Generator, mask: NDArray | None = None
    ) -> tuple[NDArray, NDArray | None]:
        """Another image and the mask that goes with it.

        Args:
            image: (H, W) float32 grey from 0 to 1.
            rng: everything random comes from it, the same draws with and without a mask.
            mask: (H, W) float32 lesion mask; it moves as the image moves.
        """
        if self.flip != "none" and rng.random() < 0.5:
            image, mask = image[:, ::-1], None if mask is None else mask[:, ::-1]
        if self.flip == "both" and rng.random() < 0.5:
            image, mask = image[::-1], None if mask is None else mask[::-1]
        if self.rotate or self.shift or self.zoom:
            matrix = self._matrix(image.shape, rng)
            image = _warp(image, matrix)
            mask = None if mask is None else _warp(mask, matrix)
        if self.contrast:
            gain, gamma = np.exp(rng.uniform(-self.contrast, self.contrast, 2))
            offset = rng.uniform(-self.contrast, self.contrast) / 2
            image = np.clip(image, 0, 1) ** gamma * gain + offset
        if self.noise:
            sigma = rng.uniform(0, self.noise)
            image = image + sigma * rng.standard_normal(image.shape, np.float32)
        return np.clip(image, 0, 1, dtype=np.float32), mask

    def _matrix(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray:
        """(2, 3) affine matrix of a rotation, zoom and shift about the centre."""
        height, width = shape
        angle, zoom = rng.uniform(-self.rotate, self.rotate), 1 + rng.uniform(-self.zoom, self.zoom)
        matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, zoom)
        matrix[:, 2] += rng.uniform(-self.shift, self.shift, 2) * np.array([width, height])
        return matrix


def _warp(image: NDArray, matrix: NDArray) -> NDArray:
    height, width = image.shape
    return cv2.warpAffine(np.ascontiguousarray(image), matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
