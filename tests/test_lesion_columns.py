"""Columns of lesions in a manifest, as people call them: read where sure, else said to be not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from CONFIG import Config
from data import sources
from data.lesion_columns import BOXES, with_known_names, with_points
from data.lesion_notes import notes_of_lesions
from data.preparation import Prepared, prepare_one
from data.readers import DataError
from data.samples import Sample


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two images, and for each a mask that its name does not tell."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), rng.integers(0, 256, (40, 48), np.uint8))
        cv2.imwrite(str(tmp_path / f"drawn_{name}.png"), np.eye(40, 48, dtype=np.uint8))
    return tmp_path


def listed(root: Path, columns: str, cells: str, of_others: str = "") -> tuple[Sample, str]:
    """The image a.png, whose row has these cells, and all notes."""
    rows = [f"path,label,{columns}", f"a.png,abnormal,{cells}", f"b.png,normal,{of_others}"]
    (root / "manifest.csv").write_text("\n".join(rows))
    notes: list[str] = []
    return sources.find(root, None, notes)[1][0], "\n".join(notes)


@pytest.mark.parametrize(
    "name",
    ["lesion boxes xyxy", "boxes_xyxy", "bbox_xyxy", "Lesion-Boxes-XYXY", "BoundingBox_xyxy"],
)
def test_boxes_are_read_where_the_column_says_their_order(raw: Path, name: str) -> None:
    sample, notes = listed(raw, name, '"3,4,20,30"')
    assert sample.boxes == [(3, 4, 20, 30)]
    assert f"column {name} is read as lesion_boxes_xyxy" in notes
    assert name not in sample.more


@pytest.mark.parametrize("name", ["lesion_boxes_xywh", "bbox_xywh", "boxes xywh"])
@pytest.mark.parametrize("cell", ['"3,4,17,26;1,2,3,4"', '"3,0;4,0;17,0;26,0;1;2;3;4"'])
def test_boxes_of_widths_and_heights_are_turned(raw: Path, name: str, cell: str) -> None:
    sample, notes = listed(raw, name, cell)
    assert sample.boxes == [(3, 4, 20, 30), (1, 2, 4, 6)]
    assert f"column {name} is read as x,y,width,height and becomes lesion_boxes_xyxy" in notes


@pytest.mark.parametrize("name", ["lesion_boxes_xyxy ", "bbox_xywh"])
def test_what_is_no_box_is_refused_with_its_line(raw: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"manifest.csv, line 2: got the box '3,4,17'"):
        listed(raw, name, '"3,4,17"')


@pytest.mark.parametrize(
    "name", ["bbox", "boxes", "lesion_boxes", "bounding_box", "BBox", "boxes_cxcywh"]
)
def test_boxes_of_an_unknown_order_are_left_out_and_said(raw: Path, name: str) -> None:
    sample, notes = listed(raw, name, '"3,4,20,30"')
    assert not sample.boxes
    assert f"column {name} is not read: its name does not say what its numbers are" in notes
    assert "lesion_boxes_xyxy (x0,y0,x1,y1)" in notes


@pytest.mark.parametrize(
    "name", ["mask_path", "masks", "lesion_mask", "segmentation", "Mask File", "lesion_mask_path"]
)
def test_masks_are_read_under_another_name(raw: Path, name: str) -> None:
    sample, notes = listed(raw, name, "drawn_a.png")
    assert sample.mask == "drawn_a.png"
    assert f"column {name} is read as mask" in notes


def test_a_column_of_masks_that_names_no_file_is_left_out_and_said(raw: Path) -> None:
    sample, notes = listed(raw, "segmentation", f'"[[{"1,2," * 200}]]"')
    assert not sample.mask
    assert "column segmentation is not read: none of its cells, such as " in notes
    assert "names a file" in notes


def test_of_several_masks_a_missing_one_is_refused(raw: Path) -> None:
    with pytest.raises(DataError, match=r"line 3: no such file .*lost.png"):
        listed(raw, "mask_path", "drawn_a.png", "lost.png")


def test_our_own_column_is_read_before_others(raw: Path) -> None:
    sample, notes = listed(raw, "mask,mask_path", "drawn_a.png,drawn_b.png")
    assert sample.mask == "drawn_a.png"
    assert "column mask_path is not read: mask is" in notes


def test_an_empty_column_of_our_own_hides_no_other(raw: Path) -> None:
    assert listed(raw, "mask,mask_path", ",drawn_a.png", ",")[0].mask == "drawn_a.png"


@pytest.mark.parametrize("name", ["box_count", "mask_used", "lesion", "segments", "vessel_mask"])
def test_columns_of_something_else_are_kept_and_not_taken_for_masks(raw: Path, name: str) -> None:
    sample, notes = listed(raw, name, "drawn_a.png")
    assert sample.more[name] == "drawn_a.png"
    assert "is not read" not in notes
    assert f"which the manifest names in column {name} alone; such as drawn_a.png" in notes


def test_an_empty_column_is_not_spoken_of(raw: Path) -> None:
    assert "column" not in listed(raw, "bbox,mask_path", ",", ",")[1]


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


def test_a_mask_of_several_images_is_said(raw: Path) -> None:
    notes = listed(raw, "mask", "drawn_a.png", "drawn_a.png")[1]
    assert "1 masks belong to more than one image each, such as drawn_a.png to 2" in notes
    assert "more than one" not in listed(raw, "mask", "drawn_a.png", "drawn_b.png")[1]


@pytest.mark.parametrize(("height", "width", "fits"), [(40, 48, True), (80, 96, False)])
def test_boxes_of_a_picture_of_another_size_are_refused(
    raw: Path, height: int, width: int, fits: bool
) -> None:
    columns = "Width,height,lesion_boxes_xyxy"
    sample, _ = listed(raw, columns, f'{width},{height},"1,1,9,9"', f"{width},{height},")
    made = prepare_one(sample, raw, Config(image_size=32), raw / "manifest.csv")
    assert isinstance(made, str) != fits
    if not fits:
        assert "line 2: " in str(made) and "boxes of an image of 80 x 96 px" in str(made)


def prepared(raw: Path, columns: str, cells: str, of_others: str) -> list[Prepared]:
    """The image a.png, which is abnormal, and b.png, which is normal, with these cells."""
    listed(raw, columns, cells, of_others)
    samples = sources.find(raw, None, [])[1]
    made = [prepare_one(each, raw, Config(image_size=32), raw / "manifest.csv") for each in samples]
    return [each for each in made if isinstance(each, Prepared)]


@pytest.mark.parametrize(("column", "cell"), [("mask", "drawn_b.png"), (BOXES, '"1,1,9,9"')])
def test_a_lesion_on_a_normal_image_is_said(raw: Path, column: str, cell: str) -> None:
    notes = notes_of_lesions(prepared(raw, column, "", cell), "abnormal")
    assert "1 normal images have lesions, such as b.png" in "".join(notes)
    notes = notes_of_lesions(prepared(raw, column, cell, ""), "abnormal")
    assert notes == ["1 of 1 images of abnormal have a known lesion"]


def test_an_empty_mask_of_a_diseased_image_is_said(raw: Path) -> None:
    cv2.imwrite(str(raw / "drawn_a.png"), np.zeros((40, 48), np.uint8))
    notes = notes_of_lesions(prepared(raw, "mask", "drawn_a.png", "drawn_a.png"), "abnormal")
    assert len(notes) == 1
    assert "1 images of abnormal have a mask without a lesion, such as a.png" in notes[0]
