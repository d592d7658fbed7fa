"""Ribs, sternum and spine of a made-up chest: cortex, marrow, cartilage and discs."""

import numpy as np

from phantoms.chest import FAT, MUSCLE, Chest
from phantoms.shapes import Array, Cut, grain, sample

CORTEX, MARROW, CARTILAGE, DISC = 950.0, 170.0, 95.0, 85.0  # HU


def paint_bones(chest: Chest, cut: Cut, inner: Array) -> None:
    """Ribs with their cartilages, sternum and spine."""
    near = np.flatnonzero((inner > -45) & (inner < 45))
    part, inner = cut.part(near), inner[near]
    x, y, z = part.points
    marrow = MARROW + 45 * sample(grain(), part.points, 0.22, chest.shifts[1])
    front = np.clip(70 - np.abs(x), 0, 70)
    line = z + 0.5 * (y - 20) - 0.55 * front * (y < 0) - chest.ribs_at
    height = np.mod(line, chest.rib_gap) - 0.5 * chest.rib_gap
    wavy = 1 + 0.15 * chest.waves.at(part.points)
    rib = (np.hypot((inner - 6) / 4.2, height / 6.6) - wavy) * 4.4
    soft = np.clip((58 - np.abs(x)) / 3, 0, 1) * (y < 0)  # cartilage towards the sternum
    spots = sample(grain(), part.points, 0.9, chest.shifts[2])
    part.paint(rib, CORTEX * (1 - soft) + soft * (CARTILAGE + 750 * (spots > 0.9) * (rib > -2.5)))
    rind = chest.cortex * np.clip(1 + 0.55 * spots, 0.15, 2.5)
    part.paint(rib + rind, marrow * (1 - soft) + soft * CARTILAGE)
    _paint_sternum(chest, part, marrow)
    _paint_spine(chest, part, marrow)
    cut.hu[near] = part.hu


def _paint_sternum(chest: Chest, part: Cut, marrow: Array) -> None:
    x, y, z = part.points
    across, thick, height = chest.sternum_half
    middle = chest.sternum
    q = np.stack(
        [
            np.abs(x - middle[0]) - across * (0.8 + 0.12 * np.cos(z / 4.5)),
            np.abs(y - middle[1] - middle[2] * z) - thick,
            np.abs(z - 18) - height,
        ]
    ) + np.float32(4)
    bone = np.sqrt((np.maximum(q, 0) ** 2).sum(0)) + np.minimum(q.max(0), 0) - 4
    bone += 0.4 * chest.waves.at(part.points)
    part.paint(bone - 2.5, FAT + 90)
    part.paint(bone, CORTEX - 200)
    uneven = np.clip(1 + 0.6 * sample(grain(), part.points, 1.1, chest.shifts[2]), 0.1, 2.5)
    part.paint(bone + chest.cortex * uneven, marrow * 0.75)


def _paint_spine(chest: Chest, part: Cut, marrow: Array) -> None:
    x, y, z = part.points
    x = x - chest.spine[0]
    y = y - chest.spine[1]
    for side in (-1, 1):
        part.paint(np.hypot((x - side * 27) / 22, (y - 42) / 17) * 18 - 18, MUSCLE + 4)
    level = np.abs(np.mod(z - chest.spine[2], 27) - 13.5)  # 13.5: the middle of a disc
    waist = 1 - 0.09 * np.clip(1 - level / 13.5, 0, 1)
    body = (np.hypot(x / 19, y / 15.5) - 1.08 * waist) * 16
    arch = np.minimum(
        np.abs(np.hypot(x / 14, (y - 23) / 11) - 1) * 12 - 3, np.hypot(x / 4, (y - 42) / 14) * 4 - 4
    )
    arch = np.maximum(arch, 4 - level)
    part.paint(np.minimum(body, arch), CORTEX - 350)
    part.paint(np.minimum(body, arch) + 1.1, marrow)
    part.paint(np.maximum(body, level * -1 + 10.2), DISC)
    part.paint(np.hypot(x / 10, (y - 23) / 8) * 8 - 8, 25.0)
