"""data/group_columns.py: which images belong together, as columns say."""

from pathlib import Path

import pytest

from data.group_columns import columns_among, groups_of, patient_in
from tests.raw_folders import UNKNOWN, found, picture

LABELS = ["x", "y"] * 4


def tied(notes: list[str] | None = None, **values: list[str]) -> list[str]:
    """The groups of images whose columns are ``values``."""
    columns = {level: level for level in values}
    return groups_of(values, LABELS, columns, [] if notes is None else notes)


@pytest.mark.parametrize(
    "name",
    [
        *["patient_no", "patient_nr", "pat_id", "pt_id", "patient_code", "Patient UID"],
        *["id_patient", "Patientennummer", "Patienten-ID", "No. patient", "N° patient"],
        *["ID paziente", "Numéro patient", "Numéro de patient", "N.º paciente", "患者编号"],
    ],
)
def test_names_of_a_column_for_patients(name: str) -> None:
    assert columns_among(["path", "label", name]) == {"patient": name}


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("subj_id", "subject"),
        ("anon_id", "patient"),
        ("SeriesInstanceUID", "series"),
        ("Patient Study ID", "study"),
        ("Fallnummer", "case"),
    ],
)
def test_names_of_other_columns(name: str, level: str) -> None:
    assert columns_among(["path", "label", name]) == {level: name}


@pytest.mark.parametrize(("one", "other"), [("P003", "p003"), ("007", "7"), ("A  1", " a 1")])
def test_an_id_that_was_typed_otherwise_is_the_same(one: str, other: str) -> None:
    notes: list[str] = []
    others = ["a8", "a9", "b8", "b9", "c8", "c9"]
    groups = tied(notes, patient=[one, other, *others])
    assert groups[0] == groups[1] and len(set(groups)) == 7
    assert "differ only in case, blanks or leading zeros are one" in notes[0]


def test_zeros_within_an_id_stay() -> None:
    assert len(set(tied(patient=["P10", "P1", "P100", "P01", "Q2", "Q3", "Q4", "Q5"]))) == 7


def test_an_image_without_a_patient_goes_with_its_study() -> None:
    groups = tied(
        patient=["p1", "", "p2", "", "p3", "", "p4", ""],
        study=["s1", "s1", "s2", "s2", "s3", "s3", "s4", "s4"],
    )
    assert groups == [f"patient p{number}" for number in (1, 1, 2, 2, 3, 3, 4, 4)]


def test_vessels_of_one_name_do_not_tie_patients() -> None:
    patients = ["p1", "p1", "p2", "p2", "p3", "p3", "", ""]
    groups = tied(patient=patients, vessel=["LAD"] * 4 + ["RCA", "LAD", "LAD", "RCA"])
    assert groups[:6] == [f"patient {name}" for name in patients[:6]]
    assert len(set(groups)) == 5


def test_a_case_of_its_own_for_each_image_does_not_split_a_study() -> None:
    notes: list[str] = []
    groups = tied(
        notes, case=list("abcdefgh"), study=["s1", "s1", "s2", "s2", "s3", "s3", "s4", "s4"]
    )
    assert len(set(groups)) == 4
    assert notes[0] == "case differs from image to image, so study is used"


def test_the_name_of_a_trial_is_no_study() -> None:
    count = 60
    values = {"case": [f"c{k}" for k in range(count)], "study": ["A", "B"] * (count // 2)}
    columns = {"case": "case", "study": "study"}
    assert len(set(groups_of(values, ["x", "y"] * (count // 2), columns, []))) == count


def test_one_study_under_two_patients_is_one_group() -> None:
    uids = [f"1.2.840.{number // 2}" for number in range(8)]
    groups = tied(patient=[f"p{number}q" for number in range(8)], study=uids)
    assert len(set(groups)) == 4


def test_visits_that_every_patient_has_tie_nobody() -> None:
    patients = ["p1", "p1", "p2", "p2", "p3", "p3", "p4", "p4"]
    assert len(set(tied(patient=patients, study=["1", "2"] * 4))) == 4


def test_patients_who_are_numbered_from_zero_are_all_known() -> None:
    values = {"patient": ["0", "0", "1", "1", "2", "2"]}
    notes: list[str] = []
    found = groups_of(values, ["x", "y"] * 3, {"patient": "patient"}, notes)
    assert found == [f"patient {name}" for name in values["patient"]]
    assert notes == ["images with the same patient stay on one side of the split"]


@pytest.mark.parametrize(("level", "name"), [("patient", "7"), ("vessel", ""), ("study", "")])
def test_a_group_tells_the_name_of_a_patient_alone(level: str, name: str) -> None:
    groups = tied(**{level: ["7", "7", "8", "8", "9", "9", "10", "10"]})
    assert patient_in(groups[0]) == name


def test_of_a_patient_and_the_patients_study_the_patient_is_the_wider() -> None:
    assert list(columns_among(["Patient Study ID", "Patient"])) == ["patient", "study"]


def test_patients_that_differ_in_the_letter_at_their_end_are_said() -> None:
    notes: list[str] = []
    tied(notes, patient=["P1a", "P1b", "P2a", "P2b", "P3", "P4", "P5", "P6"])
    assert "patient: 4 names differ only in the letter at their end, such as 'P1a'" in notes[0]


def test_a_patient_beside_one_with_a_letter_is_said() -> None:
    notes: list[str] = []
    tied(notes, patient=["P1", "P1a", "P2", "P2", "P3", "P4", "P5", "P6"])
    assert "patient: 2 names differ only in the letter at their end, such as 'P1' and" in notes[0]


@pytest.mark.parametrize("names", [("Case", "Control"), ("open", "Narrow"), ("CAD", "healthy")])
@pytest.mark.parametrize("column", ["Group", "patient"])
def test_a_column_of_class_words_ties_nobody(
    tmp_path: Path, column: str, names: tuple[str, str]
) -> None:
    lines = [f"path,label,{column}"]
    for number in range(8):
        picture(tmp_path / f"{number}.png", number)
        lines.append(f"{number}.png,{UNKNOWN[number % 2]},{names[number // 2 % 2]}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    samples, notes = found(tmp_path)
    assert {each.group for each in samples} == {""}
    assert f"{column.lower()} holds words for classes, such as " in notes


def test_numbers_that_a_spreadsheet_has_rounded_are_said() -> None:
    notes: list[str] = []
    tied(notes, patient=["1.23457E+11", "1.23457E+11", "P2", "P2", "P3", "P4", "P5", "P6"])
    assert "patient: 2 cells, such as 1.23457E+11, are numbers that a spreadsheet" in notes[0]
