"""Estimates above the image and beside it: of vessels and patients, and of subgroups of images."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.intervals import Estimate, evaluate, groups_in, judged
from metrics.names import PATIENTS, as_first_written, patients_of

# of predictions.csv, with the columns that the manifest has for the image
Rows = list[dict[str, str]]
RUNS = ("frame", "frames", "run_frame", "run_frames")
IDENTIFIERS = (*PATIENTS, *RUNS, "study", "view")
PREDICTED = ("truth", "predicted", "set", "unlike", "in_training")  # columns of predictions.csv
MOST_VALUES = 12  # that a column for subgroups has


@dataclass(frozen=True)
class Level:
    """What is judged as one: images, vessels, patients, or groups where no patient is known."""

    name: str
    rule: str  # how its probability comes from what is below it, in words
    labels: NDArray  # (n,) bool: whether any image in it is positive
    scores: NDArray  # (n,) probability of the positive class
    groups: NDArray  # (n,) number of the group with which it is drawn
    names: list[str]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.names)

    def estimates(self, threshold: float, prevalence: float = 0) -> dict[str, Estimate]:
        """As of ``metrics.intervals.evaluate``; none if all are of one class."""
        if len(set(self.labels)) < 2:
            return {}
        return evaluate(self.labels, self.scores, self.groups, threshold, prevalence)


@dataclass(frozen=True)
class Subgroup:
    """Images of one value of a column.

    Its positive images are compared with the negative ones of the same value; where there are none,
    with all negative images.
    """

    value: str
    positives: int
    negatives: int
    auroc: Estimate
    sensitivity: Estimate
    specificity: Estimate | None  # None: no negative image has that value


def levels(rows: Rows, positive: str) -> list[Level]:
    """The images, and each level above them that is known and that any two images share.

    An image without a patient counts to its group, one without a vessel as a vessel of its own.

    Args:
        rows: with path, truth (a row without is left out) and probability_<class>; the columns
            group, vessel and those of PATIENTS are used where they are.
        positive: the class whose probability is followed; of more than two, it against all others.
    """
    rows = [row for row in rows if row["truth"]]
    paths = [row["path"] for row in rows]
    labels, scores, groups = judged(rows, positive)
    patients = patients_of(rows)
    places = as_first_written([row.get("vessel", "") for row in rows])
    owners = [patient or group for patient, group in zip(patients, groups.tolist(), strict=True)]
    vessels = [
        f"{owner} {place}" if place else path
        for owner, place, path in zip(owners, places, paths, strict=True)
    ]
    number = {name: i for i, name in enumerate(dict.fromkeys(groups.tolist()))}
    drawn = np.array([number[name] for name in groups.tolist()])
    image = Level("image", "each image by itself", labels, scores, drawn, paths)
    vessel = _merged("vessel", image, vessels) if vessels != paths else image
    owner_of = dict(zip(vessels, owners, strict=True))
    name = "patient" if any(patients) else "group"
    top = _merged(name, vessel, [owner_of[vessel_name] for vessel_name in vessel.names])
    steps = ((image, vessel), (vessel, top))
    return [image, *(above for below, above in steps if above.count < below.count)]


def _merged(name: str, below: Level, units: list[str]) -> Level:
    """The level above: ``units`` names what each of the level below belongs to."""
    names, unit, size = np.unique(units, return_inverse=True, return_counts=True)
    positive = np.bincount(unit, below.labels)
    several = (positive > 0) & (size > 1)
    mixed = several & (positive < size)
    if below.name == "vessel":
        highest = "one that is diseased is enough"
    elif 2 * mixed.sum() > several.sum():
        highest = (
            f"in {mixed.sum()} of {several.sum()} positive {name}s with several images "
            "only some are positive, so they show different places"
        )
    else:
        highest = ""
    if highest:
        scores = np.zeros(len(names))
        np.maximum.at(scores, unit, below.scores)
        rule = (
            f"the highest probability of its {below.name}s ({highest}); "
            "the threshold was fitted to images, not to this: "
            "the more there are, the likelier that one passes it"
        )
    else:
        scores = np.bincount(unit, below.scores) / size
        rule = (
            "the mean probability of its images, taken as views of one vessel; "
            "the threshold was fitted to images"
        )
    groups = np.zeros(len(names), int)
    groups[unit] = below.groups
    return Level(name, rule, positive > 0, scores, groups, names.tolist())


def subgroup_columns(rows: Rows, fixed: Collection[str]) -> list[str]:
    """The further columns of the manifest that suit ``subgroups``.

    They have a few values, which are no names of patients. ``fixed``: columns that every manifest
    has.
    """
    groups = len(set(groups_in(rows)))
    known = {*fixed, *IDENTIFIERS, *PREDICTED}
    columns = []
    for name in rows[0]:
        if name in known or name.startswith("probability_"):
            continue
        count = len(set().union(*(values_of(row, name) for row in rows)))
        if 2 <= count <= MOST_VALUES and 2 * count <= groups:
            columns.append(name)
    return columns


def subgroups(rows: Rows, positive: str, column: str, threshold: float) -> Iterator[Subgroup]:
    """Estimates for each value of the column that a positive image has.

    One image may have several values, joined by a semicolon.

    Args:
        rows, positive: as ``levels`` takes them, every truth known.
        column: of ``subgroup_columns``, or any other.
        threshold: from which on an image counts as positive.
    """
    y, s, groups = judged(rows, positive)
    held = np.array([values_of(row, column) for row in rows])
    for value in sorted(set().union(*held[y])):
        has_value = np.array([value in values for values in held])
        has_negatives = bool((has_value & ~y).any())
        part = has_value if has_negatives else has_value | ~y
        found = evaluate(y[part], s[part], groups[part], threshold)
        yield Subgroup(
            value,
            positives=int(y[part].sum()),
            negatives=int((~y[part]).sum()),
            auroc=found["auroc"],
            sensitivity=found["sensitivity"],
            specificity=found["specificity"] if has_negatives else None,
        )


def values_of(row: dict[str, str], column: str) -> set[str]:
    """What a row has in the column, where several values are joined by a semicolon."""
    return {value.strip() for value in row[column].split(";")} - {""}
