"""Made-up curved reformations of coronary CT angiography, cut out of a whole chest.

A patient is drawn in three dimensions, in mm and Hounsfield units: phantoms/patient.py. Of some of
its arteries, each normal or diseased, there are several views: surfaces through the vessel at one
rotation after the other, phantoms/reformation.py. Both labels draw the same scenes and sites; at a
site of a normal vessel the lumen stays nearly as wide.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data.geometry import Box, format_boxes
from errors import UserError
from phantoms import reformation
from phantoms.coronaries import COURSES
from phantoms.examination import Examination, examine
from phantoms.folder import Made, boxes_of, command, write_folder
from phantoms.lesions import Lesion
from phantoms.scanner import OTHER, USUAL, Scanner, blurred, doubled, shown, tilt_of
from phantoms.section import section
from phantoms.shapes import Array

LABELS = ("normal", "abnormal")
COLUMNS = (
    "path",
    "label",
    "patient",
    "vessel",
    "view",
    "lesion_type",
    "grade",
    "lesion_boxes_xyxy",
    "mask",
    "vessel_mask",
)
SCANNERS = {"usual": USUAL, "other": OTHER}
SMALLEST = 32  # pixels: below it the vessel is lost
Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class MprPhantom:
    """One view of one artery of one made-up patient.

    Args:
        image: (S, S) grey.
        lumen: (S, S), 1 = open lumen of the artery that is shown, else 0.
        vessel: (S, S), 1 = within its outer wall, else 0.
        lesion: (S, S), 1 = plaque, else 0: before blur and blooming.
        label: "normal" or "abnormal".
        patient, view: numbers from 0; ``artery``: "RCA", "LAD" or "LCX".
        form: "stretched", "projected" or "straightened".
        lesions: from the aorta down; none when normal.
        boxes: of each lesion, in half-open pixels x0, y0, x1, y1.
        field: edge of the picture in mm.
    """

    image: Mask
    lumen: Mask
    vessel: Mask
    lesion: Mask
    label: str
    patient: int
    artery: str
    view: int
    form: str
    lesions: tuple[Lesion, ...]
    boxes: tuple[Box, ...]
    field: float


def phantom(
    seed: int,
    index: int,
    image_size: int = 256,
    views: int = 2,
    vessels: int = 2,
    difficulty: float = 1.0,
    device: Scanner = USUAL,
) -> MprPhantom:
    """Picture ``index`` of the endless stream ``seed``.

    A patient has ``vessels`` x ``views`` pictures, those of one vessel after the other. The picture
    depends on the arguments alone; image_size changes the sampling, not the anatomy.

    Args:
        seed, index: from 0.
        image_size: edge of the square picture in pixels.
        views: pictures of each vessel.
        vessels: of each patient, 1 to 3.
        difficulty: from 0, clear strong lesions and little noise, to 1, as in patients.
        device: the ranges of the scanner.

    Raises:
        UserError: a number is out of range.
    """
    _check(seed, index, image_size, views, vessels, difficulty)
    rest, view = divmod(index, views)
    patient, vessel = divmod(rest, vessels)
    exam = examine(seed, patient, vessel, difficulty, device)
    return _render(exam, [seed, patient, vessel + 1, view + 1], image_size, device)


def write(
    output: Path,
    patients: int,
    views: int,
    vessels: int,
    image_size: int,
    difficulty: float,
    seed: int,
    scanner: str = "usual",
    workers: int | None = None,
) -> Path:
    """Write images/<label>/, masks/, vessels/ and, last, manifest.csv; gives the manifest's path.

    Pictures are PNG files. There is a mask of the vessel for each, and one of the plaques for each
    abnormal one. ``scanner``: of SCANNERS. ``workers``: processes, by default as many as cores.

    Raises:
        UserError: ``output`` is no empty folder, a number out of range, or no such scanner.
    """
    if patients < 1:
        raise UserError(f"patients: got {patients}, wanted at least 1")
    if scanner not in SCANNERS:
        raise UserError(f"scanner: got {scanner}, wanted one of {', '.join(SCANNERS)}")
    make = partial(
        _files,
        views=views,
        vessels=vessels,
        image_size=image_size,
        difficulty=difficulty,
        seed=seed,
        device=SCANNERS[scanner],
    )
    return write_folder(output, COLUMNS, make, patients * vessels * views, workers)


def _check(seed: int, index: int, size: int, views: int, vessels: int, difficulty: float) -> None:
    whole = min(seed, index) >= 0 and size >= SMALLEST and views >= 1
    if not (whole and 1 <= vessels <= len(COURSES) and 0 <= difficulty <= 1):
        raise UserError(
            f"got seed {seed}, index {index}, image_size {size}, views {views}, vessels {vessels}, "
            f"difficulty {difficulty}; wanted seed and index >= 0, image_size >= {SMALLEST}, "
            f"views >= 1, vessels 1 to {len(COURSES)}, difficulty 0 to 1"
        )


def _render(exam: Examination, key: list[int], size: int, device: Scanner) -> MprPhantom:
    """One view; ``key`` (seed, patient, vessel + 1, view + 1) seeds it."""
    rng = np.random.default_rng(key)
    # a stream of their own for the pixels, whose number must not change the scene
    pixel_rng = np.random.default_rng([*key, 1])
    shares = [1 - device.projected - device.straightened, device.projected, device.straightened]
    form = str(rng.choice(reformation.FORMS, p=shares))
    angle = exam.angle + key[-1] * exam.turn
    surface = reformation.reform(rng, exam.track, form, angle, tilt_of(rng), size)
    slab, greatest = rng.random() < device.slab, bool(rng.integers(2))
    depth = rng.uniform(0.5, 1.2)
    double, mirror = rng.random() < device.doubled, rng.random() < device.mirrored
    shift = pixel_rng.uniform(0, 128, 3)
    middle = section(exam, surface, 0.0, shift)
    hu = middle.hu
    if slab:
        layers = [section(exam, surface, offset, shift).hu for offset in (-depth, depth)]
        hu = np.asarray((np.max if greatest else np.mean)([hu, *layers], 0))
    pixel = surface.field / size
    hu = blurred(exam.settings, hu, pixel)
    if double:
        hu = doubled(rng, hu, pixel)
    image = shown(exam.settings, hu, middle.inside)
    masks = [_mask(part, pixel) for part in (middle.lumen, middle.outer, *middle.plaques)]
    if mirror:
        image, *masks = (np.ascontiguousarray(part[:, ::-1]) for part in (image, *masks))
    lumen, vessel, *lesions = masks
    return MprPhantom(
        image=image,
        lumen=lumen,
        vessel=vessel,
        lesion=np.max([np.zeros_like(lumen), *lesions], 0),
        label=LABELS[exam.abnormal],
        patient=key[1],
        artery=exam.artery,
        view=key[3] - 1,
        form=form,
        lesions=tuple(exam.traced.wall.lesions),
        boxes=tuple(boxes_of(lesions)),
        field=surface.field,
    )


def _mask(distance: Array, pixel: float) -> Mask:
    """(S, S), 1 inside; of what is thinner than a pixel, the pixels that it comes nearest to."""
    return (distance <= np.clip(distance.min(), 0, pixel)).astype(np.uint8)


def _files(
    index: int,
    views: int,
    vessels: int,
    image_size: int,
    difficulty: float,
    seed: int,
    device: Scanner,
) -> Made:
    """The manifest's row of one picture, its pixels and its masks (0 or 255)."""
    made = phantom(seed, index, image_size, views, vessels, difficulty, device)
    patient = f"p{made.patient:05d}"
    name = f"{patient}_{made.artery}_v{made.view}.png"
    path, vessel = f"images/{made.label}/{name}", f"vessels/{name}"
    files = {path: made.image, vessel: 255 * made.vessel}
    mask = ""
    if made.lesions:
        mask = f"masks/{name}"
        files[mask] = 255 * made.lesion
    kinds = ";".join(lesion.kind for lesion in made.lesions)
    grades = ";".join(str(lesion.grade) for lesion in made.lesions)
    boxes = format_boxes(list(made.boxes))
    place = (path, made.label, patient, made.artery, str(made.view))
    return (*place, kinds, grades, boxes, mask, vessel), files


if __name__ == "__main__":
    defaults: dict[str, float | str] = {
        "patients": 100,
        "views": 2,
        "vessels": 2,
        "image_size": 256,
        "difficulty": 1.0,
        "seed": 0,
        "scanner": "usual",
    }
    command(write, "mpr", "made-up curved reformations of coronary CT", **defaults)
