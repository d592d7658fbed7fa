"""Manifests by any name, and class folders within a folder called labels."""

from pathlib import Path

import pytest

import CONFIG
from data import tree
from data.prepare import prepare
from data.readers import DataError
from tests.raw_folders import CLASSES, UNKNOWN, counts, found, holding, picture, pictures_in, table


@pytest.mark.parametrize("name", ["Manifest.CSV", "MANIFEST.csv", "manifest.CSV"])
def test_a_manifest_is_read_whatever_the_case_of_its_name(tmp_path: Path, name: str) -> None:
    samples, notes = found(table(tmp_path, name, patient=["P1", "P1", "P2", "P3", "P4", "P5"]))
    assert len(samples) == 6
    assert samples[0].group == samples[1].group != ""
    assert "left out" not in notes


def test_faults_of_a_box_name_the_manifest_as_it_is_called(tmp_path: Path) -> None:
    raw = table(tmp_path / "raw", "Manifest.CSV", lesion_boxes_xyxy=['"0.1,0.1,0.5,0.5"'] * 6)
    with pytest.raises(DataError, match=r"Manifest\.CSV, line 2"):
        prepare(raw, tmp_path / "made", CONFIG.Config(image_size=16, patch_size=8))


def test_two_manifests_that_differ_in_case_are_refused(tmp_path: Path) -> None:
    for name in ("manifest.csv", "Manifest.CSV"):
        table(tmp_path, name)
    if len(list(tmp_path.glob("*.[cC]*"))) < 2:
        pytest.skip("this disk does not tell capitals from small letters")
    with pytest.raises(DataError, match=r"got Manifest\.CSV and manifest\.csv, wanted one"):
        found(tmp_path)


LABELLED = ["labels", "annotations", "Label", "data/labels"]


@pytest.mark.parametrize("folder", LABELLED)
@pytest.mark.parametrize("classes", [CLASSES, UNKNOWN])
def test_class_folders_inside_labels_that_hold_the_only_images_are_classes(
    tmp_path: Path, folder: str, classes: tuple[str, str]
) -> None:
    samples, _ = found(pictures_in(tmp_path, *holding((folder,), classes)))
    assert counts(samples) == {("", each): 3 for each in classes}


def test_labels_inside_splits_hold_classes_too(tmp_path: Path) -> None:
    samples, _ = found(pictures_in(tmp_path, *holding(("train/labels", "val/labels"))))
    assert counts(samples) == {(side, each): 3 for side in ("train", "val") for each in CLASSES}


def test_masks_inside_class_folders_inside_labels_stay_masks(tmp_path: Path) -> None:
    pictures_in(tmp_path, *holding(("labels",)))
    picture(tmp_path / "labels/normal/p0_mask.png", 9, greys=2)
    assert tree.look(tmp_path).masks["labels/normal/p0.png"] == "labels/normal/p0_mask.png"


@pytest.mark.parametrize(
    ("folders", "greys"),
    [
        (holding(("labels",)), 2),  # black and white: they are masks
        (holding(("labels",)), 3),
        (holding(("masks",)), 256),
        (["labels"], 256),
        (["labels/normal"], 256),
    ],
)
def test_masks_without_images_are_refused(tmp_path: Path, folders: list[str], greys: int) -> None:
    pictures_in(tmp_path, *folders, greys=greys)
    with pytest.raises(DataError, match="look like masks but belong to no image"):
        found(tmp_path)


def test_masks_in_labels_beside_images_stay_masks(tmp_path: Path) -> None:
    pictures_in(tmp_path, *holding(("images",)))
    pictures_in(tmp_path, *holding(("labels",)), greys=2)
    assert {each.mask for each in found(tmp_path)[0]} == {
        f"labels/{label}/p{number}.png" for label in CLASSES for number in range(3)
    }
