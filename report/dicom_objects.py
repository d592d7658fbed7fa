"""Answers that go back to the archive: for each source DICOM a picture and a structured report.

This file needs highdicom; report.dicom_answer says in one line where it is not installed.
"""

import itertools
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pydicom

import errors
from data.dicom_source import MORE, Source, other_patients, sources_of
from data.inputs import Input
from data.readers import DataError
from files import written_whole
from report.dicom_answer import Answer, Author, SourcePicture
from report.dicom_drawing import drawn
from report.dicom_picture import picture_of
from report.dicom_place import places_of
from report.dicom_report import report_of
from report.prediction_pictures import picture_names
from vit.predictions import Prediction


class Files(NamedTuple):
    """The two files of an answer.

    Args:
        picture: a Secondary Capture.
        report: a structured report.
    """

    picture: Path
    report: Path


class Part(NamedTuple):
    """What a picture is answered by.

    Args:
        source: its file.
        files: that are written if it is shown.
    """

    source: Source
    files: Files


Plan = dict[str, Part]  # by the name of each input: what will be answered, and where to


class Made(NamedTuple):
    """An answer that was checked, and its files."""

    answer: Answer
    files: Files


def planned(inputs: list[Input], output: Path, root: Path) -> Plan:
    """The sources that will be answered, and the files that may be written.

    Args:
        inputs: the pictures to answer; of a run there may be several.
        output: folder of the answers.
        root: that the inputs were found in.

    Raises:
        DataError: sources that cannot be answered, a line each; or a file lies where an answer
            would.
    """
    paths = list(dict.fromkeys(item.path for item in inputs))
    sources = dict(zip(paths, sources_of(paths), strict=True))
    stems = dict(zip(paths, picture_names(paths, root), strict=True))
    plan: Plan = {}
    taken: set[str] = set()
    for item in inputs:
        name = _free_name(Path(stems[item.path]).stem, item.frame, taken)
        taken.add(name)
        files = Files(output / f"{name}_picture.dcm", output / f"{name}_report.dcm")
        plan[item.name] = Part(sources[item.path], files)
    _check_free([part.files for part in plan.values()])
    _note_left_out(list(sources.values()))
    return plan


def _free_name(stem: str, frame: int | None, taken: set[str]) -> str:
    """The name of a picture, with its frame where several of a run are answered."""
    name = stem if frame is None else f"{stem}_frame{frame}"
    numbered = (f"{name}_{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in taken)


def checked(plan: Plan, predictions: Iterable[Prediction], author: Author) -> list[Made]:
    """The answers, one for each prediction; nothing is written yet.

    The answer to a group lies in the study of the picture that decided, and names all others.

    Args:
        plan: for all pictures.
        predictions: each with its map; of a group with that of the picture that decided.
        author: the model.

    Raises:
        DataError: groups whose pictures are not surely of one patient, a line each.
    """
    made = []
    faults = []
    for prediction in predictions:
        pictures = [
            SourcePicture(plan[each.item.name].source, each.run.index if each.run else None, weight)
            for each, weight in prediction.parts
        ]
        if fault := other_patients([each.source for each in pictures]):
            faults.append(fault)
        answer = Answer(prediction, author, tuple(pictures))
        made.append(Made(answer, plan[prediction.item.name].files))
    if faults:
        raise DataError("\n".join(faults))
    return made


def write(made: list[Made]) -> None:
    """Write both objects of each answer, each whole or not at all."""
    places = places_of([each.answer.source for each in made])
    for (answer, files), (pictures, reports) in zip(made, places, strict=True):
        stored = answer.prediction.item.stored(answer.author.facts.preprocessing)
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
