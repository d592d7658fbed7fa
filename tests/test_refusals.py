"""Folders that would become classes which they are not are refused; odd truths are pointed out."""

import re
from pathlib import Path

import pytest

from data import sources
from data.readers import DataError
from tests.raw_folders import UNKNOWN, found, pictures_in
from tests.test_class_words import png


def test_folders_that_name_split_and_class_at_once_are_refused(tmp_path: Path) -> None:
    for name in ("train_normal", "train_CAD", "test_normal", "test_CAD"):
        png(tmp_path / name / "a.png")
    with pytest.raises(DataError, match=r"got 4 folders such as test_CAD, .* such as test/CAD"):
        sources.find(tmp_path, None, [])


def test_one_name_of_that_kind_beside_others_is_a_class(tmp_path: Path) -> None:
    for name in ("normal", "test_CAD"):
        png(tmp_path / name / "a.png")
    assert len(sources.find(tmp_path, None, [])[1]) == 2


def test_hospitals_that_hold_a_split_each_are_no_classes(tmp_path: Path) -> None:
    for place in ("HospA", "HospB"):
        for split in ("train", "test"):
            for label in ("normal", "CAD"):
                png(tmp_path / place / split / label / f"{place}.png")
    with pytest.raises(DataError, match=r"HospA/ has a split of its own, test/ and train/; wanted"):
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


def test_a_table_of_another_name_is_pointed_out(tmp_path: Path) -> None:
    png(tmp_path / "images" / "a.png")
    (tmp_path / "labels.csv").write_text("file,label\na.png,normal\n")
    with pytest.raises(DataError, match=r"if labels.csv holds the labels, save it as manifest.csv"):
        sources.find(tmp_path, None, [])
    (tmp_path / "labels.csv").rename(tmp_path / "images" / "_classes.csv")
    with pytest.raises(DataError, match=r"if images/_classes.csv holds the labels, save it as"):
        sources.find(tmp_path, None, [])


@pytest.mark.parametrize("spacing", ["nan", "0", "-0.3", "inf", "0.3 0.3 0.5", "small"])
def test_a_pixel_spacing_that_is_none_is_refused(tmp_path: Path, spacing: str) -> None:
    for name in ("a", "b"):
        png(tmp_path / f"{name}.png")
    rows = ["path,label,pixel_spacing_mm", f"a.png,normal,{spacing}", "b.png,abnormal,0.3 0.25"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"line 2: got the pixel spacing '.*', wanted one or two"):
        sources.find(tmp_path, None, [])


COPIES = ["normal (1)", "normal - Copy", "Kopie von normal", "normal_2", "normal2", "normal_old"]


@pytest.mark.parametrize("name", COPIES)
def test_a_copied_class_folder_is_refused(tmp_path: Path, name: str) -> None:
    pictures_in(tmp_path, "normal", "abnormal", name)
    wanted = re.escape(f"got a folder {name}/, which looks like a copy of the class normal; merge")
    with pytest.raises(DataError, match=wanted):
        sources.find(tmp_path, None, [])


@pytest.mark.parametrize("name", ["normal (1)", "Normal(2)", "healthy [1]", "normal - Copy"])
@pytest.mark.parametrize("other", ["abnormal", "abnormal (1)"])
def test_a_copy_without_its_class_is_refused(tmp_path: Path, name: str, other: str) -> None:
    pictures_in(tmp_path, name, other)
    with pytest.raises(DataError, match=r"looks like a copy of the class (abn|n|h)\w+; rename it"):
        sources.find(tmp_path, None, [])


NUMBERED = [("normal", "lesion_1", "lesion_2"), ("type", "type_2")]
NUMBERED += [("normal", "stenosis (1)", "stenosis (2)"), ("open", "grade (3)")]


@pytest.mark.parametrize("names", NUMBERED)
def test_numbered_classes_are_no_copies(tmp_path: Path, names: tuple[str, ...]) -> None:
    pictures_in(tmp_path, *names)
    assert {each.label for each in found(tmp_path)[0]} == set(names)


SPARES = ["backup", "old_2023", "New folder (2)", "misc", "unsorted", "ToDo", "Neuer Ordner"]


@pytest.mark.parametrize("name", [*SPARES, "backup/normal"])
@pytest.mark.parametrize("inside", ["", "data/", "train/"])
def test_a_folder_that_is_no_class_by_its_name_is_left_out(
    tmp_path: Path, name: str, inside: str
) -> None:
    pictures_in(tmp_path, f"{inside}normal", f"{inside}abnormal", f"{inside}{name}")
    samples, notes = found(tmp_path)
    assert {each.label for each in samples} == {"normal", "abnormal"} and len(samples) == 6
    assert "left out: 3 files, which lie in a folder that is no class by its name" in notes
    assert f"such as {inside}{name}/p0.png" in notes


@pytest.mark.parametrize("name", [*SPARES, "archive", "Copy of images"])
@pytest.mark.parametrize("inside", ["", "data/", "train/"])
def test_such_a_folder_beside_unknown_names_is_refused(
    tmp_path: Path, name: str, inside: str
) -> None:
    pictures_in(tmp_path, *(f"{inside}{each}" for each in (*UNKNOWN, name)))
    with pytest.raises(DataError, match=rf"got a (class )?folder {re.escape(name)}/"):
        sources.find(tmp_path, None, [])


@pytest.mark.parametrize("names", [("old", "new"), ("normal/old", "abnormal/old", "abnormal/new")])
def test_such_folders_count_where_no_known_class_is_beside_them(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    pictures_in(tmp_path, *names)
    samples, notes = found(tmp_path)
    assert len(samples) == 3 * len(names) and "left out" not in notes
