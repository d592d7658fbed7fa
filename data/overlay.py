"""Laying one image over another by the keypoints that both show, and how well they agree then."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from data.alignment import agreement
from data.cut_pieces import cut_pieces
from data.descriptors import describe
from data.sketch import EDGE
from data.vocabulary import MIRROR, Points, unit

MATCHES = 24  # the most similar of two images, that vote
ALIKE = 0.7  # cosine of two features
# Matches vote for one another if turn [rad], zoom [octaves] and place agree: place within NEAR [px]
# plus a share of the distance, as shear and uneven zoom move what is far.
TURN = 0.6
ZOOM = 0.8
NEAR = 2.5
NEAR_SHARE = 0.25
FURTHEST_ZOOM = 2.2  # octaves
TOLERANCE = 4.0  # pixels that a match may be off the map
TRIALS = 300  # of RANSAC; 2,000 find as many copies
# singular values of the map, and their ratio
SHRUNK = 0.2
ENLARGED = 4.5
UNEVEN = 2.0
PLACE = 2  # pixels: keypoints nearer than that count once

# a keypoint's place in the mirrored picture
_TURNED = np.array([-1, 1, 1, -1], np.float32)
_MOVED = np.array([EDGE - 1, 0, 0, 180], np.float32)


class Pictures:
    """The small pictures of a set, (n, P, P) uint8, and the detail of each that was asked for."""

    def __init__(self, pictures: NDArray) -> None:
        self._pictures = pictures
        self._details: dict[tuple[int, bool], NDArray] = {}

    def picture(self, index: int, mirrored: bool) -> NDArray:
        """(P, P), mirrored or not."""
        picture: NDArray = self._pictures[index]
        return np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture

    def detail(self, index: int, mirrored: bool) -> NDArray:
        """(T, T) int8 of the picture, made once."""
        key = (index, mirrored)
        if key not in self._details:
            self._details[key] = _detail(self.picture(index, mirrored))
        return self._details[key]


def compare(
    points: Points,
    pictures: Pictures,
    pairs: NDArray,
    mirrored: bool,
    least_votes: int,
    least_points: NDArray,
) -> NDArray:
    """(pairs, 3) votes of each pair, keypoints that agree, agreement of the detail.

    Votes are the matches that agree with the best one of them in turn, zoom and place (weak
    geometric consistency, Jégou et al. 2008, "Hamming embedding and weak geometric consistency for
    large scale image search"). Below ``least_votes`` and ``least_points`` the rest is left at 0.

    Args:
        points: of all images.
        pictures: of all images.
        pairs: (pairs, 2) indices i, j.
        mirrored: whether j is mirrored, left to right.
        least_votes: from which keypoints are counted.
        least_points: (pairs,) from which detail is compared.
    """
    result = np.zeros((len(pairs), 3))
    own, other, there = _matches(points, pairs, mirrored)
    supports = _supports(own[:, :MATCHES], other[:, :MATCHES], there[:, :MATCHES])
    result[:, 0] = supports.sum(axis=2).max(axis=1)
    details = _Details(pictures, mirrored)
    may_agree = (result[:, 0] >= least_votes) & (there.sum(axis=1) >= least_points)
    for row in np.flatnonzero(may_agree):
        one = own[row, there[row], :2]
        two = other[row, there[row], :2]
        matrix, agree = cv2.estimateAffine2D(
            two, one, ransacReprojThreshold=TOLERANCE, maxIters=TRIALS
        )
        if matrix is None or not _is_possible(matrix):
            continue
        result[row, 1] = _places(one[agree[:, 0] > 0])
        if result[row, 1] >= least_points[row]:
            i, j = pairs[row].tolist()
            details.lay(int(row), i, j, matrix)
    rows, agreeing = details.agreement()
    result[rows, 2] = agreeing
    return result


def _matches(points: Points, pairs: NDArray, mirrored: bool) -> tuple[NDArray, NDArray, NDArray]:
    """Keypoints that are each other's most similar, the best first.

    Returns:
        (pairs, K, 4) places in i, (pairs, K, 4) in j, (pairs, K) which of them are matches; those
        come first.
    """
    most_i, most_j = np.maximum(points.counts[pairs].max(axis=0), 1)
    own = points.places[pairs[:, 0], :most_i]
    features = points.features[pairs[:, 1], :most_j]
    places = points.places[pairs[:, 1], :most_j]
    if mirrored:
        features = features[..., MIRROR]
        places = places * _TURNED + _MOVED
    alike = unit(points.features[pairs[:, 0], :most_i]) @ unit(features).transpose(0, 2, 1)
    forth = alike.argmax(axis=2)
    best = np.take_along_axis(alike, forth[..., None], axis=2)[..., 0]
    mutual = best == np.take_along_axis(alike.max(axis=1), forth, axis=1)
    there = mutual & (best > ALIKE)
    order = np.argsort(-np.where(there, best, 0), axis=1, kind="stable")
    one = np.take_along_axis(own, order[..., None], axis=1)
    partner = np.take_along_axis(forth, order, axis=1)
    two = np.take_along_axis(places, partner[..., None], axis=1)
    return one, two, np.take_along_axis(there, order, axis=1)


def _supports(one: NDArray, two: NDArray, there: NDArray) -> NDArray:
    """(pairs, M, M) whether the second match lies where the first one says."""
    turn = np.deg2rad(one[..., 3] - two[..., 3])
    zoom = np.log2(np.maximum(one[..., 2], 0.1) / np.maximum(two[..., 2], 0.1))
    cosine = (2**zoom * np.cos(turn))[..., None]
    sine = (2**zoom * np.sin(turn))[..., None]
    away = two[:, None, :, :2] - two[:, :, None, :2]  # (pairs, M, M, 2)
    x = cosine * away[..., 0] - sine * away[..., 1]
    y = sine * away[..., 0] + cosine * away[..., 1]
    seen = one[:, None, :, :2] - one[:, :, None, :2]
    error = np.sqrt((x - seen[..., 0]) ** 2 + (y - seen[..., 1]) ** 2)
    angle = np.abs((turn[:, None] - turn[:, :, None] + np.pi) % (2 * np.pi) - np.pi)
    octaves = np.abs(zoom[:, None] - zoom[:, :, None])
    agree = (error < NEAR + NEAR_SHARE * np.sqrt(x**2 + y**2)) & (angle < TURN) & (octaves < ZOOM)
    possible = there & (np.abs(zoom) < FURTHEST_ZOOM)
    return agree & possible[:, :, None] & there[:, None]


def _places(points: NDArray) -> int:
    """How many (m, 2) points there are, those of one cell of PLACE pixels counted once."""
    return len({(x // PLACE, y // PLACE) for x, y in points.tolist()})


def _is_possible(matrix: NDArray) -> bool:
    a, b, c, d = matrix[:, :2].ravel().tolist()
    # the sum and the difference of the singular values
    total = math.hypot(a + d, c - b)
    spread = math.hypot(a - d, c + b)
    great = (total + spread) / 2
    small = abs(total - spread) / 2
    return great < ENLARGED and small > SHRUNK and great < UNEVEN * small


class _Details:
    """The detail of pictures and of what was laid over them, to be compared all at once."""

    def __init__(self, pictures: Pictures, mirrored: bool) -> None:
        self._pictures = pictures
        self._mirrored = mirrored
        self._rows: list[int] = []
        self._pairs: list[tuple[NDArray, NDArray]] = []

    def lay(self, row: int, i: int, j: int, matrix: NDArray) -> None:
        """One of i and j over the other, in the frame of the picture that shows more.

        ``matrix``, (2, 3), leads from j, mirrored or not, to i.
        """
        zoom = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        one, two = (i, False), (j, self._mirrored)
        if zoom > 1:
            one, two = two, one
            matrix = cv2.invertAffineTransform(matrix)
            zoom = 1 / zoom
        picture = self._pictures.picture(*two)
        if zoom < 0.7:  # it is made smaller: what is finer than a pixel then goes
            picture = cv2.GaussianBlur(picture, (0, 0), 0.5 * (1 / zoom - 1))
        laid = cv2.warpAffine(picture, matrix, (EDGE, EDGE))
        self._rows.append(row)
        self._pairs.append((self._pictures.detail(*one), _detail(laid)))

    def agreement(self) -> tuple[list[int], NDArray]:
        """The rows, and (rows,) how well the detail agrees in each."""
        count = len(self._rows)
        if not count:
            return [], np.zeros(0)
        details = np.concatenate([np.stack(side) for side in zip(*self._pairs, strict=True)])
        places = np.arange(count)[:, None] + np.array([0, count])
        return self._rows, agreement(details, places, np.zeros((count, 2), int))


def _detail(picture: NDArray) -> NDArray:
    """(T, T) int8 of a (P, P) picture."""
    detail: NDArray = describe(picture, cut_pieces(picture))[0]
    return detail
