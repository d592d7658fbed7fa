"""Made-up X-ray coronary angiograms: vessels full of contrast medium, normal or with a stenosis.

A scene is a tree of vessels, in millimetres from the middle of the picture, and what lies behind
and before it. Each vessel is cast as the path of the rays through its lumen; attenuations add
(Beer-Lambert), so that crossings are darker. Scatter, blur, noise, edge enhancement and compression
follow. Both labels draw the same scenes and sites: in a normal one the vessel stays nearly as wide
there, or this part of the tree has not been filled.
"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from data.geometry import Box, format_boxes
from phantoms.folder import Made, boxes_of, command, write_folder
from phantoms.vessels import Array, Mask, Scene, cast, fall

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
    """One made-up angiogram."""

    image: Mask  # (S, S), grey
    vessel: Mask  # (S, S), 1 = open lumen with contrast medium, of every vessel; else 0
    lesion: Mask  # (S, S), 1 = narrowed segment over its healthy width; else 0
    label: str  # "normal" | "abnormal"
    lesion_types: tuple[
        str, ...
    ]  # of "concentric", "eccentric", "ostial", "occlusion"; empty when normal
    grades: tuple[float, ...]  # percent of the diameter lost, per lesion
    lengths: tuple[float, ...]  # mm, per lesion
    boxes: tuple[Box, ...]  # x0, y0, x1, y1 in half-open pixels, per lesion


def _background(rng: np.random.Generator, x: Array, y: Array, f: float, difficulty: float) -> Array:
    """Attenuation of all that is not vessel, (S, S): soft tissue, lung, diaphragm, heart border,
    ribs, spine.
    """
    turn = rng.uniform(0, math.tau)
    shade: Array = np.zeros((y.size, x.size), np.float32)
    shade += rng.uniform(0, 0.3) * (x * math.cos(turn) + y * math.sin(turn)) / f
    for grain, depth in ((14, 0.12), (5, 0.05), (2, 0.025), (1, 0.02)):  # mm
        cells = max(2, round(f / grain)) + 1
        grid = rng.standard_normal((cells, cells), np.float32)
        grid = np.asarray(cv2.resize(grid, shade.shape, interpolation=cv2.INTER_CUBIC), np.float32)
        shade += depth * math.exp(rng.uniform(-1.8, 0.4)) * grid
    for broad in (False,) * rng.integers(3) + (True,) * rng.integers(3):
        turn = rng.uniform(0, math.tau)
        bow = rng.uniform(-0.012, 0.012)
        place = rng.uniform(-0.5, 0.5) * f
        along = x * math.cos(turn) + y * math.sin(turn)
        off = y * math.cos(turn) - x * math.sin(turn) + bow * along**2 - place
        if broad:  # lung, heart, diaphragm
            shade += rng.uniform(0.05, 0.5) * fall(off / rng.uniform(0.3, 3))
        else:  # rib, edge of a vertebra
            shade += rng.uniform(-0.1, 0.15) * fall(
                (np.abs(off) - rng.uniform(1, 5)) / rng.uniform(0.5, 1.5)
            )
    return (0.2 + 0.8 * difficulty) * shade


def _shutter(rng: np.random.Generator, f: float, difficulty: float) -> Array:
    """Where the collimator is open, (2, 2): least and most x, y in mm; mostly it reaches beyond the
    picture.
    """
    limits = np.array([[-f, -f], [f, f]])
    if rng.random() < 0.2 * difficulty:
        for axis in rng.permutation(2)[: rng.integers(1, 3)]:  # an edge or a corner
            limits[rng.integers(2), axis] *= rng.uniform(-0.25, 0.5)
    return limits


def _expose(
    rng: np.random.Generator, own: np.random.Generator, light: Array, f: float, difficulty: float
) -> Mask:
    """The picture, (S, S), of the light that comes through: scatter, blur, quantum noise,
    enhancement, compression.
    """
    pixels = len(light) / f  # per mm
    veiled = (rng.uniform(75, 210) * light + rng.uniform(0, 15)).astype(np.float32)
    out: Array = cv2.GaussianBlur(
        veiled, (0, 0), max(0.15, rng.uniform(0.15, 0.45) * pixels)
    ).astype(np.float32)
    grain = cv2.GaussianBlur(
        own.standard_normal(out.shape, np.float32), (0, 0), rng.uniform(0.4, 0.8)
    )
    out += (
        (rng.uniform(1.5, 2.5) + difficulty * rng.uniform(0, 2))
        / grain.std()
        * grain
        * np.sqrt(out / 100)
    )
    crisp = rng.uniform(0, 0.8) * rng.integers(2)
    width = rng.uniform(0.6, 1.5)
    grey = np.clip(
        out + crisp * (out - cv2.GaussianBlur(out, (0, 0), width * pixels)), 0, 255
    ).astype(np.uint8)
    if rng.random() < 0.5:
        code = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))])[1]
        grey = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)
    return grey


def _render(
    seed: int, index: int, size: int, f: float, difficulty: float, healthy: bool = False
) -> XrayPhantom:
    """The phantom; with `healthy` the same scene with no more than mild irregularity."""
    if (
        min(seed, index) < 0
        or size < SMALLEST
        or not 5 <= f <= 2 * size
        or not 0 <= difficulty <= 1
    ):
        got = (
            f"got seed {seed}, index {index}, image_size {size}, field {f}, difficulty {difficulty}"
        )
        want = f"wanted seed, index >= 0, image_size >= {SMALLEST}, field 5 to 2 x image_size, difficulty 0 to 1"
        raise ValueError(f"{got}; {want}")
    rng = np.random.default_rng([seed, index])
    own = np.random.default_rng(
        [seed, index, 1]
    )  # of the pixels: their number must not change the scene
    drawn = bool(rng.integers(2))
    unfilled = rng.random() < UNFILLED * difficulty
    abnormal = drawn and not healthy
    shutter = _shutter(rng, f, difficulty)
    seen = np.clip(shutter, -0.5 * f, 0.5 * f)
    seen += 0.14 * (seen[::-1] - seen)  # off the edges
    scene = Scene(rng, seen, f, difficulty)
    lesions = [
        scene.narrow(abnormal << number) for number in range(1 + (rng.random() < 0.15 * difficulty))
    ]
    types, grades, lengths = zip(*lesions, strict=True) if abnormal else ((), (), ())
    total = np.zeros((FINER * size, FINER * size), np.float32)
    sick = total.astype(np.uint8)
    for filled in scene.others if unfilled and not drawn else scene.tree + scene.others:
        cast(filled, total, sick, FINER * size / f)
    lumen = (total > 0.02).astype(np.float32)
    for wire in scene.metal:
        cast(wire, total, sick, FINER * size / f)

    def shrink(fine: Array) -> Array:
        return np.asarray(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA), np.float32)

    x = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5)[None] * f  # (1, S)
    light = shrink(np.exp(-total)) * np.exp(-_background(rng, x, x.T, f, difficulty))
    for axis, place in enumerate((x, x.T)):  # lead lets little through
        low, high = shutter[:, axis]
        light *= 0.05 + 0.95 * fall((low - place) / 0.25) * fall((place - high) / 0.25)
    covers = [shrink((sick >> number & 1).astype(np.float32)) for number in range(len(types))]
    masks = [
        (cover >= np.clip(cover.max(), 0.01, 0.5)).astype(np.uint8) for cover in covers
    ]  # thin ones count too
    vessel = (shrink(lumen) >= 0.5).astype(np.uint8)
    lesion = np.max([np.zeros_like(vessel), *masks], 0)
    image = _expose(rng, own, light, f, difficulty)
    boxes = tuple(boxes_of(masks))
    return XrayPhantom(image, vessel, lesion, LABELS[abnormal], types, grades, lengths, boxes)


def phantom(
    seed: int, index: int, image_size: int = 64, field: float = 36.0, difficulty: float = 1.0
) -> XrayPhantom:
    """Image `index` of the endless stream `seed`: image_size pixels square, `field` mm square.

    `difficulty` from 0, one clear vessel with a strong lesion, to 1, as in patients. The image
    depends on the arguments alone; image_size changes the sampling, not the scene. ValueError if a
    number is out of range.
    """
    return _render(seed, index, image_size, field, difficulty)


def _files(index: int, image_size: int, field: float, difficulty: float, seed: int) -> Made:
    """The manifest's row of one image, its pixels and its masks (0 or 255)."""
    made = phantom(seed, index, image_size, field, difficulty)
    name = f"x{index:06d}.png"
    path = f"images/{made.label}/{name}"
    mask = f"masks/{name}" if made.boxes else ""
    vessel = f"vessels/{name}"
    lists = (
        ";".join(map(str, values)) for values in (made.lesion_types, made.grades, made.lengths)
    )
    files = {path: made.image, vessel: 255 * made.vessel} | (
        {mask: 255 * made.lesion} if mask else {}
    )
    return (path, made.label, *lists, format_boxes(made.boxes), mask, vessel), files


def write(
    output: Path,
    count: int,
    image_size: int,
    field: float,
    difficulty: float,
    seed: int,
    workers: int | None = None,
) -> Path:
    """Writes images/<label>/*.png, masks/*.png (abnormal only), vessels/*.png and, last,
    manifest.csv; gives its path.

    `workers`: processes, all cores by default. ValueError if output is not an empty folder or a
    number out of range.
    """
    if count < 1:
        raise ValueError(f"count: got {count}, wanted at least 1")
    make = partial(_files, image_size=image_size, field=field, difficulty=difficulty, seed=seed)
    return write_folder(output, COLUMNS, make, count, workers)


if __name__ == "__main__":
    numbers = {"count": 2000, "image_size": 64, "field": 36.0, "difficulty": 1.0, "seed": 0}
    command(write, "xray", "made-up X-ray coronary angiograms", **numbers)
