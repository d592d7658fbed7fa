"""The shadow of a made-up vessel: the paths of the X-rays through its lumen."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from phantoms.vessels import STEP, Array, Mask, Vessel

Indices = npt.NDArray[np.intp]


def cast(vessel: Vessel, total: Array, sick: Mask, scale: float) -> None:
    """Add the vessel's attenuation to ``total``, (R, R), and its lesions to ``sick``, (R, R).

    A pixel takes the nearest point of the centreline from a distance transform, then its exact
    distance from the line there. Where a branch leaves its parent both are one lumen: the longer
    path counts, not the sum. ``scale`` is in pixels per mm.
    """
    y, x, k = _near(vessel, len(total), scale)
    if not len(k):
        return
    dx, dy = (np.stack([x, y]) + 0.5 - len(total) / 2) / scale - vessel.points[k].T
    cos = np.cos(vessel.heading)[k]
    sin = np.sin(vessel.heading)[k]
    radius = vessel.radius[k]
    kept = vessel.kept[k]
    gap = max(2 * STEP, 1 / scale)  # the nearest point may lie so far along the line
    across = dy * cos - dx * sin
    beyond = np.maximum(np.abs(dx * cos + dy * sin) - gap, 0)  # a round end
    half = np.maximum(radius * kept, 0.6 / scale)  # what is thinner than a pixel is spread over one
    chord = 1 - ((across - vessel.shift[k] * radius) ** 2 + beyond**2) / half**2
    depth = radius * (0.5 + 0.5 * kept) * radius * kept / half
    path = 2 * depth * vessel.medium[k] * np.sqrt(np.maximum(chord, 0))
    one_lumen = np.clip(2.5 - k * STEP / vessel.parent, 0, 1) if vessel.parent else 0.0
    total[y, x] += path - one_lumen * np.minimum(path, total[y, x])
    sick[y, x] |= vessel.sick[k] * (np.hypot(across, beyond) <= np.maximum(radius, half))


def _near(vessel: Vessel, size: int, scale: float) -> tuple[Indices, Indices, Indices]:
    """Rows and columns of the pixels near the vessel, and the nearest centreline point of each."""
    middle = size / 2
    reach = math.ceil(1.3 * float(vessel.radius.max()) * scale) + 2
    spots = vessel.points * scale + middle
    ids = np.flatnonzero((np.abs(spots - middle) < middle + reach).all(1))
    if not len(ids):
        return ids, ids, ids
    cells = np.floor(spots[ids]).astype(np.intp)
    corner = cells.min(0) - reach  # of the part round the vessel, which may jut out of the picture
    x0, y0 = corner
    left, top = np.maximum(corner, 0)
    column, row = (cells - corner).T
    line = np.ones(cells.max(0)[::-1] + reach + 1 - corner[::-1], np.uint8)
    line[row, column] = 0
    away, nearest = cv2.distanceTransformWithLabels(
        line, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    point = np.zeros(len(ids) + 1, np.intp)
    point[nearest[row, column]] = ids
    y, x = np.nonzero(away[top - y0 : size - y0, left - x0 : size - x0] < reach)
    y = y + top
    x = x + left
    return y, x, point[nearest[y - y0, x - x0]]
