"""An image with a map over it, and what is known of it."""

from dataclasses import dataclass
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from vit.model import VisionTransformer

TILE = 240  # px of the longer edge, or a little more
DIM, STRIPE, CYAN = 0.6, 0.5, (0.0, 1.0, 1.0)


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
        return "; ".join(words + ["striped: not seen"] * (self.model.embeddings.kept(self.batch) is not None))


def blend(grey: NDArray, strength: NDArray) -> NDArray:
    """(...) grey and strength from 0 to 1 to (..., 3) colours: the dimmer grey shines through where it is weak."""
    alpha = (0.15 + 0.8 * strength)[..., None]
    return (1 - alpha) * DIM * grey[..., None] + alpha * matplotlib.colormaps["inferno"](strength)[..., :3]


def striped(shape: tuple[int, ...], width: int) -> NDArray:
    """(h, w) whether a pixel lies on a stripe: the sign of what was not seen."""
    return np.add.outer(*map(np.arange, shape)) // width % 4 == 0


def tile(subject: Subject, map_: NDArray | None = None, top: float = 1.0) -> NDArray:
    """(h, w, 3) from 0 to 1: the image, over it a map (NaN: not seen) if given, and the outline of known lesion."""
    rows, columns = subject.model.grid
    edge = -(-TILE // max(rows, columns))
    shape = columns * edge, rows * edge
    grey = np.clip(cv2.resize(subject.image, shape, interpolation=cv2.INTER_AREA), 0, 1)
    colours = np.repeat(grey[..., None], 3, axis=2)
    if map_ is not None:
        fine = map_.repeat(edge, axis=0).repeat(edge, axis=1)
        colours = blend(grey, np.sqrt(np.clip(np.nan_to_num(fine) / top, 0, 1)))
        colours[np.isnan(fine) & striped(grey.shape, 3)] = STRIPE
    if subject.lesion is not None:
        mask = cv2.resize(subject.lesion.astype(np.float32), shape, interpolation=cv2.INTER_LINEAR) > 0.5
        grown = [cv2.dilate(mask.astype(np.uint8), np.ones((3, 3)), iterations=i) > 0 for i in (2, 3)]
        colours[grown[1] & ~mask] = 0  # a dark rim shows the line on bright patches
        colours[grown[0] & ~mask] = CYAN
    return colours


def colour_bar(figure: Figure, axes: Any, top: float, label: str) -> None:
    """A colour bar of what ``tile`` does to middle grey."""
    colours = ListedColormap(blend(np.full(256, 0.4), np.linspace(0, 1, 256)))
    ticks = [tick for tick in (0, 1, 2, 5, 10, 20, 40, 80, 160) if tick <= top]
    shown = ScalarMappable(PowerNorm(0.5, vmin=0, vmax=top), colours)
    figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, extend="max", ticks=ticks, format="%g").set_label(label)
