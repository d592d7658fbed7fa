"""The vessels of a made-up angiogram in millimetres, and the paths of the rays through them."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.uint8]
STEP = 0.3  # mm between the points of a centreline


@dataclass
class Vessel:
    """A centreline of N points, STEP apart, and the lumen round it."""

    points: Array  # (N, 2) x, y in mm
    heading: Array  # (N,) radians
    radius: Array  # (N,) mm, when healthy
    medium: Array  # (N,) attenuation per mm of path
    kept: Array  # (N,) fraction of the diameter that is open
    shift: Array  # (N,) how far the open part lies to one side, in radii
    sick: Mask  # (N,) bit n: part of lesion n
    parent: float = 0.0  # radius of the vessel that it leaves at its first point, mm; 0: none


def sway(rng: np.random.Generator, s: Array, *waves: float) -> Array:
    """A smooth random curve of about unit size over `s`, (N,); `waves` in the unit of s."""
    phase = rng.uniform(0, math.tau, len(waves))
    size = rng.normal(0, 1, len(waves))
    return np.sin(math.tau * s[:, None] / np.array(waves) + phase) @ size / math.sqrt(len(waves))


def fall(x: Array) -> Array:
    """1 far below zero, 0 far above."""
    return 0.5 - 0.5 * np.tanh(0.5 * x)


class Scene:
    """The vessels of one picture: `tree`, the main one first, may be diseased; `others` are not;
    and `metal`.
    """

    def __init__(self, rng: np.random.Generator, seen: Array, f: float, difficulty: float) -> None:
        # seen: where a lesion may lie, (2, 2) mm
        self.rng = rng
        self.seen = seen
        self.difficulty = difficulty
        calibre = rng.uniform(1.0, 2.7)
        self.medium = rng.uniform(0.07, 0.18)
        middle = seen.mean(0) + rng.uniform(-0.3, 0.3, 2) * np.ptp(seen, 0)
        main = self.grow(middle, rng.uniform(0, math.tau), 2 * f, calibre, self.medium, 0.5)
        self.tree = [main]
        self.others = []
        self.metal = []
        for _ in range(rng.integers(round(3 * difficulty) + 1)):
            start = self.sprout(
                main, self.tree, calibre * rng.uniform(0.35, 0.9), rng.uniform(0.3, 1) * f
            )
            thinner = fall((start - np.arange(len(main.radius))) * STEP / (0.3 * calibre))
            main.radius = main.radius * (1 - rng.uniform(0, 0.35) * thinner)
        for _ in range(rng.poisson(0.035 * f * difficulty)):
            place = rng.uniform(-0.5, 0.5, 2) * f
            heading = rng.uniform(0, math.tau)
            size = calibre * rng.uniform(0.3, 1.1)
            shade = self.medium * rng.uniform(0.5, 1)
            if rng.random() < 0.2:  # side by side with the main vessel
                near = int(rng.uniform(0.4, 0.6) * len(main.points))
                heading = float(main.heading[near])
                off = rng.choice([-1, 1]) * rng.uniform(0.8, 2) * (size + calibre)
                place = main.points[near] + off * np.array([-math.sin(heading), math.cos(heading)])
            self.others.append(
                self.grow(place, heading, 2 * f, size, shade, rng.choice([0.5, 0.5, 0.0]))
            )
        for _ in range(rng.poisson(5 * difficulty)):
            host = self.tree[rng.integers(len(self.tree))]
            self.sprout(host, self.others, rng.uniform(0.15, 0.4), rng.uniform(0.1, 0.6) * f)
        for _ in range(
            rng.poisson(0.4 * difficulty)
        ):  # wire, catheter, clip; of the first two the tip may be seen
            size = rng.choice([0.25, rng.uniform(0.7, 1.1)])
            place = rng.uniform(-0.5, 0.5, 2) * f
            length = rng.choice([2 * f, 2 * f, rng.uniform(2, 8)])
            shade = rng.uniform(0.05, 0.4) / size
            self.metal.append(
                self.grow(
                    place, rng.uniform(0, math.tau), length, size, shade, rng.choice([0.5, 0.0])
                )
            )
            self.metal[-1].radius[:] = size

    def grow(
        self, anchor: Array, heading: float, length: float, radius: float, medium: float, at: float
    ) -> Vessel:
        """A vessel of `length` mm that passes `anchor` at the fraction `at` of it, in direction
        `heading`.
        """
        rng = self.rng
        s = np.arange(0, length, STEP)
        bends = sway(rng, s, 17, 32, 60) + rng.uniform(0, 0.5) * sway(rng, s, 8, 11)
        kink = (
            rng.uniform(-2, 2)
            * (rng.random() < 0.25)
            * fall((rng.uniform(0, length) - s) / rng.uniform(0.3, 1.5))
        )
        turn = math.exp(rng.uniform(-2, -0.3)) * bends + kink
        fixed = int(at * len(s))
        turn += heading - turn[fixed]
        points = np.cumsum(STEP * np.stack([np.cos(turn), np.sin(turn)], 1), 0)
        points += anchor - points[fixed]
        rough = 1 + rng.uniform(0.02, 0.09) * sway(rng, s, 3.7, 7.3, 13)
        width = radius * np.exp(-rng.uniform(0, 0.012) * s) * rough
        tilt = rng.uniform(0, 2) * (rng.random() < 0.3)
        place = rng.choice([0.0, rng.uniform(0, length)])
        darker = 1 + tilt * np.exp(
            -(((s - place) / rng.uniform(0.7, 4)) ** 2)
        )  # where it runs along the beam
        filling = medium * darker * (1 + 0.06 * sway(rng, s, 3, 8, 20))
        shift = 0.04 * sway(rng, s, 3.1, 5.3)
        sick = np.zeros(len(s), np.uint8)
        return Vessel(points, turn, width, filling, np.ones_like(s), shift, sick)

    def sprout(self, host: Vessel, into: list[Vessel], radius: float, length: float) -> int:
        """Adds to `into` a branch of `host`, from a point of its middle part; gives the point."""
        rng = self.rng
        start = int(self.rng.uniform(0.3, 0.7) * len(host.points))
        heading = float(host.heading[start]) + rng.choice([-1, 1]) * rng.uniform(0.4, 1.4)
        branch = self.grow(host.points[start], heading, length, radius, self.medium, 0.0)
        branch.radius *= np.sqrt(np.clip(np.linspace(1.7, 0, len(branch.radius)), 0.02, 1))
        branch.parent = float(host.radius[start])
        into.append(branch)
        return start

    def narrow(self, bit: int) -> tuple[str, float, float]:
        """Narrows a site and marks it with `bit`, or if that is 0 too little to be disease; gives
        type, percent, mm.
        """
        rng = self.rng
        tree = self.tree
        difficulty = self.difficulty
        for vessel in (tree[rng.integers(len(tree))] if rng.random() < 0.3 else tree[0], tree[0]):
            fits = ((vessel.points > self.seen[0]) & (vessel.points < self.seen[1])).all(1)
            if (
                vessel.parent
            ):  # its mouth lies within the parent, and in a thin vessel nobody looks for stenosis
                fits &= vessel.radius > 0.6
                fits[: math.ceil(1.5 * vessel.parent / STEP)] = False
            if fits.any():
                break
        kind = str(rng.choice(["concentric", "eccentric"]))
        at = int(rng.choice(np.flatnonzero(fits)))
        if vessel.parent and rng.random() < 0.5:
            kind = "ostial"
            at = int(fits.argmax())
        elif (
            not vessel.parent and len(tree) > 1 and rng.random() < 0.3
        ):  # plaque likes bifurcations
            fork = tree[rng.integers(1, len(tree))].points[0] + rng.normal(0, vessel.radius[at], 2)
            at = int(np.where(fits, np.hypot(*(vessel.points - fork).T), np.inf).argmin())
        grade = rng.uniform(0.7 - 0.3 * difficulty, 0.9)
        mild = rng.uniform(-0.2, 0.22)
        passing = rng.uniform(0.2, 1)
        if rng.random() < 0.04 * difficulty:
            kind = "occlusion"
            grade = 1.0
        grade = grade if bit else mild * difficulty
        half = float(np.clip(vessel.radius[at] * math.exp(rng.uniform(0, 1.7)), 1, 9))
        u = (np.arange(len(vessel.points)) - at) * STEP / half
        flank = np.clip((1 - np.abs(u)) / (1 - rng.uniform(0, 0.75)), 0, 1)
        shape = flank**2 * (3 - 2 * flank) * (1 + 0.12 * sway(rng, u * half, 0.9, 1.7))
        lost = np.minimum(grade * shape, abs(grade))
        side = rng.choice([-1, 1]) * (rng.uniform(0.6, 1) if kind == "eccentric" else 0.2)
        vessel.kept = vessel.kept * (1 - lost)
        vessel.shift = vessel.shift + lost * side
        if grade > 0.85:  # less medium gets past it
            vessel.medium = vessel.medium * np.where(u > 0, passing, 1)
        vessel.sick |= np.uint8(bit) * (np.abs(u) <= 1)
        return kind, round(100 * grade, 1), round(2 * half, 1)


def cast(vessel: Vessel, total: Array, sick: Mask, scale: float) -> None:
    """Adds the vessel's attenuation to `total`, (R, R), and its lesions to `sick`; `scale` in
    pixels per mm.

    A pixel takes the nearest point of the centreline from a distance transform, then its exact
    distance from the line there. Where a branch leaves its parent both are one lumen: the longer
    path counts, not the sum.
    """
    middle = len(total) / 2
    reach = math.ceil(1.3 * float(vessel.radius.max()) * scale) + 2
    spots = vessel.points * scale + middle
    ids = np.flatnonzero((np.abs(spots - middle) < middle + reach).all(1))
    if not len(ids):
        return
    cells = np.floor(spots[ids]).astype(np.intp)
    corner = cells.min(0) - reach  # of the part round the vessel, which may jut out of the picture
    (left, top), (col, row) = np.maximum(corner, 0), (cells - corner).T
    line = np.ones(cells.max(0)[::-1] + reach + 1 - corner[::-1], np.uint8)
    line[row, col] = 0
    away, nearest = cv2.distanceTransformWithLabels(
        line, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    point = np.zeros(len(ids) + 1, np.intp)
    point[nearest[row, col]] = ids
    x0, y0 = corner
    y, x = np.nonzero(away[top - y0 : len(total) - y0, left - x0 : len(total) - x0] < reach)
    y = y + top
    x = x + left
    k = point[nearest[y - y0, x - x0]]
    dx, dy = (np.stack([x, y]) + 0.5 - middle) / scale - vessel.points[k].T
    cos = np.cos(vessel.heading)[k]
    sin = np.sin(vessel.heading)[k]
    radius = vessel.radius[k]
    kept = vessel.kept[k]
    gap = max(2 * STEP, 1 / scale)  # the nearest point may lie so far along the line
    # beyond a round end
    across = dy * cos - dx * sin
    beyond = np.maximum(np.abs(dx * cos + dy * sin) - gap, 0)
    half = np.maximum(radius * kept, 0.6 / scale)  # what is thinner than a pixel is spread over one
    chord = 1 - ((across - vessel.shift[k] * radius) ** 2 + beyond**2) / half**2
    depth = radius * (0.5 + 0.5 * kept) * radius * kept / half
    path = 2 * depth * vessel.medium[k] * np.sqrt(np.maximum(chord, 0))
    one = np.clip(2.5 - k * STEP / vessel.parent, 0, 1) if vessel.parent else 0.0
    total[y, x] += path - one * np.minimum(path, total[y, x])
    sick[y, x] |= vessel.sick[k] * (np.hypot(across, beyond) <= np.maximum(radius, half))
