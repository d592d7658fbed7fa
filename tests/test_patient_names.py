"""File names that seem to hold a patient's number."""

import re
from pathlib import Path

import pytest

from data import sources
from data.patient_names import note_of_names
from tests.raw_folders import picture


@pytest.mark.parametrize(
    "names",
    [
        ["p1_v0", "p1_v1", "p2_v0", "p2_v1"],
        ["IM-0001-0001", "IM-0001-0002", "IM-0002-0001", "IM-0002-0002"],
        ["P01a", "P01b", "P02a", "P02b"],
        ["case 7 frame12", "case 7 frame13", "case 8 frame1", "case 8 frame2", "other"],
    ],
)
def test_names_that_begin_alike_are_said(names: list[str]) -> None:
    (note,) = note_of_names([f"normal/{name}.png" for name in names])
    assert f"such as normal/{names[0]}.png and normal/{names[1]}.png" in note


@pytest.mark.parametrize(
    "names", [["img_001", "img_002", "img_003"], ["1", "2", "3"], ["p1_a1", "p2_a1", "p3_a1"]]
)
def test_numbered_images_are_no_patients(names: list[str]) -> None:
    assert note_of_names(names) == []


def test_the_hint_ties_the_images(tmp_path: Path) -> None:
    for number, name in enumerate(("p1_v0", "p1_v1", "p2_v0", "p2_v1")):
        picture(tmp_path / ("normal", "abnormal")[number // 2] / f"{name}.png", number)
    notes: list[str] = []
    sources.find(tmp_path, None, notes)
    (hint,) = [note for note in notes if "--group" in note]
    pattern = hint.split("--group ")[1].strip("'")
    samples = sources.find(tmp_path, pattern, [])[1]
    assert len({sample.group for sample in samples}) == 2


def test_names_that_differ_in_a_word_at_their_end_are_pointed_out() -> None:
    names = [f"normal/p{number}_{view}.png" for number in (1, 2) for view in ("LAO", "RAO")]
    (note,) = note_of_names(names)
    assert "p1_LAO.png and normal/p1_RAO.png" in note
    pattern = note.partition("--group '")[2].rstrip("'")
    assert {re.search(pattern, name)[1] for name in names} == {"p1", "p2"}  # type: ignore[index]
