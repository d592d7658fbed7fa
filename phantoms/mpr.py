"""Made-up curved reformations of coronary CT angiography, cut out of a whole chest.

A patient is drawn in three dimensions, in mm and Hounsfield units: phantoms/patient.py. Of some of
its arteries, each normal or diseased, there are several views: surfaces through the vessel at one
rotation after the other, phantoms/reformation.py. Both labels draw the same scenes and sites; at a
site of a normal vessel the lumen stays nearly as wide.
"""

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data.geometry import Box, format_boxes
from errors import UserError
from phantoms import reformation, scanner
from phantoms.coronaries import COURSES, STEP, Artery
from phantoms.folder import Made, boxes_of, command, write_folder
from phantoms.lesions import Lesion, draw_wall
from phantoms.patient import Patient, draw_patient, paint
from phantoms.scanner import Scanner, Settings
from phantoms.shapes import Array, Capsule, Cut, Indices
from phantoms.tubes import Stent, Traced, paint_branches, paint_main

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
SMALLEST = 32  # pixels: below it the vessel is lost
COARSE = 2.0  # mm between the points at which organs are measured
NEAR = 14.0  # mm from the track, within which the main artery is looked for
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


@dataclass(frozen=True)
class Examination:
    """One artery of one patient, ready to be cut."""

    patient: Patient
    settings: Settings
    artery: str
    abnormal: bool
    traced: Traced
    others: list[Artery]
    track: reformation.Track
    stents: list[Stent]
    decoys: list[Capsule]
    angle: float
    turn: float  # radians from view to view
    steps: tuple[Array, Array]


def phantom(
    seed: int,
    index: int,
    image_size: int = 256,
    views: int = 2,
    vessels: int = 2,
    difficulty: float = 1.0,
    device: Scanner = Scanner(),
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
    workers: int | None = None,
) -> Path:
    """Write images/<label>/, masks/, vessels/ and, last, manifest.csv; gives the manifest's path.

    Pictures are PNG files. There is a mask of the vessel for each, and one of the plaques for each
    abnormal one. ``workers``: processes, by default as many as cores. Raises UserError if
    ``output`` is no empty folder, or for a number out of range.
    """
    if patients < 1:
        raise UserError(f"patients: got {patients}, wanted at least 1")
    make = partial(
        _files,
        views=views,
        vessels=vessels,
        image_size=image_size,
        difficulty=difficulty,
        seed=seed,
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


@lru_cache(maxsize=2)
def _patient(
    seed: int, number: int, difficulty: float, device: Scanner
) -> tuple[Settings, Patient, list[str]]:
    """The settings, the patient, and its arteries in the order in which they are shown."""
    rng = np.random.default_rng([seed, number])
    settings = scanner.draw_settings(rng, device, difficulty)
    patient = draw_patient(rng, settings.blood, settings.right)
    return settings, patient, [str(name) for name in rng.permutation(list(COURSES))]


@lru_cache(maxsize=2)
def examine(seed: int, number: int, vessel: int, difficulty: float, device: Scanner) -> Examination:
    """Vessel ``vessel`` of patient ``number``."""
    settings, patient, order = _patient(seed, number, difficulty, device)
    name = order[vessel]
    rng = np.random.default_rng([seed, number, vessel + 1])
    abnormal = bool(rng.integers(2))
    main = patient.mains[name]
    length = len(main.points) * STEP
    seen = float(min(length - 4, rng.uniform(95, 165)))
    wall = draw_wall(rng, main, 0.94 * seen, abnormal, difficulty)
    traced = Traced.of(main, wall)
    others = patient.branches[name] + [
        artery
        for key in COURSES
        if key != name
        for artery in [_free(patient.mains[key], traced), *patient.branches[key]]
    ]
    end = int(seen / STEP)
    within = _within(rng, patient, traced.middle[0])
    track = reformation.follow(
        rng, traced.middle[:end], within, traced.first[:end], traced.second[:end]
    )
    stents = []
    if rng.random() < 0.05 * difficulty:
        low = rng.uniform(4, 0.5 * seen)
        stents = [Stent(low, low + rng.uniform(8, 24))]
    return Examination(
        patient=patient,
        settings=settings,
        artery=name,
        abnormal=abnormal,
        traced=traced,
        others=others,
        track=track,
        stents=stents,
        decoys=_decoys(rng, traced, end, difficulty),
        angle=_angle(rng, main, end),
        turn=np.radians(rng.uniform(8, 50)),
        steps=scanner.step_shift(rng)
        if rng.random() < device.step * difficulty
        else (np.zeros(0), np.zeros((0, 3))),
    )


def _angle(rng: np.random.Generator, main: Artery, end: int) -> float:
    """A rotation [radians] at which little of the artery runs along the rows, as a reader picks."""
    angles = rng.uniform(0, 2 * np.pi, 4)
    ways = np.stack([np.cos(angles), np.sin(angles), np.zeros(4)])
    lost = (np.abs(main.tangents[:end] @ ways) > 0.85).mean(0)
    return float(angles[lost.argmin()])


def _free(other: Artery, traced: Traced) -> Artery:
    """``other`` without the trunk that it shares with the artery that is shown."""
    away, nearest = traced.tree.query(other.points)
    apart = away > traced.artery.radius[nearest]
    start = min(int(apart.argmax()), len(other.points) - 8) if apart.any() else 0
    return Artery(other.points[start:], other.radius[start:], other.parent, other.forks)


def _within(rng: np.random.Generator, patient: Patient, mouth: Array) -> Array:
    """(J, 3) the track's way through the aortic root to the ``mouth`` of the artery."""
    axis = patient.heart.place(np.array([[0.0, 0, 9], [-5, -4, 26]]))
    start = axis[0] + rng.uniform(0.1, 1.1) * (axis[1] - axis[0])
    way = mouth - start
    count = max(3, int(np.linalg.norm(way) / STEP))
    share = np.linspace(0, 1, count, endpoint=False)[:, None]
    return start + share * way


def _decoys(rng: np.random.Generator, traced: Traced, end: int, difficulty: float) -> list[Capsule]:
    """Calcium beside the vessel, not in it: of a valve, a node or another artery."""
    decoys = []
    for _ in range(rng.poisson(1.2 * difficulty)):
        k = int(rng.uniform(0.08, 0.95) * end)
        angle = rng.uniform(0, 2 * np.pi)
        side = np.cos(angle) * traced.first[k] + np.sin(angle) * traced.second[k]
        for _ in range(rng.integers(1, 5)):
            size = rng.uniform(0.35, 1.2)
            off = traced.wall.outer[k] + size + rng.uniform(1.2, 5)
            at = traced.artery.points[k] + off * side + rng.normal(0, 1.5, 3) * traced.tangents[k]
            decoys.append(Capsule(at, at + rng.uniform(0, 3) * traced.tangents[k], size, size))
    return decoys


def _render(exam: Examination, key: list[int], size: int, device: Scanner) -> MprPhantom:
    """One view; ``key`` seeds it."""
    rng = np.random.default_rng(key)
    # a stream of their own for the pixels, whose number must not change the scene
    pixel_rng = np.random.default_rng([*key, 1])
    shares = [1 - device.projected - device.straightened, device.projected, device.straightened]
    form = str(rng.choice(reformation.FORMS, p=shares))
    angle = exam.angle + key[-1] * exam.turn
    tilt = scanner.tilt_of(rng)
    surface = reformation.reform(rng, exam.track, form, angle, tilt, size)
    pixel = surface.field / size
    slab = rng.random() < device.slab
    depth = rng.uniform(0.5, 1.2)
    greatest = bool(rng.integers(2))
    double, mirror = rng.random() < device.doubled, rng.random() < device.mirrored
    shown = surface.inside()
    layers = []
    for offset in (0.0, -depth, depth) if slab else (0.0,):
        layers.append(_layer(exam, surface, offset, shown, pixel, pixel_rng))
    hu = layers[0][0]
    if slab:
        stack = [layer[0] for layer in layers]
        hu = np.max(stack, 0) if greatest else np.mean(stack, 0)
    inside, lumen, outer, plaques = layers[0][1:]
    hu = scanner.blurred(exam.settings, hu, pixel)
    if double:
        hu = scanner.doubled(rng, hu, pixel)
    image = scanner.shown(exam.settings, hu, inside)
    masks = [
        _mask(lumen < 0),
        _mask(outer < 0),
        *[_mask(plaque < min(0.0, 0.5 * pixel)) for plaque in plaques],
    ]
    if mirror:
        image, *masks = (np.ascontiguousarray(part[:, ::-1]) for part in (image, *masks))
    lesions = masks[2:]
    return MprPhantom(
        image=image,
        lumen=masks[0],
        vessel=masks[1],
        lesion=np.max([np.zeros_like(masks[0]), *lesions], 0),
        label=LABELS[exam.abnormal],
        patient=key[1],
        artery=exam.artery,
        view=key[3] - 1,
        form=form,
        lesions=tuple(exam.traced.wall.lesions),
        boxes=tuple(boxes_of(lesions)),
        field=surface.field,
    )


def _layer(
    exam: Examination,
    surface: reformation.Surface,
    offset: float,
    shown: Array,
    pixel: float,
    pixel_rng: np.random.Generator,
) -> tuple[Array, Array, Array, Array, list[Array]]:
    """(S, S) each: HU, whether anything was reconstructed, lumen, outer wall, and plaques."""
    size = len(shown)
    points = surface.points(offset)
    box = exam.settings.box
    reached = (np.abs(points[0] - 8) < box) & (np.abs(points[1] + 5) < box)
    where = np.flatnonzero(shown & reached)
    points = scanner.shifted(points.reshape(3, -1)[:, where], *exam.steps)
    cut = Cut(
        points,
        pixel,
        np.full(len(where), -1000, np.float32),
        *_coarse(exam, surface, offset, where),
    )
    distances = paint(exam.patient, cut)
    far = np.abs((np.arange(size) + 0.5) * pixel - surface.at[:, None]).ravel()[where]
    blood = exam.patient.blood.left
    close = np.flatnonzero((distances.surface > -9) & (distances.surface < 11))
    part = cut.part(close)
    veins = exam.patient.heart_veins
    bloods = [blood] * len(exam.others) + [exam.patient.vein_blood] * len(veins)
    paint_branches(part, exam.others + veins, bloods)
    cut.hu[close] = part.hu
    near = np.flatnonzero(far < NEAR)
    part = cut.part(near)
    lumen, outer, plaques = paint_main(part, exam.traced, blood, exam.stents, distances.root[near])
    for lump in exam.decoys:
        part.paint(np.maximum(lump.distance(part.points), 0.6 - outer), 1000.0)
    cut.hu[near] = part.hu
    cut.hu += scanner.noise_at(exam.settings, pixel_rng, points)

    def whole(values: Array, at: Array, empty: float) -> Array:
        out = np.full(size * size, empty, np.float32)
        out[where[at]] = values
        return out.reshape(size, size)

    every = np.arange(len(where))
    hu = whole(cut.hu, every, scanner.AIR)
    inside = whole(np.ones(len(where)), every, 0)
    masks = [whole(values, near, 99) for values in (lumen, outer, *plaques)]
    return hu, inside, masks[0], masks[1], masks[2:]


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


def _mask(inside: Array) -> Mask:
    return np.asarray(inside, np.uint8)


def _files(
    index: int, views: int, vessels: int, image_size: int, difficulty: float, seed: int
) -> Made:
    """The manifest's row of one picture, its pixels and its masks (0 or 255)."""
    made = phantom(seed, index, image_size, views, vessels, difficulty)
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
    row = (
        path,
        made.label,
        patient,
        made.artery,
        str(made.view),
        kinds,
        grades,
        boxes,
        mask,
        vessel,
    )
    return row, files


if __name__ == "__main__":
    defaults = {
        "patients": 100,
        "views": 2,
        "vessels": 2,
        "image_size": 256,
        "difficulty": 1.0,
        "seed": 0,
    }
    command(write, "mpr", "made-up curved reformations of coronary CT", **defaults)
