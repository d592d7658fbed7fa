"""Folders that would become classes which they are not are refused; odd truths are pointed out."""

from pathlib import Path

import pytest

from data import sources
from data.readers import DataError
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


@pytest.mark.parametrize("spacing", ["nan", "0", "-0.3", "inf", "0.3 0.3 0.5", "small"])
def test_a_pixel_spacing_that_is_none_is_refused(tmp_path: Path, spacing: str) -> None:
    for name in ("a", "b"):
        png(tmp_path / f"{name}.png")
    rows = ["path,label,pixel_spacing_mm", f"a.png,normal,{spacing}", "b.png,abnormal,0.3 0.25"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"line 2: got the pixel spacing '.*', wanted one or two"):
        sources.find(tmp_path, None, [])
