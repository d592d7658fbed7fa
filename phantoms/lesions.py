"""Disease of a coronary artery, and what only looks like it.

A site is drawn for both labels alike. In an abnormal artery the wall grows into a plaque there,
which narrows the lumen; in a normal one the lumen waves by less than READ percent.
"""

import math
from dataclasses import dataclass

import numpy as np

from phantoms.coronaries import STEP, WALL, Artery, sway
from phantoms.shapes import Array

KINDS = ("calcified", "soft", "mixed")
READ = 20.0  # percent of the diameter: below it a reader calls the lumen irregular, not narrowed
# grades in fractions of the diameter: share of the lesions, least, greatest
GRADES = ((0.08, 0.2, 0.3), (0.2, 0.3, 0.5), (0.4, 0.5, 0.7), (0.27, 0.7, 0.97), (0.05, 1.0, 1.0))


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
        low, high: first and last point of the centre line that it takes.
    """

    kind: str
    form: str
    place: str
    grade: float
    centre: float
    half: float
    soft: float  # HU
    lumps: tuple[Lump, ...]

    @property
    def low(self) -> int:
        """The first point of the centre line in it."""
        return max(0, math.ceil((self.centre - self.half) / STEP))

    @property
    def high(self) -> int:
        """The point after the last."""
        return math.floor((self.centre + self.half) / STEP) + 1


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
    wall = Wall(lumen, lumen + WALL, np.zeros((count, 2)), filling, [])
    sites = 1 + int(rng.random() < 0.35) + int(rng.random() < 0.15)
    # the share of the course that each site gets, from the aorta down
    slots = np.linspace(0, 1, sites + 1)
    for low, high in zip(slots[:-1], slots[1:], strict=True):
        _draw_site(rng, artery, wall, (low * seen, high * seen), abnormal, difficulty)
    return wall


def _draw_site(
    rng: np.random.Generator,
    artery: Artery,
    wall: Wall,
    limits: tuple[float, float],
    abnormal: bool,
    difficulty: float,
) -> None:
    """Change the wall at one site within ``limits`` [mm]; all draws are alike for both labels."""
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
    grade = _draw_grade(rng, difficulty)
    mild = rng.uniform(-READ, READ - 2) * difficulty / 100
    grow = rng.uniform(0.0, 0.12) if rng.random() < 0.5 else rng.uniform(0.12, 0.4)
    soft = 110.0 if form == "napkin ring" else rng.uniform(10, 75)
    side = rng.uniform(0, math.tau)
    lean = {"concentric": 0.15, "diffuse": 0.5, "napkin ring": 0.4}.get(form, rng.uniform(0.6, 1))
    flank = rng.uniform(0.25, 1)
    waves = sway(rng, np.arange(len(wall.lumen)) * STEP, 1.7, 3.1)
    through = rng.uniform(0.1, 0.9)
    grains = rng.uniform(size=(7, 6))
    u = (np.arange(len(wall.lumen)) * STEP - centre) / half
    rise = np.clip((1 - np.abs(u)) / flank, 0, 1)
    shape = rise**2 * (3 - 2 * rise)
    lost = (grade if abnormal else mild) * shape
    healthy = wall.lumen.copy()
    wall.lumen = healthy * (1 - np.clip(lost * (1 + 0.1 * waves), min(0, mild), max(grade, 0)))
    if not abnormal:
        wall.outer = wall.lumen + WALL
        return
    wall.lumen[int(round(centre / STEP))] = healthy[int(round(centre / STEP))] * (1 - grade)
    wall.outer = np.maximum(wall.outer, (healthy + WALL) * (1 + grow * np.sqrt(shape)))
    room = np.maximum(wall.outer - wall.lumen - WALL, 0) * shape
    way = np.array([math.cos(side), math.sin(side)])
    wall.shift = wall.shift - lean * room[:, None] * way
    if grade > 0.9:
        wall.filling = wall.filling * np.where(
            u > 0, through if grade == 1 else 1 - 0.2 * through, 1
        )
    middle = int(round(centre / STEP))
    lumps = _lumps(grains, kind, centre, half, side, lean, float(wall.outer[middle]))
    wall.lesions.append(
        Lesion(kind, form, place, round(100 * grade, 1), centre, half, soft, tuple(lumps))
    )


def _draw_grade(rng: np.random.Generator, difficulty: float) -> float:
    """A fraction of the diameter; easy ones are 0.6 to 0.9."""
    shares = np.array([share for share, _, _ in GRADES])
    _, low, high = GRADES[rng.choice(len(GRADES), p=shares / shares.sum())]
    hard, easy = rng.uniform(low, high), rng.uniform(0.6, 0.9)
    return float(hard if rng.random() < difficulty else easy)


def _lumps(
    grains: Array, kind: str, centre: float, half: float, side: float, lean: float, outer: float
) -> list[Lump]:
    """The calcium of a plaque; ``grains``, (7, 6), are random numbers from 0 to 1."""
    count = {
        "soft": 0,
        "calcified": 3 + int(4.99 * grains[0, 5]),
        "mixed": 1 + int(1.99 * grains[0, 5]),
    }
    lumps = []
    for row in grains[: count[kind]]:
        spread = 1.1 if lean > 0.5 else 2.6
        angle = side + (2 * row[1] - 1) * spread
        across = outer * (0.22 + 0.25 * row[3])
        reach = outer - 0.6 * across
        along = min(half, (0.5 + 1.6 * row[4]) * (1.2 if kind == "calcified" else 0.8))
        s = centre + (2 * row[0] - 1) * max(0.0, 0.8 * half - along)
        hu = 650 + 750 * row[2]
        lumps.append(Lump(s, reach * math.cos(angle), reach * math.sin(angle), along, across, hu))
    return lumps
