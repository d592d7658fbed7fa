"""An image as a small picture, with a map over it and the outline of the known lesion."""

import cv2
import numpy as np
from numpy.typing import NDArray

from report.subject import Subject
from vit.heatmap import blend

TILE = 240  # px of the longer edge, or a little more
STRIPE = 0.5  # grey of the stripes over what was not seen
CYAN = (0.0, 1.0, 1.0)


def striped(shape: tuple[int, ...], width: int) -> NDArray:
    """(h, w) whether a pixel lies on a stripe: the sign of what was not seen."""
    rows, columns = map(np.arange, shape)
    return np.add.outer(rows, columns) // width % 4 == 0


def tile(subject: Subject, map_: NDArray | None = None, top: float = 1.0) -> NDArray:
    """(h, w, 3) from 0 to 1: the image, a map over it, and the outline of the known lesion.

    Args:
        subject: the image.
        map_: (grid height, grid width) evidence, NaN what was not seen; None: no map.
        top: upper end of the colour scale.
    """
    rows, columns = subject.model.grid
    edge = -(-TILE // max(rows, columns))
    shape = (columns * edge, rows * edge)
    grey = np.clip(cv2.resize(subject.image, shape, interpolation=cv2.INTER_AREA), 0, 1)
    colours = np.repeat(grey[..., None], 3, axis=2)
    if map_ is not None:
        fine = map_.repeat(edge, axis=0).repeat(edge, axis=1)
        colours = blend(grey, np.clip(np.nan_to_num(fine) / top, 0, 1))
        colours[np.isnan(fine) & striped(grey.shape, 3)] = STRIPE
    if subject.lesion is not None:
        lesion = subject.lesion.astype(np.float32)
        mask = cv2.resize(lesion, shape, interpolation=cv2.INTER_LINEAR) > 0.5
        colours[_grown(mask, 3) & ~mask] = 0  # a dark rim shows the line on bright patches
        colours[_grown(mask, 2) & ~mask] = CYAN
    return colours


def _grown(mask: NDArray, pixels: int) -> NDArray:
    """A mask that is wider by so many pixels on each side."""
    wider = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3)), iterations=pixels)
    return np.asarray(wider > 0)
