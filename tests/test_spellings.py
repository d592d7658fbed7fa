"""What is the same in another spelling: accents, hyphens, zeros, and what stays apart."""

import unicodedata
from pathlib import Path

import pytest

from data.group_columns import groups_of
from data.inputs import gather
from data.layout import Layout
from data.truths import class_of
from data.words import meaning_of, one_spelling
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


@pytest.mark.parametrize(("label", "truth"), [("0", ""), ("1", ""), ("2", "2")])
def test_0_and_1_are_not_the_classes_1_and_2(label: str, truth: str) -> None:
    assert class_of(label, ["1", "2"]) == truth


@pytest.mark.parametrize("written", ["Gef\u00e4\u00df.png", " Gef\u00e4\u00df.png ", "sub\\a.png"])
def test_prediction_finds_the_truth_by_the_path_as_a_table_writes_it(
    tmp_path: Path, written: str
) -> None:
    stored = decomposed(written.strip().replace("\\", "/"))
    png(tmp_path / stored)
    (tmp_path / "manifest.csv").write_text(f"Path,Label\n{written},abnormal\n", encoding="utf-8")
    (found,) = gather([tmp_path / stored], ["normal", "abnormal"])
    assert found.truth == "abnormal"
