"""Faults of intake that a fresh tester found: each was wrong without a word."""

import unicodedata
from pathlib import Path

import pytest

from data import sources
from data.group_columns import groups_of
from data.layout import Layout
from data.lesion_columns import with_known_names, with_points
from data.masks import tell_apart
from data.readers import DataError
from data.scale import note_of_windows
from data.split_columns import splits_told
from data.truths import class_of
from data.words import is_no_class, meaning_of, one_spelling
from tests.test_class_words import png


def decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def test_accents_of_another_system_change_no_class_and_no_patient() -> None:
    assert meaning_of(decomposed("unauffällig")) == "normal"
    labels = ["auffällig", decomposed("auffällig")]
    assert len(set(one_spelling(labels, []).values())) == 1
    assert class_of(labels[1], ["unauffällig", labels[0]]) == labels[0]
    names = {"patient": ["Müller", decomposed("Müller"), "a", "b"]}
    assert len(set(groups_of(names, ["x", "y"] * 2, {"patient": "p"}, []))) == 3


def test_a_number_that_a_spreadsheet_wrote_with_a_point_is_the_same_patient() -> None:
    names = {"patient": ["10", "10.0", "11", "12.0"]}
    assert len(set(groups_of(names, ["x", "y"] * 2, {"patient": "p"}, []))) == 3


def test_one_patient_in_two_splits_whose_folders_differ_in_case_is_one() -> None:
    names = [f"train/p{i}/{label}/a.png" for i in range(3) for label in ("normal", "abnormal")]
    names += [f"val/P{i}/{label}/a.png" for i in range(3) for label in ("normal", "abnormal")]
    places = Layout(names).places.values()
    assert {place.patient for place in places} == {"p0", "p1", "p2"}


@pytest.mark.parametrize("labels", [["no CAD", "no-CAD", "no_CAD"], ["a\u200b", "a", "A"]])
def test_labels_that_look_the_same_are_one_class(labels: list[str]) -> None:
    assert len(set(one_spelling(labels, []).values())) == 1


def test_signs_stay_apart() -> None:
    assert len(set(one_spelling(["CAD+", "CAD-", "-", "+"], []).values())) == 4


@pytest.mark.parametrize("label", ["unlabeled_data", "unknown images", "not labeled"])
def test_words_around_no_class_change_nothing(label: str) -> None:
    assert is_no_class(label)


@pytest.mark.parametrize(("label", "truth"), [("0", ""), ("1", ""), ("2", "2")])
def test_0_and_1_are_not_the_classes_1_and_2(label: str, truth: str) -> None:
    assert class_of(label, ["1", "2"]) == truth


def test_four_points_are_no_box() -> None:
    assert with_points("10,10 10,30 40,30 40,10", 4) == "10,10 10,30 40,30 40,10"
    assert with_points("10,5 10 30 40", 4) == "10.5,10,30,40"


def test_edges_in_four_columns_are_a_box() -> None:
    notes: list[str] = []
    rows = [{"xmin": "1", "ymin": "2", "xmax": "3", "ymax": "4"}]
    rows.append(dict.fromkeys(rows[0], ""))
    read = with_known_names(rows, Path(), notes)
    assert [row["lesion_boxes_xyxy"] for row in read] == ["1,2,3,4", ""]
    assert notes == ["columns xmin, ymin, xmax, ymax are read as lesion_boxes_xyxy"]


@pytest.mark.parametrize("name", ["train_test_split", "type", "Data Split Type"])
def test_a_column_of_any_name_with_words_for_splits_alone_is_read(name: str) -> None:
    rows = [{name: cell} for cell in ("train", "train", "test", "val")]
    assert splits_told(rows, Path("t.csv"), []) == ["train", "train", "test", "val"]


def test_folders_that_name_split_and_class_at_once_are_refused(tmp_path: Path) -> None:
    for name in ("train_normal", "train_CAD", "test_normal", "test_CAD"):
        png(tmp_path / name / "a.png")
    with pytest.raises(DataError, match=r"got 4 folders such as test_CAD, .* such as test/CAD"):
        sources.find(tmp_path, None, [])


def test_lesions_of_normal_images_alone_are_pointed_out(tmp_path: Path) -> None:
    rows = ["path,label,lesion_boxes_xyxy"]
    for number in range(4):
        png(tmp_path / f"{number}.png")
        box = '"1,1,5,5"' if number % 2 else ""
        rows.append(f"{number}.png,{'normal' if number % 2 else 'CAD'},{box}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    notes: list[str] = []
    sources.find(tmp_path, None, notes)
    assert any(line.startswith("all 2 images with lesion boxes are normal") for line in notes)


def test_different_windows_are_said() -> None:
    assert note_of_windows({"a": (0.0, 100.0), "b": (0.0, 100.0)}) == []
    assert note_of_windows({"a": None, "b": None}) == []
    (said,) = note_of_windows({"a": (0.0, 100.0), "b": (5.0, 90.0), "c": None})
    assert said.startswith("the files name 2 different grey windows, such as 0 to 100 in a, and 1 ")
    (said,) = note_of_windows({"a": (0.0, 100.0), "c": None})
    assert said.startswith("the files name a grey window, such as 0 to 100 in a, and 1 images have")


@pytest.mark.parametrize("name", ["x0_Maske.png", "x0_掩码.png", "Masken/x0.png", "x0_máscara.png"])
def test_masks_in_other_languages_are_masks(name: str) -> None:
    masks, _ = tell_apart(["x0.png", name], lambda _: None)
    assert masks == {"x0.png": name}
