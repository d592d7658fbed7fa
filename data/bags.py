"""Which images share one label where labels are of groups: those of one patient.

data.prepare ties more images than that, so that no split tears what belongs together: two patients
may be one group, because two of their images look alike. Each of them still has a label of its own.
"""

from collections.abc import Mapping, Sequence

from data.group_columns import PEOPLE, columns_among
from metrics.names import as_first_written


def bags(groups: Sequence[str], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """For each image the name of its patient, where a column tells it, else its group.

    A name counts if all its images are in one group: "anonymous" stands for many patients.

    Args:
        groups: of each image.
        rows: what the manifest says of each image.
    """
    patients = _patients(rows)
    homes: dict[str, set[str]] = {}
    people: dict[str, set[str]] = {group: set() for group in groups}
    for group, patient in zip(groups, patients, strict=True):
        homes.setdefault(patient, set()).add(group)
    known = [patient if patient and len(homes[patient]) == 1 else "" for patient in patients]
    for group, patient in zip(groups, known, strict=True):
        people[group] |= {patient} - {""}
    return [
        patient or (next(iter(people[group])) if len(people[group]) == 1 else group)
        for group, patient in zip(groups, known, strict=True)
    ]


def _patients(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The name of each image's patient; empty where no column tells it."""
    columns = columns_among(list(dict.fromkeys(name for row in rows for name in row)))
    found = [columns[level] for level in PEOPLE if level in columns]
    names = [next(filter(None, (row.get(name, "") for name in found)), "") for row in rows]
    return as_first_written(names)
