"""Solid shapes as signed distances in mm: below zero inside, above zero outside.

Points are (3, N) float32 in mm: x to the patient's left, y to the back, z up. They are evaluated
only where a picture cuts the patient.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.intp]
EDGE = 128  # voxels of the volumes of noise, which repeat
GRAIN = 4.0  # voxels: their finest grain


@dataclass(frozen=True)
class Ellipsoid:
    """``centre``, (3,), half ``axes``, (3,), and ``frame``, (3, 3), whose rows are their ways."""

    centre: Array
    axes: Array
    frame: Array

    def distance(self, points: Array) -> Array:
        """(N,) mm: exact on the surface, nearly so elsewhere (Quilez, "ellipsoid distance")."""
        across = np.float32(1) / self.axes.astype(np.float32)
        q = (self.frame * across[:, None]).astype(np.float32) @ points  # (3, N)
        q -= (self.frame @ self.centre * across).astype(np.float32)[:, None]
        far = np.sqrt(np.einsum("ij,ij->j", q, q)) + np.float32(1e-6)
        q *= across[:, None]
        return np.asarray(far * (far - 1) / (np.sqrt(np.einsum("ij,ij->j", q, q)) + 1e-6))


@dataclass(frozen=True)
class Capsule:
    """A round rod from ``start`` to ``end``, (3,), whose radius changes evenly."""

    start: Array
    end: Array
    radius: float
    end_radius: float

    def distance(self, points: Array) -> Array:
        """(N,) mm."""
        way = (self.end - self.start).astype(np.float32)
        off = points - self.start.astype(np.float32)[:, None]
        along = np.clip(way @ off / np.float32(way @ way), 0, 1)
        off -= way[:, None] * along
        taper = np.float32(self.end_radius - self.radius)
        return np.asarray(
            np.sqrt(np.einsum("ij,ij->j", off, off)) - (np.float32(self.radius) + taper * along)
        )


Shape = Ellipsoid | Capsule


def chain(points: Array, radii: Array) -> list[Shape]:
    """Rods one after the other through ``points``, (K, 3), of ``radii``, (K,), in mm."""
    return [
        Capsule(points[k], points[k + 1], float(radii[k]), float(radii[k + 1]))
        for k in range(len(points) - 1)
    ]


def union(shapes: list[Shape], points: Array) -> Array:
    """(N,) distance of all shapes together."""
    out = shapes[0].distance(points)
    for shape in shapes[1:]:
        np.minimum(out, shape.distance(points), out=out)
    return out


def melt(first: Array, second: Array, width: float) -> Array:
    """A union whose seam is rounded over ``width`` mm (polynomial smooth minimum)."""
    part = np.maximum(width - np.abs(first - second), 0)
    return np.asarray(np.minimum(first, second) - part * part / np.float32(4 * width))


def turn(angles: Array) -> Array:
    """(3, 3) rotation by ``angles`` [radians] about x, y, z, one after the other."""
    out = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[first, first] = step[second, second] = math.cos(angle)
        step[first, second] = -math.sin(angle)
        step[second, first] = math.sin(angle)
        out = step @ out
    return out


def frame_along(way: Array, across: Array) -> Array:
    """(3, 3) whose rows are the unit vectors along ``way``, nearly along ``across``, and third."""
    first = way / np.linalg.norm(way)
    second = across - (across @ first) * first
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])


@dataclass(frozen=True)
class Waves:
    """A smooth random field of about unit size: a sum of plane waves."""

    ways: Array  # (K, 3) radians per mm
    phases: Array  # (K,) radians

    @classmethod
    def draw(cls, rng: np.random.Generator, length: float, count: int = 4) -> "Waves":
        """``count`` waves about ``length`` mm long."""
        ways = rng.standard_normal((count, 3))
        ways /= np.linalg.norm(ways, axis=1, keepdims=True)
        ways *= math.tau / (length * rng.uniform(0.7, 1.5, (count, 1)))
        return cls(ways.astype(np.float32), rng.uniform(0, math.tau, count).astype(np.float32))

    def at(self, points: Array) -> Array:
        """(N,) values."""
        return np.asarray(
            np.sin(self.ways @ points + self.phases[:, None]).sum(0)
            * np.float32(math.sqrt(2 / len(self.phases)))
        )


@cache
def grain() -> Array:
    """(EDGE, EDGE, EDGE) smooth noise of unit size, the same in every process."""
    return _filtered(0, lambda plane, up: np.exp(-((plane**2 + up**2) * (math.pi * GRAIN) ** 2)))


@cache
def scan_noise(sharpness: int) -> Array:
    """(EDGE, EDGE, EDGE) noise as filtered back-projection leaves it, of unit size.

    In the axial plane it has little power at low frequencies (Riederer, Pelc and Chesler 1978);
    ``sharpness``, 0 to 2, is that of the kernel.
    """
    cut = (0.13, 0.19, 0.27)[sharpness]  # cycles per voxel
    return _filtered(
        1 + sharpness,
        lambda plane, up: np.sqrt(plane + 0.015) * np.exp(-((plane / cut) ** 2) - (up / 0.25) ** 2),
    )


def _filtered(seed: int, gain: Any) -> Array:
    white = np.random.default_rng(seed).standard_normal((EDGE, EDGE, EDGE), np.float32)
    full, half = np.fft.fftfreq(EDGE), np.fft.rfftfreq(EDGE)
    plane = np.hypot(full[None, :, None], half[None, None])
    shaped = np.fft.irfftn(
        np.fft.rfftn(white) * gain(plane, np.abs(full)[:, None, None]), (EDGE,) * 3, (0, 1, 2)
    )
    return np.asarray(shaped / shaped.std(), np.float32)


def sample(volume: Array, points: Array, voxel: float, shift: Array) -> Array:
    """(N,) values of a volume, indexed z, y, x, whose voxels are ``voxel`` mm and which repeats."""
    cells = (points / np.float32(voxel) + shift.astype(np.float32)[:, None]).astype(np.int32)
    cells &= EDGE - 1
    return np.asarray(volume.ravel()[(cells[2] * EDGE + cells[1]) * EDGE + cells[0]])


@dataclass
class Cut:
    """Points at which a patient is cut, and what has been painted there so far.

    Args:
        points: (3, N) mm.
        pixel: mm between them, over which edges are softened.
        hu: (N,) Hounsfield units.
        coarse: (3, M) mm, fewer points on the same rows; by default the same.
        before, share: (N,) the coarse point before each point, and how far it is from there to the
            next one.
    """

    points: Array
    pixel: float
    hu: Array
    coarse: Array | None = None
    before: Indices | None = None
    share: Array | float = 0.0

    def paint(self, distance: Array, value: float | Array, soft: float = 0.0) -> None:
        """Blend ``value`` in where ``distance``, (N,) mm, is below zero.

        ``soft``: mm over which it fades, as edges do that moved during the scan or lie aslant.
        """
        cover = np.clip(np.float32(0.5) - distance / np.float32(self.pixel + soft), 0, 1)
        self.hu += cover * (value - self.hu)

    def smooth(self, values: Array) -> Array:
        """(..., N) of ``values``, (..., M) at ``coarse``, which are nearly straight along rows."""
        if self.before is None:
            return values
        first = values[..., self.before]
        return np.asarray(first + (values[..., self.before + 1] - first) * self.share)

    def part(self, where: Indices) -> "Cut":
        """Some of the points; painting them leaves these as they are."""
        return Cut(np.ascontiguousarray(self.points[:, where]), self.pixel, self.hu[where])
