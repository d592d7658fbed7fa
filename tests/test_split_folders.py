"""Folders and columns that are splits or folds, and hold classes: they are no classes."""

from pathlib import Path

import pytest

import CONFIG
from data import sources
from data.layout import Layout
from data.prepare import prepare
from data.readers import DataError
from data.split_columns import splits_told
from data.split_words import fold_of, split_of, splits_of
from tests.image_files import encode, picture
from tests.raw_folders import CLASSES, UNKNOWN, counts, found, holding, pictures_in, table

PAIRS = [
    ("01_train", "02_test"),
    ("trn", "tst"),
    ("train_set_1", "test_set_1"),
    ("split_train", "split_test"),
    ("train2017", "val2017"),
    ("train", "test1"),
    ("train", "external_test"),
    ("train_images_png", "val_images_png"),
]


@pytest.mark.parametrize("names", PAIRS)
@pytest.mark.parametrize("classes", [CLASSES, UNKNOWN])
def test_a_split_word_is_known_among_digits_and_other_words(
    tmp_path: Path, names: tuple[str, str], classes: tuple[str, str]
) -> None:
    samples, notes = found(pictures_in(tmp_path, *holding(names, classes)))
    other = "val" if "val" in names[1] else "test"
    assert counts(samples) == {(side, each): 3 for side in ("train", other) for each in classes}
    assert f"{names[1]} is {other}" in notes


@pytest.mark.parametrize("name", ["normal_test_patient", "stress_test", "latest", "t1", "splits"])
def test_a_split_word_within_others_means_no_split(name: str) -> None:
    assert split_of(name) == ""


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["train", "eval"], "val"),
        (["train", "eval", "test"], "val"),
        (["train", "val", "eval"], "test"),
        (["train", "dev", "evaluation"], "test"),
    ],
)
def test_eval_is_validation_unless_another_split_is(names: list[str], meant: str) -> None:
    assert next(split for name, split in splits_of(names).items() if "eval" in name) == meant


@pytest.mark.parametrize("classes", [CLASSES, UNKNOWN])
@pytest.mark.parametrize(("name", "split"), [("eval", "val"), ("test", "test"), ("val2", "val")])
def test_a_split_folder_beside_the_class_folders_is_that_split(
    tmp_path: Path, name: str, split: str, classes: tuple[str, str]
) -> None:
    samples, notes = found(pictures_in(tmp_path, *classes, *holding((name,), classes)))
    assert counts(samples) == {(side, each): 3 for side in ("train", split) for each in classes}
    assert "images outside the split folders are taken for train" in notes


@pytest.mark.parametrize("classes", [CLASSES, UNKNOWN])
@pytest.mark.parametrize("inside", ["", "train/"])
def test_an_unknown_folder_beside_the_same_classes_is_refused(
    tmp_path: Path, classes: tuple[str, str], inside: str
) -> None:
    folders = [*classes, *holding(("extra",), classes)]
    pictures_in(tmp_path, *(f"{inside}{each}" for each in folders))
    first, second = sorted(classes)
    wanted = f"{inside}extra/ holds {first}/ and {second}/, and so does the folder around it"
    with pytest.raises(DataError, match=wanted):
        found(tmp_path)


def test_initials_of_a_patient_beside_other_patients_are_no_split(tmp_path: Path) -> None:
    samples, _ = found(pictures_in(tmp_path, *holding(("TR", "AB", "CD"))))
    assert counts(samples) == {("", label): 9 for label in CLASSES}


FOLDS = ["fold_{}", "fold{}", "cv{}", "split{}", "CV-Fold {}", "{}_fold", "fold_{}_of_5"]


@pytest.mark.parametrize("form", FOLDS)
@pytest.mark.parametrize("classes", [UNKNOWN, ("0", "1"), CLASSES])
def test_fold_folders_hold_classes_and_the_folds_are_said_to_be_lost(
    tmp_path: Path, form: str, classes: tuple[str, str]
) -> None:
    names = tuple(form.format(number) for number in range(1, 7))
    samples, notes = found(pictures_in(tmp_path, *holding(names, classes)))
    assert counts(samples) == {("", each): 18 for each in classes}
    assert f"6 folds such as {names[0]}/, which are not kept" in notes
    assert {each.group for each in samples} == {""}


@pytest.mark.parametrize("name", ["fold", "folded", "blindfold 2", "manifold1", "cv", "split"])
def test_a_fold_folder_has_a_fold_word_and_a_number(name: str) -> None:
    assert not fold_of(name)


def test_folds_inside_a_split_are_a_pool_of_that_split(tmp_path: Path) -> None:
    folders = [*holding(("train/fold1", "train/fold2"), UNKNOWN), *holding(("test",), UNKNOWN)]
    samples, _ = found(pictures_in(tmp_path, *folders))
    expected = {("train", each): 6 for each in UNKNOWN} | {("test", each): 3 for each in UNKNOWN}
    assert counts(samples) == expected


def test_folds_inside_classes_are_said_to_be_lost(tmp_path: Path) -> None:
    samples, notes = found(pictures_in(tmp_path, *holding(UNKNOWN, ("fold_1", "fold_2"))))
    assert counts(samples) == {("", each): 6 for each in UNKNOWN}
    assert "2 folds such as fold_1/, which are not kept" in notes


def test_folds_that_each_have_a_split_are_refused(tmp_path: Path) -> None:
    pictures_in(tmp_path, *holding(("fold_1/train", "fold_1/test", "fold_2/train", "fold_2/test")))
    with pytest.raises(DataError, match="fold_1/ has a split of its own, test/ and train/; give"):
        found(tmp_path)


def test_folders_of_any_name_that_hold_the_same_folders_are_no_classes(tmp_path: Path) -> None:
    samples, notes = found(pictures_in(tmp_path, *holding(("siteA", "siteB"), UNKNOWN)))
    assert counts(samples) == {("", each): 6 for each in UNKNOWN}
    assert "the class folders lie inside 2 folders such as siteA" in notes


@pytest.mark.parametrize(
    "inner",
    [("P1", "P2"), ("7", "8"), ("LAD", "RCA"), ("ST0", "ST1"), ("train", "test"), ("png", "jpg")],
)
def test_folders_inside_classes_that_cannot_be_classes_leave_them_so(
    tmp_path: Path, inner: tuple[str, str]
) -> None:
    samples, _ = found(pictures_in(tmp_path, *holding(UNKNOWN, inner)))
    assert {each.label for each in samples} == set(UNKNOWN)


@pytest.mark.parametrize("inner", [("0", "1"), ("class_0", "class_1"), ("grade 2", "grade 3")])
def test_numbered_classes_inside_folders_of_any_name_are_classes(
    tmp_path: Path, inner: tuple[str, str]
) -> None:
    samples, _ = found(pictures_in(tmp_path, *holding(("siteA", "siteB"), inner)))
    assert {each.label for each in samples} == set(inner)


def test_predictions_of_a_folder_never_fail_for_its_layout() -> None:
    names = ["normal/a.png", "abnormal/b.png", "extra/normal/c.png", "extra/abnormal/d.png"]
    assert Layout(names, CLASSES, direct=True).places["normal/a.png"].label == "normal"


SIDES = ["train", "train", "train", "train", "Test", "test"]
COLUMNS = ["subset", "set", "partition", "phase", "dataset", "data_split", "usage", "fold"]


@pytest.mark.parametrize("name", [*COLUMNS, "Subset", "Data Split"])
def test_a_column_of_split_words_is_the_split(tmp_path: Path, name: str) -> None:
    samples, notes = found(table(tmp_path, **{name: SIDES}))
    assert [each.split for each in samples] == [side.lower() for side in SIDES]
    assert f"the split is that of the column {name}: 2 test, 4 train" in notes


def test_the_folder_says_that_the_data_brought_the_split(tmp_path: Path) -> None:
    raw = table(tmp_path / "raw", subset=SIDES)
    config = CONFIG.Config(image_size=16, patch_size=8, border=0.0)
    made = prepare(raw, tmp_path / "made", config)
    assert made.info["split"] == "as the data brought it"
    assert len(made.of("test")) == 2


def test_a_column_called_split_goes_before_others(tmp_path: Path) -> None:
    samples, notes = found(table(tmp_path, split=["train"] * 5 + ["val"], subset=SIDES))
    assert [each.split for each in samples] == ["train"] * 5 + ["val"]
    assert "subset" not in notes


def test_two_columns_that_split_otherwise_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="columns subset and phase tell two splits; keep one"):
        found(table(tmp_path, subset=SIDES, phase=SIDES[::-1]))


def test_two_columns_that_split_alike_are_one(tmp_path: Path) -> None:
    samples, _ = found(table(tmp_path, subset=SIDES, phase=[each.upper() for each in SIDES]))
    assert {each.split for each in samples} == {"train", "test"}


@pytest.mark.parametrize("cell", ["extra", ""])
def test_a_column_with_other_words_is_not_read_and_that_is_said(tmp_path: Path, cell: str) -> None:
    samples, notes = found(table(tmp_path, subset=[*SIDES[:5], cell]))
    assert {each.split for each in samples} == {""}
    assert f"column subset is not read as the split: {cell!r} in 1 of 6 rows" in notes


@pytest.mark.parametrize("values", [["diastole"] * 6, ["1", "2"] * 3])
def test_a_column_without_split_words_is_passed_over(tmp_path: Path, values: list[str]) -> None:
    assert "split" not in found(table(tmp_path, phase=values))[1]


@pytest.mark.parametrize("values", [["0", "1", "2"] * 2, ["fold_1", "fold_2"] * 3])
def test_a_column_of_folds_is_said_to_be_unused(tmp_path: Path, values: list[str]) -> None:
    samples, notes = found(table(tmp_path, fold=values))
    assert {each.split for each in samples} == {""}
    assert "the folds of the column fold are not kept" in notes


@pytest.mark.parametrize("name", ["train_test_split", "type", "Data Split Type"])
def test_a_column_of_any_name_with_words_for_splits_alone_is_read(name: str) -> None:
    rows = [{name: cell} for cell in ("train", "train", "test", "val")]
    assert splits_told(rows, Path("t.csv"), []) == ["train", "train", "test", "val"]


def test_a_column_called_group_that_tells_the_split_ties_nobody(tmp_path: Path) -> None:
    rows = ["path,label,group"]
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(encode(".png", picture(number)))
        rows.append(f"{number}.png,{CLASSES[number % 2]},{'test' if number > 5 else 'train'}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    samples = sources.find(tmp_path, None, [])[1]
    assert [sample.split for sample in samples] == ["train"] * 6 + ["test"] * 2
    assert not any(sample.group for sample in samples)


@pytest.mark.parametrize(
    ("name", "split"), [("Entrenamiento", "train"), ("测试集", "test"), ("Validierung", "val")]
)
def test_split_words_of_other_languages(name: str, split: str) -> None:
    assert split_of(name) == split


FLAGS: list[tuple[dict[str, list[str]], list[str]]] = [
    ({"is_test": ["0", "0", "1", "1"]}, ["train", "train", "test", "test"]),
    ({"isVal": ["False", "no", "", "TRUE"]}, ["train", "train", "train", "val"]),
    ({"train": ["1", "1", "0", "0"], "test": ["0", "0", "1", "1"]}, ["train"] * 2 + ["test"] * 2),
]


@pytest.mark.parametrize(("columns", "splits"), FLAGS)
def test_columns_of_yes_and_no_are_the_split(
    columns: dict[str, list[str]], splits: list[str]
) -> None:
    notes: list[str] = []
    rows = [{name: cells[i] for name, cells in columns.items()} for i in range(4)]
    assert splits_told(rows, Path("t.csv"), notes) == splits
    assert f"the split is that of the columns {' and '.join(columns)}" in notes[0]


OPEN: list[tuple[dict[str, list[str]], str]] = [
    ({"is_train": ["1", "0"]}, "column is_train does not tell the whole split; write a column"),
    ({"test": ["true", "false"]}, "column test does not tell the whole split; write a column"),
    ({"is_train": ["1", "0"], "is_test": ["1", "0"]}, "line 2: .* say test and train, wanted one"),
    ({"is_train": ["1", "0"], "is_test": ["0", ""], "x": ["", ""]}, "column is_train does not"),
    ({"split": ["train", "test"], "is_test": ["1", "0"]}, "is_test and that of the split differ"),
]


@pytest.mark.parametrize(("columns", "fault"), OPEN)
def test_columns_of_yes_and_no_that_leave_the_split_open_are_refused(
    columns: dict[str, list[str]], fault: str
) -> None:
    rows = [{name: cells[i] for name, cells in columns.items()} for i in range(2)]
    with pytest.raises(DataError, match=fault):
        splits_told(rows, Path("t.csv"), [])
