"""Which pixels of a mask file are meant as lesion, however the mask was drawn and saved."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data.readers import DataError, kind_of, read_pixels

LABELS = 32  # up to this greatest value, levels are numbers of labels and not shades
FEW_LEVELS = 8  # a file that was not blurred or compressed with loss has no more
SHADES = 0.2  # share of a picture, not a mask, that lies between black and white
THINNED = 256  # pixels of an edge that are looked at first
BETWEEN = (0.2, 0.8)  # share of the range: what lies between is neither black nor white
STRAY = 0.05  # share of the marked pixels that may be of another kind, as noise is
GROUND = 0.5  # share of the picture that a lesion at all four edges cannot cover
EDGE = 7  # pixels around the lesion, edge of a square, where shades are a soft edge


def marked(pixels: NDArray, path: Path) -> NDArray:
    """(H, W) uint8, 1 where a mask means lesion: the upper of its two levels.

    Noise of JPEG and soft edges are cut at half of the range. A transparent pixel is not marked; in
    a mask that is black all over, the opaque ones are.

    Args:
        pixels: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), colours in the order of OpenCV.
        path: named in an error.

    Raises:
        DataError: several levels or colours that are no noise, one level all over that is not 0,
            a lesion that is all around, or values that no mask has.
    """
    shown = _shown(pixels, path)
    values = shown.max(axis=2)
    kinds = np.unique(values)  # of the type of the file: a mask may have 64 million pixels
    levels = kinds.astype(np.float64)
    low, high = float(levels[0]), float(levels[-1])
    if high == 0:
        return np.zeros(values.shape, np.uint8)
    if low == high:
        raise DataError(
            f"{path}: got a mask of {high:g} all over, wanted 0 where there is no lesion; "
            "draw it again, or leave the cell empty"
        )
    if len(levels) == 2:
        lesion = values == kinds[1]
    else:
        lesion = values >= kinds[levels - low >= (high - low) / 2][0]
        _check_noise(values, kinds, lesion, path)
    _check_one_colour(shown[lesion], path)
    _check_not_inverted(lesion, path)
    return lesion.astype(np.uint8)


def picture_size(path: Path) -> tuple[int, ...] | None:
    """Height and width of a picture, as a photograph with a drawing on it is; None: it is a mask.

    A file that cannot be read is no picture, so that reading it tells why; nothing is known of the
    size of a DICOM file.
    """
    try:
        if kind_of(path) == "DICOM":
            return ()
        pixels = read_pixels(path)
        if pixels.ndim not in (2, 3) or pixels.dtype.kind not in "buif":
            return None
        step = max(1, min(pixels.shape[:2]) // THINNED)
        thin = _shown(pixels[::step, ::step], path).max(axis=2)
        if len(np.unique(thin)) <= FEW_LEVELS:
            return None
        values = _shown(pixels, path).max(axis=2)
    except DataError:
        return None
    kinds = np.unique(values)
    if len(kinds) <= LABELS and kinds[-1] <= LABELS:
        return None
    bright, between = _bright_and_between(values, kinds)
    has_shades = between.mean() > SHADES or _has_shades(values, kinds, int(bright.sum()))
    return pixels.shape[:2] if has_shades else None


def _shown(pixels: NDArray, path: Path) -> NDArray:
    """(H, W, C) of the same type, 0 where the mask is transparent."""
    image = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if not np.isfinite([image.min(), image.max()]).all() or image.min() < 0:
        raise DataError(f"{path}: got negative values or NaN in a mask, wanted 0 and one level")
    if image.shape[2] != 4:
        return image
    alpha = image[:, :, 3:]
    if not image[:, :, :3].any():
        return alpha if alpha.min() < alpha.max() else image[:, :, :3]
    return np.where(alpha >= alpha.max() / 2, image[:, :, :3], 0)


def _check_noise(values: NDArray, kinds: NDArray, lesion: NDArray, path: Path) -> None:
    """DataError: levels between the lowest and the highest that are no noise and no soft edge.

    ``kinds``: the levels of (H, W) ``values`` in their order.
    """
    are_labels = 1 < kinds[-1] <= LABELS
    if are_labels or _has_shades(values, kinds, int(lesion.sum())):
        some = ", ".join(f"{level:g}" for level in kinds[:FEW_LEVELS].astype(np.float64))
        more = ", ..." if len(kinds) > FEW_LEVELS else ""
        raise DataError(
            f"{path}: got a mask of {len(kinds)} levels ({some}{more}), wanted two: 0, and one "
            "for the lesion; save each kind of region as a mask of its own"
        )


def _has_shades(values: NDArray, kinds: NDArray, marked_pixels: int) -> bool:
    """Whether more lies between black and white than noise and soft edges leave there."""
    bright, between = _bright_and_between(values, kinds)
    core = cv2.erode(between.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    near = cv2.dilate(bright.astype(np.uint8), np.ones((EDGE, EDGE), np.uint8)) > 0
    strange = int((core | (between & ~near)).sum())
    return strange > (0 if len(kinds) <= FEW_LEVELS else STRAY * marked_pixels)


def _bright_and_between(values: NDArray, kinds: NDArray) -> tuple[NDArray, NDArray]:
    """(H, W) each, which pixels are near white, and which are neither near it nor near black."""
    levels = kinds.astype(np.float64)
    share = (levels - levels[0]) / (levels[-1] - levels[0])
    bright = values >= kinds[share >= BETWEEN[1]][0]
    return bright, (values >= kinds[share > BETWEEN[0]][0]) & ~bright


def _check_one_colour(colours: NDArray, path: Path) -> None:
    """DataError: (n, C) colours of the lesion are several, such as red and green."""
    if colours.shape[1] == 1:
        return
    strong = colours >= colours.max(axis=1, keepdims=True) / 2
    _, counts = np.unique(strong, axis=0, return_counts=True)
    often = int((counts > STRAY * len(colours)).sum())
    if often > 1:
        raise DataError(
            f"{path}: got a mask of {often} colours, wanted one for the lesion; save each kind of "
            "region as a mask of its own"
        )


def _check_not_inverted(lesion: NDArray, path: Path) -> None:
    """DataError: (H, W) what is marked is the ground, and what is not is the lesion."""
    edges = (lesion[0], lesion[-1], lesion[:, 0], lesion[:, -1])
    share = lesion.mean()
    if share > GROUND and all(edge.any() for edge in edges):
        raise DataError(
            f"{path}: got a mask of {100 * share:.0f} % of the picture, at all four edges, "
            "wanted a bright or opaque lesion on a black or transparent ground; invert it"
        )
