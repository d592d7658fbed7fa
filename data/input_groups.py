"""Which of the images that are predicted belong to one group, such as a patient."""

from collections import Counter
from collections.abc import Mapping, Sequence

import errors
from data.dicom_header import header_of, patients_named
from data.group_columns import columns_among
from data.inputs import Input, Picture, inputs_of
from data.label_groups import label_groups, patients_in
from data.preprocessing import Preprocessing
from data.readers import DataError, is_dicom
from data.run_pictures import inputs_of_runs
from metrics.names import as_first_written, is_nobody

GROUP = "group"  # the column of a ProcessedFolder
# columns of a manifest by which images are of one person, where no column names the person
LEVELS = ("group", "case", "study", "accession")


def groups_in(inputs: Sequence[Input]) -> list[str]:
    """For each image the name of its patient or group.

    It is that of a ProcessedFolder, of a column of the manifest.csv above it, or of the header of a
    DICOM file. An image that none of them names stands alone. Which other images are predicted does
    not matter.

    Raises:
        DataError: no image is in a group.
    """
    names = [""] * len(inputs)
    folders = dict.fromkeys(item.folder for item in inputs if item.folder is not None)
    for folder in folders:
        numbers = [number for number, item in enumerate(inputs) if item.folder == folder]
        place = f"{folder}: " if len(folders) > 1 else ""  # each folder counts from 1
        for number, name in zip(numbers, _of_prepared([inputs[i] for i in numbers]), strict=True):
            names[number] = f"{place}{name}"
    raw = [number for number, item in enumerate(inputs) if not item.prepared]
    for number, name in zip(raw, _of_raw([inputs[number] for number in raw]), strict=True):
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
    return [name or item.name for item, name in zip(inputs, names, strict=True)]


def inputs_of_groups(
    groups: Mapping[str, Picture | Sequence[Picture]],
    class_names: list[str],
    preprocessing: Preprocessing,
) -> tuple[list[Input], list[str]]:
    """The images of groups that Python code hands over, and for each image its group.

    Args:
        groups: by the name of each group its images, as ``data.inputs.inputs_of`` takes them.
        class_names: by which folders and manifests may name the truth.
        preprocessing: of the model, which says how many frames of a run are taken.

    Raises:
        DataError: no groups by name, a group without images, nothing that is an image, an image
            that is given twice.
    """
    if not isinstance(groups, Mapping):
        raise DataError(
            f"groups: got {type(groups).__name__}, wanted the images of each group by its name, "
            'such as {"P01": ["a.png", "b.png"]}'
        )
    inputs: list[Input] = []
    names: list[str] = []
    for name, images in groups.items():
        if images is None or (isinstance(images, list | tuple) and not images):
            raise DataError(f"groups: got no image of {name}, wanted one or more")
        found = inputs_of_runs(inputs_of(images, class_names), preprocessing)
        inputs += found
        names += [str(name)] * len(found)
    files = [item.name for item in inputs if item.pixels is None]
    if twice := [name for name, count in Counter(files).items() if count > 1]:
        raise DataError(f"groups: got {twice[0]} more than once, wanted each image in one group")
    return inputs, names


def _of_prepared(inputs: Sequence[Input]) -> list[str]:
    """Names by the manifest of one ProcessedFolder."""
    rows = [item.row for item in inputs]
    if not any(patients_in(rows)):
        errors.note(
            "no column of manifest.csv names the patients, so the groups of data.prepare count as "
            "patients; two patients with a picture that looks the same are one of them"
        )
    groups = [item.row.get(GROUP, "") or item.name for item in inputs]
    return label_groups(groups, rows, [item.name for item in inputs])


def _of_raw(inputs: Sequence[Input]) -> list[str]:
    """Names by manifest or header; empty where neither tells."""
    rows = [item.row for item in inputs]
    people = patients_in(rows)
    in_headers = _in_headers(inputs, people)
    columns = columns_among(list(dict.fromkeys(name for row in rows for name in row)))
    names = []
    for item, person, patient in zip(inputs, people, in_headers, strict=True):
        told = [item.row.get(columns[level], "") for level in LEVELS if level in columns]
        others = (name for name in told if not is_nobody(name))
        names.append(person or patient or next(others, ""))
    return as_first_written(names)


def _in_headers(inputs: Sequence[Input], people: Sequence[str]) -> list[str]:
    """The patient that each DICOM file names; empty for another file, and where ``people`` has one.

    That one ID stands for all of several studies is said: it may be that of nobody.
    """
    names = [""] * len(inputs)
    asked = [
        number
        for number, item in enumerate(inputs)
        if not people[number] and item.pixels is None and is_dicom(item.path)
    ]
    headers = [header_of(inputs[number].path) for number in asked]
    found = patients_named(headers)
    for number, name in zip(asked, found, strict=True):
        names[number] = name
    studies = {header.study for header in headers}
    if len(studies) > 1 and len(set(as_first_written(found))) == 1 and found[0]:
        files = {inputs[number].path for number in asked}
        errors.note(
            f"the {len(files)} DICOM files of {len(studies)} studies name one patient, {found[0]}, "
            "and are one group; if the ID was made anonymous, write a manifest.csv with the "
            "columns path, label and patient beside them (label may be empty)"
        )
    return names
