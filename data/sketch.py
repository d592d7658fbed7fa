"""What is kept of an image in the search for copies: its detail, a small picture, keypoints."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from data.cut_pieces import cut_pieces
from data.descriptors import describe, field_of_view

EDGE = 96  # P, edge in pixels of the small picture
# noise [of 255] from which it is smoothed, and by how much [px]
NOISY = 4.0
SMOOTH = 0.4
SMOOTH_FOR_NOISE = 0.05
FLAT_IMAGE = 1e-5  # range [of the greatest value] that is an error of rounding
LEAST_IMAGE = 48  # pixels of an image's edge: what is smaller is too soft to tell what was cut out
RIM = 7  # pixels of the field of view that are left out all round
MOST = 128  # keypoints of an image
SOFT = {"contrastThreshold": 0.001, "edgeThreshold": 20}  # weak keypoints are taken too
FEW = 200  # pixels of a field of view below which the whole picture is taken


class Sketch(NamedTuple):
    """Of one image.

    Args:
        detail: (2, T, T) int8, as ``data.descriptors.describe`` makes it.
        picture: (P, P) uint8, the image from its least to its greatest value.
        places: (K, 4) float32, a keypoint's x, y, diameter [px of the picture], angle [degrees];
            the strongest first.
        features: (K, 128) uint8, the root of SIFT's histograms (Arandjelović and Zisserman 2012,
            "Three things everyone should know to improve object retrieval", section 3), times 255.
    """

    detail: NDArray
    picture: NDArray
    places: NDArray
    features: NDArray


def sketch(image: NDArray) -> Sketch:
    """The sketch of a (H, W) grey image of any range."""
    picture = _smoothed(image)
    cut = (
        cut_pieces(picture) if min(image.shape) >= LEAST_IMAGE else np.zeros_like(picture, np.uint8)
    )
    shown = field_of_view(picture, RIM) & (1 - cut)
    if shown.sum() < FEW:
        shown = np.ones_like(shown)
    inside = picture[shown > 0]
    darkest = np.percentile(inside, 1)
    brightest = np.percentile(inside, 99)
    even = np.clip(10 + 235 * (picture - darkest) / max(brightest - darkest, 1e-6), 0, 255)
    places, features = _keypoints(even.astype(np.uint8), shown)
    return Sketch(describe(image, cut), picture.astype(np.uint8), places, features)


def _smoothed(image: NDArray) -> NDArray:
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
    return np.percentile(np.abs(cv2.filter2D(picture, -1, mask)), 50) / 0.6745 / 6


def _keypoints(picture: NDArray, shown: NDArray) -> tuple[NDArray, NDArray]:
    """Places and features of SIFT.

    Lowe 2004, "Distinctive image features from scale-invariant keypoints".
    """
    create = cv2.SIFT_create  # type: ignore[attr-defined]
    found, features = create(MOST, **SOFT).detectAndCompute(picture, 255 * shown)
    if features is None:
        return np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8)
    places = np.array([(*point.pt, point.size, point.angle) for point in found], np.float32)
    strength = np.array([point.response for point in found])
    strongest = np.lexsort([*places.T, -strength])[:MOST]
    shares = features[strongest] / np.maximum(features[strongest].sum(axis=1, keepdims=True), 1e-6)
    return places[strongest], np.round(255 * np.sqrt(shares)).astype(np.uint8)
