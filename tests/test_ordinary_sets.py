"""Ordinary data sets whose names only look like something else are understood as before."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.group_columns import columns_among, groups_of
from data.layout import Layout
from data.lesion_columns import with_known_names
from data.masks import pair
from data.readers import DataError
from data.split_words import fold_of
from data.words import meaning_of
from tests.raw_folders import counts, found, holding, picture, pictures_in


@pytest.mark.parametrize("other", ["person", "pt", "pat", "anon", "patients"])
def test_patient_id_goes_before_a_column_that_may_hold_anything(other: str) -> None:
    assert columns_among([other, "patient_id"]) == {"patient": "patient_id"}


PAIRS = [
    (("kinked", "smooth"), ("cranial", "caudal")),
    (("mild", "severe"), ("male", "female")),
    (("COVID", "nonCOVID"), ("CT", "Xray")),
]


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_classes_stay_classes_whatever_all_of_them_hold(
    tmp_path: Path, outer: tuple[str, str], inner: tuple[str, str]
) -> None:
    samples, notes = found(pictures_in(tmp_path, *holding(outer, inner)))
    assert {each.label for each in samples} == set(outer)
    assert "and not the folders in each of them" in notes


@pytest.mark.parametrize("outer", [("siteA", "siteB"), ("hospital_1", "hospital_2")])
def test_places_that_hold_the_same_classes_are_no_classes(
    tmp_path: Path, outer: tuple[str, str]
) -> None:
    samples, _ = found(pictures_in(tmp_path, *holding(outer, ("open", "narrow"))))
    assert {each.label for each in samples} == {"open", "narrow"}


HARD = [
    "p1_roi_1.3.6.1.4.1.14519.5.2.1.6279.6001.100225287222365663678666836860_slice_012",
    "a1_gt2023010112304512345678_x_y",
    "x" + "_seg" * 60,
    "mask" * 60,
    "p1_label_map_" * 18,
]


@pytest.mark.parametrize("name", HARD)
def test_no_name_takes_long(name: str) -> None:
    start = time.process_time()
    pair([f"normal/{name}.png", "normal/p1.png"])
    assert time.process_time() - start < 0.5


def test_many_patients_around_classes_do_not_take_long() -> None:
    names = [
        f"A{i}x/{label}/{j}.png"
        for i in range(3000)
        for label in ("normal", "abnormal")
        for j in "12"
    ]
    start = time.process_time()
    assert len(Layout(names).places) == len(names)
    assert time.process_time() - start < 5


def test_many_folders_of_masks_do_not_take_long() -> None:
    names = [name for i in range(3000) for name in (f"{i}/img/1.png", f"{i}/masks/1.png")]
    start = time.process_time()
    masks, lone = pair(names)
    assert (len(masks), lone) == (3000, [])
    assert time.process_time() - start < 5


WITHIN = [
    ("2019", "2020"),
    ("LAO30", "RAO30", "LAO45", "RAO45", "AP", "Lateral"),
    ("LAD", "LCX", "RCA", "LM", "D1", "OM1", "PDA"),
    tuple(f"batch{number}" for number in range(8)),
]


@pytest.mark.parametrize("inner", WITHIN)
def test_folders_that_every_class_has_are_no_patients(
    tmp_path: Path, inner: tuple[str, ...]
) -> None:
    samples, notes = found(pictures_in(tmp_path, *holding(("normal", "abnormal"), inner)))
    assert {each.group for each in samples} == {""}
    assert "are taken for no patients; if they are, --group ties them" in notes


def test_patients_below_kinds_of_disease_are_found(tmp_path: Path) -> None:
    names = [
        f"{label}/{label}_{k}/{label}_{k}_{p}/40X"
        for label in ("normal", "abnormal")
        for k in "abcd"
        for p in "xy"
    ]
    samples, _ = found(pictures_in(tmp_path, *names))
    assert len({each.group for each in samples}) == 16


def test_folders_of_patients_with_their_finding_are_refused(tmp_path: Path) -> None:
    names = [f"{number:03d}_{'normal' if number % 2 else 'stenosis'}" for number in range(24)]
    with pytest.raises(DataError, match="24 folders such as 000_stenosis, which look like pat"):
        found(pictures_in(tmp_path, *names))


def test_a_class_called_lesion_holds_no_masks_beside_other_classes(tmp_path: Path) -> None:
    samples, _ = found(pictures_in(tmp_path, "normal", "mild", "lesion", greys=2))
    assert counts(samples) == {("", name): 3 for name in ("normal", "mild", "lesion")}


def table(root: Path, column: str, cells: list[str]) -> Path:
    """A manifest of as many pictures as there are cells."""
    lines = [f"path,label,{column}"]
    for number, cell in enumerate(cells):
        picture(root / f"{number}.png", number)
        lines.append(f"{number}.png,{('normal', 'abnormal')[number % 2]},{cell}")
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


@pytest.mark.parametrize("words", [["TR"], ["test1", "test2"]])
def test_a_column_without_train_and_another_is_no_split(tmp_path: Path, words: list[str]) -> None:
    samples, notes = found(table(tmp_path, "dataset", words * 6))
    assert {each.split for each in samples} == {""}
    assert "the column dataset is not read as the split, for it does not have both" in notes


def test_development_is_train_beside_validation(tmp_path: Path) -> None:
    samples, _ = found(table(tmp_path, "set", ["development", "development", "validation"] * 4))
    assert [each.split for each in samples].count("train") == 8


def test_a_protocol_is_no_study() -> None:
    cases = [f"c{number}" for number in range(60)]
    values = {"case": cases, "study": ["CT", "MR", "XA"] * 20}
    columns = {"case": "case", "study": "exam"}
    assert len(set(groups_of(values, ["x", "y"] * 30, columns, []))) == 60


def test_studies_numbered_anew_for_each_patient_tie_no_one_else() -> None:
    values = {"patient": ["p1", "p2", "p1", "p2", "", ""], "study": ["1", "1", "2", "2", "1", "2"]}
    columns = {"patient": "patient", "study": "study"}
    groups = groups_of(values, ["x", "y"] * 3, columns, [])
    assert groups == ["patient p1", "patient p2"] * 2 + ["study 1", "study 2"]


@pytest.mark.parametrize("names", [("with_mask_1", "with_mask_2"), ("p3_segmentation_2", "p4_x")])
def test_a_picture_with_the_name_of_a_numbered_mask_is_an_image(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    for number, label in enumerate(("normal", "abnormal")):
        for name in names:
            picture(tmp_path / label / f"{name}.png", number)
    assert len(found(tmp_path)[0]) == 4


def test_pieces_of_a_picture_are_images(tmp_path: Path) -> None:
    pictures_in(tmp_path, "normal", "abnormal")
    piece = np.random.default_rng(0).integers(0, 256, (9, 11), np.uint8)
    cv2.imwrite(str(tmp_path / "abnormal" / "p1_roi_0.png"), piece)
    assert "abnormal/p1_roi_0.png" in {each.path for each in found(tmp_path)[0]}


SIGNS = [("Negative (-)", "normal"), ("CAD+/-", ""), ("false_negative", "")]


@pytest.mark.parametrize(("name", "meant"), SIGNS)
def test_signs_and_words_that_turn_a_class(name: str, meant: str) -> None:
    assert meaning_of(name) == meant


def test_codes_of_patients_are_no_folds() -> None:
    assert (fold_of("CV01"), fold_of("cv1"), fold_of("fold_01")) == ("", "1", "01")


def test_boxes_in_brackets_are_read(tmp_path: Path) -> None:
    rows = [{"path": "a", "bbox_xywh": "[[1, 2, 3, 4], [5, 6, 7, 8]]"}]
    (row,) = with_known_names(rows, tmp_path, [])
    assert row["lesion_boxes_xyxy"] == "1,2,4,6;5,6,12,14"


def test_numbers_with_points_keep_their_zeros() -> None:
    values = {"patient": ["1.01", "1.1", "2.0", "2.00"]}
    assert len(set(groups_of(values, ["x", "y"] * 2, {"patient": "id"}, []))) == 4
