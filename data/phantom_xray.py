"""Made-up X-ray coronary angiograms: vessels full of contrast medium, normal or with a stenosis.

A scene is a tree of vessels, in millimetres from the middle of the picture, and what lies behind and before it. Each
vessel is cast as the path of the rays through its lumen; attenuations add (Beer-Lambert), so that crossings are
darker. Scatter, blur, noise, edge enhancement and compression follow. Both labels draw the same scenes and sites: in
a normal one the vessel stays nearly as wide there, or this part of the tree has not been filled.
"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from data.geometry import Box, format_boxes
from data.phantom_files import Made, boxes_of, command, write_folder

Array = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.uint8]
LABELS = ("normal", "abnormal")
COLUMNS = ("path", "label", "lesion_type", "grade", "length_mm", "lesion_boxes_xyxy", "mask", "vessel_mask")
SMALLEST = 16  # pixels: below it no vessel has a width
STEP = 0.3  # mm between the points of a centreline
FINER = 2  # vessels are cast on so many times the pixels, each way
UNFILLED = 0.35  # share of the normal scenes at full difficulty


@dataclass(frozen=True)
class XrayPhantom:
    """One made-up angiogram."""

    image: Mask  # (S, S), grey
    vessel: Mask  # (S, S), 1 = open lumen with contrast medium, of every vessel; else 0
    lesion: Mask  # (S, S), 1 = narrowed segment over its healthy width; else 0
    label: str  # "normal" | "abnormal"
    lesion_types: tuple[str, ...]  # of "concentric", "eccentric", "ostial", "occlusion"; empty when normal
    grades: tuple[float, ...]  # percent of the diameter lost, per lesion
    lengths: tuple[float, ...]  # mm, per lesion
    boxes: tuple[Box, ...]  # x0, y0, x1, y1 in half-open pixels, per lesion


@dataclass
class _Vessel:
    """A centreline of N points, STEP apart, and the lumen round it."""

    points: Array  # (N, 2) x, y in mm
    heading: Array  # (N,) radians
    radius: Array  # (N,) mm, when healthy
    medium: Array  # (N,) attenuation per mm of path
    kept: Array  # (N,) fraction of the diameter that is open
    shift: Array  # (N,) how far the open part lies to one side, in radii
    sick: Mask  # (N,) bit n: part of lesion n
    parent: float = 0.0  # radius of the vessel that it leaves at its first point, mm; 0: none


def _sway(rng: np.random.Generator, s: Array, *waves: float) -> Array:
    """A smooth random curve of about unit size over `s`, (N,); `waves` in the unit of s."""
    phase, size = rng.uniform(0, math.tau, len(waves)), rng.normal(0, 1, len(waves))
    return np.sin(math.tau * s[:, None] / np.array(waves) + phase) @ size / math.sqrt(len(waves))


def _fall(x: Array) -> Array:
    """1 far below zero, 0 far above."""
    return 0.5 - 0.5 * np.tanh(0.5 * x)


class _Scene:
    """The vessels of one picture: `tree`, the main one first, may be diseased; `others` are not; and `metal`."""

    def __init__(self, rng: np.random.Generator, seen: Array, f: float, difficulty: float) -> None:
        self.rng, self.seen, self.difficulty = rng, seen, difficulty  # seen: where a lesion may lie, (2, 2) mm
        calibre, self.medium = rng.uniform(1.0, 2.7), rng.uniform(0.07, 0.18)
        middle = seen.mean(0) + rng.uniform(-0.3, 0.3, 2) * np.ptp(seen, 0)
        main = self.grow(middle, rng.uniform(0, math.tau), 2 * f, calibre, self.medium, 0.5)
        self.tree, self.others, self.metal = [main], [], []
        for _ in range(rng.integers(round(3 * difficulty) + 1)):
            start = self.sprout(main, self.tree, calibre * rng.uniform(0.35, 0.9), rng.uniform(0.3, 1) * f)
            thinner = _fall((start - np.arange(len(main.radius))) * STEP / (0.3 * calibre))
            main.radius = main.radius * (1 - rng.uniform(0, 0.35) * thinner)
        for _ in range(rng.poisson(0.035 * f * difficulty)):
            place, heading = rng.uniform(-0.5, 0.5, 2) * f, rng.uniform(0, math.tau)
            size, shade = calibre * rng.uniform(0.3, 1.1), self.medium * rng.uniform(0.5, 1)
            if rng.random() < 0.2:  # side by side with the main vessel
                near = int(rng.uniform(0.4, 0.6) * len(main.points))
                heading, off = float(main.heading[near]), rng.choice([-1, 1]) * rng.uniform(0.8, 2) * (size + calibre)
                place = main.points[near] + off * np.array([-math.sin(heading), math.cos(heading)])
            self.others.append(self.grow(place, heading, 2 * f, size, shade, rng.choice([0.5, 0.5, 0.0])))
        for _ in range(rng.poisson(5 * difficulty)):
            host = self.tree[rng.integers(len(self.tree))]
            self.sprout(host, self.others, rng.uniform(0.15, 0.4), rng.uniform(0.1, 0.6) * f)
        for _ in range(rng.poisson(0.4 * difficulty)):  # wire, catheter, clip; of the first two the tip may be seen
            size, place = rng.choice([0.25, rng.uniform(0.7, 1.1)]), rng.uniform(-0.5, 0.5, 2) * f
            length, shade = rng.choice([2 * f, 2 * f, rng.uniform(2, 8)]), rng.uniform(0.05, 0.4) / size
            self.metal.append(self.grow(place, rng.uniform(0, math.tau), length, size, shade, rng.choice([0.5, 0.0])))
            self.metal[-1].radius[:] = size

    def grow(self, anchor: Array, heading: float, length: float, radius: float, medium: float, at: float) -> _Vessel:
        """A vessel of `length` mm that passes `anchor` at the fraction `at` of it, in direction `heading`."""
        rng, s = self.rng, np.arange(0, length, STEP)
        sway = _sway(rng, s, 17, 32, 60) + rng.uniform(0, 0.5) * _sway(rng, s, 8, 11)
        kink = rng.uniform(-2, 2) * (rng.random() < 0.25) * _fall((rng.uniform(0, length) - s) / rng.uniform(0.3, 1.5))
        turn, fixed = math.exp(rng.uniform(-2, -0.3)) * sway + kink, int(at * len(s))
        turn += heading - turn[fixed]
        points = np.cumsum(STEP * np.stack([np.cos(turn), np.sin(turn)], 1), 0)
        points += anchor - points[fixed]
        rough = 1 + rng.uniform(0.02, 0.09) * _sway(rng, s, 3.7, 7.3, 13)
        width = radius * np.exp(-rng.uniform(0, 0.012) * s) * rough
        tilt, place = rng.uniform(0, 2) * (rng.random() < 0.3), rng.choice([0.0, rng.uniform(0, length)])
        darker = 1 + tilt * np.exp(-(((s - place) / rng.uniform(0.7, 4)) ** 2))  # where it runs along the beam
        filling = medium * darker * (1 + 0.06 * _sway(rng, s, 3, 8, 20))
        shift, sick = 0.04 * _sway(rng, s, 3.1, 5.3), np.zeros(len(s), np.uint8)
        return _Vessel(points, turn, width, filling, np.ones_like(s), shift, sick)

    def sprout(self, host: _Vessel, into: list[_Vessel], radius: float, length: float) -> int:
        """Adds to `into` a branch of `host`, from a point of its middle part; gives the point."""
        rng, start = self.rng, int(self.rng.uniform(0.3, 0.7) * len(host.points))
        heading = float(host.heading[start]) + rng.choice([-1, 1]) * rng.uniform(0.4, 1.4)
        branch = self.grow(host.points[start], heading, length, radius, self.medium, 0.0)
        branch.radius *= np.sqrt(np.clip(np.linspace(1.7, 0, len(branch.radius)), 0.02, 1))
        branch.parent = float(host.radius[start])
        into.append(branch)
        return start

    def narrow(self, bit: int) -> tuple[str, float, float]:
        """Narrows a site and marks it with `bit`, or if that is 0 too little to be disease; gives type, percent, mm."""
        rng, tree, difficulty = self.rng, self.tree, self.difficulty
        for vessel in (tree[rng.integers(len(tree))] if rng.random() < 0.3 else tree[0], tree[0]):
            fits = ((vessel.points > self.seen[0]) & (vessel.points < self.seen[1])).all(1)
            if vessel.parent:  # its mouth lies within the parent, and in a thin vessel nobody looks for stenosis
                fits &= vessel.radius > 0.6
                fits[: math.ceil(1.5 * vessel.parent / STEP)] = False
            if fits.any():
                break
        kind, at = str(rng.choice(["concentric", "eccentric"])), int(rng.choice(np.flatnonzero(fits)))
        if vessel.parent and rng.random() < 0.5:
            kind, at = "ostial", int(fits.argmax())
        elif not vessel.parent and len(tree) > 1 and rng.random() < 0.3:  # plaque likes bifurcations
            fork = tree[rng.integers(1, len(tree))].points[0] + rng.normal(0, vessel.radius[at], 2)
            at = int(np.where(fits, np.hypot(*(vessel.points - fork).T), np.inf).argmin())
        grade, mild, passing = rng.uniform(0.7 - 0.3 * difficulty, 0.9), rng.uniform(-0.2, 0.22), rng.uniform(0.2, 1)
        if rng.random() < 0.04 * difficulty:
            kind, grade = "occlusion", 1.0
        grade = grade if bit else mild * difficulty
        half = float(np.clip(vessel.radius[at] * math.exp(rng.uniform(0, 1.7)), 1, 9))
        u = (np.arange(len(vessel.points)) - at) * STEP / half
        flank = np.clip((1 - np.abs(u)) / (1 - rng.uniform(0, 0.75)), 0, 1)
        shape = flank**2 * (3 - 2 * flank) * (1 + 0.12 * _sway(rng, u * half, 0.9, 1.7))
        lost = np.minimum(grade * shape, abs(grade))
        side = rng.choice([-1, 1]) * (rng.uniform(0.6, 1) if kind == "eccentric" else 0.2)
        vessel.kept, vessel.shift = vessel.kept * (1 - lost), vessel.shift + lost * side
        if grade > 0.85:  # less medium gets past it
            vessel.medium = vessel.medium * np.where(u > 0, passing, 1)
        vessel.sick |= np.uint8(bit) * (np.abs(u) <= 1)
        return kind, round(100 * grade, 1), round(2 * half, 1)


def _cast(vessel: _Vessel, total: Array, sick: Mask, scale: float) -> None:
    """Adds the vessel's attenuation to `total`, (R, R), and its lesions to `sick`; `scale` in pixels per mm.

    A pixel takes the nearest point of the centreline from a distance transform, then its exact distance from the line
    there. Where a branch leaves its parent both are one lumen: the longer path counts, not the sum.
    """
    middle, reach = len(total) / 2, math.ceil(1.3 * float(vessel.radius.max()) * scale) + 2
    spots = vessel.points * scale + middle
    ids = np.flatnonzero((np.abs(spots - middle) < middle + reach).all(1))
    if not len(ids):
        return
    cells = np.floor(spots[ids]).astype(np.intp)
    corner = cells.min(0) - reach  # of the part round the vessel, which may jut out of the picture
    (left, top), (col, row) = np.maximum(corner, 0), (cells - corner).T
    line = np.ones(cells.max(0)[::-1] + reach + 1 - corner[::-1], np.uint8)
    line[row, col] = 0
    away, nearest = cv2.distanceTransformWithLabels(line, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    point = np.zeros(len(ids) + 1, np.intp)
    point[nearest[row, col]] = ids
    x0, y0 = corner
    y, x = np.nonzero(away[top - y0 : len(total) - y0, left - x0 : len(total) - x0] < reach)
    y, x = y + top, x + left
    k = point[nearest[y - y0, x - x0]]
    dx, dy = (np.stack([x, y]) + 0.5 - middle) / scale - vessel.points[k].T
    cos, sin, radius, kept = np.cos(vessel.heading)[k], np.sin(vessel.heading)[k], vessel.radius[k], vessel.kept[k]
    gap = max(2 * STEP, 1 / scale)  # the nearest point may lie so far along the line
    across, beyond = dy * cos - dx * sin, np.maximum(np.abs(dx * cos + dy * sin) - gap, 0)  # beyond a round end
    half = np.maximum(radius * kept, 0.6 / scale)  # what is thinner than a pixel is spread over one
    chord = 1 - ((across - vessel.shift[k] * radius) ** 2 + beyond**2) / half**2
    depth = radius * (0.5 + 0.5 * kept) * radius * kept / half
    path = 2 * depth * vessel.medium[k] * np.sqrt(np.maximum(chord, 0))
    one = np.clip(2.5 - k * STEP / vessel.parent, 0, 1) if vessel.parent else 0.0
    total[y, x] += path - one * np.minimum(path, total[y, x])
    sick[y, x] |= vessel.sick[k] * (np.hypot(across, beyond) <= np.maximum(radius, half))


def _background(rng: np.random.Generator, x: Array, y: Array, f: float, difficulty: float) -> Array:
    """Attenuation of all that is not vessel, (S, S): soft tissue, lung, diaphragm, heart border, ribs, spine."""
    turn = rng.uniform(0, math.tau)
    shade: Array = np.zeros((y.size, x.size), np.float32)
    shade += rng.uniform(0, 0.3) * (x * math.cos(turn) + y * math.sin(turn)) / f
    for grain, depth in ((14, 0.12), (5, 0.05), (2, 0.025), (1, 0.02)):  # mm
        cells = max(2, round(f / grain)) + 1
        grid = rng.standard_normal((cells, cells), np.float32)
        grid = np.asarray(cv2.resize(grid, shade.shape, interpolation=cv2.INTER_CUBIC), np.float32)
        shade += depth * math.exp(rng.uniform(-1.8, 0.4)) * grid
    for broad in (False,) * rng.integers(3) + (True,) * rng.integers(3):
        turn, bow, place = rng.uniform(0, math.tau), rng.uniform(-0.012, 0.012), rng.uniform(-0.5, 0.5) * f
        along = x * math.cos(turn) + y * math.sin(turn)
        off = y * math.cos(turn) - x * math.sin(turn) + bow * along**2 - place
        if broad:  # lung, heart, diaphragm
            shade += rng.uniform(0.05, 0.5) * _fall(off / rng.uniform(0.3, 3))
        else:  # rib, edge of a vertebra
            shade += rng.uniform(-0.1, 0.15) * _fall((np.abs(off) - rng.uniform(1, 5)) / rng.uniform(0.5, 1.5))
    return (0.2 + 0.8 * difficulty) * shade


def _shutter(rng: np.random.Generator, f: float, difficulty: float) -> Array:
    """Where the collimator is open, (2, 2): least and most x, y in mm; mostly it reaches beyond the picture."""
    limits = np.array([[-f, -f], [f, f]])
    if rng.random() < 0.2 * difficulty:
        for axis in rng.permutation(2)[: rng.integers(1, 3)]:  # an edge or a corner
            limits[rng.integers(2), axis] *= rng.uniform(-0.25, 0.5)
    return limits


def _expose(rng: np.random.Generator, own: np.random.Generator, light: Array, f: float, difficulty: float) -> Mask:
    """The picture, (S, S), of the light that comes through: scatter, blur, quantum noise, enhancement, compression."""
    pixels = len(light) / f  # per mm
    veiled = (rng.uniform(75, 210) * light + rng.uniform(0, 15)).astype(np.float32)
    out: Array = cv2.GaussianBlur(veiled, (0, 0), max(0.15, rng.uniform(0.15, 0.45) * pixels)).astype(np.float32)
    grain = cv2.GaussianBlur(own.standard_normal(out.shape, np.float32), (0, 0), rng.uniform(0.4, 0.8))
    out += (rng.uniform(1.5, 2.5) + difficulty * rng.uniform(0, 2)) / grain.std() * grain * np.sqrt(out / 100)
    crisp, width = rng.uniform(0, 0.8) * rng.integers(2), rng.uniform(0.6, 1.5)
    grey = np.clip(out + crisp * (out - cv2.GaussianBlur(out, (0, 0), width * pixels)), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        code = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))])[1]
        grey = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)
    return grey


def _render(seed: int, index: int, size: int, f: float, difficulty: float, healthy: bool = False) -> XrayPhantom:
    """The phantom; with `healthy` the same scene with no more than mild irregularity."""
    if min(seed, index) < 0 or size < SMALLEST or not 5 <= f <= 2 * size or not 0 <= difficulty <= 1:
        got = f"got seed {seed}, index {index}, image_size {size}, field {f}, difficulty {difficulty}"
        want = f"wanted seed, index >= 0, image_size >= {SMALLEST}, field 5 to 2 x image_size, difficulty 0 to 1"
        raise ValueError(f"{got}; {want}")
    rng = np.random.default_rng([seed, index])
    own = np.random.default_rng([seed, index, 1])  # of the pixels: their number must not change the scene
    drawn, unfilled = bool(rng.integers(2)), rng.random() < UNFILLED * difficulty
    abnormal, shutter = drawn and not healthy, _shutter(rng, f, difficulty)
    seen = np.clip(shutter, -0.5 * f, 0.5 * f)
    seen += 0.14 * (seen[::-1] - seen)  # off the edges
    scene = _Scene(rng, seen, f, difficulty)
    lesions = [scene.narrow(abnormal << number) for number in range(1 + (rng.random() < 0.15 * difficulty))]
    types, grades, lengths = zip(*lesions, strict=True) if abnormal else ((), (), ())
    total = np.zeros((FINER * size, FINER * size), np.float32)
    sick = total.astype(np.uint8)
    for filled in scene.others if unfilled and not drawn else scene.tree + scene.others:
        _cast(filled, total, sick, FINER * size / f)
    lumen = (total > 0.02).astype(np.float32)
    for wire in scene.metal:
        _cast(wire, total, sick, FINER * size / f)

    def shrink(fine: Array) -> Array:
        return np.asarray(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA), np.float32)

    x = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5)[None] * f  # (1, S)
    light = shrink(np.exp(-total)) * np.exp(-_background(rng, x, x.T, f, difficulty))
    for axis, place in enumerate((x, x.T)):  # lead lets little through
        low, high = shutter[:, axis]
        light *= 0.05 + 0.95 * _fall((low - place) / 0.25) * _fall((place - high) / 0.25)
    covers = [shrink((sick >> number & 1).astype(np.float32)) for number in range(len(types))]
    masks = [(cover >= np.clip(cover.max(), 0.01, 0.5)).astype(np.uint8) for cover in covers]  # thin ones count too
    vessel = (shrink(lumen) >= 0.5).astype(np.uint8)
    lesion = np.max([np.zeros_like(vessel), *masks], 0)
    image, boxes = _expose(rng, own, light, f, difficulty), tuple(boxes_of(masks))
    return XrayPhantom(image, vessel, lesion, LABELS[abnormal], types, grades, lengths, boxes)


def phantom(seed: int, index: int, image_size: int = 64, field: float = 36.0, difficulty: float = 1.0) -> XrayPhantom:
    """Image `index` of the endless stream `seed`: image_size pixels square, `field` mm square.

    `difficulty` from 0, one clear vessel with a strong lesion, to 1, as in patients. The image depends on the arguments
    alone; image_size changes the sampling, not the scene. ValueError if a number is out of range.
    """
    return _render(seed, index, image_size, field, difficulty)


def _files(index: int, image_size: int, field: float, difficulty: float, seed: int) -> Made:
    """The manifest's row of one image, its pixels and its masks (0 or 255)."""
    made = phantom(seed, index, image_size, field, difficulty)
    name = f"x{index:06d}.png"
    path, mask, vessel = f"images/{made.label}/{name}", f"masks/{name}" if made.boxes else "", f"vessels/{name}"
    lists = (";".join(map(str, values)) for values in (made.lesion_types, made.grades, made.lengths))
    files = {path: made.image, vessel: 255 * made.vessel} | ({mask: 255 * made.lesion} if mask else {})
    return (path, made.label, *lists, format_boxes(made.boxes), mask, vessel), files


def write(
    output: Path, count: int, image_size: int, field: float, difficulty: float, seed: int, workers: int | None = None
) -> Path:
    """Writes images/<label>/*.png, masks/*.png (abnormal only), vessels/*.png and, last, manifest.csv; gives its path.

    `workers`: processes, all cores by default. ValueError if output is not an empty folder or a number out of range.
    """
    if count < 1:
        raise ValueError(f"count: got {count}, wanted at least 1")
    make = partial(_files, image_size=image_size, field=field, difficulty=difficulty, seed=seed)
    return write_folder(output, COLUMNS, make, count, workers)


if __name__ == "__main__":
    numbers = {"count": 2000, "image_size": 64, "field": 36.0, "difficulty": 1.0, "seed": 0}
    command(write, "phantom_xray", "made-up X-ray coronary angiograms", **numbers)
