"""One made-up patient: what is drawn of it, and how a cut through it is painted."""

from dataclasses import dataclass

import numpy as np

from phantoms.chest import Chest, draw_chest, roomier
from phantoms.coronaries import COURSES, Artery, draw_artery, draw_branches, draw_vein
from phantoms.heart import SMOOTHING, Blood, Heart, draw_heart, pulmonary_veins
from phantoms.shapes import Array, Capsule, Shape, Waves, chain, melt, union


@dataclass(frozen=True)
class Patient:
    """Everything but the disease of the vessel that is shown."""

    heart: Heart
    chest: Chest
    blood: Blood
    mains: dict[str, Artery]
    branches: dict[str, list[Artery]]
    heart_veins: list[Artery]
    vein_blood: float  # HU
    fat: float  # mm of fat over the heart
    retrosternal: Capsule
    veins: list[Shape]
    calcium: list[Capsule]  # of nodes and valves
    wires: list[Shape]
    mixing: Waves  # of contrast in the heart
    shift: Array  # (3,) voxels of the noise in muscle and fat
    softness: float  # mm over which the heart's edges are smeared by its motion


def draw_patient(rng: np.random.Generator, left: float, right: float) -> Patient:
    """A patient with ``left`` HU in the aorta and a share ``right`` of it in the right heart."""
    heart = draw_heart(rng)
    chest = draw_chest(rng)
    blood = Blood(left, 60 + right * (left - 60), 0, rng.uniform(85, 125))
    blood = Blood(
        left, blood.right, blood.right + rng.uniform(0, 0.8) * (left - blood.right), blood.muscle
    )
    mains = {name: draw_artery(rng, heart, name) for name in COURSES}
    branches = {name: draw_branches(rng, heart, main) for name, main in mains.items()}
    courses = np.concatenate([main.points for main in mains.values()]).T.astype(np.float32)
    chest = roomier(chest, max(0.0, float(chest.inner(courses).max()) + 7))
    front = float(chest.sternum[1])
    wires: list[Shape] = []
    if rng.random() < 0.06:
        course = [(-40, 8, 80), (-42, 6, 20), (-44, 0, -20), (-22, -24, -38), (20, -42, -44)]
        wires = chain(heart.place(np.array(course, float)), np.full(5, 1.0))
    return Patient(
        heart=heart,
        chest=chest,
        blood=blood,
        mains=mains,
        branches=branches,
        heart_veins=[draw_vein(rng, heart, main) for main in mains.values()],
        vein_blood=rng.uniform(60, 60 + 0.6 * (left - 60)),
        fat=rng.uniform(3.0, 9),
        retrosternal=Capsule(
            np.array([0, front + 20.0, 60]),
            np.array([6, front + 18.0, -60]),
            rng.uniform(10, 20),
            14,
        ),
        veins=pulmonary_veins(heart),
        calcium=_calcium(rng, heart),
        wires=wires,
        mixing=Waves.draw(rng, rng.uniform(20, 50)),
        shift=rng.uniform(0, 128, 3),
        softness=rng.uniform(0.3, 2.0),
    )


def _calcium(rng: np.random.Generator, heart: Heart) -> list[Capsule]:
    """Grains in lymph nodes, in the aortic valve and its wall, and in the mitral ring."""
    homes = np.array(
        [(-22, 30, 42), (24, 34, 40), (0, 0, 6), (-8, -14, 22), (22, 22, -12), (36, 20, -22)]
    )
    out = []
    for home in heart.place(homes.astype(float))[rng.random(len(homes)) < 0.22]:
        for _ in range(rng.integers(1, 5)):
            at = home + rng.normal(0, 4, 3)
            size = rng.uniform(0.5, 2.0)
            out.append(Capsule(at, at + rng.normal(0, 2, 3), size, size))
    return out


@dataclass(frozen=True)
class Distances:
    """(N,) mm from each part of a patient."""

    inner: Array  # the space within the ribs
    above: Array  # what lies below the diaphragm
    uneven: Array  # by how much the heart's surfaces wave
    muscle: Array
    right: Array  # right ventricle
    ventricle: Array
    cavity: Array
    right_atrium: Array
    left_atrium: Array
    surface: Array  # as Heart.surface has it, on which the arteries run
    root: Array
    aorta: Array
    pulmonary: Array
    veins: Array
    lung_veins: Array
    great: Array  # all great vessels
    between: Array  # mediastinum
    liver: Array
    spleen: Array
    stomach: Array


def measure(patient: Patient, points: Array) -> Distances:
    """The distances of ``points``, (3, N)."""
    heart, chest = patient.heart, patient.chest
    uneven = heart.uneven(points)
    ventricle = heart.ventricle.distance(points)
    right = melt(heart.right_ventricle.distance(points), union(heart.outflow, points), 12)
    muscle = melt(ventricle, right, 4)
    right_atrium = union(heart.right_atrium, points)
    left_atrium = union(heart.left_atrium, points)
    surface = melt(muscle, np.minimum(left_atrium, right_atrium), SMOOTHING) + uneven
    root, aorta = union(heart.root, points), union(heart.aorta, points)
    pulmonary, veins = union(heart.pulmonary, points), union(heart.veins, points)
    great = np.minimum(np.minimum(root, aorta), np.minimum(pulmonary, veins))
    between = melt(surface - patient.fat - 1.2 * uneven, great - 4, 16)
    between = melt(between, patient.retrosternal.distance(points), 14)
    spine = np.hypot(points[0] - chest.spine[0], points[1] - chest.spine[1]) - 21
    # the diaphragm lies under the heart too
    above = -melt(-chest.above(points), surface - patient.fat - 2, 14)
    return Distances(
        chest.inner(points),
        above,
        uneven,
        muscle + uneven,
        right,
        ventricle,
        heart.cavity.distance(points),
        right_atrium,
        left_atrium,
        surface,
        root,
        aorta,
        pulmonary,
        veins,
        union(patient.veins, points),
        great,
        melt(melt(between, spine, 6), above + 3, 26),  # the fat reaches down to the diaphragm
        melt(chest.liver[0].distance(points), chest.liver[1].distance(points), 15),
        chest.spleen.distance(points),
        chest.stomach.distance(points),
    )
