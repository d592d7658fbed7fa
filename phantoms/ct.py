"""Made-up curved reformations of coronary CT angiography: normal or diseased.

A patient is a small three-dimensional anatomy round a straightened vessel: y runs down it, all
lengths are in image widths. A view is the plane through the centreline at one rotation; every
structure, plaques too, is cut by it, so that rotating shifts the surroundings and changes what an
eccentric plaque shows. Hounsfield units are painted, then blurred, made noisy and windowed. Both
labels have such plaques beside the vessel too: only those on it tell.
"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from data.geometry import Box, format_boxes
from phantoms.folder import Made, boxes_of, command, write_folder

Array = npt.NDArray[np.floating[Any]]
LABELS = ("normal", "abnormal")
COLUMNS = ("path", "label", "patient", "view", "lesion_type", "grade", "lesion_boxes_xyxy", "mask")
# Hounsfield units
AIR = -800.0
FAT = -90.0
WALL = 40.0
MUSCLE = 55.0
SMALLEST = 32  # pixels: below it the thinnest plaque is lost
# per type: least and most of the diameter lost, least and most half length
KINDS = {
    "calcified": (0.3, 0.7, 0.028, 0.055),
    "soft": (0.35, 0.9, 0.045, 0.085),
    "mixed": (0.4, 0.85, 0.045, 0.085),
}


@dataclass(frozen=True)
class Phantom:
    """One view of one made-up patient."""

    image: npt.NDArray[np.uint8]  # (S, S)
    mask: npt.NDArray[
        np.uint8
    ]  # (S, S), 1 = lesion: the plaque itself, before blur and blooming; else 0
    label: str  # "normal" | "abnormal"
    patient: int  # index // views
    view: int  # index % views
    lesion_types: tuple[
        str, ...
    ]  # e.g. ("calcified", "soft"), from the aorta down; empty when normal
    grades: tuple[float, ...]  # percent diameter stenosis per lesion


class _Plaque(NamedTuple):
    kind: str
    grade: float  # fraction of the diameter lost
    centre: float  # y
    half_length: float


@dataclass
class _Cut:
    """The cut through one patient, painted in Hounsfield units; `rng` is the patient's own, the
    same for each view.
    """

    rng: np.random.Generator
    s: Array  # (S, S) signed distance from the centreline
    y: Array  # (S, 1)
    rotation: float  # radians
    heart: float  # direction from the vessel to the heart, radians
    contrast: float  # of the blood, HU
    hu: Array  # (S, S)

    def paint(self, distance: Array, value: float | Array) -> None:
        """Blends `value` in where the signed `distance` is negative; the edge is one pixel wide."""
        self.hu += np.clip(0.5 - distance * len(self.y), 0, 1) * (value - self.hu)

    def around(self, reach: float | Array, angle: float | Array, s: Array | None = None) -> Array:
        """Distance within each cross-section, (S, S), to the point `reach` off the vessel in
        direction `angle`.
        """
        turn = np.asarray(angle - self.rotation, np.float32)
        return np.hypot((self.s if s is None else s) - reach * np.cos(turn), reach * np.sin(turn))

    def texture(self, cells: int) -> Array:
        """Smooth noise of about unit deviation, (S, S), that turns with the rotation; the same at
        every size.
        """
        turn = [math.cos(self.rotation), math.sin(self.rotation)]
        grids = self.rng.standard_normal((2, cells, cells))
        grid: Array = np.tensordot(turn, grids, 1).astype(np.float32)
        return np.asarray(
            cv2.resize(grid, self.hu.shape, interpolation=cv2.INTER_CUBIC), np.float32
        )


def _sway(rng: np.random.Generator, y: Array, amplitude: float, *waves: float) -> Array:
    """A smooth random curve, (S, 1); `waves` in periods per image height, the first of about
    `amplitude`.
    """
    size = rng.uniform(0.4, 1.0, len(waves))
    phase = rng.uniform(0.0, 2 * math.pi, len(waves))
    height = (amplitude * waves[0] * size / waves)[:, None]
    return (np.sin(2 * math.pi * np.array(waves) * y + phase) @ height).astype(np.float32)


def _facing(rng: np.random.Generator, spread: float) -> float:
    """A direction to the left or right of the middle view, at most `spread` radians out of its
    plane.
    """
    return rng.uniform(-spread, spread) + math.pi * int(rng.integers(2))


def _paint_surroundings(cut: _Cut) -> None:
    """Fat, myocardium with its chamber, pericardium, lung with its vessels, chest wall with ribs."""
    rng = cut.rng
    s = cut.s
    y = cut.y
    coarse = cut.texture(14)
    fine = cut.texture(40)
    cut.hu += FAT + 14 * coarse + 8 * fine
    height = (
        rng.uniform(-0.3, 0.6) * s**2 - s * math.cos(cut.heart - cut.rotation) + 0.006 * coarse
    )  # off the heart
    groove = rng.uniform(0.045, 0.1) + _sway(rng, y, 0.022, 0.7, 1.6, 3.1)
    cut.paint(height + groove, rng.uniform(85, 135) + 9 * coarse + 6 * fine)
    depth = (
        height + groove + rng.uniform(0.07, 0.2) + _sway(rng, y, 0.03, 0.8, 2.3, 5.0) + 0.008 * fine
    )
    cap = (
        np.abs(y - rng.uniform(0.3, 0.9) + rng.uniform(-0.5, 0.5) * s)
        - rng.uniform(0.15, 0.45)
        + 0.012 * coarse
    )
    chamber = (
        np.hypot(np.maximum(depth + 0.1, 0), np.maximum(cap + 0.1, 0)) - 0.1
    )  # with rounded corners
    cut.paint(chamber, cut.contrast * rng.uniform(0.45, 1.0) + 8 * coarse)
    lung = height - rng.uniform(0.07, 0.24) - _sway(rng, y, 0.035, 0.6, 1.3, 2.4)
    wall = lung - rng.uniform(0.2, 0.6) - _sway(rng, y, 0.04, 0.7, 1.5)
    cut.paint(np.abs(lung) - 0.004, WALL)
    cut.paint(0.004 - lung, AIR)
    cut.paint(
        np.maximum(0.02 * (1.7 - fine - 0.5 * coarse), 0.03 - lung), WALL
    )  # lung vessels: crests of the texture
    cut.paint(-wall, MUSCLE + 10 * fine)
    beat = np.sin(math.pi * (rng.uniform(1.6, 2.6) * y + rng.uniform(0, 1)))
    cut.paint(np.hypot(wall - 0.07, 0.15 * beat) - 0.04, rng.uniform(250, 1100) + 60 * fine)


def _paint_veins(cut: _Cut, calibre: float) -> None:
    """One or two veins that wind along the heart side of the vessel without touching it."""
    rng = cut.rng
    for shown in (True, rng.random() < 0.5):
        radius = rng.uniform(0.014, 0.026)
        blood = rng.uniform(0.35, 0.85)
        reach = (
            calibre + radius + rng.uniform(0.02, 0.08) + np.abs(_sway(rng, cut.y, 0.03, 0.8, 1.9))
        )
        angle = cut.heart + rng.uniform(-0.8, 0.8) + _sway(rng, cut.y, 1.5, 0.5, 1.2)
        if shown:
            cut.paint(cut.around(reach, angle) - radius, blood * cut.contrast)


def _paint_great_vessels(cut: _Cut, ostium: float) -> Array:
    """An atrium and the aorta; gives the signed distance to the aorta, which the vessel leaves at
    `ostium`.
    """
    rng = cut.rng
    size = cut.rng.uniform(0.06, 0.13)
    reach = cut.rng.uniform(0.05, 0.2)
    drop = (cut.y - ostium - rng.uniform(-0.05, 0.12)) / rng.uniform(0.7, 1.8)
    atrium = np.hypot(cut.around(size + reach, cut.heart + rng.uniform(-0.7, 0.7)), drop) - size
    cut.paint(
        atrium, rng.uniform(0.4, 2.4) * cut.contrast
    )  # undiluted contrast medium saturates the window
    radius = rng.uniform(0.13, 0.24)
    tilt = rng.uniform(0.2, 1.25)
    rise = (cut.y - ostium) / rng.uniform(1, 1.6) + 0.88 * radius * math.cos(tilt)
    aorta = np.hypot(cut.around(0.88 * radius * math.sin(tilt), _facing(rng, 0.5)), rise) - radius
    cut.paint(aorta - 0.008, WALL)
    cut.paint(aorta, cut.contrast)
    return aorta


def _paint_side_branches(cut: _Cut, ostium: float, radius: Array) -> None:
    """Up to four branches that leave the vessel downwards; a plane that misses one shows only its
    mouth.
    """
    rng = cut.rng
    for _ in range(int(rng.integers(1, 5))):
        start = rng.uniform(ostium + 0.08, 0.85)
        slope = rng.uniform(0.6, 1.8)
        reach = rng.uniform(0.1, 0.5)
        turn = cut.heart + rng.uniform(-1.3, 1.3) - cut.rotation
        below = np.maximum(cut.y - start, 0)
        bend = np.exp(-slope / reach * below)
        path = reach * (1 - bend) + _sway(rng, cut.y, 0.02, 1.3, 2.7) * np.minimum(6 * below, 1)
        across = np.hypot(
            (cut.s * math.cos(turn) - path) / np.hypot(1, slope * bend), cut.s * math.sin(turn)
        )
        width = (
            rng.uniform(0.4, 0.75)
            * float(np.interp(start, cut.y[:, 0], radius[:, 0]))
            * np.exp(-1.2 * below)
        )
        cut.paint(np.maximum(across - width, start - cut.y), 0.95 * cut.contrast)


def _draw_plaques(rng: np.random.Generator, ostium: float) -> list[_Plaque]:
    """One to three plaques that do not overlap, from the aorta down."""
    slot = (0.86 - ostium) / 3
    plaques = []
    for place in np.sort(rng.permutation(3)[: rng.integers(1, 4)]):
        kind = list(KINDS)[rng.integers(len(KINDS))]
        least, most, shortest, longest = KINDS[kind]
        half = rng.uniform(shortest, longest)
        centre = ostium + 0.04 + slot * float(place) + rng.uniform(half, slot - half)
        plaques.append(_Plaque(kind, rng.uniform(least, most), centre, half))
    return plaques


def _paint_plaque(cut: _Cut, radius: Array, plaque: _Plaque, beside: float) -> Array:
    """Fills the wall between lumen and remodelled outer wall, or `beside` the vessel; gives its
    cover, 0-1, (S, S).
    """
    rng = cut.rng
    kind = plaque.kind
    grade = plaque.grade
    s = cut.s - beside
    angle = _facing(rng, 0.5)
    outward = rng.uniform(0.1, 0.35)
    # HU; the spot's place along a mixed plaque
    calcium = rng.uniform(900, 1500)
    where = rng.uniform(-0.5, 0.5)
    eccentricity = min(
        rng.uniform(0.1, 0.9), 0.8 * (1 - grade) / grade
    )  # at most 0.8: every plane meets the lumen
    along = (cut.y - plaque.centre) / plaque.half_length
    swell = np.sqrt(np.clip(1 - along**2, 0, 1)) * radius
    lumen = cut.around(-eccentricity * grade * swell, angle, s) - radius + grade * swell
    outer = cut.around(0.7 * outward * swell, angle, s) - radius - outward * swell
    wall = np.maximum(np.maximum(outer, -lumen), (np.abs(along) - 1) * plaque.half_length)
    inside = np.abs(s) - 1.15 * swell if beside else wall  # no lumen beside the vessel: a spindle
    cut.paint(inside, WALL - 10)
    if kind != "soft":
        middle, spot = (0.0, 1.0) if kind == "calcified" else (where, 0.45)
        grain = 0.85 * np.sqrt(np.clip(1 - ((along - middle) / spot) ** 2, 0, 1)) * radius
        cut.paint(np.maximum(wall, cut.around(0.8 * radius, angle, s) - grain), calcium)
    return np.clip(0.5 - inside * len(s), 0, 1)


def _scan(cut: _Cut, noise: Array) -> npt.NDArray[np.uint8]:
    """System blur, a band of rows blurred by motion, noise band-passed as by back-projection,
    display window.
    """
    rng = cut.rng
    y = cut.y
    size = len(cut.y)
    hu = cv2.GaussianBlur(cut.hu, (0, 0), rng.uniform(0.004, 0.0075) * size)
    band = (
        0.7
        * rng.integers(2)
        * np.exp(-(((y - rng.uniform(0.25, 0.9)) / rng.uniform(0.03, 0.08)) ** 2))
    )
    hu = hu + band * (cv2.blur(hu, (max(1, round(rng.uniform(0.02, 0.035) * size)), 1)) - hu)
    grain = cv2.GaussianBlur(noise, (0, 0), 0.004 * size) - cv2.GaussianBlur(
        noise, (0, 0), 0.012 * size
    )
    hu = hu + rng.uniform(14, 38) / grain.std() * grain
    low = rng.uniform(-220, -130)
    high = cut.contrast * rng.uniform(1.45, 1.9)
    return np.clip(255 * (hu - low) / (high - low), 0, 255).astype(np.uint8)


def _render(seed: int, index: int, image_size: int, views: int) -> tuple[Phantom, list[Box]]:
    """The phantom and the box of each lesion in half-open pixels x0, y0, x1, y1."""
    if min(seed, index) < 0 or views < 1 or image_size < SMALLEST:
        got = f"got seed {seed}, index {index}, views {views}, image_size {image_size}"
        raise ValueError(f"{got}; wanted seed and index >= 0, views >= 1, image_size >= {SMALLEST}")
    patient, view = divmod(index, views)
    rng = np.random.default_rng([seed, patient])
    own = np.random.default_rng(
        [seed, patient, view + 1]
    )  # + 1: a trailing 0 would give the patient's stream again
    abnormal = bool(rng.integers(2))
    ostium = rng.uniform(0.08, 0.2)
    plaques = _draw_plaques(rng, ostium) if abnormal else []
    others = _draw_plaques(rng, ostium)[
        : rng.integers(4)
    ]  # drawn alike for both labels: off the vessel, none tells
    rotation = min(math.radians(20), math.pi / views) * (view - (views - 1) / 2) + own.uniform(
        -0.03, 0.03
    )
    y = (np.arange(image_size, dtype=np.float32)[:, None] + 0.5) / image_size
    bend = [_sway(rng, y, amplitude, 0.45, 0.9, 1.7) for amplitude in (0.06, 0.035)]
    line = rng.uniform(0.42, 0.58) + bend[0] * math.cos(rotation) + bend[1] * math.sin(rotation)
    lean = np.hypot(1, np.gradient(line, 1 / image_size, axis=0))
    line = line + rng.choice([-0.02, 0, 0, 0.02]) * (
        y > rng.uniform(0.25, 0.9)
    )  # a heart beat out of step
    s = ((y.T - line) / lean).astype(np.float32)
    cut = _Cut(rng, s, y, rotation, _facing(rng, 0.6), rng.uniform(320, 480), np.zeros_like(s))
    calibre = rng.uniform(0.038, 0.052)
    below = np.maximum(y - ostium, 0)
    end = rng.uniform(0.98, 1.3)
    taper = np.exp(-rng.uniform(0.3, 0.8) * below) * np.sqrt(np.clip((end - y) / 0.15, 0, 1))
    mouth = 0.4 * np.exp(-(((y - ostium) / 0.025) ** 2))
    radius = calibre * taper * (1 + mouth + _sway(rng, y, 0.05, 2.5, 4.1, 6.3))

    _paint_surroundings(cut)
    _paint_veins(cut, calibre)
    for plaque in others:
        off = float(rng.choice([-1, 1])) * rng.uniform(2.7, 4.2) * calibre
        _paint_plaque(cut, rng.uniform(0.5, 1.4) * radius, plaque, off)
    aorta = _paint_great_vessels(cut, ostium)
    _paint_side_branches(cut, ostium, radius)
    across = np.hypot(s, np.maximum(ostium - y, 0))
    cut.paint(np.maximum(across - 1.12 * radius, -aorta), WALL)
    cut.paint(
        across - radius, cut.contrast * (1 - rng.uniform(0, 0.3) * below)
    )  # contrast thins downstream
    covers = [_paint_plaque(cut, radius, plaque, 0.0) for plaque in plaques]
    lesions = [
        np.uint8(1) * (cover >= min(0.5, cover.max())) for cover in covers
    ]  # min: thinner than a pixel
    image = _scan(cut, own.standard_normal(s.shape, np.float32))
    mask = sum(lesions, np.zeros_like(s)) > 0
    kinds = tuple(p.kind for p in plaques)
    grades = tuple(round(100 * p.grade, 1) for p in plaques)
    made = Phantom(image, mask.astype(np.uint8), LABELS[abnormal], patient, view, kinds, grades)
    return made, boxes_of(lesions)


def phantom(seed: int, index: int, image_size: int = 256, views: int = 4) -> Phantom:
    """View `index % views` of patient `index // views` in the endless stream `seed`, image_size
    pixels square.

    Depends on the arguments alone; image_size changes the sampling, not the anatomy. ValueError if
    out of range.
    """
    return _render(seed, index, image_size, views)[0]


def _files(index: int, views: int, image_size: int, seed: int) -> Made:
    """The manifest's row of one image, its pixels and, if it has a lesion, its mask (0 or 255)."""
    made, boxes = _render(seed, index, image_size, views)
    patient = f"p{made.patient:04d}"
    path, mask = (
        f"{part}/{patient}_v{made.view}.png" for part in (f"images/{made.label}", "masks")
    )
    types = ";".join(made.lesion_types)
    grades = ";".join(map(str, made.grades))
    row = (
        path,
        made.label,
        patient,
        str(made.view),
        types,
        grades,
        format_boxes(boxes),
        mask if boxes else "",
    )
    return row, {path: made.image, mask: 255 * made.mask} if boxes else {path: made.image}


def write(
    output: Path, patients: int, views: int, image_size: int, seed: int, workers: int | None = None
) -> Path:
    """Writes images/<label>/*.png, masks/*.png (0 or 255, abnormal only) and, last, manifest.csv;
    gives its path.

    `workers`: processes, all cores by default. ValueError if output is not an empty folder or a
    number out of range.
    """
    if patients < 1:
        raise ValueError(f"patients: got {patients}, wanted at least 1")
    make = partial(_files, views=views, image_size=image_size, seed=seed)
    return write_folder(output, COLUMNS, make, patients * views, workers)


if __name__ == "__main__":
    command(
        write,
        "ct",
        "made-up coronary CT images",
        patients=200,
        views=4,
        image_size=256,
        seed=0,
    )
