"""One made-up patient: what is drawn of it, and how a cut through it is painted."""

from dataclasses import dataclass

import numpy as np

from phantoms.chest import (
    FAT,
    Chest,
    draw_chest,
    paint_abdomen,
    paint_bones,
    paint_lungs,
    paint_wall,
)
from phantoms.coronaries import COURSES, Artery, draw_artery, draw_branches
from phantoms.heart import Blood, Heart, draw_heart, pulmonary_veins
from phantoms.shapes import Array, Capsule, Cut, Shape, Waves, chain, grain, melt, sample, union


@dataclass(frozen=True)
class Patient:
    """Everything but the disease of the vessel that is shown."""

    heart: Heart
    chest: Chest
    blood: Blood
    mains: dict[str, Artery]
    branches: dict[str, list[Artery]]
    fat: float  # mm of fat over the heart
    retrosternal: Capsule
    veins: list[Shape]
    calcium: list[Capsule]  # of nodes and valves
    wires: list[Shape]
    mixing: Waves  # of contrast in the right heart
    shift: Array  # (3,) voxels of the noise in muscle and fat


def draw_patient(rng: np.random.Generator, left: float, right: float) -> Patient:
    """A patient whose blood has ``left`` HU in the aorta, and ``right`` of it in the right heart."""
    heart = draw_heart(rng)
    chest = draw_chest(rng)
    blood = Blood(left, 60 + right * (left - 60), 0, rng.uniform(85, 125))
    blood = Blood(left, blood.right, blood.right + rng.uniform(0, 0.8) * (left - blood.right), blood.muscle)
    mains = {name: draw_artery(rng, heart, name) for name in COURSES}
    branches = {name: draw_branches(rng, heart, main) for name, main in mains.items()}
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
        fat=rng.uniform(3.5, 11),
        retrosternal=Capsule(
            np.array([0, front + 20.0, 60]), np.array([6, front + 18.0, -60]), rng.uniform(10, 20), 14
        ),
        veins=pulmonary_veins(heart),
        calcium=_calcium(rng, heart),
        wires=wires,
        mixing=Waves.draw(rng, 22),
        shift=rng.uniform(0, 128, 3),
    )


def _calcium(rng: np.random.Generator, heart: Heart) -> list[Capsule]:
    """Grains in lymph nodes, in the aortic valve and its wall, and in the mitral ring."""
    homes = np.array([(-22, 30, 42), (24, 34, 40), (0, 0, 6), (-8, -14, 22), (22, 22, -12), (36, 20, -22)])
    out = []
    for home in heart.place(homes.astype(float))[rng.random(len(homes)) < 0.22]:
        for _ in range(rng.integers(1, 5)):
            at = home + rng.normal(0, 4, 3)
            size = rng.uniform(0.5, 2.0)
            out.append(Capsule(at, at + rng.normal(0, 2, 3), size, size))
    return out


def paint(patient: Patient, cut: Cut) -> tuple[Array, Array]:
    """Paint all but the coronary arteries.

    Returns:
        (N,) distances from the aortic root, and from the surface of the chambers.
    """
    heart, chest, points = patient.heart, patient.chest, cut.points
    inner = chest.inner(points)
    above = chest.above(points)
    muscle = heart.muscle(points)
    right_atrium, left_atrium = (
        union(shapes, points) for shapes in (heart.right_atrium, heart.left_atrium)
    )
    uneven = heart.uneven(points)
    # as Heart.surface has it, on which the arteries run
    surface = melt(muscle, np.minimum(left_atrium, right_atrium), 12.0) + uneven
    root = union(heart.root, points)
    tubes = [union(shapes, points) for shapes in (heart.aorta, heart.pulmonary, heart.veins)]
    great = np.minimum(np.minimum(tubes[0], tubes[1]), np.minimum(tubes[2], root))
    paint_wall(chest, cut, inner)
    between = melt(melt(surface - patient.fat - 2 * uneven, great - 4, 16), patient.retrosternal.distance(points), 14)
    spine = np.hypot(points[0] - chest.spine[0], points[1] - chest.spine[1]) - 21
    between = melt(between, spine, 6)
    paint_lungs(chest, cut, np.maximum(np.maximum(inner, -between), -above), patient.blood.lungs)
    texture = sample(grain(), points, 0.4, patient.shift)
    within = np.maximum(between, inner - 1)
    cut.paint(within, FAT + 11 * texture)
    paint_abdomen(chest, cut, np.maximum(above, inner))
    paint_bones(chest, cut, inner)
    cut.paint(surface - 3.2 - uneven, FAT - 2 + 12 * texture)  # the fat that the arteries run in
    sac = np.abs(surface - 0.7 * patient.fat - 1.5 - 1.5 * uneven) - 0.55
    cut.paint(np.maximum(sac, 3 - great), 15.0)
    _paint_heart(patient, cut, muscle + uneven, (right_atrium, left_atrium), tubes, root)
    return root, surface


def _paint_heart(
    patient: Patient, cut: Cut, muscle: Array, atria: tuple[Array, Array], tubes: list[Array], root: Array
) -> None:
    heart, blood, points = patient.heart, patient.blood, cut.points
    texture = sample(grain(), points, 0.4, patient.shift)
    mixed = blood.right * (1 + 0.12 * patient.mixing.at(points))
    aorta, pulmonary, veins = tubes
    for distance, value in ((veins, mixed), (pulmonary, blood.lungs), (aorta, blood.left)):
        cut.paint(distance - 1.2, 40.0)
        cut.paint(distance, value)
    for distance, value in zip(atria, (mixed, blood.left), strict=True):
        cut.paint(distance - 1.0, 50.0)
        cut.paint(distance, value)
    cut.paint(union(patient.veins, points), blood.left)
    cut.paint(muscle, blood.muscle + 5 * texture)
    right = melt(heart.right_ventricle.distance(points), union(heart.outflow, points), 12)
    ventricle = heart.ventricle.distance(points)
    hollow = np.maximum(right + heart.right_wall, 1.5 - ventricle)
    cut.paint(hollow + 1.5 * texture * (hollow > -7), mixed)
    cavity = heart.cavity.distance(points)
    near = np.flatnonzero(cavity < 5)
    part = cut.part(near)
    _paint_cavity(patient, part, cavity[near])
    cut.hu[near] = part.hu
    cut.paint(root - 1.3, 45.0)
    cut.paint(root, blood.left)
    for lump in patient.calcium:
        cut.paint(lump.distance(points), 950.0)
    if patient.wires:
        cut.paint(union(patient.wires, points), 2800.0)


def _paint_cavity(patient: Patient, part: Cut, cavity: Array) -> None:
    """Blood of the left ventricle between its trabeculae and papillary muscles."""
    points, blood = part.points, patient.blood
    coarse = sample(grain(), points, 0.55, patient.shift + 40)
    fine = sample(grain(), points, 0.3, patient.shift + 80)
    depth = np.clip(1 + cavity / 11, 0, 1)  # 1 at the wall, 0 in the middle
    ragged = cavity + depth * (1.7 * coarse + 0.9 * fine) + 1.2
    part.paint(ragged, blood.muscle + (blood.left - blood.muscle) * np.clip(0.35 - ragged / 7, 0, 1))
    part.paint(union(patient.heart.papillary, points) + 0.8 * coarse, blood.muscle)
