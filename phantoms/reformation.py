"""Curved reformations: the surface through a vessel on which a scanner shows it.

A curved surface is swept by one direction through the centre line: rows go by length along it
(stretched) or by height (projected); a straightened one turns with the vessel (Kanitsar et al.,
"CPR - curved planar reformation", 2002). All in mm.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phantoms.coronaries import STEP
from phantoms.shapes import Array

FORMS = ("stretched", "projected", "straightened")


@dataclass(frozen=True)
class Track:
    """What a reader's software follows: from within the aorta to where it gives up.

    Args:
        points: (K, 3) mm, STEP apart.
        fixed: the number of last points that stand still: their row is repeated.
        first, second: (K, 3) unit vectors across, which do not twist.
    """

    points: Array
    fixed: int
    first: Array
    second: Array


@dataclass(frozen=True)
class Surface:
    """The surface of one picture: the point shown at column x of a row is centre + (x - at) way.

    Args:
        centre: (S, 3) mm on the track; ``way``: (S, 3) unit vectors along each row.
        at: (S,) mm from the picture's left edge to the track.
        shown: (S,) rows that show anything.
        half: mm that are shown on either side of the track.
        field: the picture's edge in mm.
        normal: (S, 3) unit vectors through the surface, for slabs.
    """

    centre: Array
    way: Array
    at: Array
    shown: npt.NDArray[np.bool_]
    half: float
    field: float
    normal: Array

    def points(self, offset: float, posts: int = 0) -> Array:
        """(3, S, S) mm, ``offset`` mm off the surface along its normal.

        With ``posts``: (3, S, posts), evenly from the picture's left edge to its right one.
        """
        size = len(self.at)
        x = (np.arange(size) + 0.5) * (self.field / size)
        if posts:
            x = np.linspace(0, self.field, posts)
        middle = (self.centre - self.at[:, None] * self.way + offset * self.normal).T
        return np.asarray(
            middle[:, :, None].astype(np.float32)
            + self.way.T[:, :, None].astype(np.float32) * x.astype(np.float32)
        )

    def inside(self) -> npt.NDArray[np.bool_]:
        """(S, S) bool: where the picture shows the surface."""
        size = len(self.at)
        x = (np.arange(size) + 0.5) * (self.field / size)
        return np.asarray(self.shown[:, None] & (np.abs(x - self.at[:, None]) < self.half))


def follow(
    rng: np.random.Generator, middle: Array, within: Array, first: Array, second: Array
) -> Track:
    """The track along ``middle``, (K, 3), from ``within`` the aorta, (J, 3), on; it trembles.

    It runs out: the last row is repeated, or the track wanders off.
    """
    beyond = int(rng.uniform(0, 14) / STEP) * int(rng.random() < 0.7)
    fixed = beyond if rng.random() < 0.5 else 0
    way = middle[-1] - middle[-8]
    way /= np.linalg.norm(way)
    on = middle[-1] + np.arange(1, beyond + 1)[:, None] * way * (0 if fixed else STEP)
    points = np.concatenate([within, middle, on])
    count = len(points)
    tremble = rng.normal(0, 1, (count, 3))
    slow = np.cumsum(tremble, 0) - np.linspace(0, 1, count)[:, None] * tremble.sum(0)
    slow /= np.abs(slow).max() + 1e-6
    left = (count - 1 - np.arange(count)) * STEP
    size = 0.05 + rng.uniform(0, 1.2) * np.exp(-left / rng.uniform(3, 9)) * (rng.random() < 0.7)
    moved = points + size[:, None] * tremble * (left > 0)[:, None] + 0.25 * slow
    if fixed:
        moved[-fixed:] = moved[-fixed - 1]
    pad = ((len(within), beyond), (0, 0))
    return Track(moved, fixed, np.pad(first, pad, "edge"), np.pad(second, pad, "edge"))


def reform(
    rng: np.random.Generator, track: Track, form: str, angle: float, tilt: float, size: int
) -> Surface:
    """The surface through ``track`` at ``angle`` [radians] about it, sampled for (size, size)."""
    flat = math.cos(tilt)
    sweep = np.array([flat * math.cos(angle), flat * math.sin(angle), math.sin(tilt)])
    steps = np.diff(track.points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    if form == "straightened":
        advance = lengths.copy()
    else:
        advance = np.sqrt(np.maximum(lengths**2 - (steps @ sweep) ** 2, (0.05 * lengths) ** 2))
        falls = np.maximum(-steps[:, 2], 0.12 * lengths)
        # where the vessel lies level little is left of its height
        if form == "projected" and falls.sum() > 0.6 * lengths.sum():
            advance = falls
    advance = np.minimum(advance, 1.6 * STEP)
    if track.fixed:
        advance[-track.fixed :] = STEP
    down = np.concatenate([[0], np.cumsum(advance)])
    column = track.points @ sweep if form != "straightened" else np.zeros(len(down))
    span = float(np.ptp(column))
    field = max(down[-1] / rng.uniform(0.78, 0.985), span / 0.72, 80.0)
    top = rng.uniform(0.005, 0.995) * (field - down[-1])
    left = rng.uniform(0.3, 0.65) * field - float(column.mean())
    left = float(np.clip(left, 0.08 * field - column.min(), 0.92 * field - column.max()))
    half = rng.uniform(0.14, 0.4) * field if form == "straightened" else 4 * field
    y = (np.arange(size) + 0.5) * (field / size) - top
    centre = _at(y, down, track.points)
    way = np.broadcast_to(sweep, (size, 3))
    if form == "straightened":
        way = _at(y, down, math.cos(angle) * track.first + math.sin(angle) * track.second)
        way = way / np.linalg.norm(way, axis=1, keepdims=True)
    along = np.gradient(_at(y, down, track.points), axis=0)
    normal = np.cross(along, way)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-6
    at = _at(y, down, column[:, None])[:, 0] + left
    return Surface(centre, way, at, (y >= 0) & (y <= down[-1]), half, field, normal)


def _at(y: Array, down: Array, values: Array) -> Array:
    """(S, C) ``values``, (K, C), of the points ``down`` mm below the first, at ``y`` mm."""
    columns = [np.interp(y, down, values[:, column]) for column in range(values.shape[1])]
    return np.stack(columns, 1)
