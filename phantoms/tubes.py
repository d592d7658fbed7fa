"""Coronary arteries where a picture cuts them: lumen, wall, plaque, calcium and stents."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from phantoms.coronaries import STEP, Artery
from phantoms.lesions import Lesion, Wall
from phantoms.shapes import Array, Cut

FAT = -98.0
METAL = 2600.0  # HU
WALL_HU = 25.0
LARGEST = 4.0  # mm: no healthy artery is wider


@dataclass(frozen=True)
class Stent:
    """Where along the centre line metal lies in the wall, in mm."""

    low: float
    high: float


@dataclass(frozen=True)
class Traced:
    """An artery made ready for cutting: a tree of its points, and a frame that does not twist."""

    artery: Artery
    wall: Wall
    tangents: Array  # (K, 3)
    first: Array  # (K, 3) unit vectors across
    second: Array  # (K, 3)
    tree: Any

    @classmethod
    def of(cls, artery: Artery, wall: Wall) -> "Traced":
        """``artery`` with its frame carried along it (parallel transport)."""
        tangents = artery.tangents
        first = np.empty_like(tangents)
        side = np.cross(tangents[0], [0.3, 0.2, 1.0])
        for k, way in enumerate(tangents):
            side = side - (side @ way) * way
            side /= np.linalg.norm(side)
            first[k] = side
        second = np.cross(tangents, first)
        return cls(artery, wall, tangents, first, second, cKDTree(artery.points))

    @property
    def middle(self) -> Array:
        """(K, 3) of the open lumen."""
        shift = self.wall.shift
        return self.artery.points + shift[:, :1] * self.first + shift[:, 1:] * self.second


def paint_branches(cut: Cut, branches: list[Artery], bloods: list[float]) -> None:
    """All but the main artery, each with its own HU: the one whose edge is nearest counts."""
    counts = [len(artery.points) for artery in branches]
    blood = np.repeat(np.array(bloods, np.float32), counts)
    points = np.concatenate([artery.points for artery in branches])
    radius = np.concatenate([artery.radius for artery in branches])
    # with this fourth coordinate the nearest point is the one with the least d^2 - r^2
    lift = np.sqrt(LARGEST**2 - np.minimum(radius, LARGEST) ** 2)
    tree = cKDTree(np.column_stack([points, lift]))
    asked = np.column_stack([cut.points.T, np.zeros(cut.points.shape[1], np.float32)])
    _, k = tree.query(asked, distance_upper_bound=LARGEST + 1)
    found = np.flatnonzero(k < len(points))
    off = points[k[found]].T - cut.points[:, found]
    distance = np.full(cut.points.shape[1], np.float32(9))
    distance[found] = np.sqrt((off**2).sum(0)) - radius[k[found]]
    cut.paint(distance - 2.5, np.maximum(cut.hu, FAT))  # no artery lies bare in the lung
    cut.paint(distance - 0.35, WALL_HU)
    filled = np.zeros_like(distance)
    filled[found] = blood[k[found]] * np.clip(radius[k[found]] / 0.6, 0.6, 1)  # thin, less of it
    cut.paint(distance, filled)


def paint_main(
    cut: Cut, traced: Traced, blood: float, stents: list[Stent], root: Array
) -> tuple[Array, Array, list[Array]]:
    """The main artery; gives (N,) distances in mm of its lumen, outer wall and each plaque.

    It begins outside the aortic ``root``, (N,) mm.
    """
    count = cut.points.shape[1]
    reach = float(traced.wall.outer.max()) + 3.5
    _, k = traced.tree.query(cut.points.T, distance_upper_bound=reach)
    near = np.flatnonzero(k < len(traced.artery.points))
    part = cut.part(near)
    s, first, second, beyond = _local(traced, part.points, k[near])
    wall, line = traced.wall, np.arange(len(traced.wall.lumen)) * STEP
    shift = [np.interp(s, line, wall.shift[:, axis]) for axis in range(2)]
    across = np.hypot(first - shift[0], second - shift[1])
    lumen = np.hypot(across, beyond) - np.interp(s, line, wall.lumen)
    outer = np.hypot(np.hypot(first, second), beyond) - np.interp(s, line, wall.outer)
    outer = np.maximum(outer, -root[near])
    part.paint(outer - 2.2, np.maximum(part.hu, FAT))  # no artery lies bare in the lung
    part.paint(outer, WALL_HU)
    plaques = []
    for lesion in wall.lesions:
        ends = np.abs(s - lesion.centre) - lesion.half
        plaque = np.maximum(np.maximum(outer, -lumen), ends)
        _paint_plaque(part, lesion, plaque, lumen)
        plaques.append(_spread(count, near, plaque))
    part.paint(lumen, blood * np.interp(s, line, wall.filling))
    _paint_lumps(part, wall.lesions, outer, lumen, s, first, second)
    for stent in stents:
        angle = np.arctan2(second, first)
        mesh = np.abs(np.sin(1.5 * angle + 2.2 * s)) * np.abs(np.sin(1.5 * angle - 2.2 * s)) < 0.3
        strut = np.maximum(np.abs(lumen + 0.1) - 0.16, np.maximum(stent.low - s, s - stent.high))
        part.paint(strut, np.where(mesh, METAL, 900.0))
    cut.hu[near] = part.hu
    return _spread(count, near, lumen), _spread(count, near, outer), plaques


def _local(
    traced: Traced, points: Array, k: npt.NDArray[np.intp]
) -> tuple[Array, Array, Array, Array]:
    """Each (N,) mm: along the centre line, across it both ways, and beyond its ends."""
    off = points.T - traced.artery.points[k]
    along = np.einsum("ij,ij->i", off, traced.tangents[k])
    beyond = np.maximum(np.abs(along) - 3 * STEP, 0)
    first = np.einsum("ij,ij->i", off, traced.first[k])
    second = np.einsum("ij,ij->i", off, traced.second[k])
    return k * STEP + np.clip(along, -STEP, STEP), first, second, beyond


def _spread(count: int, near: npt.NDArray[np.intp], values: Array) -> Array:
    """(count,) with ``values`` at ``near``, else far outside."""
    out = np.full(count, 99, np.float32)
    out[near] = values
    return out


def _paint_plaque(part: Cut, lesion: Lesion, plaque: Array, lumen: Array) -> None:
    """Its soft part; a napkin ring is dark within and brighter at its rim."""
    part.paint(plaque, lesion.soft)
    if lesion.form == "napkin ring":
        part.paint(np.maximum(plaque + 0.35, 0.1 - lumen), 15.0)


def _paint_lumps(
    part: Cut,
    lesions: list[Lesion],
    outer: Array,
    lumen: Array,
    s: Array,
    first: Array,
    second: Array,
) -> None:
    """Calcium, within the wall alone."""
    for lesion in lesions:
        for lump in lesion.lumps:
            far = np.sqrt(
                ((s - lump.s) / lump.along) ** 2
                + ((first - lump.first) ** 2 + (second - lump.second) ** 2) / lump.across**2
            )
            grain = (far - 1) * min(lump.along, lump.across)
            part.paint(np.maximum(np.maximum(grain, outer), -0.15 - lumen), lump.hu)
