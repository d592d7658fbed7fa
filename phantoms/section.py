"""One surface through an examination: Hounsfield units, and what is lumen, wall and plaque."""

from typing import NamedTuple

import numpy as np

from phantoms import reformation, scanner
from phantoms.examination import Examination
from phantoms.painting import paint
from phantoms.shapes import Array, Cut, Indices
from phantoms.tubes import paint_branches, paint_main

COARSE = 2.0  # mm between the points at which organs are measured
OUTSIDE = 99.0  # mm, where nothing was measured
NEAR = 14.0  # mm from the track, within which the main artery is looked for


class Section(NamedTuple):
    """(S, S) each; distances in mm, below zero inside."""

    hu: Array
    inside: Array  # 1 where anything was reconstructed, else 0
    lumen: Array
    outer: Array  # of the artery's wall
    plaques: list[Array]


def section(
    exam: Examination, surface: reformation.Surface, offset: float, noise_shift: Array
) -> Section:
    """The ``surface``, ``offset`` mm off along its normal; ``noise_shift``, (3,): of the noise."""
    size = len(surface.at)
    pixel = surface.field / size
    points = surface.points(offset)
    box = exam.settings.box
    reached = (np.abs(points[0] - 8) < box) & (np.abs(points[1] + 5) < box)
    where = np.flatnonzero(surface.inside() & reached)
    points = scanner.shifted(points.reshape(3, -1)[:, where], *exam.steps)
    empty = np.full(len(where), scanner.AIR, np.float32)
    cut = Cut(points, pixel, empty, *_coarse(exam, surface, offset, where))
    distances = paint(exam.patient, cut)
    _paint_others(exam, cut, distances.surface)
    far = np.abs((np.arange(size) + 0.5) * pixel - surface.at[:, None]).ravel()[where]
    near = np.flatnonzero(far < NEAR)
    part = cut.part(near)
    blood = exam.patient.blood.left
    lumen, outer, plaques = paint_main(part, exam.traced, blood, exam.stents, distances.root[near])
    for lump in exam.decoys:
        part.paint(np.maximum(lump.distance(part.points), 0.6 - outer), 1000.0)
    cut.hu[near] = part.hu
    cut.hu += scanner.noise_at(exam.settings, noise_shift, points)

    def whole(values: Array, at: Indices, elsewhere: float) -> Array:
        out = np.full(size * size, elsewhere, np.float32)
        out[at] = values
        return out.reshape(size, size)

    return Section(
        whole(cut.hu, where, scanner.AIR),
        whole(np.ones(len(where)), where, 0),
        whole(lumen, where[near], OUTSIDE),
        whole(outer, where[near], OUTSIDE),
        [whole(plaque, where[near], OUTSIDE) for plaque in plaques],
    )


def _paint_others(exam: Examination, cut: Cut, surface: Array) -> None:
    """Branches, the other arteries and the heart's veins, near its ``surface``, (N,) mm."""
    near = np.flatnonzero((surface > -9) & (surface < 11))
    part = cut.part(near)
    patient = exam.patient
    bloods = [patient.blood.left] * len(exam.others)
    bloods += [patient.vein_blood] * len(patient.heart_veins)
    paint_branches(part, exam.others + patient.heart_veins, bloods)
    cut.hu[near] = part.hu


def _coarse(
    exam: Examination, surface: reformation.Surface, offset: float, where: Indices
) -> tuple[Array, Indices, Array]:
    """Cut.coarse, before and share: some COARSE mm apart along the rows."""
    size = len(surface.at)
    count = max(2, round(surface.field / COARSE))
    points = surface.points(offset, count + 1)
    x = ((where % size) + 0.5) * (count / size)
    before = x.astype(np.intp)
    share = (x - before).astype(np.float32)
    flat = scanner.shifted(points.reshape(3, -1), *exam.steps)
    return flat, where // size * (count + 1) + before, share
