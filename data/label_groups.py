"""Which images share one label where labels are of groups: those of one patient.

data.prepare ties more images than that, so that no split tears what belongs together: two patients
may be one group, because two of their images look alike. Each of them still has a label of its own.
"""

from collections.abc import Mapping, Sequence

from data.group_columns import PEOPLE, columns_among
from metrics.names import PATIENT_NUMBER, as_first_written, letters, nobodies_in


def label_groups(
    groups: Sequence[str], rows: Sequence[Mapping[str, str]], images: Sequence[str]
) -> list[str]:
    """For each image the name of its patient, or of its group where no column names patients.

    A name counts if all its images are in one group: "anonymous" stands for many patients. Where
    other images have the name of a patient, one without stands alone.

    Args:
        groups: of each image.
        rows: what the manifest says of each image.
        images: the name of each image.
    """
    patients = patients_in(rows)
    homes: dict[str, set[str]] = {}
    for group, patient in zip(groups, patients, strict=True):
        homes.setdefault(patient, set()).add(group)
    known = [patient if patient and len(homes[patient]) == 1 else "" for patient in patients]
    others = images if any(known) else groups
    return [patient or other for patient, other in zip(known, others, strict=True)]


def patients_in(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The name of each image's patient; empty where no column tells it."""
    every = list(dict.fromkeys(name for row in rows for name in row))
    columns = columns_among(every)
    found = [columns[level] for level in PEOPLE if level in columns]
    found += [name for name in every if letters(name) == letters(PATIENT_NUMBER)]
    cells = {column: [row.get(column) or "" for row in rows] for column in found}
    nobodies = {column: nobodies_in(names) for column, names in cells.items()}
    people = [
        next((row[column] for column in found if row.get(column, "") not in nobodies[column]), "")
        for row in rows
    ]
    return as_first_written(people)
