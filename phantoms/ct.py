"""Made-up curved reformations of coronary CT angiography: normal or diseased.

A patient is a small three-dimensional anatomy round a straightened vessel. y runs down the vessel;
all lengths are in image widths. A view is the plane through the centreline at one rotation. The
plane cuts every structure, plaques too: at another rotation the surroundings shift, and an
eccentric plaque shows another side. Hounsfield units are painted, then blurred, made noisy and
windowed. Images of both labels have such plaques beside the vessel too: only those on it tell.
"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from data.geometry import Box, format_boxes
from errors import UserError
from phantoms.anatomy import (
    WALL,
    Array,
    Cut,
    facing,
    paint_great_vessels,
    paint_side_branches,
    paint_surroundings,
    paint_veins,
    sway,
)
from phantoms.folder import Made, boxes_of, command, write_folder
from phantoms.plaques import Plaque, draw_plaques, paint_plaque

LABELS = ("normal", "abnormal")
COLUMNS = ("path", "label", "patient", "view", "lesion_type", "grade", "lesion_boxes_xyxy", "mask")
SMALLEST = 32  # pixels: below it the thinnest plaque is lost


@dataclass(frozen=True)
class Phantom:
    """One view of one made-up patient.

    Args:
        image: (S, S) grey.
        mask: (S, S), 1 = lesion, else 0: the plaque itself, before blur and blooming.
        label: "normal" or "abnormal".
        patient: index // views.
        view: index % views.
        lesion_types: such as ("calcified", "soft"), from the aorta down; empty when normal.
        grades: diameter stenosis of each lesion [percent].
    """

    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.uint8]
    label: str
    patient: int
    view: int
    lesion_types: tuple[str, ...]
    grades: tuple[float, ...]


def phantom(seed: int, index: int, image_size: int = 256, views: int = 4) -> Phantom:
    """View ``index % views`` of patient ``index // views`` in the endless stream ``seed``.

    The image depends on the arguments alone. ``image_size`` [px, square] changes the sampling, not
    the anatomy. Raises UserError for a number out of range.
    """
    return _render(seed, index, image_size, views)[0]


def write(
    output: Path, patients: int, views: int, image_size: int, seed: int, workers: int | None = None
) -> Path:
    """Write images/<label>/*.png, masks/*.png and, last, manifest.csv; gives the manifest's path.

    Masks hold 0 or 255, and there is one for each abnormal image. ``workers``: processes, by
    default as many as cores. Raises UserError if ``output`` is no empty folder, or for a number out
    of range.
    """
    if patients < 1:
        raise UserError(f"patients: got {patients}, wanted at least 1")
    make = partial(_files, views=views, image_size=image_size, seed=seed)
    return write_folder(output, COLUMNS, make, patients * views, workers)


def _render(seed: int, index: int, image_size: int, views: int) -> tuple[Phantom, list[Box]]:
    """The phantom, and the box of each lesion in half-open pixels x0, y0, x1, y1."""
    if min(seed, index) < 0 or views < 1 or image_size < SMALLEST:
        raise UserError(
            f"got seed {seed}, index {index}, views {views}, image_size {image_size}; "
            f"wanted seed and index >= 0, views >= 1, image_size >= {SMALLEST}"
        )
    patient, view = divmod(index, views)
    rng = np.random.default_rng([seed, patient])
    # + 1, for a 0 at the end would give the patient's own numbers again
    view_rng = np.random.default_rng([seed, patient, view + 1])
    abnormal = bool(rng.integers(2))
    ostium = rng.uniform(0.08, 0.2)
    plaques = draw_plaques(rng, ostium) if abnormal else []
    # off the vessel: drawn alike for both labels, so that they tell nothing
    others = draw_plaques(rng, ostium)[: rng.integers(4)]
    step = min(math.radians(20), math.pi / views)
    rotation = step * (view - (views - 1) / 2) + view_rng.uniform(-0.03, 0.03)
    cut = _cut(rng, image_size, rotation)
    covers = _paint(cut, ostium, plaques, others)
    # the greatest cover, for a plaque thinner than a pixel covers none by half
    lesions = [(cover >= min(0.5, cover.max())).astype(np.uint8) for cover in covers]
    made = Phantom(
        image=_scan(cut, view_rng.standard_normal(cut.s.shape, np.float32)),
        mask=(sum(lesions, np.zeros_like(cut.s)) > 0).astype(np.uint8),
        label=LABELS[abnormal],
        patient=patient,
        view=view,
        lesion_types=tuple(plaque.kind for plaque in plaques),
        grades=tuple(round(100 * plaque.grade, 1) for plaque in plaques),
    )
    return made, boxes_of(lesions)


def _cut(rng: np.random.Generator, image_size: int, rotation: float) -> Cut:
    """The empty cut along a vessel that winds through the picture."""
    y = (np.arange(image_size, dtype=np.float32)[:, None] + 0.5) / image_size
    bend, bend_across = (sway(rng, y, amplitude, 0.45, 0.9, 1.7) for amplitude in (0.06, 0.035))
    line = rng.uniform(0.42, 0.58) + bend * math.cos(rotation) + bend_across * math.sin(rotation)
    lean = np.hypot(1, np.gradient(line, 1 / image_size, axis=0))
    # from some row on, all is shifted where a heart beat is out of step
    line = line + rng.choice([-0.02, 0, 0, 0.02]) * (y > rng.uniform(0.25, 0.9))
    s = ((y.T - line) / lean).astype(np.float32)
    heart = facing(rng, 0.6)
    return Cut(rng, s, y, rotation, heart, rng.uniform(320, 480), np.zeros_like(s))


def _paint(cut: Cut, ostium: float, plaques: list[Plaque], others: list[Plaque]) -> list[Array]:
    """Paint the patient; gives the cover of each plaque, (S, S) from 0 to 1."""
    rng = cut.rng
    calibre = rng.uniform(0.038, 0.052)
    radius = _radius(cut, ostium, calibre)
    paint_surroundings(cut)
    paint_veins(cut, calibre)
    for plaque in others:
        off = float(rng.choice([-1, 1])) * rng.uniform(2.7, 4.2) * calibre
        paint_plaque(cut, rng.uniform(0.5, 1.4) * radius, plaque, off)
    aorta = paint_great_vessels(cut, ostium)
    paint_side_branches(cut, ostium, radius)
    across = np.hypot(cut.s, np.maximum(ostium - cut.y, 0))
    cut.paint(np.maximum(across - 1.12 * radius, -aorta), WALL)
    thinner = rng.uniform(0, 0.3) * np.maximum(cut.y - ostium, 0)  # contrast medium, downstream
    cut.paint(across - radius, cut.contrast * (1 - thinner))
    return [paint_plaque(cut, radius, plaque, 0.0) for plaque in plaques]


def _radius(cut: Cut, ostium: float, calibre: float) -> Array:
    """(S, 1) of the healthy vessel: wide at its mouth, thinner downstream, ending in a point."""
    rng = cut.rng
    below = np.maximum(cut.y - ostium, 0)
    end = rng.uniform(0.98, 1.3)
    point = np.sqrt(np.clip((end - cut.y) / 0.15, 0, 1))
    taper = np.exp(-rng.uniform(0.3, 0.8) * below) * point
    mouth = 0.4 * np.exp(-(((cut.y - ostium) / 0.025) ** 2))
    return calibre * taper * (1 + mouth + sway(rng, cut.y, 0.05, 2.5, 4.1, 6.3))


def _scan(cut: Cut, noise: Array) -> npt.NDArray[np.uint8]:
    """Blur of the system and of motion, noise as of back-projection, display window."""
    rng = cut.rng
    size = len(cut.y)
    hu = cv2.GaussianBlur(cut.hu, (0, 0), rng.uniform(0.004, 0.0075) * size)
    moves = 0.7 * rng.integers(2)
    off_band = (cut.y - rng.uniform(0.25, 0.9)) / rng.uniform(0.03, 0.08)
    band = moves * np.exp(-(off_band**2))  # of rows in which the heart moved
    smear = max(1, round(rng.uniform(0.02, 0.035) * size))
    hu = hu + band * (cv2.blur(hu, (smear, 1)) - hu)
    fine = cv2.GaussianBlur(noise, (0, 0), 0.004 * size)
    grain = fine - cv2.GaussianBlur(noise, (0, 0), 0.012 * size)
    hu = hu + rng.uniform(14, 38) / grain.std() * grain
    low = rng.uniform(-220, -130)
    high = cut.contrast * rng.uniform(1.45, 1.9)
    return np.clip(255 * (hu - low) / (high - low), 0, 255).astype(np.uint8)


def _files(index: int, views: int, image_size: int, seed: int) -> Made:
    """The manifest's row of one image, its pixels and, if it has a lesion, its mask (0 or 255)."""
    made, boxes = _render(seed, index, image_size, views)
    patient = f"p{made.patient:04d}"
    name = f"{patient}_v{made.view}.png"
    path = f"images/{made.label}/{name}"
    files = {path: made.image}
    mask = ""
    if boxes:
        mask = f"masks/{name}"
        files[mask] = 255 * made.mask
    types = ";".join(made.lesion_types)
    grades = ";".join(map(str, made.grades))
    row = (path, made.label, patient, str(made.view), types, grades, format_boxes(boxes), mask)
    return row, files


if __name__ == "__main__":
    defaults = {"patients": 200, "views": 4, "image_size": 256, "seed": 0}
    command(write, "ct", "made-up coronary CT images", **defaults)
