"""What is compared of an image in the search for near duplicates: a small picture of its detail."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 48  # T, edge in pixels of the picture that is compared
# pixels: detail that is kept, neighbourhood over which contrast is evened out
FINE = 1.5
COARSE = 9.0
DARK = 0.1  # of the brightness range: what is darker, all round the rest, is collimator or padding
EDGE = 96  # P, edge in pixels of the picture that keypoints are sought in
# noise [of 255] from which it is smoothed, and by how much [px]
NOISY = 4.0
SMOOTH = 0.4
SMOOTH_FOR_NOISE = 0.05
# A piece that was cut out is flat or black, and a rectangle, also a sheared one: its range [of the
# usual one], brightness [of the range], least edge [px], share of its bounding rectangle or of the
# four corners [px off at most] that outline it, rim [px].
FLAT = 0.25
BLACK = 0.08
LEAST_CUT = 10
FILLED = 0.92
CORNER = 2.0
CUT_RIM = 7
FLAT_IMAGE = 1e-5  # range [of the greatest value] that is an error of rounding
LEAST_IMAGE = 48  # pixels of an image's edge: what is smaller is too soft to tell what was cut out
# a descriptor's value at one local standard deviation, and outside the field of view
SCALE = 24
OUTSIDE = -128
RIM = 5  # pixels of the field of view that are left out all round


def smoothed(image: NDArray) -> NDArray:
    """(H, W) grey image of any range to (P, P) float32 from 0 to 255, with less noise."""
    inwards = cv2.INTER_AREA if min(image.shape) >= EDGE else cv2.INTER_CUBIC
    picture = cv2.resize(image.astype(np.float32), (EDGE, EDGE), interpolation=inwards)
    low = picture.min()
    extent = picture.max() - low
    if extent <= FLAT_IMAGE * np.abs(picture).max():
        return np.zeros_like(picture)
    picture = 255 * (picture - low) / extent
    noise = _noise(picture)
    if noise > NOISY:
        picture = cv2.GaussianBlur(picture, (0, 0), SMOOTH + SMOOTH_FOR_NOISE * noise)
    return picture


def _noise(picture: NDArray) -> float:
    """Standard deviation (Immerkær 1996, "Fast noise variance estimation"; here by the median)."""
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    return float(np.median(np.abs(cv2.filter2D(picture, -1, mask)))) / 0.6745 / 6


def cut_out(picture: NDArray) -> NDArray:
    """(P, P) uint8, 1 in pieces that were cut out, with a rim.

    Augmentation cuts rectangles; a black lung is none.
    """
    three = np.ones((3, 3), np.uint8)
    contrast = cv2.dilate(picture, three) - cv2.erode(picture, three)
    low = picture.min()
    extent = np.percentile(picture, 95) - low
    flat = contrast <= max(FLAT * np.median(contrast), 0.01 * extent)
    found = np.zeros(picture.shape, np.uint8)
    for piece in (flat, picture <= low + BLACK * extent):
        opened = cv2.morphologyEx(piece.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        outlines, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for outline in outlines:
            if _is_cut(outline):
                cv2.fillPoly(found, [outline], 1)
    return cv2.dilate(found, np.ones((CUT_RIM, CUT_RIM), np.uint8))


def _is_cut(outline: NDArray) -> bool:
    _, edges, _ = cv2.minAreaRect(outline)
    if min(edges) < LEAST_CUT:
        return False
    corners = cv2.approxPolyDP(outline, CORNER, True)
    whole = edges[0] * edges[1]
    if len(corners) == 4 and cv2.isContourConvex(corners):
        whole = min(whole, cv2.contourArea(corners))
    return bool(cv2.contourArea(outline) >= FILLED * whole)


def describe(image: NDArray, cut: NDArray | None = None) -> NDArray:
    """(H, W) grey image to the (2, T, T) int8 that near duplicates are found by.

    The first channel is detail: local contrast normalisation (Jarrett et al. 2009, "What is the
    best multi-stage architecture for object recognition?", section 2) inside the field of view. The
    second is brightness. ``cut``: (P, P) uint8, 1 in what was cut out; None: nothing was.
    """
    inwards = cv2.INTER_AREA if min(image.shape) >= SIZE else cv2.INTER_CUBIC
    small = cv2.resize(image.astype(np.float32), (SIZE, SIZE), interpolation=inwards)
    low = small.min()
    field = field_of_view(small, RIM)
    if cut is not None and cut.any():
        without = cv2.resize(1 - cut, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST)
        if (field & without).any():
            field &= without
            small[without == 0] = small[field > 0].mean()
    weight = field.astype(np.float32)

    def local(values: NDArray, reach: float) -> NDArray:
        """Mean of a neighbourhood, of what lies in the field."""
        share = cv2.GaussianBlur(weight, (0, 0), reach)
        return cv2.GaussianBlur(values, (0, 0), reach) / np.maximum(share, 1e-3)

    detail = (small - local(small * weight, FINE)) * weight
    usual = np.sqrt((detail**2).sum() / max(weight.sum(), 1))
    even = detail / (np.sqrt(local(detail**2, COARSE)) + 0.3 * usual + 1e-9)
    detail = np.where(field > 0, np.clip(np.round(SCALE * even), -127, 127), OUTSIDE)
    brightness = np.round(255 * (small - low) / max(small.max() - low, 1e-9)) - 128
    return np.stack([detail, brightness]).astype(np.int8)


def field_of_view(small: NDArray, rim: int) -> NDArray:
    """(T, T) uint8, 1 in the convex hull of all that is not dark, less its rim.

    ``rim``: width in pixels of the square that the hull is eroded by.
    """
    low = small.min()
    high = np.percentile(small, 95)
    shown = cv2.findNonZero((small >= low + DARK * (high - low)).astype(np.uint8))
    hull = np.zeros(small.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(shown), 1)
    square = np.ones((rim, rim), np.uint8)
    return cv2.erode(hull, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
