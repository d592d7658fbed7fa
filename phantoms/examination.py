"""One artery of one made-up patient, with its disease and all that is looked at round it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from phantoms import reformation, scanner
from phantoms.coronaries import COURSES, STEP, Artery
from phantoms.lesions import draw_wall
from phantoms.patient import Patient, draw_patient
from phantoms.scanner import Scanner, Settings
from phantoms.shapes import Array, Capsule
from phantoms.tubes import Stent, Traced


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
    seen = float(min(length - 4, rng.uniform(105, 180)))
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
    return Artery(other.points[start:], other.radius[start:], other.forks)


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
