"""Folders of patients within class folders."""

from pathlib import Path

import pytest

from data import sources
from data.patient_folders import patients_within
from tests.image_files import encode, picture, save

LABELS = ("abnormal", "normal")


def found(*names: str) -> tuple[dict[str, str], list[str]]:
    """The patients of images in class folders ``normal`` and ``abnormal``, and the notes."""
    notes: list[str] = []
    labels = {name: next(p for p in name.split("/") if p.endswith("normal")) for name in names}
    return patients_within(labels, notes), notes


def test_folders_that_are_named_as_patients() -> None:
    ties, notes = found("normal/P1/a.png", "normal/P1/b.png", "abnormal/p01/a.png")
    assert set(ties.values()) == {"p1"}
    assert notes == [
        "folders within class folders, such as p01 of abnormal/p01/a.png, are taken for a patient "
        "each: their images stay on one side of the split"
    ]


def test_folders_that_differ_in_the_letter_at_their_end_are_one_patient() -> None:
    ties, notes = found("normal/P01a/a.png", "abnormal/P01b/a.png", "normal/P2a/a.png")
    assert list(ties.values()) == ["p1", "p1", "p2a"]
    assert "2 folders, such as P01a and P01b, are taken for runs of the same patient" in notes


def test_a_folder_without_the_letter_is_one_of_its_patient_too() -> None:
    ties, notes = found("normal/P01/a.png", "normal/P01a/a.png", "abnormal/P2/a.png")
    assert list(ties.values()) == ["p1", "p1", "p2"]
    assert "2 folders, such as P01 and P01a, are taken for runs of the same patient" in notes


def test_class_folders_inside_runs_of_a_patient(tmp_path: Path) -> None:
    names = [
        f"P0{number}{run}/{label}/1.png" for number in "12" for run in "ab" for label in LABELS
    ]
    samples = sources.find(raw(tmp_path, *names), None, [])[1]
    assert {each.group for each in samples} == {"P01", "P02"}


def test_many_folders_of_any_name() -> None:
    names = [f"normal/{letter * 3}/{view}.png" for letter in "abcdef" for view in "12"]
    assert len(set(found(*names)[0].values())) == 6


def test_few_folders_of_other_names_are_no_patients() -> None:
    ties, notes = found("normal/batch/a.png", "normal/more/a.png", "abnormal/more/b.png")
    assert not ties
    assert "are taken for no patients; if they are, --group ties them" in notes[0]


def test_patients_of_several_sites() -> None:
    ties, _ = found("normal/here/P1/a.png", "normal/there/P2/a.png", "abnormal/here/P1/v/a.png")
    assert list(ties.values()) == ["p1", "p2", "p1"]


def test_splits_within_classes_are_no_patients() -> None:
    assert found("normal/train/a.png", "normal/test/a.png") == ({}, [])


def test_images_without_inner_folders() -> None:
    assert found("train/normal/a.png", "abnormal/a.png") == ({}, [])


def raw(folder: Path, *names: str) -> Path:
    """A picture at each of the paths."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save(folder / name, encode(".png", picture(number)))
    return folder


def groups_in(folder: Path) -> list[str]:
    """Of the images of a raw folder, by path."""
    return [sample.group for sample in sources.find(folder, None, [])[1]]


def test_patients_within_class_folders_are_groups(tmp_path: Path) -> None:
    names = [f"{label}/P{p}/{view}.png" for label in LABELS for p in (1, 2) for view in "ab"]
    assert groups_in(raw(tmp_path, *names)) == ["p1", "p1", "p2", "p2"] * 2


def test_a_group_that_the_user_names_goes_before_folders(tmp_path: Path) -> None:
    names = [f"{label}/P{p}/{view}.png" for label in LABELS for p in (1, 2) for view in "ab"]
    notes: list[str] = []
    samples = sources.find(raw(tmp_path, *names), "([ab]).png", notes)[1]
    assert [sample.group for sample in samples] == ["a", "b"] * 4
    assert "a patient" not in "".join(notes)


def test_few_patients_around_class_folders_are_groups_by_their_names(tmp_path: Path) -> None:
    names = [f"P{p}/{label}/{view}.png" for p in (1, 2) for label in LABELS for view in "ab"]
    assert groups_in(raw(tmp_path, *names)) == ["P1"] * 4 + ["P2"] * 4


@pytest.mark.parametrize("names", ["Smith Jones Meyer Wu", "1 2 3 4", "AB CD EF GH"])
def test_folders_of_any_name_that_hold_a_class_each_are_patients(
    tmp_path: Path, names: str
) -> None:
    inside = zip(names.split(), LABELS * 2, strict=True)
    files = [f"{name}/{label}/{view}.png" for name, label in inside for view in "ab"]
    notes: list[str] = []
    samples = sources.find(raw(tmp_path, *files), None, notes)[1]
    assert {each.group for each in samples} == set(names.split())
    assert "for they do not all hold the same classes" in "".join(notes)


@pytest.mark.parametrize("names", ["Smith Jones", "siteA siteB", "LAD RCA"])
def test_few_folders_that_all_hold_all_classes_or_are_views_tie_nobody(
    tmp_path: Path, names: str
) -> None:
    first, second = names.split()
    files = [f"{first}/{label}/a.png" for label in LABELS] + [f"{second}/normal/b.png"]
    files += [f"{second}/abnormal/b.png"] * (names == "Smith Jones")
    assert set(groups_in(raw(tmp_path, *files))) == {""}
