"""Made-up patients whose label is known, and not that of each picture.

    python -m benchmarks.made_patients --OUTPUT FOLDER --patients 400 --seed 1

A patient has 4 to 12 curved reformations. Of a diseased one, 1 to 3 views of one artery show the
lesions; all other views are of its normal arteries. The column ``label`` is the patient's. The
column ``visible`` says of each picture whether a lesion is in it; no training reads it.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phantoms.examination import examine
from phantoms.folder import Made, command, write_folder
from phantoms.mpr import LABELS, SCANNERS, phantom

COLUMNS = ("path", "label", "patient", "visible")
VIEWS = 12  # of an artery at most
VESSELS = 3
PICTURES = (4, 12)
VISIBLE = (1, 3)
DIFFICULTY = 1.0


class View(NamedTuple):
    """One picture: of which made-up person, artery and view, and for which patient."""

    patient: int
    person: int
    vessel: int
    turn: int
    label: str
    visible: bool


def views_of(patients: int, seed: int, scanner: str) -> list[View]:
    """All pictures of the patients, half of which are diseased."""
    rng = np.random.default_rng([seed, patients])
    views: list[View] = []
    person = 0
    for patient in range(patients):
        diseased = bool(patient % 2)
        while True:
            device = SCANNERS[scanner]
            abnormal = [
                examine(seed, person, vessel, DIFFICULTY, device).abnormal
                for vessel in range(VESSELS)
            ]
            person += 1
            if not all(abnormal) and (any(abnormal) or not diseased):
                break
        views += _of_one(rng, patient, person - 1, abnormal, diseased)
    return views


def _of_one(
    rng: np.random.Generator, patient: int, person: int, abnormal: list[bool], diseased: bool
) -> list[View]:
    count = int(rng.integers(PICTURES[0], PICTURES[1] + 1))
    visible = int(rng.integers(VISIBLE[0], VISIBLE[1] + 1)) if diseased else 0
    label = LABELS[diseased]
    shown = int(rng.choice(np.flatnonzero(abnormal))) if diseased else -1
    ill = [(shown, int(view)) for view in rng.permutation(VIEWS)[:visible]]
    sound = [
        (int(vessel), view)
        for vessel in np.flatnonzero(~np.array(abnormal))
        for view in range(VIEWS)
    ]
    others = [sound[i] for i in rng.permutation(len(sound))[: count - visible]]
    made = [View(patient, person, vessel, turn, label, True) for vessel, turn in ill]
    made += [View(patient, person, vessel, turn, label, False) for vessel, turn in others]
    return [made[i] for i in rng.permutation(len(made))]


def write(
    output: Path, patients: int, seed: int, scanner: str, image_size: int, workers: int = 0
) -> Path:
    """Write the pictures and manifest.csv; gives the manifest's path.

    Args:
        output: a new folder.
        patients: how many; every second one is diseased.
        seed: of the anatomy.
        scanner: of phantoms.mpr.SCANNERS.
        image_size: edge of a picture [px].
        workers: processes; 0: as many as cores.
    """
    views = views_of(patients, seed, scanner)
    make = partial(_made, views=views, seed=seed, scanner=scanner, image_size=image_size)
    return write_folder(output, COLUMNS, make, len(views), workers or None)


def _made(index: int, views: list[View], seed: int, scanner: str, image_size: int) -> Made:
    view = views[index]
    place = (view.person * VESSELS + view.vessel) * VIEWS + view.turn
    drawn = phantom(seed, place, image_size, VIEWS, VESSELS, DIFFICULTY, SCANNERS[scanner])
    assert (drawn.label == LABELS[1]) == view.visible, "the artery is as it was examined"
    name = f"images/{view.label}/p{view.patient:04d}_{index:05d}.png"
    row = (name, view.label, f"p{view.patient:04d}", "yes" if view.visible else "no")
    return row, {name: drawn.image}


if __name__ == "__main__":
    command(
        write,
        "made_patients",
        "made-up patients with several pictures",
        patients=400,
        seed=1,
        scanner="other",
        image_size=256,
        workers=0,
    )
