"""Made-up coronary plaques: drawn at random, then painted into the cut through a patient."""

from typing import NamedTuple

import numpy as np

from phantoms.anatomy import WALL, Array, Cut, facing


class Kind(NamedTuple):
    """The ranges that plaques of one kind are drawn from."""

    grade: tuple[float, float]  # fraction of the diameter lost
    half_length: tuple[float, float]  # in image widths


KINDS = {
    "calcified": Kind((0.3, 0.7), (0.028, 0.055)),
    "soft": Kind((0.35, 0.9), (0.045, 0.085)),
    "mixed": Kind((0.4, 0.85), (0.045, 0.085)),
}


class Plaque(NamedTuple):
    """One plaque; lengths in image widths."""

    kind: str  # of KINDS
    grade: float  # fraction of the diameter lost
    centre: float  # y
    half_length: float


def draw_plaques(rng: np.random.Generator, ostium: float) -> list[Plaque]:
    """One to three plaques that do not overlap, from the aorta down."""
    slot = (0.86 - ostium) / 3
    plaques = []
    for place in np.sort(rng.permutation(3)[: rng.integers(1, 4)]):
        name = list(KINDS)[rng.integers(len(KINDS))]
        half = rng.uniform(*KINDS[name].half_length)
        centre = ostium + 0.04 + slot * float(place) + rng.uniform(half, slot - half)
        plaques.append(Plaque(name, rng.uniform(*KINDS[name].grade), centre, half))
    return plaques


def paint_plaque(cut: Cut, radius: Array, plaque: Plaque, beside: float) -> Array:
    """Fill the wall between the lumen and the outer wall, which has grown outwards.

    Args:
        cut: what is painted on.
        radius: (S, 1) of the vessel where it is healthy.
        plaque: its kind, size and place.
        beside: how far off the vessel it is painted; 0: in the vessel.

    Returns:
        (S, S) share of each pixel that it covers, from 0 to 1.
    """
    rng = cut.rng
    grade = plaque.grade
    s = cut.s - beside
    angle = facing(rng, 0.5)
    outward = rng.uniform(0.1, 0.35)
    calcium = rng.uniform(900, 1500)  # HU
    spot = rng.uniform(-0.5, 0.5)  # where the calcium lies along a mixed plaque
    # at most 0.8, so that every plane through the vessel meets the lumen
    eccentricity = min(rng.uniform(0.1, 0.9), 0.8 * (1 - grade) / grade)
    along = (cut.y - plaque.centre) / plaque.half_length
    swell = np.sqrt(np.clip(1 - along**2, 0, 1)) * radius
    lumen = cut.around(-eccentricity * grade * swell, angle, s) - radius + grade * swell
    outer = cut.around(0.7 * outward * swell, angle, s) - radius - outward * swell
    ends = (np.abs(along) - 1) * plaque.half_length
    wall = np.maximum(np.maximum(outer, -lumen), ends)
    # beside the vessel there is no lumen: a spindle
    inside = np.abs(s) - 1.15 * swell if beside else wall
    cut.paint(inside, WALL - 10)
    if plaque.kind != "soft":
        middle, length = (0.0, 1.0) if plaque.kind == "calcified" else (spot, 0.45)
        grain = 0.85 * np.sqrt(np.clip(1 - ((along - middle) / length) ** 2, 0, 1)) * radius
        cut.paint(np.maximum(wall, cut.around(0.8 * radius, angle, s) - grain), calcium)
    return np.clip(0.5 - inside * len(s), 0, 1)
