"""Which of the images that are predicted belong to one group, such as a patient."""

from collections.abc import Sequence

import errors
from data.bags import bags
from data.dicom_header import header_of
from data.group_columns import columns_among, groups_of
from data.inputs import Input
from data.readers import DataError

GROUP = "group"  # the column of a ProcessedFolder
DICOM = (".dcm", ".dicom", "")


def groups_in(inputs: Sequence[Input]) -> list[str]:
    """For each image the name of its group, or of its patient where that is known.

    It is that of a ProcessedFolder, or follows from the columns of the manifest.csv above it, as in
    data.prepare, or from the header of a DICOM file. An image that none of them names stands alone.

    Raises:
        DataError: no image is in a group.
    """
    names = [item.row.get(GROUP, "") for item in inputs]
    open_ones = [number for number, name in enumerate(names) if not name]
    for number, name in zip(open_ones, _found([inputs[i] for i in open_ones]), strict=True):
        names[number] = name
    alone = [item.name for item, name in zip(inputs, names, strict=True) if not name]
    if len(alone) == len(inputs):
        raise DataError(
            f"got {len(inputs)} images, such as {alone[0]}, of which nothing tells the group; this "
            "model learned labels of groups: write the columns path, label and patient into a "
            "manifest.csv beside the images (label may be empty), or give a ProcessedFolder"
        )
    if alone:
        errors.note(
            f"{len(alone)} of {len(inputs)} images are in no group, such as {alone[0]}: each is "
            "predicted as a group of its own"
        )
    named = [name or item.name for item, name in zip(inputs, names, strict=True)]
    return bags(named, [item.row for item in inputs])


def _found(inputs: Sequence[Input]) -> list[str]:
    """Names by manifest or header; empty where neither tells."""
    if not inputs:
        return []
    headers = [
        header_of(item.path) if item.path.suffix.lower() in DICOM and item.pixels is None else None
        for item in inputs
    ]
    columns = columns_among(list(dict.fromkeys(name for item in inputs for name in item.row)))
    columns = {level: name for level, name in columns.items() if level != "frame"}
    values = {level: [item.row.get(name, "") for item in inputs] for level, name in columns.items()}
    patients = [header.patient or header.name if header else "" for header in headers]
    if any(patients):
        given = values.get("patient", [""] * len(inputs))
        values["patient"] = [a or b for a, b in zip(given, patients, strict=True)]
        columns.setdefault("patient", "PatientID")
    notes: list[str] = []
    names = groups_of(values, [item.truth for item in inputs], columns, notes)
    for line in notes:
        errors.note(line.replace("stay on one side of the split", "are one group"))
    return names
