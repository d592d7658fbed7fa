"""Disease of a coronary artery, and what only looks like it.

A site is drawn for both labels alike. In an abnormal artery the wall grows into a plaque there,
which narrows the lumen; in a normal one the lumen waves by less than READ percent.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from phantoms.coronaries import STEP, WALL, Artery, sway
from phantoms.shapes import Array

KINDS = ("calcified", "soft", "mixed")
RIM = 110.0  # HU of the outer ring of a napkin ring
READ = 20.0  # percent of the diameter: below it a reader calls the lumen irregular, not narrowed
# grades in fractions of the diameter: share of the lesions, least, greatest
GRADES = ((0.08, 0.0, 0.3), (0.2, 0.3, 0.5), (0.4, 0.5, 0.7), (0.27, 0.7, 0.97), (0.05, 1.0, 1.0))


@dataclass(frozen=True)
class Lump:
    """A grain of calcium: ``s``, ``first``, ``second`` from the centre line's frame, in mm."""

    s: float
    first: float
    second: float
    along: float  # half length in mm
    across: float  # half width in mm
    hu: float


@dataclass(frozen=True)
class Lesion:
    """One narrowed site of an artery.

    Attributes:
        kind: of KINDS.
        form: "concentric", "eccentric", "napkin ring" or "diffuse".
        place: "ostial", "bifurcation" or "segment".
        grade: of the diameter lost [percent].
        centre, half: where along the centre line, in mm.
        soft: HU of what is no calcium.
        lumps: its calcium.
    """

    kind: str
    form: str
    place: str
    grade: float
    centre: float
    half: float
    soft: float
    lumps: tuple[Lump, ...]


@dataclass
class Wall:
    """Lumen and outer wall of an artery at its K points, and the lesions in it."""

    lumen: Array  # (K,) radius in mm
    outer: Array  # (K,) radius in mm
    shift: Array  # (K, 2) mm of the lumen's middle off the centre line, in its frame
    filling: Array  # (K,) share of the contrast that gets there
    lesions: list[Lesion]


def draw_wall(
    rng: np.random.Generator, artery: Artery, seen: float, abnormal: bool, difficulty: float
) -> Wall:
    """The wall of ``artery``, with one to three sites in its first ``seen`` mm."""
    count = len(artery.points)
    s = np.arange(count) * STEP
    rough = 1 + 0.035 * difficulty * rng.uniform(0.3, 1) * sway(rng, s, 3.1, 5.3, 8.7)
    lumen = artery.radius * rough
    filling = 1 - rng.uniform(0, 0.25) * s / s[-1]  # contrast is washed out downstream
    filling *= 1 + rng.uniform(0, 0.05) * sway(rng, s, 9, 23, 47)
    wall = Wall(lumen, lumen + WALL, np.zeros((count, 2)), filling, [])
    sites = 1 + int(rng.random() < 0.35) + int(rng.random() < 0.15)
    # the share of the course that each site gets, from the aorta down
    slots = np.linspace(0, 1, sites + 1)
    for low, high in pairwise(slots):
        _change(wall, _draw_site(rng, artery, (low * seen, high * seen), difficulty), abnormal)
    return wall


@dataclass(frozen=True)
class Site:
    """All that is drawn for one site, whatever the label."""

    kind: str
    form: str
    place: str
    centre: float  # mm
    half: float  # mm
    grade: float  # fraction of the diameter lost, if it is diseased
    mild: float  # the same if it is not
    grow: float  # fraction by which the outer wall grows
    soft: float  # HU
    side: float  # radians, the way to the thick part of the plaque
    lean: float  # 0: concentric, 1: on one side alone
    flank: float  # share of its half length over which it narrows
    waves: Array  # (K,) unevenness
    through: float  # share of the contrast that gets past an occlusion
    grains: Array  # (7, 6) random numbers of its calcium


def _draw_site(
    rng: np.random.Generator, artery: Artery, limits: tuple[float, float], difficulty: float
) -> Site:
    """A site within ``limits`` [mm]."""
    place = str(rng.choice(["segment", "segment", "bifurcation", "ostial"]))
    form = str(rng.choice(["concentric", "eccentric", "eccentric", "napkin ring", "diffuse"]))
    kind = str(rng.choice(KINDS))
    half = rng.uniform(6, 12) if form == "diffuse" else math.exp(rng.uniform(0.7, 1.9))
    half = min(half, 0.45 * (limits[1] - limits[0]))
    centre = rng.uniform(limits[0] + half, limits[1] - half)
    if place == "ostial":
        centre = limits[0] + half if limits[0] else half + rng.uniform(0.5, 2)
        place = "segment" if limits[0] else place
    elif place == "bifurcation":
        forks = artery.forks * STEP + rng.normal(0, 1.5, len(artery.forks))
        inside = forks[(forks > limits[0] + half) & (forks < limits[1] - half)]
        centre = float(rng.choice(inside)) if len(inside) else centre
        place = place if len(inside) else "segment"
    leans = {"concentric": 0.15, "diffuse": 0.5, "napkin ring": 0.4}
    return Site(
        kind=kind,
        form=form,
        place=place,
        centre=centre,
        half=half,
        grade=_draw_grade(rng, difficulty),
        mild=rng.uniform(-READ, READ - 2) * difficulty / 100,
        grow=rng.uniform(0.0, 0.12) if rng.random() < 0.5 else rng.uniform(0.12, 0.4),
        soft=RIM if form == "napkin ring" else rng.uniform(10, 75),
        side=rng.uniform(0, math.tau),
        lean=leans.get(form, rng.uniform(0.6, 1)),
        flank=rng.uniform(0.25, 1),
        waves=sway(rng, np.arange(len(artery.points)) * STEP, 1.7, 3.1),
        through=rng.uniform(0.1, 0.9),
        grains=rng.uniform(size=(7, 6)),
    )


def _change(wall: Wall, site: Site, abnormal: bool) -> None:
    """Narrow the wall at ``site``, by a plaque if ``abnormal``."""
    u = (np.arange(len(wall.lumen)) * STEP - site.centre) / site.half
    rise = np.clip((1 - np.abs(u)) / site.flank, 0, 1)
    shape = rise**2 * (3 - 2 * rise)
    most = site.grade if abnormal else site.mild
    healthy = wall.lumen
    lost = np.clip(most * shape * (1 + 0.1 * site.waves), min(0, most), max(0, most))
    wall.lumen = healthy * (1 - lost)
    if not abnormal:
        wall.outer = wall.lumen + WALL
        return
    middle = round(site.centre / STEP)
    wall.lumen[middle] = healthy[middle] * (1 - most)
    # a plaque that hardly narrows has grown outwards (Glagov et al. 1987)
    grow = max(site.grow, 0.25) if 100 * most < READ else site.grow
    wall.outer = np.maximum(wall.outer, (healthy + WALL) * (1 + grow * np.sqrt(shape)))
    room = np.maximum(wall.outer - wall.lumen - WALL, 0) * shape
    way = np.array([math.cos(site.side), math.sin(site.side)])
    wall.shift = wall.shift - site.lean * room[:, None] * way
    if most > 0.9:
        past = site.through if most == 1 else 1 - 0.2 * site.through
        wall.filling = wall.filling * np.where(u > 0, past, 1)
    lumps = _lumps(site, float(wall.outer[middle]))
    grade = round(100 * most, 1)
    wall.lesions.append(
        Lesion(site.kind, site.form, site.place, grade, site.centre, site.half, site.soft, lumps)
    )


def _draw_grade(rng: np.random.Generator, difficulty: float) -> float:
    """A fraction of the diameter; easy ones are 0.6 to 0.9."""
    shares = np.array([share for share, _, _ in GRADES])
    _, low, high = GRADES[rng.choice(len(GRADES), p=shares / shares.sum())]
    hard, easy = rng.uniform(low, high), rng.uniform(0.6, 0.9)
    return float(hard if rng.random() < difficulty else easy)


def _lumps(site: Site, outer: float) -> tuple[Lump, ...]:
    """The calcium of a plaque in a vessel of radius ``outer`` mm."""
    many = site.grains[0, 5]
    count = {"soft": 0, "calcified": 3 + int(4.99 * many), "mixed": 1 + int(1.99 * many)}
    spread = 1.1 if site.lean > 0.5 else 2.6
    lumps = []
    for row in site.grains[: count[site.kind]]:
        angle = site.side + (2 * row[1] - 1) * spread
        across = outer * (0.22 + 0.25 * row[3])
        reach = outer - 0.6 * across
        size = (0.5 + 1.6 * row[4]) * (1.2 if site.kind == "calcified" else 0.8)
        along = min(site.half, size)
        s = site.centre + (2 * row[0] - 1) * max(0.0, 0.8 * site.half - along)
        hu = 650 + 750 * row[2]
        lumps.append(Lump(s, reach * math.cos(angle), reach * math.sin(angle), along, across, hu))
    return tuple(lumps)
