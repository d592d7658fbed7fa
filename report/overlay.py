"""An image with a map over it, and what is known of it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from report.plots import blend
from vit.model import VisionTransformer

TILE = 240  # px of the longer edge, or a little more
STRIPE = 0.5
CYAN = (0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Subject:
    """A model, in eval mode, and the image that it is shown with.

    Args:
        batch: (1, C, H, W) the image, standardised.
        image: (H, W) grey from 0 to 1.
        lesion: (H, W) mask, or None where unknown.
        title: what is known of the image, and what the model says.
        positive: name of the class whose evidence is shown.
    """

    model: VisionTransformer
    batch: Tensor
    image: NDArray
    lesion: NDArray | None
    title: str
    positive: str

    @property
    def legend(self) -> str:
        """Words for what is drawn over the image."""
        words = ["outline: known lesion"] if self.lesion is not None and self.lesion.any() else []
        return "; ".join(
            words + ["striped: not seen"] * (self.model.embeddings.kept(self.batch) is not None)
        )


def striped(shape: tuple[int, ...], width: int) -> NDArray:
    """(h, w) whether a pixel lies on a stripe: the sign of what was not seen."""
    return np.add.outer(*map(np.arange, shape)) // width % 4 == 0


def tile(subject: Subject, map_: NDArray | None = None, top: float = 1.0) -> NDArray:
    """(h, w, 3) from 0 to 1: the image, over it a map (NaN: not seen) if given, and the outline of
    known lesion.
    """
    rows, columns = subject.model.grid
    edge = -(-TILE // max(rows, columns))
    shape = columns * edge, rows * edge
    grey = np.clip(cv2.resize(subject.image, shape, interpolation=cv2.INTER_AREA), 0, 1)
    colours = np.repeat(grey[..., None], 3, axis=2)
    if map_ is not None:
        fine = map_.repeat(edge, axis=0).repeat(edge, axis=1)
        colours = blend(grey, np.clip(np.nan_to_num(fine) / top, 0, 1))
        colours[np.isnan(fine) & striped(grey.shape, 3)] = STRIPE
    if subject.lesion is not None:
        mask = (
            cv2.resize(subject.lesion.astype(np.float32), shape, interpolation=cv2.INTER_LINEAR)
            > 0.5
        )
        grown = [
            cv2.dilate(mask.astype(np.uint8), np.ones((3, 3)), iterations=i) > 0 for i in (2, 3)
        ]
        colours[grown[1] & ~mask] = 0  # a dark rim shows the line on bright patches
        colours[grown[0] & ~mask] = CYAN
    return colours
