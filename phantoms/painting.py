"""How a cut through a made-up patient is painted: all but its coronary arteries."""

from dataclasses import fields

import numpy as np

from phantoms.bones import paint_bones
from phantoms.chest import FAT, paint_abdomen, paint_lungs, paint_wall
from phantoms.patient import Distances, Patient, measure
from phantoms.shapes import Array, Cut, Indices, grain, sample, union


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
    strands = 38 * np.exp(-((sample(grain(), points, 0.75, patient.shift + 60) / 0.1) ** 2))
    cut.paint(np.maximum(d.between, d.inner - 1), FAT - 4 + 11 * texture + 0.7 * strands)
    paint_abdomen(chest, cut, np.maximum(d.above, d.inner), d.liver, d.spleen, d.stomach)
    paint_bones(chest, cut, d.inner)
    fat = d.surface - 3.2 - d.uneven  # that the arteries run in
    cut.paint(fat, FAT - 6 + 12 * texture + strands)
    sac = np.abs(d.surface - 0.7 * patient.fat - 1.5 - 1.5 * d.uneven) - 0.3 - 0.25 * texture
    cut.paint(np.maximum(sac, 3 - d.great), -15.0)
    _paint_heart(patient, cut, d, texture)
    return d


def _paint_heart(patient: Patient, cut: Cut, d: Distances, texture: Array) -> None:
    blood, points = patient.blood, cut.points
    uneven, soft = patient.mixing.at(points), patient.softness
    mixed = blood.right * (1 + 0.12 * uneven)
    left = blood.left * (1 + 0.025 * uneven)
    lungs = blood.lungs * (1 + 0.05 * uneven)
    for distance, value in ((d.veins, mixed), (d.pulmonary, lungs), (d.aorta, left)):
        cut.paint(distance - 1.2, 40.0, soft)
        cut.paint(distance, value, 0.5 * soft)
    for distance, value in ((d.right_atrium, mixed), (d.left_atrium, left)):
        cut.paint(distance - 1.0 + 0.2 * texture, 50.0, soft)
        cut.paint(distance + 0.6 * texture, value, 1.5 * soft)
    cut.paint(d.lung_veins, left)
    cut.paint(d.muscle + 0.4 * texture, blood.muscle + 6 * texture + 8 * uneven, soft)
    hollow = np.maximum(d.right + patient.heart.right_wall, 1.5 - d.ventricle)
    near = np.flatnonzero(hollow < 2)
    _paint_right(patient, cut, near, hollow[near], mixed[near])
    near = np.flatnonzero(d.cavity < 5)
    _paint_cavity(patient, cut, near, d.cavity[near])
    cut.paint(d.root - 1.3, 45.0)
    cut.paint(d.root, left)
    for lump in patient.calcium:
        cut.paint(lump.distance(points), 950.0)
    if patient.wires:
        cut.paint(union(patient.wires, points), 2800.0)


def _paint_right(patient: Patient, cut: Cut, near: Indices, hollow: Array, mixed: Array) -> None:
    """Blood of the right ventricle, which is coarsely trabeculated."""
    part, muscle = cut.part(near), patient.blood.muscle
    streaks = _streaks(patient, part.points, 0.45, 20)
    ragged = hollow + 3 * np.clip(1 + hollow / 14, 0, 1) * streaks
    filled = muscle + (mixed - muscle) * np.clip(0.4 - ragged / 9, 0, 1)
    part.paint(hollow, filled, 3 * patient.softness)
    cut.hu[near] = part.hu


def _paint_cavity(patient: Patient, cut: Cut, near: Indices, cavity: Array) -> None:
    """Blood of the left ventricle between its trabeculae and papillary muscles."""
    part, blood = cut.part(near), patient.blood
    coarse = _streaks(patient, part.points, 0.5, 40)
    fine = _streaks(patient, part.points, 0.28, 80)
    depth = np.clip(1 + cavity / 13, 0, 1)  # 1 at the wall, 0 in the middle
    ragged = cavity + depth * (2.4 * coarse + 1.4 * fine) + 1.0
    share = np.clip(0.15 - ragged / 6, 0, 1)
    filled = blood.muscle + (blood.left - blood.muscle) * share
    part.paint(ragged - 1, filled, 2 * patient.softness)
    papillary = union(patient.heart.papillary, part.points) + 0.8 * coarse
    part.paint(papillary, blood.muscle, 2 * patient.softness)
    cut.hu[near] = part.hu


def _streaks(patient: Patient, points: Array, voxel: float, shift: float) -> Array:
    """(N,) noise drawn out along the ventricles, as their trabeculae are."""
    frame = patient.heart.ventricle.frame * np.array([[0.4], [1.0], [1.0]])
    return sample(grain(), frame.astype(np.float32) @ points, voxel, patient.shift + shift)
