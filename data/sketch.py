"""What is kept of an image in the search for copies: its detail, a small picture, keypoints."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from data.descriptors import LEAST_IMAGE, cut_out, describe, field_of_view, smoothed

RIM = 7  # pixels of the field of view that are left out all round
MOST = 128  # keypoints of an image
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
    picture = smoothed(image)
    cut = cut_out(picture) if min(image.shape) >= LEAST_IMAGE else np.zeros_like(picture, np.uint8)
    shown = field_of_view(picture, RIM) & (1 - cut)
    if shown.sum() < FEW:
        shown = np.ones_like(shown)
    darkest, brightest = np.percentile(picture[shown > 0], [1, 99])
    even = np.clip(10 + 235 * (picture - darkest) / max(brightest - darkest, 1e-6), 0, 255)
    places, features = _keypoints(even.astype(np.uint8), shown)
    return Sketch(describe(image, cut), picture.astype(np.uint8), places, features)


def _keypoints(picture: NDArray, shown: NDArray) -> tuple[NDArray, NDArray]:
    """Places and features (Lowe 2004, "Distinctive image features from scale-invariant keypoints").

    Coronary pictures are soft: weak keypoints are taken too.
    """
    finder = cv2.SIFT_create(MOST, contrastThreshold=0.001, edgeThreshold=20)  # type: ignore[attr-defined]
    found, features = finder.detectAndCompute(picture, 255 * shown)
    if features is None:
        return np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8)
    places = np.array([(*point.pt, point.size, point.angle) for point in found], np.float32)
    strength = np.array([point.response for point in found])
    strongest = np.lexsort([*places.T, -strength])[:MOST]
    shares = features[strongest] / np.maximum(features[strongest].sum(axis=1, keepdims=True), 1e-6)
    return places[strongest], np.round(255 * np.sqrt(shares)).astype(np.uint8)
