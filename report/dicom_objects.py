"""Answers that go back to the archive: for each source DICOM a picture and a structured report.

This file needs highdicom; report.dicom_answer says in one line where it is not installed.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import pydicom

import errors
from data.dicom_source import MORE, Source, sources_of
from data.inputs import Input
from data.readers import DataError
from files import written_whole
from report.dicom_answer import Answer, Author
from report.dicom_drawing import drawn
from report.dicom_picture import picture_of
from report.dicom_place import places_of
from report.dicom_report import report_of
from report.prediction_pictures import picture_names
from vit.predictions import Predictions


class Files(NamedTuple):
    """The two files of a source.

    Args:
        picture: a Secondary Capture.
        report: a structured report.
    """

    picture: Path
    report: Path


class Plan(NamedTuple):
    """What will be answered, and where to: checked before anything is written.

    Args:
        sources: in the order of the inputs.
        files: of each.
    """

    sources: list[Source]
    files: list[Files]


def planned(inputs: list[Input], output: Path, root: Path) -> Plan:
    """The sources that will be answered, and the files that will be written.

    Args:
        inputs: the files to answer.
        output: folder of the answers.
        root: that the inputs were found in.

    Raises:
        DataError: sources that cannot be answered, a line each; or a file lies where an answer
            would.
    """
    paths = [item.path for item in inputs]
    names = [Path(name).stem for name in picture_names(paths, root)]
    files = [Files(output / f"{n}_picture.dcm", output / f"{n}_report.dcm") for n in names]
    sources = sources_of(paths)
    _check_free(files)
    _note_left_out(sources)
    return Plan(sources, files)


def write(plan: Plan, predictions: Predictions, author: Author) -> None:
    """Write both objects of each source, each whole or not at all."""
    preprocessing = author.facts.preprocessing
    places = places_of(plan.sources)
    for prediction, source, files, (pictures, reports) in zip(
        predictions, plan.sources, plan.files, places, strict=True
    ):
        stored = prediction.item.stored(preprocessing)
        answer = Answer(source, prediction, author, stored.run.index if stored.run else None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # highdicom warns of names without a first name
            picture = picture_of(answer, drawn(answer, stored), pictures)
            report = report_of(answer, reports)
        _save(picture, files.picture)
        _save(report, files.report)


def _save(data: pydicom.Dataset, path: Path) -> None:
    with written_whole(path, keep_former=True) as beside:
        data.save_as(beside, enforce_file_format=True)


def _check_free(files: list[Files]) -> None:
    """DataError: a file lies where an answer would; one of before would be sent a second time."""
    there = [path for each in files for path in each if path.exists() or path.is_symlink()]
    if there:
        raise DataError(
            f"--OUTPUT: {there[0]} is there already, and so are {len(there) - 1} others of the "
            "files to write; name a new folder, so that no answer is sent twice"
        )


def _note_left_out(sources: list[Source]) -> None:
    if nobody := [each for each in sources if not (each.about.PatientID or each.about.PatientName)]:
        errors.note(
            f"{len(nobody)} sources name no patient, such as {nobody[0].path}; nor do their answers"
        )
    for keyword in MORE:
        if at_fault := [source for source in sources if keyword in source.left_out]:
            errors.note(
                f"{keyword} of {len(at_fault)} sources is not in a form that DICOM allows, such as "
                f"in {at_fault[0].path}; it is left empty in their answers"
            )
