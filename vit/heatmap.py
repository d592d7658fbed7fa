"""A map of evidence as a picture: as fine as its image, and as colours over it."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

COVER = 0.6  # share of the map's colours where it lies over a picture
LEAST_TOP = 2.0  # upper end of the colour scale, at least; 1 is an even share


def shared_scale(maps: Sequence[NDArray]) -> float:
    """Upper end of the colour scale of several maps: their 99.5th percentile, at least 2."""
    return max(LEAST_TOP, float(np.nanpercentile(maps, 99.5)))


def upsampled(map_: NDArray, shape: tuple[int, ...]) -> NDArray:
    """A (grid height, grid width) map as smooth (H, W) evidence; what was not seen is 0."""
    known = np.nan_to_num(map_).astype(np.float32)
    smooth = cv2.resize(known, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth, 0, None)


def blend(grey: NDArray, strength: NDArray) -> NDArray:
    """(...) grey and strength from 0 to 1 to (..., 3) colours: the stronger, the lighter.

    The share of the colours is the same everywhere. So the vessel keeps its contrast under the
    strongest evidence, and a picture without colours still shows where the evidence is.
    """
    import matplotlib  # takes longer to load than a graph takes to answer

    colours = matplotlib.colormaps["inferno"](strength)[..., :3]
    return np.asarray((1 - COVER) * grey[..., None] + COVER * colours)


def over(grey: NDArray, heat: NDArray, top: float | None = None) -> NDArray:
    """(H, W) grey from 0 to 1 with (H, W) evidence over it, as (H, W, 3) uint8 RGB.

    top: upper end of the colour scale; by default ``shared_scale`` of this evidence.
    """
    limit = shared_scale([heat]) if top is None else top
    colours = blend(np.clip(grey, 0, 1), np.clip(heat / limit, 0, 1))
    return np.asarray((colours * 255).round().astype(np.uint8))
