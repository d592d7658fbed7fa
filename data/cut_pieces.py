"""Pieces that augmentation cut out of a picture: rectangles without any detail."""

import cv2
import numpy as np
from numpy.typing import NDArray

# A piece that was cut out is flat or black, and a rectangle, also a sheared one: its range [of the
# usual one], brightness [of the range], least edge [px], share of its bounding rectangle or of the
# four corners [px off at most] that outline it, rim [px].
FLAT = 0.25
BLACK = 0.08
LEAST_EDGE = 10
FILLED = 0.92
CORNER = 2.0
RIM = 7


def cut_pieces(picture: NDArray) -> NDArray:
    """(P, P) uint8, 1 in pieces that were cut out, with a rim.

    Augmentation cuts rectangles; a black lung is none.
    """
    three = np.ones((3, 3), np.uint8)
    contrast = cv2.dilate(picture, three) - cv2.erode(picture, three)
    low = float(picture.min())
    extent = np.percentile(picture, 95) - low
    flat = contrast <= max(FLAT * np.percentile(contrast, 50), 0.01 * extent)
    found = np.zeros(picture.shape, np.uint8)
    for piece in (flat, picture <= low + BLACK * extent):
        opened = cv2.morphologyEx(piece.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        outlines, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for outline in outlines:
            if len(outline) >= 2 * LEAST_EDGE and _is_cut(outline):
                cv2.fillPoly(found, [outline], 1)
    return cv2.dilate(found, np.ones((RIM, RIM), np.uint8))


def _is_cut(outline: NDArray) -> bool:
    _, edges, _ = cv2.minAreaRect(outline)
    if min(edges) < LEAST_EDGE:
        return False
    corners = cv2.approxPolyDP(outline, CORNER, True)
    whole = edges[0] * edges[1]
    if len(corners) == 4 and cv2.isContourConvex(corners):
        whole = min(whole, cv2.contourArea(corners))
    return bool(cv2.contourArea(outline) >= FILLED * whole)
