"""Runs of which several frames are pictures of one group (frame: all)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import errors
from data.dicom_header import header_of
from data.inputs import Input
from data.limits import DataError
from data.preprocessing import Preprocessing
from data.readers import is_dicom
from data.runs import numbers_of_all
from data.samples import Sample


def samples_of_runs(samples: Sequence[Sample], folder: Path) -> list[Sample]:
    """The images of a data set, of each run several; these are one group.

    Raises:
        DataError: lesions are drawn on runs, a line for all of them: of which frame is not known.
    """
    found: list[Sample] = []
    drawn = []
    for sample in samples:
        count = _frames_in(folder / sample.path)
        if count == 1:
            found.append(sample)
            continue
        if sample.mask or sample.lesion_boxes_xyxy.strip():
            drawn.append(sample.path)
        group = sample.group or f"run {sample.path}"
        found += [
            replace(sample, path=f"{sample.path}#{number}", frame=number, group=group)
            for number in numbers_of_all(count)
        ]
    if drawn:
        raise DataError(
            f"frame: all: {len(drawn)} runs have lesion boxes or masks, such as {drawn[0]}: of "
            "which frame is not known; wanted --frame best, -1 or a number, or no boxes and masks"
        )
    return found


def inputs_of_runs(inputs: Sequence[Input], preprocessing: Preprocessing) -> list[Input]:
    """The pictures that a model is asked about; of each run as many as it learned from.

    Their rows name their group. Lesions drawn on a run are left out, for of which frame they are is
    not known: that is said on stderr.
    """
    if preprocessing.frame != "all":
        return list(inputs)
    found: list[Input] = []
    drawn = []
    for item in inputs:
        count = 1 if item.pixels is not None else _frames_in(item.path)
        if count == 1:
            found.append(item)
            continue
        if item.boxes or item.mask:
            drawn.append(item.name)
        row = item.row | {"group": item.row.get("group") or f"run {item.name}"}
        found += [
            replace(item, name=f"{item.name}#{number}", frame=number, row=row, boxes="", mask=None)
            for number in numbers_of_all(count)
        ]
    if drawn:
        errors.note(
            f"{len(drawn)} runs have lesion boxes or masks, such as {drawn[0]}: of which frame is "
            "not known, so that none is drawn"
        )
    return found


def _frames_in(file: Path) -> int:
    return header_of(file).frames if is_dicom(file) else 1
