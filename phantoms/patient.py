"""One made-up patient: what is drawn of it, and how a cut through it is painted."""

from dataclasses import dataclass, fields

import numpy as np

from phantoms.chest import (
    FAT,
    Chest,
    draw_chest,
    paint_abdomen,
    paint_bones,
    paint_lungs,
    paint_wall,
    roomier,
)
from phantoms.coronaries import COURSES, Artery, draw_artery, draw_branches, draw_vein
from phantoms.heart import SMOOTHING, Blood, Heart, draw_heart, pulmonary_veins
from phantoms.shapes import (
    Array,
    Capsule,
    Cut,
    Indices,
    Shape,
    Waves,
    chain,
    grain,
    melt,
    sample,
    union,
)


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
    mixing: Waves  # of contrast in the right heart
    shift: Array  # (3,) voxels of the noise in muscle and fat


def draw_patient(rng: np.random.Generator, left: float, right: float) -> Patient:
    """A patient whose blood has ``left`` HU in the aorta, and ``right`` of it in the right heart."""
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
        mixing=Waves.draw(rng, 22),
        shift=rng.uniform(0, 128, 3),
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
    atria = [union(shapes, points) for shapes in (heart.right_atrium, heart.left_atrium)]
    surface = melt(muscle, np.minimum(*atria), SMOOTHING) + uneven
    tubes = [
        union(shapes, points) for shapes in (heart.root, heart.aorta, heart.pulmonary, heart.veins)
    ]
    great = np.minimum(np.minimum(tubes[0], tubes[1]), np.minimum(tubes[2], tubes[3]))
    between = melt(surface - patient.fat - 2 * uneven, great - 4, 16)
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
        *atria,
        surface,
        *tubes,
        union(patient.veins, points),
        great,
        melt(between, spine, 6),
        melt(*(lobe.distance(points) for lobe in chest.liver), 15),
        chest.spleen.distance(points),
        chest.stomach.distance(points),
    )


def paint(patient: Patient, cut: Cut) -> Distances:
    """Paint all but the coronary arteries; gives the distances at the points of ``cut``."""
    chest, points = patient.chest, cut.points
    rough = measure(patient, points if cut.coarse is None else cut.coarse)
    table = cut.smooth(np.stack([getattr(rough, field.name) for field in fields(rough)]))
    d = Distances(*table)
    paint_wall(chest, cut, d.inner)
    lungs = np.maximum(np.maximum(d.inner, -d.between), -d.above)
    paint_lungs(chest, cut, lungs, patient.blood.lungs)
    texture = sample(grain(), points, 0.4, patient.shift)
    cut.paint(np.maximum(d.between, d.inner - 1), FAT + 11 * texture)
    paint_abdomen(chest, cut, np.maximum(d.above, d.inner), d.liver, d.spleen, d.stomach)
    paint_bones(chest, cut, d.inner)
    fat = d.surface - 3.2 - d.uneven  # that the arteries run in
    cut.paint(fat, FAT - 2 + 12 * texture)
    sac = np.abs(d.surface - 0.7 * patient.fat - 1.5 - 1.5 * d.uneven) - 0.3 - 0.25 * texture
    cut.paint(np.maximum(sac, 3 - d.great), -15.0)
    _paint_heart(patient, cut, d, texture)
    return d


def _paint_heart(patient: Patient, cut: Cut, d: Distances, texture: Array) -> None:
    blood, points = patient.blood, cut.points
    mixed = blood.right * (1 + 0.12 * patient.mixing.at(points))
    for distance, value in ((d.veins, mixed), (d.pulmonary, blood.lungs), (d.aorta, blood.left)):
        cut.paint(distance - 1.2, 40.0)
        cut.paint(distance, value)
    for distance, value in ((d.right_atrium, mixed), (d.left_atrium, blood.left)):
        cut.paint(distance - 1.0, 50.0)
        cut.paint(distance, value)
    cut.paint(d.lung_veins, blood.left)
    cut.paint(d.muscle, blood.muscle + 5 * texture)
    hollow = np.maximum(d.right + patient.heart.right_wall, 1.5 - d.ventricle)
    near = np.flatnonzero(hollow < 2)
    _paint_right(patient, cut, near, hollow[near], mixed[near])
    near = np.flatnonzero(d.cavity < 5)
    _paint_cavity(patient, cut, near, d.cavity[near])
    cut.paint(d.root - 1.3, 45.0)
    cut.paint(d.root, blood.left)
    for lump in patient.calcium:
        cut.paint(lump.distance(points), 950.0)
    if patient.wires:
        cut.paint(union(patient.wires, points), 2800.0)


def _paint_right(patient: Patient, cut: Cut, near: Indices, hollow: Array, mixed: Array) -> None:
    """Blood of the right ventricle, which is coarsely trabeculated."""
    part, muscle = cut.part(near), patient.blood.muscle
    streaks = _streaks(patient, part.points, 0.45, 20)
    ragged = hollow + 3 * np.clip(1 + hollow / 14, 0, 1) * streaks
    part.paint(hollow, muscle + (mixed - muscle) * np.clip(0.4 - ragged / 9, 0, 1))
    cut.hu[near] = part.hu


def _paint_cavity(patient: Patient, cut: Cut, near: Indices, cavity: Array) -> None:
    """Blood of the left ventricle between its trabeculae and papillary muscles."""
    part, blood = cut.part(near), patient.blood
    coarse = _streaks(patient, part.points, 0.5, 40)
    fine = _streaks(patient, part.points, 0.28, 80)
    depth = np.clip(1 + cavity / 13, 0, 1)  # 1 at the wall, 0 in the middle
    ragged = cavity + depth * (2.4 * coarse + 1.4 * fine) + 1.0
    share = np.clip(0.15 - ragged / 6, 0, 1)
    part.paint(ragged - 1, blood.muscle + (blood.left - blood.muscle) * share)
    papillary = union(patient.heart.papillary, part.points) + 0.8 * coarse
    part.paint(papillary, blood.muscle)
    cut.hu[near] = part.hu


def _streaks(patient: Patient, points: Array, voxel: float, shift: float) -> Array:
    """(N,) noise drawn out along the ventricles, as their trabeculae are."""
    frame = patient.heart.ventricle.frame * np.array([[0.4], [1.0], [1.0]])
    return sample(grain(), frame.astype(np.float32) @ points, voxel, patient.shift + shift)
