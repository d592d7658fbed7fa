"""Random changes of a training image that leave its diagnosis as it is."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from CONFIG import AugmentationConfig

COLLIMATOR = 0.03  # grey level of its shadow


@dataclass(frozen=True)
class Augment:
    """Mirror, rotate, shift, zoom, change exposure, add noise; CONFIG.py describes each key."""

    flip: str
    rotate: float
    shift: float
    zoom: float
    contrast: float
    noise: float
    shading: float = 0.0
    dark_border: float = 0.0

    @classmethod
    def from_config(cls, config: AugmentationConfig) -> "Augment":
        """The changes that a configuration asks for."""
        return cls(**{field.name: getattr(config, field.name) for field in fields(cls)})

    def __call__(
        self, image: NDArray, rng: np.random.Generator, masks: Sequence[NDArray | None] = ()
    ) -> tuple[NDArray, list[NDArray | None]]:
        """Another image and the masks that go with it.

        Args:
            image: (H, W) float32 grey from 0 to 1.
            rng: everything random comes from it, the same draws with and without masks.
            masks: (H, W) float32 each; they move as the image moves.
        """
        pictures = [image, *masks]
        if self.flip != "none" and rng.random() < 0.5:
            pictures = [picture if picture is None else picture[:, ::-1] for picture in pictures]
        if self.flip in ("both", "turns") and rng.random() < 0.5:
            pictures = [picture if picture is None else picture[::-1] for picture in pictures]
        if self.flip == "turns" and rng.random() < 0.5:
            pictures = [picture if picture is None else picture.T for picture in pictures]
        if self.rotate or self.shift or self.zoom:
            matrix = self._matrix(image.shape, rng)
            pictures = [
                picture if picture is None else _warp(picture, matrix) for picture in pictures
            ]
        changed, *others = pictures
        assert changed is not None, "the image itself is always there"
        if self.contrast:
            gain, gamma = np.exp(rng.uniform(-self.contrast, self.contrast, 2))
            offset = rng.uniform(-self.contrast, self.contrast) / 2
            changed = np.clip(changed, 0, 1) ** gamma * gain + offset
        if self.shading:
            fall = rng.uniform(0, self.shading)
            changed = shaded(changed, fall, int(rng.integers(4)))
        if self.dark_border and rng.random() < 0.5:
            depth = round(rng.uniform(0, self.dark_border) * len(changed))
            changed = darkened(changed, depth, int(rng.integers(4)))
        if self.noise:
            sigma = rng.uniform(0, self.noise)
            changed = changed + sigma * rng.standard_normal(changed.shape, np.float32)
        return np.clip(changed, 0, 1, dtype=np.float32), others

    def _matrix(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray:
        """(2, 3) affine matrix of a rotation, zoom and shift about the centre."""
        height, width = shape
        angle = rng.uniform(-self.rotate, self.rotate)
        zoom = 1 + rng.uniform(-self.zoom, self.zoom)
        matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, zoom)
        matrix[:, 2] += rng.uniform(-self.shift, self.shift, 2) * np.array([width, height])
        return matrix


def shaded(image: NDArray, fall: float, side: int) -> NDArray:
    """The square image; its brightness falls by a share ``fall`` towards one of four sides."""
    ramp = 1 - fall * np.linspace(0, 1, len(image), dtype=np.float32)
    return np.asarray(image * np.rot90(np.broadcast_to(ramp, image.shape), side))


def darkened(image: NDArray, depth: int, side: int) -> NDArray:
    """The image with a border of ``depth`` pixels on one of its four sides in collimator's grey."""
    turned = np.rot90(image, side).copy()
    turned[:depth] = COLLIMATOR
    return np.rot90(turned, -side)


def _warp(image: NDArray, matrix: NDArray) -> NDArray:
    height, width = image.shape
    return cv2.warpAffine(
        np.ascontiguousarray(image), matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101
    )
