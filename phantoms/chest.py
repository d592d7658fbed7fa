"""The made-up chest round the heart: wall, lungs and what lies below the diaphragm.

Lengths are in mm from the middle of the aortic valve, values in Hounsfield units.
"""

from dataclasses import dataclass, replace

import numpy as np

from phantoms.shapes import Array, Cut, Ellipsoid, Waves, grain, melt, sample

AIR, LUNG, FAT, MUSCLE = -1000.0, -860.0, -98.0, 58.0
RIB_LAYER = 12.0  # mm from the pleura to the muscles over the ribs


@dataclass(frozen=True)
class Chest:
    """One patient's chest.

    Attributes:
        middle: (2,) of the ribs' ellipse, x and y; ``axes``: its halves.
        muscle, fat: thickness over the ribs in front.
        domes: (2, 3) x, y, z of the diaphragm's tops, right and left.
        shifts: (4, 3) of the volumes of noise, in voxels.
    """

    middle: Array
    axes: Array
    muscle: float
    fat: float
    ribs_at: float
    rib_gap: float
    sternum: Array  # (3,) x, y of its middle at z = 0, slope
    sternum_half: Array  # (3,) halves across, thickness, height of its middle
    spine: Array  # (3,) x, y, phase of the discs
    domes: Array
    liver: list[Ellipsoid]
    stomach: Ellipsoid
    spleen: Ellipsoid
    gas_level: float
    liver_hu: float
    waves: Waves
    shifts: Array
    twigs: Array  # (4096, 7) random numbers of the lungs' vessels
    twig_radius: float
    cortex: float  # mm

    def inner(self, points: Array) -> Array:
        """(N,) distance from the space within the ribs."""
        size = np.clip(1 - 0.0016 * points[2], 0.8, 1.12)
        x = (points[0] - np.float32(self.middle[0])) / size
        y = (points[1] - np.float32(self.middle[1])) / size
        a, b = np.float32(self.axes[0]), np.float32(self.axes[1])
        far = np.sqrt((x / a) ** 2 + (y / b) ** 2) + np.float32(1e-4)
        slope = np.hypot(x / a**2, y / b**2) + np.float32(1e-6)
        return np.asarray(far * (far - 1) / slope)

    def above(self, points: Array) -> Array:
        """(N,) distance from what lies below the diaphragm."""
        heights = [
            z - 0.0042 * ((points[0] - x) ** 2 + 1.1 * (points[1] - y) ** 2)
            for x, y, z in self.domes.astype(np.float32)
        ]
        top = -melt(-heights[0], -heights[1], 12)
        return np.asarray((points[2] - top + 1.5 * self.waves.at(points)) * np.float32(0.8))


def draw_chest(rng: np.random.Generator) -> Chest:
    """A chest at random."""
    size = rng.uniform(0.92, 1.1)
    top = rng.uniform(-52, -16)
    domes = np.array(
        [
            [rng.uniform(-75, -50), rng.uniform(0, 25), top],
            [rng.uniform(60, 85), rng.uniform(5, 30), top - rng.uniform(2, 22)],
        ]
    )
    eye = np.eye(3)
    right, left = domes
    front = 22 - 95 * size + rng.uniform(-4, 8)
    return Chest(
        middle=np.array([rng.uniform(-6, 6), 22.0]),
        axes=np.array([128.0, 95.0]) * size,
        muscle=rng.uniform(5, 16),
        fat=rng.uniform(6, 30),
        ribs_at=rng.uniform(0, 30),
        rib_gap=rng.uniform(24, 31),
        sternum=np.array([rng.uniform(-8, 6), front - 6, rng.uniform(0.05, 0.3)]),
        sternum_half=np.array([rng.uniform(15, 21), rng.uniform(4.5, 7), rng.uniform(45, 62)]),
        spine=np.array([rng.uniform(-4, 4), rng.uniform(80, 90), rng.uniform(0, 27)]),
        domes=domes,
        liver=[
            Ellipsoid(right + np.array([10, -5, -72]), np.array([92.0, 88.0, 70.0]), eye),
            Ellipsoid(
                right + np.array([80, -45, -62]), np.array([70.0, 48.0, rng.uniform(38, 58)]), eye
            ),
        ],
        stomach=Ellipsoid(left + np.array([-8, -8, -50]), np.array([42.0, 48.0, 44.0]), eye),
        spleen=Ellipsoid(left + np.array([24, 40, -52]), np.array([28.0, 42.0, 46.0]), eye),
        gas_level=float(left[1] - rng.uniform(-10, 40)),
        liver_hu=rng.uniform(55, 105),
        waves=Waves.draw(rng, 60),
        shifts=rng.uniform(0, 128, (4, 3)),
        twigs=rng.random((4096, 7), np.float32),
        twig_radius=rng.uniform(0.75, 1.2),
        cortex=rng.uniform(0.6, 1.2),
    )


def roomier(chest: Chest, more: float) -> Chest:
    """The chest with ``more`` mm between its middle and its ribs."""
    sternum = chest.sternum - np.array([0, more, 0])
    return replace(chest, axes=chest.axes + more, sternum=sternum)


def paint_wall(chest: Chest, cut: Cut, inner: Array) -> None:
    """Skin, fat and muscles; the space within the ribs is left as fat."""
    points = cut.points
    uneven = chest.waves.at(points)
    back = np.clip((points[1] + 30) / 80, 0, 1)
    muscle = RIB_LAYER + (chest.muscle + 14 * back) * (1 + 0.25 * uneven)
    skin = muscle + chest.fat * (1 - 0.4 * back) * (1 + 0.1 * uneven)
    cut.paint(inner - skin - 1.8, 30.0)
    texture = sample(grain(), points, 0.45, chest.shifts[0])
    cut.paint(inner - skin, FAT - 6 + 9 * texture)
    cut.paint(inner - muscle, MUSCLE + 8 * texture)
    cut.paint(np.abs(inner - RIB_LAYER - 1.5) - 0.4 - 0.8 * texture - 0.6 * uneven, FAT + 40)
    cut.paint(inner - 1.0, FAT + 20)


def paint_lungs(chest: Chest, cut: Cut, distance: Array, blood: float) -> None:
    """Lungs where ``distance`` is below zero: air, and vessels that come from the hilum."""
    near = np.flatnonzero(distance < 0.5 * cut.pixel)
    part, distance = cut.part(near), distance[near]
    texture = sample(grain(), part.points, 0.5, chest.shifts[3])
    part.paint(distance, LUNG + 25 * chest.waves.at(part.points) + 18 * texture)
    for cell, share in ((34.0, 0.8), (19.0, 0.75), (10.0, 0.4)):
        twig = np.maximum(_twigs(chest, part.points, cell, share), distance + 1)
        part.paint(twig, blood * (0.9 if cell > 12 else 0.6))
    cut.hu[near] = part.hu


def _twigs(chest: Chest, points: Array, cell: float, share: float) -> Array:
    """(N,) distance from rods, in a ``share`` of the cells of ``cell`` mm, from the hilum out."""
    cells = np.floor(points / np.float32(cell)).astype(np.int64)
    mixed = cells[0] * 73856093 ^ cells[1] * 19349663 ^ cells[2] * 83492791 ^ int(cell)
    draws = chest.twigs[mixed & 4095].T  # (7, N)
    middle = (cells + np.float32(0.5)) * np.float32(cell)
    hilum = np.float32(35) * np.sign(middle[0])
    way = np.stack([middle[0] - hilum, middle[1] - np.float32(30), middle[2] - np.float32(25)])
    way /= np.linalg.norm(way, axis=0) + np.float32(1)
    way += np.float32(1.3) * (draws[:3] - np.float32(0.5))
    way /= np.linalg.norm(way, axis=0) + np.float32(1e-3)
    off = points - middle - np.float32(0.3 * cell) * (draws[3:6] - np.float32(0.5))
    along = np.clip(np.einsum("ij,ij->j", off, way), -0.42 * cell, 0.42 * cell)
    off -= way * along
    radius = np.float32(chest.twig_radius * (cell / 17) ** 0.6) * (0.5 + draws[6] / share)
    gone = np.where(draws[6] < share, np.float32(0), np.float32(50))
    return np.asarray(np.sqrt(np.einsum("ij,ij->j", off, off)) - radius + gone)


def paint_abdomen(
    chest: Chest, cut: Cut, above: Array, liver: Array, spleen: Array, stomach: Array
) -> None:
    """Diaphragm, liver, stomach and spleen, where ``above`` is below zero."""
    near = np.flatnonzero(above < 1)
    part, above = cut.part(near), above[near]
    texture = sample(grain(), part.points, 0.5, chest.shifts[2])
    part.paint(above, MUSCLE + 10)
    part.paint(above + 2.2, FAT + 8 * texture)
    roof = above + 2.9 + 0.3 * texture
    part.paint(np.maximum(liver[near], roof), chest.liver_hu + 3 * texture)
    part.paint(np.maximum(spleen[near], roof), chest.liver_hu + 45)
    stomach = np.maximum(stomach[near], roof)
    part.paint(stomach, 60.0)
    gas = part.points[1] < np.float32(chest.gas_level)
    part.paint(stomach + 3.5 + texture, np.where(gas, np.float32(AIR + 40), np.float32(25)))
    cut.hu[near] = part.hu
