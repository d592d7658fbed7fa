"""Which files are masks or annotated copies of images, by their names and by what they hold."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data import sources, tree
from data.mask_names import is_mask_folder
from data.masks import tell_apart

MASKS = [
    "p0_mask_1",
    "p0_mask1",
    "maskp0",
    "p0mask",
    "P0_MASK",
    "p0_mask_LAD",
    "p0_binary_mask",
    "p0_lesion_mask",
    "p0.mask",
    "p0 (mask)",
    "p0_lesion",
    "p0_roi",
    "p0_msk",
    "p0_seg_1",
    "p0_label_map",
    "p0_labelmap",
    "p0_ground truth",
    "p0_annotated",
    "gt5_p0",
    "p0_bin",
    "p0-BW",
    "p0_stenosis",
    "p0_annot",
    "p0_label",
    "p0_contour",
]
FOLDERS = [
    "lesion_masks",
    "binary_masks",
    "GT_masks",
    "mask_images",
    "masks_256",
    "masks_png",
    "ground truth",
    "SegmentationClass",
    "manual_segmentations",
    "ROI",
    "contours",
    "lesions",
    "annot",
    "annotations_png",
    "plaques_bin",
]


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


def picture(path: Path) -> Path:
    noise = np.random.default_rng(sum(map(ord, path.as_posix()))).normal(90, 60, (24, 32))
    return save(path, np.clip(noise, 0, 255).astype(np.uint8))


def mask(path: Path) -> Path:
    pixels = np.zeros((24, 32), np.uint8)
    pixels[5:9, 7:12] = 255
    return save(path, pixels)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Class folders of three images each, whose names are the same in both."""
    for label in ("normal", "abnormal"):
        for number in range(3):
            picture(tmp_path / label / f"p{number}.png")
    return tmp_path


def told(root: Path) -> tuple[list[str], dict[str, str], str]:
    """The images, the masks of those that have one, and all notes."""
    notes: list[str] = []
    _, samples, _ = sources.find(root, None, notes)
    masks = {each.path: each.mask for each in samples if each.mask}
    return [each.path for each in samples], masks, "\n".join(notes)


@pytest.mark.parametrize("name", MASKS)
def test_a_file_named_as_an_image_and_a_mask_is_its_mask(raw: Path, name: str) -> None:
    mask(raw / "abnormal" / f"{name}.png")
    images, masks, notes = told(raw)
    assert len(images) == 6
    assert masks == {"abnormal/p0.png": f"abnormal/{name}.png"}
    assert "1 masks beside images are used as theirs" in notes


@pytest.mark.parametrize("name", ["p0_annotated", "p0_lesion", "p0_mask", "p0_overlay", "p0-ROI-2"])
def test_a_picture_named_as_a_mask_of_an_image_is_left_out_as_its_copy(
    raw: Path, name: str
) -> None:
    picture(raw / "abnormal" / f"{name}.png")
    images, masks, notes = told(raw)
    assert len(images) == 6 and not masks
    assert "left out: 1 files, which are annotated copies: " in notes
    assert f"such as abnormal/{name}.png" in notes


@pytest.mark.parametrize(
    "name",
    [
        "p9_lesion",
        "p9_bin",
        "p9_annot",
        "p9_roi_1",
        "p0_cabin",
        "p9_seg_1",
        "segment2",
        "p0_segment2",
    ],
)
def test_a_picture_of_such_a_name_without_another_stays_an_image(raw: Path, name: str) -> None:
    picture(raw / "abnormal" / f"{name}.png")
    images, _, _ = told(raw)
    assert f"abnormal/{name}.png" in images


def test_a_mask_is_used_though_an_annotated_copy_lies_beside_it(raw: Path) -> None:
    mask(raw / "abnormal" / "p0_mask.png")
    picture(raw / "abnormal" / "p0_annotated.png")
    assert told(raw)[1] == {"abnormal/p0.png": "abnormal/p0_mask.png"}


def test_several_masks_of_an_image_are_left_out_with_what_to_do(raw: Path) -> None:
    for number in (1, 2):
        mask(raw / "abnormal" / f"p0_mask_{number}.png")
    images, masks, notes = told(raw)
    assert len(images) == 6 and not masks
    assert "left out: 2 files, which are one of several masks of an image: draw all" in notes


@pytest.mark.parametrize("name", ["p0_vessel_mask.png", "p0_mask_lumen.png", "vessel_masks/p0.png"])
def test_a_mask_of_vessels_is_not_taken_for_one_of_lesions(raw: Path, name: str) -> None:
    mask(raw / "abnormal" / name)
    images, masks, notes = told(raw)
    assert len(images) == 6 and not masks
    assert "left out: 1 files, which are masks of something else than lesions" in notes


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("place", ["abnormal/{}", "{}/abnormal", "abnormal/{}/deep"])
def test_a_folder_named_by_words_for_masks_holds_masks(raw: Path, place: str, name: str) -> None:
    made = mask(raw / place.format(name) / "p0.png")
    if place.endswith("deep"):
        (raw / "normal" / "p0.png").unlink()  # so that there is one image of that name around
    images, masks, _ = told(raw)
    assert masks == {"abnormal/p0.png": made.relative_to(raw).as_posix()}
    assert all(name not in image for image in images)


@pytest.mark.parametrize("words", ["masks", "annot", "roi", "contours_png", "stenosis"])
def test_masks_in_a_folder_named_as_that_of_the_images_are_theirs(raw: Path, words: str) -> None:
    for number in range(3):
        mask(raw / f"abnormal_{words}" / f"p{number}.png")
    images, masks, _ = told(raw)
    assert len(images) == 6 and len(masks) == 3


@pytest.mark.parametrize("name", ["lesion", "lesions", "contours", "ROI", "marked"])
def test_a_class_folder_of_pictures_is_no_folder_of_masks(tmp_path: Path, name: str) -> None:
    for label in ("normal", name):
        for number in range(3):
            picture(tmp_path / label / f"p{number}.png")
    (tmp_path / name / "p0.png").write_bytes(b"\x89PNG\r\n\x1a\ndamaged")
    assert len(told(tmp_path)[0]) == 6


@pytest.mark.parametrize("word", ["stenosis", "plaque", "lesions"])
def test_pictures_of_a_class_named_as_another_and_a_finding_are_its_images(
    raw: Path, word: str
) -> None:
    for number in range(3):
        picture(raw / f"abnormal_{word}" / f"p{number}.png")
    assert len(told(raw)[0]) == 9


def test_pictures_in_a_folder_of_annotated_copies_are_left_out(raw: Path) -> None:
    for number in range(3):
        picture(raw / "abnormal" / "annotated" / f"p{number}.png")
    images, _, notes = told(raw)
    assert len(images) == 6
    assert "left out: 3 files, which are annotated copies" in notes


def test_a_mask_of_no_image_in_a_folder_of_such_masks_is_no_image(raw: Path) -> None:
    for name in ("p0", "p1", "other"):
        mask(raw / "abnormal" / "ROI" / f"{name}.png")
    images, masks, notes = told(raw)
    assert len(images) == 6 and len(masks) == 2
    assert "belong to no image, or to several; such as abnormal/ROI/other.png" in notes


@pytest.mark.parametrize("name", ["label_0", "seg_1", "lesion", "images", "unmasked", "damask"])
def test_a_folder_that_may_be_a_class_is_not_one_of_masks_by_name(name: str) -> None:
    assert not is_mask_folder(name)


def test_of_names_that_differ_in_case_the_one_that_is_written_is_meant() -> None:
    masks, left_out = tell_apart(
        ["a.png", "A.png", "A_mask.png"], lambda name: None if "mask" in name else (24, 24)
    )
    assert masks == {"a.png": "", "A.png": "A_mask.png"}
    assert not left_out.files


def test_a_damaged_mask_is_not_left_out_but_kept_for_reading_to_refuse(raw: Path) -> None:
    (raw / "abnormal" / "p0_mask.png").write_bytes(b"\x89PNG\r\n\x1a\ndamaged")
    assert tree.look(raw).masks["abnormal/p0.png"] == "abnormal/p0_mask.png"


@pytest.mark.parametrize("name", ["x0_Maske.png", "x0_掩码.png", "Masken/x0.png"])
def test_masks_in_other_languages_are_masks(name: str) -> None:
    masks, _ = tell_apart(["x0.png", name], lambda _: None)
    assert masks == {"x0.png": name}
