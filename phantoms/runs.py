"""Made-up runs of X-ray coronary angiography whose filling is known, frame by frame.

Contrast medium arrives through a catheter, fills the coronary arteries of a made-up heart from the
mouth on, and is washed out. The heart beats, the patient breathes, the table may be moved. Each
frame is the projection of the arteries as they lie at its time (Beer-Lambert, as in
phantoms/xray.py), behind and before ribs, diaphragm, spine and heart shadow that move too.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from phantoms.bolus import Bolus, draw_bolus
from phantoms.coronaries import STEP, Artery, draw_artery, draw_branches, draw_vein
from phantoms.exposure import background, expose
from phantoms.heart import Heart, draw_heart
from phantoms.projection import cast
from phantoms.shapes import turn
from phantoms.vessels import Array, Vessel, fall

FIELDS = (125.0, 180.0)  # edges of the picture [mm]
RATES = (7.5, 10.0, 15.0)  # frames a second
FEWEST, MOST = 20, 80  # frames
BEND = 5.0  # mm: the two left arteries are one lumen for 1.5 times as long


@dataclass(frozen=True)
class Run:
    """A made-up run of N frames.

    Args:
        frames: (N, S, S), contrast medium is dark.
        filling: (N,) mean concentration over the arteries, 1 is medium alone, each part of them by
            the area of its shadow; what lies outside the picture or the collimator counts as empty.
        rate: frames a second.
    """

    frames: NDArray[np.uint8]
    filling: Array
    rate: float


@dataclass(frozen=True)
class Line:
    """An artery, a vein or a catheter: ``points``, (K, 3) mm, and ``way``, (K,) mm to each."""

    points: Array
    radius: Array
    way: Array
    parent: float = 0.0


def run(seed: int, image_size: int = 256) -> Run:
    """Run ``seed``; it depends on the arguments alone."""
    rng = np.random.default_rng([seed, 7])
    pixel_rng = np.random.default_rng([seed, 8])
    heart = draw_heart(rng)
    bolus = draw_bolus(rng)
    rate = float(rng.choice(RATES))
    count = _length(rng, bolus, rate)
    times = np.arange(count) / rate
    arteries, veins = _lines(rng, heart)
    filled = [bolus.within(line.way, times) for line in arteries]  # each (K, N)
    areas = [line.radius for line in arteries]
    whole = sum(float(area.sum()) for area in areas)
    means = [area @ each for area, each in zip(areas, filled, strict=True)]
    filling = np.asarray(np.sum(means, axis=0) / whole)
    scene = _Scene(rng, heart, bolus, times, filling)
    scene.centre_on(rng, arteries)
    look = int(rng.integers(2**31))
    frames = []
    shown = np.zeros(count)
    for number in range(count):
        media = [each[:, number] for each in filled]
        light = scene.light(number, arteries, media, veins, image_size)
        shown[number] = sum(
            float(area @ (scene.is_seen(line, number) * medium))
            for line, area, medium in zip(arteries, areas, media, strict=True)
        )
        shots = np.random.default_rng(look)  # the same machine takes all frames
        frames.append(expose(shots, pixel_rng, light, scene.field, 1.0))
    return Run(np.stack(frames), shown / whole, rate)


def _length(rng: np.random.Generator, bolus: Bolus, rate: float) -> int:
    """Number of frames: mostly until the medium is gone, now and then too few."""
    end = bolus.end * rng.uniform(0.95, 1.6) if rng.random() < 0.8 else bolus.end * 0.75
    return int(np.clip(round(end * rate), FEWEST, MOST))


def _lines(rng: np.random.Generator, heart: Heart) -> tuple[list[Line], list[Line]]:
    """The arteries of one side with their branches, and veins."""
    names = ("LAD", "LCX") if rng.random() < 0.65 else ("RCA",)
    lines = []
    mains = [draw_artery(rng, heart, name) for name in names]
    for number, main in enumerate(mains):
        lines.append(_line(main, 0.0, BEND if number else 0.0))
        branches = draw_branches(rng, heart, main)
        for branch, fork in zip(branches, main.forks, strict=len(branches) > 0):
            lines.append(_line(branch, fork * STEP, float(main.radius[fork])))
    veins = [draw_vein(rng, heart, main) for main in mains if rng.random() < 0.5]
    return lines, [_line(vein, 0.0, 0.0) for vein in veins]


def _line(artery: Artery, before: float, parent: float) -> Line:
    way = before + np.arange(len(artery.points)) * STEP
    return Line(artery.points, artery.radius, way, parent)


class _Scene:
    """What one run shows beside its arteries, and how all of it moves."""

    def __init__(
        self, rng: np.random.Generator, heart: Heart, bolus: Bolus, times: Array, filling: Array
    ) -> None:
        self.centre = heart.ventricle.centre
        self.field = rng.uniform(*FIELDS)
        angles = np.radians([rng.uniform(-28, 28), 0.0, rng.uniform(-40, 50)])
        self.view = turn(angles)
        self.middle = np.zeros(2)  # of the picture [mm]
        self.medium = rng.uniform(0.16, 0.3)
        self.times = times
        phase = (times / bolus.beat + rng.random()) % 1
        self.squeeze = rng.uniform(0.06, 0.15) * np.sin(np.pi * np.clip(phase / 0.45, 0, 1)) ** 2
        deep = rng.choice([0.0, rng.uniform(2, 9)])  # a breath is held, or not
        breath = deep * np.sin(math.tau * times / rng.uniform(2.5, 4.5) + rng.uniform(0, math.tau))
        self.breath = breath
        pan = rng.uniform(-18, 18, 2) if rng.random() < 0.3 else np.zeros(2)
        moved = fall((rng.uniform(0.3, 0.9) * times[-1] - times) / rng.uniform(0.1, 0.4))
        self.pan = moved[:, None] * pan  # (N, 2)
        self.gain = 1 + 0.015 * rng.standard_normal(len(times))
        if rng.random() < 0.2:  # the tube warms up, or ends early
            self.gain[:: len(times) - 1] = rng.uniform(0, 0.5)
        self.rest = int(rng.integers(2**31))
        self.bones = int(rng.integers(2**31))
        open_to = rng.choice([1.0, 1.0, rng.uniform(0.36, 0.5)], (2, 2))
        self.shutter = np.array([[-1.0], [1.0]]) * open_to * self.field  # least and greatest x, y
        self.round = rng.uniform(0.5, 0.56) * self.field if rng.random() < 0.25 else self.field
        self.dome = (rng.uniform(0.15, 0.5), rng.uniform(-0.3, 0.3), rng.uniform(0.3, 0.8))
        self.catheter_medium = bolus.at_mouth(times + 0.15)
        self.bow = rng.uniform(-25, 25)
        self.tube = rng.uniform(0.8, 1.1)
        seconds = np.arange(len(times)) / len(times) * times[-1]
        late = np.exp(-seconds / 1.5) * seconds
        after = np.convolve(filling, late)[: len(times)] / max(late.sum(), 1e-6)
        self.blush = rng.uniform(0.0, 0.25) * after
        self.veined = rng.uniform(0.1, 0.35) * np.convolve(after, late)[: len(times)]
        self.veined /= max(late.sum(), 1e-6)
        self.metal = _clips(rng, self.field) if rng.random() < 0.3 else []

    def centre_on(self, rng: np.random.Generator, arteries: list[Line]) -> None:
        """Bring the arteries to the middle of the picture, more or less, as who takes it does."""
        flat = np.concatenate([self._flat(line.points, 0) for line in arteries])
        self.middle = (flat.min(0) + flat.max(0)) / 2 + rng.uniform(-8, 8, 2)

    def light(
        self, number: int, arteries: list[Line], media: list[Array], veins: list[Line], size: int
    ) -> Array:
        """(S, S) light that comes through in frame ``number``; ``media``: (K,) of each artery."""
        total = np.zeros((size, size), np.float32)
        sick = np.zeros((size, size), np.uint8)
        scale = size / self.field
        shown = [self._shadow(*pair, number) for pair in zip(arteries, media, strict=True)]
        for vein in veins:
            thin = np.full(len(vein.way), 0.4 * self.veined[number])
            shown.append(self._shadow(vein, thin, number))
        shown += [self._catheter(arteries[0], number), *self.metal]
        for vessel in shown:
            cast(vessel, total, sick, scale)
        x = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5)[None] * self.field  # (1, S)
        y = x.T
        shift = self.pan[number]
        bones = np.random.default_rng(self.bones)
        up = 0.35 * self.breath[number]
        total += background(bones, x - shift[0], y - shift[1] - up, self.field, 0.8)
        heart = shift - self.middle
        total += self._soft(x - heart[0], y - heart[1], number)
        light = np.exp(-total) * self.gain[number]
        for axis, place in enumerate((x, y)):
            low, high = self.shutter[:, axis]
            light *= 0.05 + 0.95 * fall((low - place) / 0.5) * fall((place - high) / 0.5)
        return np.asarray(light * (0.02 + 0.98 * fall((np.hypot(x, y) - self.round) / 0.6)))

    def _soft(self, x: Array, y: Array, number: int) -> Array:
        """(S, S) attenuation of diaphragm, heart shadow and blush."""
        high, side, dark = self.dome
        top = (high + 0.6 * (x / self.field - side) ** 2) * self.field + self.breath[number]
        diaphragm = dark * fall((top - y) / 1.2)
        radius = 0.42 * self.field * (1 - self.squeeze[number])
        heart = fall((np.hypot(x, 1.1 * (y - self.breath[number])) - radius) / 4)
        return np.asarray(diaphragm + (0.25 + self.blush[number]) * heart)

    def _moved(self, points: Array, number: int) -> Array:
        """(K, 2) places in the picture of (K, 3) points of the heart in diastole [mm]."""
        return np.asarray(self._flat(points, number) + self.pan[number] - self.middle)

    def _flat(self, points: Array, number: int) -> Array:
        small = (points - self.centre) * (1 - self.squeeze[number])
        seen = small @ self.view.T
        flat = np.stack([seen[:, 0], -seen[:, 2]], 1)
        flat[:, 1] += self.breath[number] - 30 * self.squeeze[number]
        return np.asarray(flat)

    def is_seen(self, line: Line, number: int) -> NDArray[np.bool_]:
        """(K,) which points of a line this frame shows."""
        flat = self._moved(line.points, number)
        low, high = np.clip(self.shutter, -0.5 * self.field, 0.5 * self.field)
        inside = ((flat > low) & (flat < high)).all(1)
        return np.asarray(inside & (np.hypot(*flat.T) < self.round))

    def _shadow(self, line: Line, medium: Array, number: int) -> Vessel:
        """The line with ``medium``, (K,), as this frame shows it."""
        flat = self._moved(line.points, number)
        steps = np.gradient(flat, axis=0)
        # darker where it runs along the beam
        along = np.clip(STEP / (np.hypot(*steps.T) + 1e-6), 1, 2.5)
        return _vessel(flat, line.radius, self.medium * along * medium, line.parent)

    def _catheter(self, main: Line, number: int) -> Vessel:
        """From the upper edge of the picture to the mouth of the arteries."""
        mouth, next_to = self._moved(main.points[[0, 12]], number)
        s = np.linspace(0, 1, 500)[:, None]
        way = (mouth - next_to) / (np.hypot(*(mouth - next_to)) + 1e-6)
        first = mouth + 25 * way
        far = np.array([first[0] + self.bow, -0.75 * self.field])
        middle = np.array([first[0] - 0.3 * self.bow, 0.4 * far[1] + 0.6 * first[1]])
        line = (1 - s) ** 3 * mouth + 3 * s * (1 - s) ** 2 * first
        line = line + 3 * s**2 * (1 - s) * middle + s**3 * far
        radius = np.full(len(line), self.tube)
        medium = 0.35 * self.medium + 0.9 * self.medium * self.catheter_medium[number]
        return _vessel(line, radius, np.full(len(line), medium), 0.0)


def _vessel(points: Array, radius: Array, medium: Array, parent: float) -> Vessel:
    steps = np.gradient(points, axis=0)
    heading = np.arctan2(steps[:, 1], steps[:, 0])
    same = np.ones(len(points))
    sick = np.zeros(len(points), np.uint8)
    return Vessel(points, heading, radius, medium, same, 0 * same, sick, parent)


def _clips(rng: np.random.Generator, field: float) -> list[Vessel]:
    """Wires that close a sternum, or lead to electrodes; they do not move."""
    found = []
    for _ in range(rng.integers(1, 4)):
        place = rng.uniform(-0.4, 0.4, 2) * field
        s = np.linspace(-1, 1, 120)[:, None] * rng.uniform(3, 40)
        way = rng.uniform(0, math.tau)
        bend = rng.uniform(-0.01, 0.01) * s**2
        ahead, across = np.array([[math.cos(way), math.sin(way)], [-math.sin(way), math.cos(way)]])
        line = place + s * ahead + bend * across
        found.append(_vessel(line, np.full(len(line), 0.4), np.full(len(line), 0.7), 0.0))
    return found


def contact_sheet(made: Run, columns: int = 6, rows: int = 2) -> NDArray[np.uint8]:
    """Evenly spaced frames of a run in one picture, a row after the other."""
    chosen = np.linspace(0, len(made.frames) - 1, columns * rows).round().astype(int)
    tiles = [cv2.copyMakeBorder(made.frames[i], 2, 2, 2, 2, cv2.BORDER_CONSTANT) for i in chosen]
    lines = [np.hstack(tiles[row * columns : (row + 1) * columns]) for row in range(rows)]
    return np.vstack(lines)
