"""The coronary arteries of a made-up heart: centre lines on its surface, calibre and branches."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from phantoms.heart import Heart
from phantoms.shapes import Array

STEP = 0.4  # mm between the points of a centre line
COARSE = 2.0  # mm between them while they are laid onto the heart
WALL = 0.45  # mm of the healthy wall

# where the average arteries run, from the aorta on, in mm as in phantoms/heart.py
COURSES = {
    "RCA": [
        (-6, -14, 13),
        (-13, -25, 12),
        (-24, -36, 4),
        (-31, -40, -10),
        (-33, -37, -26),
        (-30, -27, -42),
        (-24, -10, -54),
        (-12, 6, -55),
        (2, 16, -48),
        (14, 10, -56),
        (28, -6, -64),
        (40, -22, -68),
    ],
    "LAD": [
        (13, 1, 13),
        (20, 1, 14),
        (26, -8, 13),
        (31, -20, 9),
        (37, -30, 0),
        (44, -39, -12),
        (51, -46, -26),
        (58, -51, -42),
        (61, -51, -56),
        (57, -42, -66),
    ],
    "LCX": [
        (13, 1, 13),
        (20, 2, 14),
        (28, 10, 9),
        (38, 20, 0),
        (49, 23, -12),
        (59, 19, -24),
        (66, 10, -38),
        (68, -3, -50),
        (66, -18, -58),
    ],
}
# radius at the mouth in mm, branches: share of the length where each leaves
CALIBRE = {"RCA": (1.45, 2.2), "LAD": (1.5, 2.2), "LCX": (1.4, 2.1)}
FORKS = {
    "RCA": (0.08, 0.2, 0.36, 0.5, 0.66, 0.72, 0.85),
    "LAD": (0.2, 0.3, 0.38, 0.48, 0.58, 0.7, 0.82),
    "LCX": (0.25, 0.42, 0.55, 0.7, 0.85),
}


@dataclass(frozen=True)
class Artery:
    """A centre line of K points, STEP apart."""

    points: Array  # (K, 3) mm
    radius: Array  # (K,) mm, of the healthy lumen
    forks: Array  # indices of points where branches leave

    @property
    def tangents(self) -> Array:
        """(K, 3) unit vectors downstream."""
        ways = np.gradient(self.points, axis=0)
        return np.asarray(ways / np.linalg.norm(ways, axis=1, keepdims=True))


def spaced(points: Array, smooth: float, step: float = STEP) -> Array:
    """The line through ``points``, (K, 3), smoothed over ``smooth`` mm, in steps of ``step`` mm."""
    for _ in range(2):
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
        s = np.concatenate([[0], np.cumsum(lengths)])
        even = np.linspace(0, s[-1], max(4, round(s[-1] / step)))
        points = np.stack([np.interp(even, s, points[:, axis]) for axis in range(3)], 1)
        # reflected through the ends, so that these stay
        pad = min(len(points) - 1, math.ceil(3 * smooth / step))
        head = 2 * points[0] - points[pad:0:-1]
        tail = 2 * points[-1] - points[-2 : -pad - 2 : -1]
        long = _blur(np.concatenate([head, points, tail]), smooth / step)
        points = long[pad : len(long) - pad]
    return points


def _blur(line: Array, sigma: float) -> Array:
    half = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    kernel = (weights / weights.sum())[:, None]
    return np.asarray(cv2.filter2D(line, -1, kernel, borderType=cv2.BORDER_REPLICATE))


def onto_surface(heart: Heart, points: Array, height: Array) -> Array:
    """``points``, (K, 3), moved to ``height``, (K,) mm, above the heart's surface."""
    points = points.T.astype(np.float32)
    steps = np.concatenate([np.zeros((1, 3)), np.eye(3)]).T[:, :, None].astype(np.float32)
    for _ in range(3):
        around = points[:, None] + steps  # (3, 4, K)
        found = heart.surface(around.reshape(3, -1)).reshape(4, -1)
        here = found[0]
        slope = found[1:] - here
        slope /= np.linalg.norm(slope, axis=0) + 1e-3
        points = points + slope * np.clip(height - here, -8, 8)
    return np.asarray(points.T, float)


def draw_artery(rng: np.random.Generator, heart: Heart, name: str) -> Artery:
    """The main artery ``name`` of COURSES.

    It winds, mostly in the fat of the grooves; now and then a stretch of it dips into the muscle.
    """
    rough = np.array(COURSES[name], float)
    rough[2:] += rng.normal(0, 1.6, (len(rough) - 2, 3))
    line = spaced(heart.place(rough), 4.0, COARSE)
    s = np.arange(len(line)) * COARSE
    wind = rng.uniform(0.6, 2.2) * np.stack([sway(rng, s, 13, 24, 44) for _ in range(3)], 1)
    leave = np.clip((s - 6) / 10, 0, 1)[:, None]  # the mouth stays in its sinus
    line = line + wind * leave
    height = 2.6 + 1.2 * sway(rng, s, 20, 45) + 1.0
    bridge = rng.random() < 0.15
    middle, half = rng.uniform(0.4, 0.7) * s[-1], rng.uniform(6, 14)
    height -= bridge * 5.5 * np.exp(-(((s - middle) / half) ** 4))
    free = onto_surface(heart, line, height)
    line = line + (free - line) * np.clip((s - 8) / 16, 0, 1)[:, None]
    kink = rng.normal(0, 1.6, 3) * (rng.random() < 0.3)
    line += kink * np.exp(-(((s - rng.uniform(0.2, 0.8) * s[-1]) / 3) ** 2))[:, None]
    line = spaced(line, 1.8)
    count = len(line)
    s = np.arange(count) * STEP
    low, high = CALIBRE[name]
    radius = rng.uniform(low, high) * (0.5 + 0.5 * heart.scale)
    end = rng.uniform(0.35, 0.62)
    width = radius * (end / radius) ** ((s / s[-1]) ** rng.uniform(0.9, 1.6))
    shares = np.array(FORKS[name]) + rng.normal(0, 0.03, len(FORKS[name]))
    forks = np.clip(shares[rng.random(len(shares)) < 0.8] * count, 25, count - 25).astype(int)
    for fork in forks:
        step = 1 / (1 + np.exp((fork - np.arange(count)) * STEP / 1.5))
        width *= 1 - rng.uniform(0, 0.07) * step
    flare = 0.35 * np.exp(-((s / 2.0) ** 2))
    uneven = rng.uniform(0.02, 0.06) * sway(rng, s, 5, 9, 14, 31)
    return Artery(line, width * (1 + flare + uneven), np.sort(forks))


def draw_vein(rng: np.random.Generator, heart: Heart, main: Artery) -> Artery:
    """A vein of the heart, which goes with a stretch of ``main``, on one side or the other."""
    every = round(COARSE / STEP)
    count = len(main.points)
    low, high = int(rng.uniform(0.1, 0.3) * count), int(rng.uniform(0.5, 0.95) * count)
    start = main.points[low:high:every]
    s = np.arange(len(start)) * COARSE
    across = np.cross(main.tangents[low:high:every], start - heart.ventricle.centre)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    off = rng.uniform(4, 7) + 1.5 * sway(rng, s, 18, 33)
    line = start + rng.choice([-1, 1]) * off[:, None] * across
    line = spaced(onto_surface(heart, line, 3.0 + 0.7 * sway(rng, s, 15, 31)), 1.8)
    s = np.arange(len(line)) * STEP
    width = rng.uniform(1.0, 2.2) * (1 - 0.5 * s / s[-1]) * (1 + 0.08 * sway(rng, s, 6, 11))
    return Artery(line, width, np.zeros(0, int))


def draw_branches(rng: np.random.Generator, heart: Heart, main: Artery) -> list[Artery]:
    """What leaves ``main``: branches over the heart's surface, and a few into the muscle."""
    if not len(main.forks):
        return []
    starts, ways = main.points[main.forks], main.tangents[main.forks]
    count = len(starts)
    outs = onto_surface(heart, starts + 0.1, np.full(count, 9.0)) - starts
    outs /= np.linalg.norm(outs, axis=1, keepdims=True) + 1e-6
    sides = rng.choice([-1, 1]) * np.cumprod(rng.choice([-1, -1, 1], count))
    angles = rng.uniform(0.5, 1.2, count)[:, None]
    first = np.cos(angles) * ways + np.sin(angles) * np.cross(ways, outs) * sides[:, None]
    later = first + rng.normal(0, 0.3, (count, 3))
    lengths = np.clip(rng.exponential(30, count), 8, 70)
    rows = 24
    s = np.linspace(0, 1, rows)[:, None] * lengths  # (rows, count)
    lines = starts + s[..., None] * first + (s**2 / lengths * 0.5)[..., None] * (later - first)
    septal = rng.random(count) < 0.2
    height = 2.2 - 0.25 * s * septal + 0.6 * rng.normal(0, 1, (4, count)).repeat(rows // 4, 0)
    free = onto_surface(heart, lines.reshape(-1, 3), height.ravel()).reshape(rows, count, 3)
    lines += (free - lines) * np.clip((s - 1) / 8, 0, 1)[..., None]
    branches = []
    for number, fork in enumerate(main.forks):
        line = spaced(lines[:, number], 1.5)
        parent = float(main.radius[fork])
        thin = np.exp(-np.arange(len(line)) * STEP / 55)
        width = np.maximum(parent * rng.uniform(0.35, 0.8) * thin, 0.28)
        branches.append(Artery(line, width, np.zeros(0, int)))
    return branches


def sway(rng: np.random.Generator, s: Array, *waves: float) -> Array:
    """A smooth random curve of about unit size over ``s``, (K,); ``waves`` in mm."""
    phase = rng.uniform(0, math.tau, len(waves))
    size = rng.normal(0, 1, len(waves))
    return np.asarray(
        np.sin(math.tau * s[:, None] / np.array(waves) + phase) @ size / math.sqrt(len(waves))
    )
