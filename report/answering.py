"""What a model is asked and answers, of images or of groups, for every command that predicts."""

from dataclasses import dataclass
from pathlib import Path

import errors
from data.input_groups import groups_in
from data.inputs import Input, find, folder_given, gather
from data.run_pictures import inputs_of_runs
from data.tables import write_table
from vit.map_request import MapRequest
from vit.predictions import Predictions
from vit.predictor import Predictor

PICTURES, PATIENTS = "predictions.csv", "patients.csv"


@dataclass(frozen=True)
class Answered:
    """The answers of a model.

    Args:
        judged: of what had a label in training: of each image, or of each group of images.
        tables: by its name each table that they are written to.
    """

    judged: Predictions
    tables: dict[str, list[dict[str, str]]]

    def write(self, folder: Path) -> None:
        """Write the tables into a folder; former ones are kept."""
        for name, rows in self.tables.items():
            write_table(folder / name, rows, keep_former=True)


def inputs_of(path: str, predictor: Predictor) -> list[Input]:
    """The images of a folder, a file or a glob, as a model takes them.

    Raises:
        DataError: nothing there, or nothing that is an image.
    """
    inputs = gather(find(path), predictor.class_names, folder_given(path), predictor.findings)
    return inputs_of_runs(inputs, predictor.facts.preprocessing)


def answered(
    predictor: Predictor, inputs: list[Input], request: MapRequest | None = None
) -> Answered:
    """What a model says of images, or of their groups where it learned labels of groups.

    Reasons to trust it less are said on stderr.

    Args:
        predictor: of the model.
        inputs: the images.
        request: the map that is wanted of each image; of groups none is made.

    Raises:
        DataError: images that cannot be read; that are of no known group; of one group with several
            truths.
    """
    if not predictor.of_groups:
        predictions = predictor.answer(inputs, request)
        _say_notes(predictions)
        return Answered(predictions, {PICTURES: predictions.rows()})
    # loaded here, for a graph is run without PyTorch
    from vit import group_predictions

    answers = group_predictions.answer(predictor, inputs, groups_in(inputs))
    _say_notes(answers.pictures)
    tables = {PICTURES: answers.picture_rows(), PATIENTS: answers.groups.rows()}
    return Answered(answers.groups, tables)


def _say_notes(predictions: Predictions) -> None:
    for note in predictions.notes():
        errors.note(note)
