"""A made-up heart and its great vessels, in mm from the middle of the aortic valve.

Axes are the patient's: x to the left, y to the back, z up. Places and sizes are those of an adult
in diastole, turned and scaled a little for each patient.
"""

from dataclasses import dataclass

import numpy as np

from phantoms.shapes import (
    Array,
    Capsule,
    Ellipsoid,
    Shape,
    Waves,
    chain,
    frame_along,
    melt,
    turn,
    union,
)

APEX_WAY = np.array([0.60, -0.58, -0.55])  # from the base of the left ventricle to its apex
SMOOTHING = 12.0  # mm over which the grooves between the chambers are rounded


@dataclass(frozen=True)
class Blood:
    """Hounsfield units of blood, and of the heart's muscle."""

    left: float  # aorta, left chambers, coronary arteries
    right: float  # right chambers
    lungs: float  # pulmonary arteries
    muscle: float


@dataclass(frozen=True)
class Heart:
    """The shapes of one patient's heart.

    Attributes:
        rotation: (3, 3), about the aortic valve; ``scale`` goes with it.
        ventricle: the left one with its muscle; ``cavity`` its blood.
        root: the aortic root, its sinuses and the ascending aorta.
    """

    rotation: Array
    scale: float
    ventricle: Ellipsoid
    cavity: Ellipsoid
    papillary: list[Shape]
    right_ventricle: Ellipsoid
    right_wall: float
    outflow: list[Shape]
    right_atrium: list[Shape]
    left_atrium: list[Shape]
    root: list[Shape]
    aorta: list[Shape]
    pulmonary: list[Shape]
    veins: list[Shape]
    coarse: Waves
    fine: Waves
    unevenness: float

    def place(self, points: Array) -> Array:
        """(K, 3) points of the average heart, in this patient."""
        return np.asarray(points @ self.rotation.T * self.scale)

    def uneven(self, points: Array) -> Array:
        """(N,) mm by which its surfaces wave."""
        return np.asarray(
            self.unevenness * self.coarse.at(points) + 0.25 * self.unevenness * self.fine.at(points)
        )

    def muscle(self, points: Array) -> Array:
        """(N,) distance from the ventricles."""
        right = melt(self.right_ventricle.distance(points), union(self.outflow, points), 12)
        return np.asarray(melt(self.ventricle.distance(points), right, 4))

    def surface(self, points: Array) -> Array:
        """(N,) distance from the four chambers with rounded grooves, on which arteries run."""
        atria = np.minimum(union(self.left_atrium, points), union(self.right_atrium, points))
        return np.asarray(melt(self.muscle(points), atria, SMOOTHING) + self.uneven(points))


def draw_heart(rng: np.random.Generator) -> Heart:
    """A heart at random."""
    rotation = turn(np.clip(rng.normal(0, 0.11, 3), -0.25, 0.25))
    scale = float(np.clip(rng.normal(1.0, 0.07), 0.85, 1.15))

    def at(*place: float) -> Array:
        return np.asarray(rotation @ (np.array(place) + rng.normal(0, 1.5, 3)) * scale)

    def rods(places: list[tuple[float, float, float]], *radii: float) -> list[Shape]:
        points = np.stack([at(*place) for place in places])
        return chain(points, np.array(radii) * scale * rng.uniform(0.9, 1.1))

    def egg(place: tuple[float, float, float], way: Array, *axes: float) -> Ellipsoid:
        frame = frame_along(way, np.array([0.1, 0.3, 1.0])) @ rotation.T
        sizes = np.array(axes) * scale * rng.uniform(0.93, 1.07, 3)
        return Ellipsoid(at(*place), sizes, frame)

    ventricle = egg((35, -13, -31), APEX_WAY, 52, 35, 35)
    wall = rng.uniform(8.5, 12.5)
    inward = rotation @ APEX_WAY * -3.0
    cavity = Ellipsoid(ventricle.centre + inward, ventricle.axes - wall, ventricle.frame)
    across = rotation @ np.array([[0.3, 0.6, -0.5], [0.75, 0.3, 0.35]]).T  # ways to the muscles
    papillary: list[Shape] = []
    for way in across.T:
        foot = cavity.centre + way / np.linalg.norm(way) * 0.8 * cavity.axes[1]
        tip = foot - rotation @ APEX_WAY * 20 - way * 5
        papillary.append(Capsule(foot + rotation @ APEX_WAY * 14, tip, rng.uniform(4, 6.5), 2.5))
    base = np.array([-0.75, 0.5, 0.35])
    return Heart(
        rotation=rotation,
        scale=scale,
        ventricle=ventricle,
        cavity=cavity,
        papillary=papillary,
        right_ventricle=egg((2, -37, -35), -base, 48, 27, 35),
        right_wall=rng.uniform(2, 3.5),
        outflow=rods([(-2, -40, -18), (8, -32, 14), (11, -27, 26)], 19, 15.5, 13),
        right_atrium=[
            egg((-41, -1, -21), np.array([0.2, 0.2, 1]), 37, 29, 28),
            *rods([(-38, -6, 2), (-24, -25, 14), (-14, -30, 20)], 13, 10, 6),
        ],
        left_atrium=[
            egg((9, 35, 1), np.array([1, 0, 0.1]), 39, 25, 27),
            *rods([(30, 26, 8), (40, 10, 14), (36, -4, 16)], 10, 9, 6),
        ],
        root=[
            egg((0, 0, 5), np.array([0, 0.1, 1]), 16, 14, 14),
            *rods([(-4, -9, 8)], 10),
            *[
                Capsule(p, p + 0.01, 9.5 * scale, 9.5 * scale)
                for p in (at(-5, -6.5, 9), at(8, -1.5, 9), at(-5, 6, 9))
            ],
            *rods([(0, 0, 6), (-5, -4, 26), (-13, -7, 46), (-14, -5, 66)], 13.5, 13.5, 15.5, 15.5),
        ],
        aorta=[
            *rods([(-14, -5, 66), (-4, 12, 90), (22, 48, 84), (27, 66, 50)], 15, 14, 12.5, 12),
            *rods([(27, 66, 50), (25, 69, 0), (14, 68, -110)], 12, 11.5, 11),
        ],
        pulmonary=[
            *rods([(11, -27, 26), (14, -20, 38), (20, 8, 54)], 13, 13.5, 13),
            *rods([(18, 6, 52), (-8, 18, 50), (-46, 24, 44)], 11.5, 10.5, 9),
            *rods([(20, 8, 54), (40, 34, 52), (52, 50, 30)], 11.5, 10.5, 8),
        ],
        veins=[
            *rods([(-40, 8, 80), (-41, 9, 40), (-44, 5, 4)], 9, 9.5, 11),
            *rods([(-40, 16, -30), (-36, 24, -62), (-30, 32, -110)], 12, 11.5, 12),
        ],
        coarse=Waves.draw(rng, 45),
        fine=Waves.draw(rng, 17),
        unevenness=rng.uniform(0.8, 1.8),
    )


def pulmonary_veins(heart: Heart) -> list[Shape]:
    """The four that enter the left atrium."""
    ends = [(-44, 46, 12), (-40, 50, -18), (46, 48, 14), (42, 56, -16)]
    starts = [(-20, 42, 10), (-18, 44, -6), (30, 40, 12), (28, 44, -6)]
    first, last = (heart.place(np.array(places, float)) for places in (starts, ends))
    return [Capsule(start, end, 7.0, 6.0) for start, end in zip(first, last, strict=True)]
