"""Which frame of a run of X-ray angiography shows the most vessels full of contrast medium.

Vessels with contrast medium are dark ridges that come and go. Each frame is judged by the ridges
that it shows where the run has none for most of its time: so catheters, wires and ribs, which are
always there, count nothing. No knowledge of the patient is needed, and nothing is learned.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

EDGE = 256  # px at most that a frame is judged in
WIDTH = 1.5  # px, standard deviation of the Gaussian before second derivatives are taken
BLACK = 1 / 4  # of the grey range, added before the logarithm, so that noise in the dark stays low
BACKGROUND = 24  # frames at most that tell what is always there
ALWAYS = 0.25  # share of these frames that may be without a ridge that is always there
NOISE = 0.8  # quantile of all ridges: vessels are fewer
PLAIN = 1.5  # times the noise from which on a ridge counts
POWER = 0.4  # of what is above that: between a count of pixels, 0, and a sum of darkness, 1
FIXED = 3.0  # times the noise from which on a ridge that is always there is left out
FEW = 5  # frames from which on the curve is smoothed
WEIGHTS = np.array([1, 2, 3, 2, 1]) / 9  # over neighbouring frames
TOP = 0.85  # of the height of the curve: its middle above is the frame
FLAT = 0.04  # of all ridges: a curve whose lower quarter lies less below its top has none


def best_frame(frames: Sequence[NDArray]) -> int | None:
    """The frame with the most filled vessels; None: all are filled alike, or the run is blank.

    ``frames``: (H, W) each, of one size, contrast medium dark, as ``reduced`` gives them.
    """
    curve = filling(frames)
    low = np.quantile(curve, 0.25, method="lower")
    if curve.max() - low <= FLAT:
        return None
    return middle_of_top(curve)


def reduced(pixels: NDArray, inverse: bool = False) -> NDArray:
    """(H, W) of any type to float32 of EDGE px at most, by means over square blocks.

    What is left over at the right and at the bottom is cut off. ``inverse``: low values are bright.
    """
    height, width = pixels.shape
    step = -(-max(height, width) // EDGE)
    rows, columns = max(1, height // step), max(1, width // step)
    cut = pixels[: rows * step, : columns * step].astype(np.float32)
    small = cut.reshape(rows, cut.shape[0] // rows, columns, -1).mean((1, 3), dtype=np.float32)
    return -small if inverse else small


def filling(frames: Sequence[NDArray]) -> NDArray:
    """(N,) how much of each frame is vessel with contrast medium; 1: as much as all its ridges.

    A ridge counts by a power of its strength. That comes near to the area of a vessel's shadow, for
    the darkness of a thin vessel that is blurred grows with the square of its width.
    """
    ridges = [ridge(each) for each in _grey(frames)]
    told = ridges[:: -(-len(ridges) // BACKGROUND)]
    noise = float(np.quantile(np.stack([each[::2, ::2] for each in told]), NOISE, method="lower"))
    if noise == 0:
        return np.zeros(len(ridges))
    near = np.stack([cv2.dilate(each, np.ones((3, 3), np.uint8)) for each in told])
    fixed = np.quantile(near, ALWAYS, axis=0, method="lower") >= FIXED * noise
    above = [each / noise - PLAIN for each in ridges]
    whole = np.mean([_amount(each, np.zeros_like(fixed)) for each in above])
    curve = np.array([_amount(each, fixed) for each in above]) / whole
    return smoothed(curve) if len(curve) >= FEW else curve


def _amount(above: NDArray, fixed: NDArray) -> float:
    """Mean over (H, W) of what is above the noise, outside of what is always there."""
    return float((above[(above > 0) & ~fixed] ** POWER).sum(dtype=np.float64) / above.size)


def ridge(grey: NDArray) -> NDArray:
    """(H, W) float32 how much each pixel lies on a dark line, 0 where it does not.

    The greater eigenvalue of the Hessian of the blurred picture, less the size of the other, which
    is large in blobs (after Frangi et al., MICCAI 1998).
    """
    blurred = cv2.GaussianBlur(grey, (0, 0), WIDTH, borderType=cv2.BORDER_REPLICATE)
    wide = cv2.copyMakeBorder(blurred, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    xx = wide[1:-1, 2:] - 2 * blurred + wide[1:-1, :-2]
    yy = wide[2:, 1:-1] - 2 * blurred + wide[:-2, 1:-1]
    xy = (wide[2:, 2:] - wide[2:, :-2] - wide[:-2, 2:] + wide[:-2, :-2]) / 4
    middle = (xx + yy) / 2
    apart = np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    return np.asarray(np.maximum(0, middle + apart - np.abs(middle - apart)))


def smoothed(curve: NDArray) -> NDArray:
    """(N,) the median over 3 frames, so that one flash is no top, then a mean over 5."""
    first = np.pad(curve, 1, mode="edge")
    medians = np.median(np.stack([first[:-2], first[1:-1], first[2:]]), axis=0)
    half = len(WEIGHTS) // 2
    return np.convolve(np.pad(medians, half, mode="edge"), WEIGHTS, "valid")


def middle_of_top(curve: NDArray) -> int:
    """The middle of the frames about the greatest value, each by how far it is above TOP."""
    top = int(curve.argmax())
    level = TOP * curve.max() + (1 - TOP) * curve.min()
    low = np.flatnonzero(curve <= level)
    first = int(low[low < top].max(initial=-1)) + 1
    last = int(low[low > top].min(initial=len(curve)))
    places = np.arange(first, last)
    weights = curve[first:last] - level
    return int(np.floor((places * weights).sum() / weights.sum() + 0.5))


def _grey(frames: Sequence[NDArray]) -> list[NDArray]:
    """The logarithm of each frame in one scale, so that the same vessel is as strong everywhere.

    Medians over the frames tell black and white: a blank or overexposed one tells nothing.
    """
    black = np.float32(np.median([each.min() for each in frames]))
    white = np.float32(np.median([each.max() for each in frames]))
    span = max(white - black, np.float32(1e-6))
    return [np.log(np.clip((each - black) / span, 0, 1) + np.float32(BLACK)) for each in frames]
