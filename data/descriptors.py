"""What is compared of an image in the search for near duplicates: a small picture of its detail."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 48  # T, edge in pixels of the picture that is compared
# pixels: detail that is kept, neighbourhood over which contrast is evened out
FINE = 1.5
COARSE = 9.0
DARK = 0.1  # of the brightness range: what is darker, all round the rest, is collimator or padding
# a descriptor's value at one local standard deviation, and outside the field of view
SCALE = 24
OUTSIDE = -128


def describe(image: NDArray) -> NDArray:
    """(H, W) grey image to the (2, T, T) int8 that near duplicates are found by.

    The first channel is detail: local contrast normalisation (Jarrett et al. 2009, "What is the
    best multi-stage architecture for object recognition?", section 2) inside the field of view. The
    second is brightness.
    """
    inwards = cv2.INTER_AREA if min(image.shape) >= SIZE else cv2.INTER_CUBIC
    small = cv2.resize(image.astype(np.float32), (SIZE, SIZE), interpolation=inwards)
    low = small.min()
    field = _field_of_view(small)
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


def _field_of_view(small: NDArray) -> NDArray:
    """(T, T) uint8, 1 in the convex hull of all that is not dark, less its rim."""
    low = small.min()
    high = np.percentile(small, 95)
    shown = cv2.findNonZero((small >= low + DARK * (high - low)).astype(np.uint8))
    hull = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(shown), 1)
    rim = np.ones((5, 5), np.uint8)
    return cv2.erode(hull, rim, borderType=cv2.BORDER_CONSTANT, borderValue=0)
