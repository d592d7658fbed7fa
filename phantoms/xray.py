"""Made-up X-ray coronary angiograms: vessels full of contrast medium, normal or with a stenosis.

A scene is a tree of vessels, in millimetres from the middle of the picture, and what lies behind
and before it. Each vessel is cast as the path of the rays through its lumen. Attenuations add
(Beer-Lambert), so that crossings are darker. Scatter, blur, noise, edge enhancement and compression
follow. Both labels draw the same scenes and sites: in a normal one the vessel stays nearly as wide
there, or this part of the tree has not been filled.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from data.geometry import Box, format_boxes
from errors import UserError
from phantoms.exposure import background, draw_shutter, expose
from phantoms.folder import Made, boxes_of, command, write_folder
from phantoms.projection import cast
from phantoms.vessels import Array, Mask, Scene, Vessel, fall

LABELS = ("normal", "abnormal")
COLUMNS = (
    "path",
    "label",
    "lesion_type",
    "grade",
    "length_mm",
    "lesion_boxes_xyxy",
    "mask",
    "vessel_mask",
)
SMALLEST = 16  # pixels: below it no vessel has a width
FINER = 2  # vessels are cast on so many times the pixels, each way
UNFILLED = 0.35  # share of the normal scenes at full difficulty


@dataclass(frozen=True)
class XrayPhantom:
    """One made-up angiogram.

    Args:
        image: (S, S) grey.
        vessel: (S, S), 1 = open lumen with contrast medium, of every vessel; else 0.
        lesion: (S, S), 1 = narrowed segment over its healthy width; else 0.
        label: "normal" or "abnormal".
        lesion_types: "concentric", "eccentric", "ostial" or "occlusion"; empty when normal.
        grades: diameter lost, for each lesion [percent].
        lengths: for each lesion [mm].
        boxes: for each lesion, in half-open pixels x0, y0, x1, y1.
    """

    image: Mask
    vessel: Mask
    lesion: Mask
    label: str
    lesion_types: tuple[str, ...]
    grades: tuple[float, ...]
    lengths: tuple[float, ...]
    boxes: tuple[Box, ...]


def phantom(
    seed: int, index: int, image_size: int = 64, field: float = 36.0, difficulty: float = 1.0
) -> XrayPhantom:
    """Image ``index`` of the endless stream ``seed``.

    The image depends on the arguments alone; image_size changes the sampling, not the scene.

    Args:
        seed, index: from 0.
        image_size: edge of the square image in pixels.
        field: the same edge in mm.
        difficulty: from 0, one clear vessel with a strong lesion, to 1, as in patients.

    Raises:
        UserError: a number is out of range.
    """
    return _render(seed, index, image_size, field, difficulty)


def write(
    output: Path,
    count: int,
    image_size: int,
    field: float,
    difficulty: float,
    seed: int,
    workers: int | None = None,
) -> Path:
    """Write images/<label>/, masks/, vessels/ and, last, manifest.csv; gives the manifest's path.

    Pictures are PNG files. There is a mask of the vessels for each image, and one of the lesions
    for each abnormal image. ``workers``: processes, by default as many as cores. Raises UserError
    if ``output`` is no empty folder, or for a number out of range.
    """
    if count < 1:
        raise UserError(f"count: got {count}, wanted at least 1")
    make = partial(_files, image_size=image_size, field=field, difficulty=difficulty, seed=seed)
    return write_folder(output, COLUMNS, make, count, workers)


def _render(
    seed: int, index: int, size: int, field: float, difficulty: float, healthy: bool = False
) -> XrayPhantom:
    """The phantom; with ``healthy`` the same scene with no more than mild irregularity."""
    _check(seed, index, size, field, difficulty)
    rng = np.random.default_rng([seed, index])
    # a stream of their own for the pixels, whose number must not change the scene
    pixel_rng = np.random.default_rng([seed, index, 1])
    drawn = bool(rng.integers(2))
    unfilled = rng.random() < UNFILLED * difficulty
    abnormal = drawn and not healthy
    shutter = draw_shutter(rng, field, difficulty)
    seen = np.clip(shutter, -0.5 * field, 0.5 * field)
    seen += 0.14 * (seen[::-1] - seen)  # off the edges
    scene = Scene(rng, seen, field, difficulty)
    sites = 1 + int(rng.random() < 0.15 * difficulty)
    narrowed = [scene.narrow(abnormal << number) for number in range(sites)]
    lesions = narrowed if abnormal else []
    filled = scene.others if unfilled and not drawn else scene.tree + scene.others
    total, lumen, sick = _project(filled, scene.metal, size, field)
    x = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5)[None] * field  # (1, S)
    light = _shrink(np.exp(-total)) * np.exp(-background(rng, x, x.T, field, difficulty))
    for axis, place in enumerate((x, x.T)):  # lead lets little through
        low, high = shutter[:, axis]
        light *= 0.05 + 0.95 * fall((low - place) / 0.25) * fall((place - high) / 0.25)
    masks = [_lesion_mask(sick, number) for number in range(len(lesions))]
    vessel = (_shrink(lumen) >= 0.5).astype(np.uint8)
    return XrayPhantom(
        image=expose(rng, pixel_rng, light, field, difficulty),
        vessel=vessel,
        lesion=np.max([np.zeros_like(vessel), *masks], 0),
        label=LABELS[abnormal],
        lesion_types=tuple(lesion.kind for lesion in lesions),
        grades=tuple(lesion.grade for lesion in lesions),
        lengths=tuple(lesion.length for lesion in lesions),
        boxes=tuple(boxes_of(masks)),
    )


def _check(seed: int, index: int, size: int, field: float, difficulty: float) -> None:
    whole = min(seed, index) >= 0 and size >= SMALLEST
    if not (whole and 5 <= field <= 2 * size and 0 <= difficulty <= 1):
        raise UserError(
            f"got seed {seed}, index {index}, image_size {size}, field {field}, "
            f"difficulty {difficulty}; wanted seed, index >= 0, image_size >= {SMALLEST}, "
            "field 5 to 2 x image_size, difficulty 0 to 1"
        )


def _project(
    filled: list[Vessel], metal: list[Vessel], size: int, field: float
) -> tuple[Array, Array, Mask]:
    """Attenuation of vessels and metal, open lumen, and bits of the lesions, all FINER."""
    total = np.zeros((FINER * size, FINER * size), np.float32)
    sick = total.astype(np.uint8)
    for vessel in filled:
        cast(vessel, total, sick, FINER * size / field)
    lumen = (total > 0.02).astype(np.float32)
    for wire in metal:
        cast(wire, total, sick, FINER * size / field)
    return total, lumen, sick


def _shrink(fine: Array) -> Array:
    """(FINER S, FINER S) to (S, S)."""
    size = len(fine) // FINER
    return np.asarray(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def _lesion_mask(sick: Mask, number: int) -> Mask:
    """(S, S), 1 where half of a pixel is lesion; a thinner one counts where it is fullest."""
    cover = _shrink((sick >> number & 1).astype(np.float32))
    return (cover >= np.clip(cover.max(), 0.01, 0.5)).astype(np.uint8)


def _files(index: int, image_size: int, field: float, difficulty: float, seed: int) -> Made:
    """The manifest's row of one image, its pixels and its masks (0 or 255)."""
    made = phantom(seed, index, image_size, field, difficulty)
    name = f"x{index:06d}.png"
    path = f"images/{made.label}/{name}"
    vessel = f"vessels/{name}"
    files = {path: made.image, vessel: 255 * made.vessel}
    mask = ""
    if made.boxes:
        mask = f"masks/{name}"
        files[mask] = 255 * made.lesion
    lists = (
        ";".join(map(str, values)) for values in (made.lesion_types, made.grades, made.lengths)
    )
    return (path, made.label, *lists, format_boxes(made.boxes), mask, vessel), files


if __name__ == "__main__":
    defaults = {"count": 2000, "image_size": 64, "field": 36.0, "difficulty": 1.0, "seed": 0}
    command(write, "xray", "made-up X-ray coronary angiograms", **defaults)
