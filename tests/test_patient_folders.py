"""Folders of patients within class folders."""

from data.patient_folders import patients_within


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
