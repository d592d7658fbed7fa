"""The cut through a made-up chest: the heart and all else round a coronary vessel, painted in HU.

All lengths are in image widths. Each painter draws from the random numbers of the patient, so that
the order of the draws is part of a phantom.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
# Hounsfield units
AIR = -800.0
FAT = -90.0
WALL = 40.0
MUSCLE = 55.0


@dataclass
class Cut:
    """The cut through one patient, painted in Hounsfield units."""

    rng: np.random.Generator  # the patient's own, the same for each view
    s: Array  # (S, S) signed distance from the centreline
    y: Array  # (S, 1)
    rotation: float  # radians
    heart: float  # direction from the vessel to the heart, radians
    contrast: float  # of the blood, HU
    hu: Array  # (S, S)

    def paint(self, distance: Array, value: float | Array) -> None:
        """Blend ``value`` in where the signed ``distance`` is negative; edges are a pixel wide."""
        self.hu += np.clip(0.5 - distance * len(self.y), 0, 1) * (value - self.hu)

    def around(self, reach: float | Array, angle: float | Array, s: Array | None = None) -> Array:
        """Distance within each cross-section, (S, S), to a point beside the vessel.

        The point lies ``reach`` off the vessel in direction ``angle``. ``s``: other distances from
        a centreline than those of the cut.
        """
        turn = np.asarray(angle - self.rotation, np.float32)
        across = self.s if s is None else s
        return np.hypot(across - reach * np.cos(turn), reach * np.sin(turn))

    def texture(self, cells: int) -> Array:
        """Smooth noise of about unit deviation, (S, S), that turns with the rotation.

        It is the same at every size.
        """
        turn = [math.cos(self.rotation), math.sin(self.rotation)]
        grids = self.rng.standard_normal((2, cells, cells))
        grid: Array = np.tensordot(turn, grids, 1).astype(np.float32)
        smooth = cv2.resize(grid, self.hu.shape, interpolation=cv2.INTER_CUBIC)
        return np.asarray(smooth, np.float32)


def sway(rng: np.random.Generator, y: Array, amplitude: float, *waves: float) -> Array:
    """A smooth random curve over ``y``, (S, 1).

    ``waves`` are in periods per image height; the first is of about ``amplitude``.
    """
    size = rng.uniform(0.4, 1.0, len(waves))
    phase = rng.uniform(0.0, 2 * math.pi, len(waves))
    height = (amplitude * waves[0] * size / waves)[:, None]
    return (np.sin(2 * math.pi * np.array(waves) * y + phase) @ height).astype(np.float32)


def facing(rng: np.random.Generator, spread: float) -> float:
    """A direction to the left or right of the middle view, in radians.

    It is at most ``spread`` radians out of the plane of that view.
    """
    return rng.uniform(-spread, spread) + math.pi * int(rng.integers(2))


def paint_surroundings(cut: Cut) -> None:
    """Fat, myocardium with its chamber, pericardium, lung with vessels, chest wall with ribs."""
    coarse = cut.texture(14)
    fine = cut.texture(40)
    cut.hu += FAT + 14 * coarse + 8 * fine
    bulge = cut.rng.uniform(-0.3, 0.6) * cut.s**2
    off_heart = bulge - cut.s * math.cos(cut.heart - cut.rotation) + 0.006 * coarse
    _paint_heart(cut, off_heart, coarse, fine)
    _paint_chest(cut, off_heart, coarse, fine)


def _paint_heart(cut: Cut, off_heart: Array, coarse: Array, fine: Array) -> None:
    """Myocardium and the chamber in it."""
    rng = cut.rng
    groove = rng.uniform(0.045, 0.1) + sway(rng, cut.y, 0.022, 0.7, 1.6, 3.1)
    cut.paint(off_heart + groove, rng.uniform(85, 135) + 9 * coarse + 6 * fine)
    thickness = rng.uniform(0.07, 0.2)
    depth = off_heart + groove + thickness + sway(rng, cut.y, 0.03, 0.8, 2.3, 5.0) + 0.008 * fine
    middle = rng.uniform(0.3, 0.9)
    slant = rng.uniform(-0.5, 0.5)
    cap = np.abs(cut.y - middle + slant * cut.s) - rng.uniform(0.15, 0.45) + 0.012 * coarse
    rounded = np.hypot(np.maximum(depth + 0.1, 0), np.maximum(cap + 0.1, 0)) - 0.1
    cut.paint(rounded, cut.contrast * rng.uniform(0.45, 1.0) + 8 * coarse)


def _paint_chest(cut: Cut, off_heart: Array, coarse: Array, fine: Array) -> None:
    """Pericardium, lung with its vessels, chest wall with ribs."""
    rng = cut.rng
    lung = off_heart - rng.uniform(0.07, 0.24) - sway(rng, cut.y, 0.035, 0.6, 1.3, 2.4)
    wall = lung - rng.uniform(0.2, 0.6) - sway(rng, cut.y, 0.04, 0.7, 1.5)
    cut.paint(np.abs(lung) - 0.004, WALL)
    cut.paint(0.004 - lung, AIR)
    crests = 0.02 * (1.7 - fine - 0.5 * coarse)  # of the texture: they look like lung vessels
    cut.paint(np.maximum(crests, 0.03 - lung), WALL)
    cut.paint(-wall, MUSCLE + 10 * fine)
    ribs = np.sin(math.pi * (rng.uniform(1.6, 2.6) * cut.y + rng.uniform(0, 1)))
    cut.paint(np.hypot(wall - 0.07, 0.15 * ribs) - 0.04, rng.uniform(250, 1100) + 60 * fine)


def paint_veins(cut: Cut, calibre: float) -> None:
    """One or two veins that wind along the heart side of the vessel without touching it."""
    rng = cut.rng
    for shown in (True, rng.random() < 0.5):
        radius = rng.uniform(0.014, 0.026)
        blood = rng.uniform(0.35, 0.85)
        gap = rng.uniform(0.02, 0.08)
        reach = calibre + radius + gap + np.abs(sway(rng, cut.y, 0.03, 0.8, 1.9))
        angle = cut.heart + rng.uniform(-0.8, 0.8) + sway(rng, cut.y, 1.5, 0.5, 1.2)
        if shown:
            cut.paint(cut.around(reach, angle) - radius, blood * cut.contrast)


def paint_great_vessels(cut: Cut, ostium: float) -> Array:
    """An atrium and the aorta, which the vessel leaves at ``ostium``.

    Returns:
        (S, S) signed distance to the aorta.
    """
    rng = cut.rng
    size = rng.uniform(0.06, 0.13)
    reach = rng.uniform(0.05, 0.2)
    drop = (cut.y - ostium - rng.uniform(-0.05, 0.12)) / rng.uniform(0.7, 1.8)
    atrium = np.hypot(cut.around(size + reach, cut.heart + rng.uniform(-0.7, 0.7)), drop) - size
    # contrast medium that blood has not diluted yet saturates the window
    cut.paint(atrium, rng.uniform(0.4, 2.4) * cut.contrast)
    radius = rng.uniform(0.13, 0.24)
    tilt = rng.uniform(0.2, 1.25)
    rise = (cut.y - ostium) / rng.uniform(1, 1.6) + 0.88 * radius * math.cos(tilt)
    off_axis = cut.around(0.88 * radius * math.sin(tilt), facing(rng, 0.5))
    aorta = np.hypot(off_axis, rise) - radius
    cut.paint(aorta - 0.008, WALL)
    cut.paint(aorta, cut.contrast)
    return aorta


def paint_side_branches(cut: Cut, ostium: float, radius: Array) -> None:
    """Up to four branches that leave the vessel downwards.

    Of a branch that the plane misses only the mouth is seen.
    """
    rng = cut.rng
    for _ in range(int(rng.integers(1, 5))):
        start = rng.uniform(ostium + 0.08, 0.85)
        slope = rng.uniform(0.6, 1.8)
        reach = rng.uniform(0.1, 0.5)
        turn = cut.heart + rng.uniform(-1.3, 1.3) - cut.rotation
        below = np.maximum(cut.y - start, 0)
        bend = np.exp(-slope / reach * below)
        path = reach * (1 - bend) + sway(rng, cut.y, 0.02, 1.3, 2.7) * np.minimum(6 * below, 1)
        sideways = (cut.s * math.cos(turn) - path) / np.hypot(1, slope * bend)
        across = np.hypot(sideways, cut.s * math.sin(turn))
        parent = float(np.interp(start, cut.y[:, 0], radius[:, 0]))
        width = rng.uniform(0.4, 0.75) * parent * np.exp(-1.2 * below)
        cut.paint(np.maximum(across - width, start - cut.y), 0.95 * cut.contrast)
