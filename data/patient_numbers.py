"""A number for each patient that DICOM headers name, for the manifest: it tells no name."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from data.dicom_header import ids_in
from data.group_columns import groups_of, without_classes
from data.label_groups import patients_in
from data.preparation import Prepared
from metrics.names import PATIENT_NUMBER, canonical, letters

NAMES = {"patient": "PatientID", "subject": "PatientName"}  # of DICOM


def numbered(images: Sequence[Prepared], notes: list[str]) -> list[Prepared]:
    """The images; those of patients whom a DICOM header names have a column PATIENT_NUMBER.

    Patients are numbered from 1 in the order of their first images. An image whose patient a column
    of the manifest names keeps that name alone. Which IDs and names are those of a patient, and
    not of anybody, data.group_columns decides.

    Args:
        images: in the order of their paths.
        notes: takes how many patients there are.
    """
    told = patients_in([image.sample.more for image in images])
    asked = [
        number
        for number, image in enumerate(images)
        if image.header is not None and not told[number]
    ]
    patients = _patients([images[number] for number in asked])
    if not any(patients):
        return list(images)
    taken = {canonical(name) for name in told}
    numbers = (str(n) for n in itertools.count(1) if str(n) not in taken)
    number_of: dict[str, str] = {}
    made = list(images)
    for number, patient in zip(asked, patients, strict=True):
        if patient:
            given = number_of.get(patient) or number_of.setdefault(patient, next(numbers))
            made[number] = _with_number(images[number], given)
    nameless = patients.count("")
    rest = f"; {nameless} of {len(patients)} such images name none" if nameless else ""
    notes.append(
        f"headers of DICOM images name {len(number_of)} patients; the column {PATIENT_NUMBER} of "
        f"manifest.csv has a number for each{rest}"
    )
    return made


def _patients(images: Sequence[Prepared]) -> list[str]:
    """A key for the patient of each DICOM image; empty where its header names nobody."""
    headers = [image.header for image in images if image.header is not None]
    labels = [image.sample.label for image in images]
    given = {"patient": ids_in(headers), "subject": [header.name for header in headers]}
    said: list[str] = []  # by data.sources, which asks the same
    values = without_classes(given, labels, NAMES, said)
    return groups_of(values, labels, NAMES, said)


def _with_number(image: Prepared, number: str) -> Prepared:
    """The image with its number, in the column of the manifest that is called so, or a new one."""
    more = image.sample.more
    called = (name for name in more if letters(name) == letters(PATIENT_NUMBER))
    column = next(called, PATIENT_NUMBER)
    return replace(image, sample=replace(image.sample, more=more | {column: number}))
