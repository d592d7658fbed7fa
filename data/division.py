"""Which images belong together, and on which side of the split each of them lies."""

import numpy as np
from numpy.typing import NDArray

import CONFIG
from data import splits
from data.copies import same_pictures
from data.group_columns import patient_in, without_common
from data.preparation import Prepared
from data.readers import DataError
from data.splits import Division
from metrics.decision import MULTILABEL
from metrics.groups import join
from metrics.names import canonical, patients_of


def divide(images: list[Prepared], config: CONFIG.Config, notes: list[str]) -> Division:
    """Group the images that belong together, and give each a side."""
    named = [patient_in(image.sample.group) for image in images]
    pairs = same_pictures([image.sketch for image in images], named)
    labels = np.array([image.sample.label for image in images])
    names = [canonical(image.header.patient) if image.header else "" for image in images]
    patients = without_common(names, labels.tolist())
    keys = [
        (image.sample.group, patient, image.sample.sha256)
        for image, patient in zip(images, patients, strict=True)
    ]
    groups = join(keys, pairs)
    notes.append(_pictures_note(images, pairs))
    notes += _contradictions(images)
    given = np.array([image.sample.split for image in images])
    sides = splits.sides_of(given, labels, groups, config)
    cut = int((sides != given).sum()) if given[0] else 0
    if cut:
        notes.append(f"the data brings no val, so {cut} images of its train are taken for it")
    leaks = splits.leaks(sides, groups)
    if leaks.any():
        notes.append(
            f"the split that the data brings puts {len(set(groups[leaks]))} groups of images that "
            "belong together on two sides; --drop_leaks leaves their images out of train, or out "
            "of val where the other side is test; without it train.py refuses this folder"
        )
    notes += _torn_patients(images, sides)
    return Division(labels, groups, sides)


def _torn_patients(images: list[Prepared], sides: NDArray) -> list[str]:
    """What is said of patients on two sides, as where --group names vessels; nothing of none."""
    of_patient: dict[str, set[str]] = {}
    patients = patients_of([image.sample.more for image in images])
    for patient, side in zip(patients, sides.tolist(), strict=True):
        if patient:
            of_patient.setdefault(patient, set()).add(side)
    torn = [patient for patient, of in of_patient.items() if len(of) > 1]
    if not torn:
        return []
    return [
        f"{len(torn)} of {len(of_patient)} patients have images on two sides of the split, such as "
        f"{torn[0]}: metrics may be too good; --group patient keeps each on one side"
    ]


def _pictures_note(images: list[Prepared], pairs: NDArray) -> str:
    """How many different pictures there are, and what the largest set of copies is."""
    pictures = np.array(join([(image.sample.sha256,) for image in images], pairs))
    numbers, sizes = np.unique(pictures, return_counts=True)
    word = "picture" if len(numbers) == 1 else "pictures"
    note = f"{len(images)} images hold {len(numbers)} different {word}"
    if len(numbers) == len(images):
        return note
    largest = np.flatnonzero(pictures == numbers[sizes.argmax()])
    first, second = (images[i].sample.path for i in largest[:2])
    return (
        f"{note}: copies, or views that look nearly the same, stay on one side; the largest set of "
        f"them has {len(largest)} images, such as {first} and {second}"
    )


def _contradictions(images: list[Prepared]) -> list[str]:
    """What is said where equal images are of several classes; nothing where there are none.

    Only equal pixels count: those that merely look alike may well be of two patients.
    """
    first: dict[str, Prepared] = {}
    pairs: dict[str, tuple[Prepared, Prepared]] = {}
    for image in images:
        one = first.setdefault(image.sample.sha256, image)
        if one.sample.label != image.sample.label:
            pairs.setdefault(image.sample.sha256, (one, image))
    if not pairs:
        return []
    one, other = next(iter(pairs.values()))
    return [
        f"{len(pairs)} pictures stand under more than one label, such as {one.sample.path} "
        f"({one.sample.label}) and {other.sample.path} ({other.sample.label}); keep the right one"
    ]


def without_leaks(
    images: list[Prepared], division: Division, notes: list[str]
) -> tuple[list[Prepared], Division]:
    leaks = splits.leaks(division.sides, division.groups)
    notes.append(f"left out {leaks.sum()} images that belong with images of val or test")
    for side in np.unique(division.sides[leaks]):
        for name in np.unique(division.labels):
            there = (division.sides == side) & (division.labels == name)
            if (there & leaks).any():
                left = (there & ~leaks).sum()
                notes.append(f"{left} of {there.sum()} images of {name} stay in {side}")
    if not (division.sides[~leaks] == "train").any():
        raise DataError("--drop_leaks: leaves no image in train; make a new split with --resplit")
    return only(images, ~leaks), division.only(~leaks)


def only(images: list[Prepared], chosen: NDArray) -> list[Prepared]:
    return [image for image, keep in zip(images, chosen, strict=True) if keep]


def folds_of(division: Division, config: CONFIG.Config, notes: list[str]) -> list[str]:
    """The fold of each image that is not for testing; none where there are too few groups."""
    numbers = np.full(len(division.labels), -1)
    pool = (division.sides != "test") & ("train" in division.sides)
    rest = division.only(pool)
    try:
        numbers[pool] = splits.folds(
            rest.labels, rest.groups, config.folds, config.seed, config.task == MULTILABEL
        )
    except DataError as error:
        notes.append(f"no folds for cross-validation: {error}")
    return [str(number) if number >= 0 else "" for number in numbers]
