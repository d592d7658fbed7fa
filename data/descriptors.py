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
RIM = 5  # pixels of the field of view that are left out all round


def _blur(reach: float) -> NDArray:
    """(T, T) matrix B such that B @ picture @ B.T is the picture after ``cv2.GaussianBlur``."""
    kernel = cv2.getGaussianKernel(2 * round(4 * reach) + 1, reach, cv2.CV_32F)
    return cv2.sepFilter2D(np.eye(SIZE, dtype=np.float32), -1, np.ones(1, np.float32), kernel)


_FINELY = _blur(FINE)
_COARSELY = _blur(COARSE)


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

    def local(values: NDArray, blur: NDArray) -> NDArray:
        """Mean of a neighbourhood, of what lies in the field."""
        share = blur @ weight @ blur.T
        return blur @ values @ blur.T / np.maximum(share, 1e-3)

    detail = (small - local(small * weight, _FINELY)) * weight
    squares = detail**2
    usual = np.sqrt(squares.sum() / max(weight.sum(), 1))
    even = detail / (np.sqrt(local(squares, _COARSELY)) + 0.3 * usual + 1e-9)
    detail = np.where(field > 0, np.clip(np.round(SCALE * even), -127, 127), OUTSIDE)
    brightness = np.round(255 * (small - low) / max(small.max() - low, 1e-9)) - 128
    return np.stack([detail, brightness]).astype(np.int8)


def field_of_view(small: NDArray, rim: int) -> NDArray:
    """(T, T) uint8, 1 in the convex hull of all that is not dark, less its rim.

    ``rim``: width in pixels of the square that the hull is eroded by.
    """
    low = float(small.min())
    high = float(np.percentile(small, 95))
    shown = (small >= low + DARK * (high - low)).astype(np.uint8)
    outlines, _ = cv2.findContours(shown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = np.zeros(small.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(outlines)), 1)
    square = np.ones((rim, rim), np.uint8)
    return cv2.erode(hull, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
