"""The vessels of a made-up angiogram, in millimetres from the middle of the picture."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

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


class Lesion(NamedTuple):
    """One narrowed site."""

    kind: str  # "concentric", "eccentric", "ostial" or "occlusion"
    grade: float  # of the diameter lost [percent]
    length: float  # mm


def sway(rng: np.random.Generator, s: Array, *waves: float) -> Array:
    """A smooth random curve of about unit size over ``s``, (N,); ``waves`` in the unit of s."""
    phase = rng.uniform(0, math.tau, len(waves))
    size = rng.normal(0, 1, len(waves))
    return np.sin(math.tau * s[:, None] / np.array(waves) + phase) @ size / math.sqrt(len(waves))


def fall(x: Array) -> Array:
    """1 far below zero, 0 far above."""
    return 0.5 - 0.5 * np.tanh(0.5 * x)


class Scene:
    """The vessels of one picture: ``tree``, ``others`` and ``metal``.

    Args:
        rng: gives all that is random; the order of the draws is part of the scene.
        seen: where a lesion may lie, (2, 2): least and greatest x, y in mm.
        field: edge of the picture in mm.
        difficulty: from 0, one vessel alone, to 1, as many as in patients.

    Attributes:
        tree: the main vessel first, then its branches; these may be diseased.
        others: vessels that are not.
        metal: wires, catheters and clips.
    """

    def __init__(
        self, rng: np.random.Generator, seen: Array, field: float, difficulty: float
    ) -> None:
        self.rng = rng
        self.seen = seen
        self.field = field
        self.difficulty = difficulty
        self.calibre = rng.uniform(1.0, 2.7)
        self.medium = rng.uniform(0.07, 0.18)
        middle = seen.mean(0) + rng.uniform(-0.3, 0.3, 2) * np.ptp(seen, 0)
        heading = rng.uniform(0, math.tau)
        main = self.grow(middle, heading, 2 * field, self.calibre, self.medium, 0.5)
        self.tree = [main]
        self.others: list[Vessel] = []
        self.metal: list[Vessel] = []
        self._add_branches(main)
        self._add_others(main)
        self._add_twigs()
        self._add_metal()

    def _add_branches(self, main: Vessel) -> None:
        """Branches of the main vessel, which is thinner beyond each."""
        rng = self.rng
        for _ in range(rng.integers(round(3 * self.difficulty) + 1)):
            radius = self.calibre * rng.uniform(0.35, 0.9)
            start = self.sprout(main, self.tree, radius, rng.uniform(0.3, 1) * self.field)
            beyond = (start - np.arange(len(main.radius))) * STEP
            thinner = fall(beyond / (0.3 * self.calibre))
            main.radius = main.radius * (1 - rng.uniform(0, 0.35) * thinner)

    def _add_others(self, main: Vessel) -> None:
        """Vessels that cross the main one, or run side by side with it."""
        rng = self.rng
        for _ in range(rng.poisson(0.035 * self.field * self.difficulty)):
            place = rng.uniform(-0.5, 0.5, 2) * self.field
            heading = rng.uniform(0, math.tau)
            radius = self.calibre * rng.uniform(0.3, 1.1)
            medium = self.medium * rng.uniform(0.5, 1)
            if rng.random() < 0.2:  # side by side
                near = int(rng.uniform(0.4, 0.6) * len(main.points))
                heading = float(main.heading[near])
                off = rng.choice([-1, 1]) * rng.uniform(0.8, 2) * (radius + self.calibre)
                place = main.points[near] + off * np.array([-math.sin(heading), math.cos(heading)])
            at = rng.choice([0.5, 0.5, 0.0])
            self.others.append(self.grow(place, heading, 2 * self.field, radius, medium, at))

    def _add_twigs(self) -> None:
        """Thin branches of the tree."""
        rng = self.rng
        for _ in range(rng.poisson(5 * self.difficulty)):
            host = self.tree[rng.integers(len(self.tree))]
            radius = rng.uniform(0.15, 0.4)
            self.sprout(host, self.others, radius, rng.uniform(0.1, 0.6) * self.field)

    def _add_metal(self) -> None:
        """Wires, catheters and clips; of the first two the tip may be seen."""
        rng = self.rng
        for _ in range(rng.poisson(0.4 * self.difficulty)):
            radius = rng.choice([0.25, rng.uniform(0.7, 1.1)])
            place = rng.uniform(-0.5, 0.5, 2) * self.field
            length = rng.choice([2 * self.field, 2 * self.field, rng.uniform(2, 8)])
            medium = rng.uniform(0.05, 0.4) / radius
            heading = rng.uniform(0, math.tau)
            wire = self.grow(place, heading, length, radius, medium, rng.choice([0.5, 0.0]))
            wire.radius[:] = radius
            self.metal.append(wire)

    def grow(
        self, anchor: Array, heading: float, length: float, radius: float, medium: float, at: float
    ) -> Vessel:
        """A winding vessel of ``length`` mm.

        It passes the point ``anchor``, (2,), in direction ``heading`` [radians], at the fraction
        ``at`` of its length.
        """
        rng = self.rng
        s = np.arange(0, length, STEP)
        bends = sway(rng, s, 17, 32, 60) + rng.uniform(0, 0.5) * sway(rng, s, 8, 11)
        turning = rng.uniform(-2, 2) * (rng.random() < 0.25)
        kink = turning * fall((rng.uniform(0, length) - s) / rng.uniform(0.3, 1.5))
        turn = math.exp(rng.uniform(-2, -0.3)) * bends + kink
        fixed = int(at * len(s))
        turn += heading - turn[fixed]
        points = np.cumsum(STEP * np.stack([np.cos(turn), np.sin(turn)], 1), 0)
        points += anchor - points[fixed]
        rough = 1 + rng.uniform(0.02, 0.09) * sway(rng, s, 3.7, 7.3, 13)
        width = radius * np.exp(-rng.uniform(0, 0.012) * s) * rough
        tilt = rng.uniform(0, 2) * (rng.random() < 0.3)
        place = rng.choice([0.0, rng.uniform(0, length)])
        # darker where it runs along the beam
        darker = 1 + tilt * np.exp(-(((s - place) / rng.uniform(0.7, 4)) ** 2))
        filling = medium * darker * (1 + 0.06 * sway(rng, s, 3, 8, 20))
        shift = 0.04 * sway(rng, s, 3.1, 5.3)
        sick = np.zeros(len(s), np.uint8)
        return Vessel(points, turn, width, filling, np.ones_like(s), shift, sick)

    def sprout(self, host: Vessel, into: list[Vessel], radius: float, length: float) -> int:
        """Add to ``into`` a branch of the middle part of ``host``; gives the point of its mouth."""
        rng = self.rng
        start = int(rng.uniform(0.3, 0.7) * len(host.points))
        heading = float(host.heading[start]) + rng.choice([-1, 1]) * rng.uniform(0.4, 1.4)
        branch = self.grow(host.points[start], heading, length, radius, self.medium, 0.0)
        branch.radius *= np.sqrt(np.clip(np.linspace(1.7, 0, len(branch.radius)), 0.02, 1))
        branch.parent = float(host.radius[start])
        into.append(branch)
        return start

    def narrow(self, bit: int) -> Lesion:
        """Narrow a site and mark it with ``bit``; if that is 0, too little to be disease."""
        rng = self.rng
        vessel, fits = self._vessel_to_narrow()
        kind, at = self._site(vessel, fits)
        disease = rng.uniform(0.7 - 0.3 * self.difficulty, 0.9)
        mild = rng.uniform(-0.2, 0.22) * self.difficulty
        passing = rng.uniform(0.2, 1)
        if rng.random() < 0.04 * self.difficulty:
            kind = "occlusion"
            disease = 1.0
        grade = disease if bit else mild
        half = float(np.clip(vessel.radius[at] * math.exp(rng.uniform(0, 1.7)), 1, 9))
        u = (np.arange(len(vessel.points)) - at) * STEP / half
        flank = np.clip((1 - np.abs(u)) / (1 - rng.uniform(0, 0.75)), 0, 1)
        shape = flank**2 * (3 - 2 * flank) * (1 + 0.12 * sway(rng, u * half, 0.9, 1.7))
        lost = np.minimum(grade * shape, abs(grade))
        side = rng.choice([-1, 1]) * (rng.uniform(0.6, 1) if kind == "eccentric" else 0.2)
        vessel.kept = vessel.kept * (1 - lost)
        vessel.shift = vessel.shift + lost * side
        if grade > 0.85:  # less contrast medium gets past it
            vessel.medium = vessel.medium * np.where(u > 0, passing, 1)
        vessel.sick |= np.uint8(bit) * (np.abs(u) <= 1)
        return Lesion(kind, round(100 * grade, 1), round(2 * half, 1))

    def _vessel_to_narrow(self) -> tuple[Vessel, npt.NDArray[np.bool_]]:
        """A vessel of the tree, and (N,) which of its points a lesion may have as its middle."""
        rng = self.rng
        first = self.tree[rng.integers(len(self.tree))] if rng.random() < 0.3 else self.tree[0]
        fits = self._in_sight(first)
        if fits.any():
            return first, fits
        return self.tree[0], self._in_sight(self.tree[0])

    def _in_sight(self, vessel: Vessel) -> npt.NDArray[np.bool_]:
        """(N,) which points are seen, and lie in a part that a reader looks at for stenosis."""
        fits = ((vessel.points > self.seen[0]) & (vessel.points < self.seen[1])).all(1)
        if vessel.parent:  # its mouth lies within the parent, and nobody looks at thin vessels
            fits &= vessel.radius > 0.6
            fits[: math.ceil(1.5 * vessel.parent / STEP)] = False
        return fits

    def _site(self, vessel: Vessel, fits: npt.NDArray[np.bool_]) -> tuple[str, int]:
        """The kind of a lesion, and the point of its middle."""
        rng = self.rng
        kind = str(rng.choice(["concentric", "eccentric"]))
        at = int(rng.choice(np.flatnonzero(fits)))
        if vessel.parent and rng.random() < 0.5:
            return "ostial", int(fits.argmax())
        if not vessel.parent and len(self.tree) > 1 and rng.random() < 0.3:
            branch = self.tree[rng.integers(1, len(self.tree))]  # plaque likes bifurcations
            fork = branch.points[0] + rng.normal(0, vessel.radius[at], 2)
            at = int(np.where(fits, np.hypot(*(vessel.points - fork).T), np.inf).argmin())
        return kind, at
