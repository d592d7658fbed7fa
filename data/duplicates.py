"""Finding images that show the same picture, so that a split keeps them on one side."""

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL = 32  # edge in pixels of the picture that is compared
WINDOW = 24  # edge of the part of it that must agree; the rest is room for shifts
BLUR = 6.0  # standard deviation in thumbnail pixels of the slow shading that is taken off before comparing
THRESHOLD = 0.75  # on the public X-ray patches this joins no two of different labels, 0.9 without BLUR joins three
BLOCK = 1024  # images whose products are held at once


def describe(image: NDArray) -> NDArray:
    """(H, W) grey image to the (32, 32) float32 picture that ``near_duplicates`` compares."""
    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    return small - cv2.GaussianBlur(small, (0, 0), BLUR)


def near_duplicates(descriptors: NDArray, threshold: float = THRESHOLD) -> NDArray:
    """Pairs of images that show the same picture, shifted by up to an eighth of their edge.

    Normalised cross-correlation (Lewis 1995, "Fast Normalized Cross-Correlation", eq. 1) of the central
    window of one thumbnail with every shifted window of the other, as blocked matrix products.

    Args:
        descriptors: (n, 32, 32) pictures made by ``describe``.
        threshold: the least correlation of a pair.

    Returns:
        (pairs, 2) indices i < j.
    """
    margin = (THUMBNAIL - WINDOW) // 2
    pictures = descriptors.astype(np.float32)
    centre = _standardised(pictures[:, margin:-margin, margin:-margin])
    pairs = []
    for start in range(0, len(pictures), BLOCK):
        others = pictures[start : start + BLOCK]
        best = np.full((len(pictures), len(others)), -1, np.float32)
        for dy in range(2 * margin + 1):
            for dx in range(2 * margin + 1):
                shifted = _standardised(others[:, dy : dy + WINDOW, dx : dx + WINDOW])
                np.maximum(best, centre @ shifted.T, out=best)
        i, j = np.nonzero(best >= threshold)
        pairs.append(np.stack([i, j + start], axis=1))
    found = np.concatenate(pairs)
    found = np.sort(found[found[:, 0] != found[:, 1]], axis=1)
    return np.unique(found, axis=0)


def _standardised(windows: NDArray) -> NDArray:
    flat = windows.reshape(len(windows), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
