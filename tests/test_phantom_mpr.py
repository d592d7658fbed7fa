"""phantoms/mpr.py: what one made-up reformation shows, and what a written folder holds."""

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from phantoms import scanner
from phantoms.coronaries import STEP
from phantoms.lesions import READ
from phantoms.mpr import COLUMNS, MprPhantom, _render, examine, phantom, write

SIZE = 64


@pytest.fixture(scope="module")
def stream() -> list[MprPhantom]:
    return [phantom(3, index, SIZE) for index in range(72)]


def middle_of(mask: np.ndarray) -> np.ndarray:
    """(2,) of the picture's edge."""
    return np.argwhere(mask).mean(0) / len(mask)


def test_a_picture_depends_on_seed_and_index_alone(stream: list[MprPhantom]) -> None:
    again = phantom(3, 17, SIZE)
    assert np.array_equal(again.image, stream[17].image)
    assert np.array_equal(again.lesion, stream[17].lesion)
    assert not np.array_equal(again.image, phantom(4, 17, SIZE).image)


def test_no_two_pictures_are_equal(stream: list[MprPhantom]) -> None:
    assert len({made.image.tobytes() for made in stream}) == len(stream)


def test_form(stream: list[MprPhantom]) -> None:
    for index, made in enumerate(stream):
        assert (made.patient, made.view) == (index // 4, index % 2)
        for pixels in (made.image, made.lumen, made.vessel, made.lesion):
            assert pixels.shape == (SIZE, SIZE) and pixels.dtype == np.uint8
        assert 80 <= made.field <= 230


@pytest.mark.parametrize("index", range(4))
def test_another_size_shows_the_same_anatomy(index: int) -> None:
    small, large = phantom(0, index, 128), phantom(0, index, 256)
    assert np.abs(middle_of(small.vessel) - middle_of(large.vessel)).max() < 0.02
    assert (small.label, small.lesions, small.field) == (large.label, large.lesions, large.field)
    shrunk = cv2.resize(large.image, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(shrunk.ravel(), small.image.ravel())[0, 1] > 0.95


def test_the_label_is_whether_there_is_a_lesion(stream: list[MprPhantom]) -> None:
    for made in stream:
        assert (made.label == "abnormal") == made.lesion.any() == bool(made.lesions)
        assert len(made.boxes) == len(made.lesions) <= 3
        assert not (made.lesion & ~made.vessel).any() or SIZE < 128  # thinner than a pixel
        covered = np.zeros_like(made.lesion)
        for x0, y0, x1, y1 in made.boxes:
            assert 0 <= x0 < x1 <= SIZE and 0 <= y0 < y1 <= SIZE
            covered[y0:y1, x0:x1] = 1
        assert not (made.lesion & ~covered).any()


def test_labels_arteries_and_kinds_are_mixed(stream: list[MprPhantom]) -> None:
    assert 0.3 < np.mean([made.label == "abnormal" for made in stream]) < 0.7
    assert {made.artery for made in stream} == {"RCA", "LAD", "LCX"}
    assert {made.form for made in stream} == {"stretched", "projected", "straightened"}
    kinds = {lesion.kind for made in stream for lesion in made.lesions}
    assert kinds == {"calcified", "soft", "mixed"}


def test_views_of_one_vessel_share_patient_and_lesions(stream: list[MprPhantom]) -> None:
    for first, second in zip(stream[::2], stream[1::2], strict=True):
        assert (first.patient, first.artery, first.label, first.lesions) == (
            second.patient,
            second.artery,
            second.label,
            second.lesions,
        )
        assert (first.view, second.view) == (0, 1)


def test_two_vessels_of_a_patient_are_two_arteries(stream: list[MprPhantom]) -> None:
    for first, other in zip(stream[::4], stream[2::4], strict=True):
        assert first.patient == other.patient and first.artery != other.artery


def test_the_lumen_is_as_narrow_as_the_grade_says() -> None:
    device = replace(scanner.USUAL, straightened=1.0, projected=0.0, mirrored=0.0, step=0.0)
    misses = []
    for patient in range(24):
        exam = examine(5, patient, 0, 1.0, device)
        artery = exam.traced.artery
        made = _render(exam, [5, patient, 1, 1], 512, device)
        for lesion, (_, top, _, bottom) in zip(made.lesions, made.boxes, strict=True):
            healthy = 2 * artery.radius[round(lesion.centre / STEP)]
            if lesion.place == "ostial":  # it may lie partly within the aorta
                continue
            row = (top + bottom) // 2
            open_mm = made.lumen[row - 2 : row + 3].sum(1).min() * made.field / 512
            # the track wanders by up to 0.3 mm, so that the cut may miss the middle
            assert abs(open_mm - healthy * (1 - lesion.grade / 100)) < 0.6
            misses.append(abs(100 * (1 - open_mm / healthy) - lesion.grade))
    assert len(misses) >= 5 and np.median(misses) < 8


def test_another_scanner_makes_other_pictures(tmp_path: Path) -> None:
    pictures = []
    for name in ("usual", "other"):
        table = write(tmp_path / name, 1, 1, 1, 64, 1.0, 2, name, 1)
        with table.open(newline="") as file:
            (row,) = csv.DictReader(file)
        pictures.append(cv2.imread(str(table.parent / row["path"]), 0))
    usual, other = pictures
    assert not np.array_equal(usual, other)
    with pytest.raises(ValueError, match="scanner: got x, wanted one of usual, other"):
        write(tmp_path / "new", 1, 1, 1, 64, 1.0, 2, "x")


def test_a_mirrored_picture_is_mirrored_with_its_masks() -> None:
    plain, mirrored = (
        phantom(4, 1, SIZE, device=replace(scanner.USUAL, mirrored=share, text=0.0, jpeg=0.0))
        for share in (0.0, 1.0)
    )
    for name in ("image", "lumen", "vessel", "lesion"):
        assert np.array_equal(getattr(mirrored, name), getattr(plain, name)[:, ::-1]), name


def test_a_normal_lumen_is_at_most_irregular() -> None:
    for patient in range(20):
        exam = examine(6, patient, 0, 1.0, scanner.USUAL)
        open_share = exam.traced.wall.lumen / exam.traced.artery.radius
        if not exam.abnormal:
            assert 100 * (1 - open_share.min()) < READ + 8  # beside the unevenness of any wall
            assert not exam.traced.wall.lesions


def test_the_vessel_is_as_thin_as_in_patients() -> None:
    """Share of the picture's width, as measured in real ones."""
    for index in range(6):
        made = phantom(8, index, 256, vessels=1, views=1)
        rows = np.flatnonzero(made.vessel.any(1))
        wide = np.median(made.vessel[rows].sum(1)) / 256
        assert 0.008 < wide < 0.05


def test_noise_does_not_change_the_scene() -> None:
    exam = examine(7, 0, 0, 1.0, scanner.USUAL)
    loud = replace(exam, settings=replace(exam.settings, noise=60.0, quality=100))
    quiet = replace(exam, settings=replace(exam.settings, noise=0.0, quality=100))
    first, second = (_render(one, [7, 0, 1, 1], SIZE, scanner.USUAL) for one in (loud, quiet))
    assert np.array_equal(first.vessel, second.vessel)
    assert np.array_equal(first.lesion, second.lesion)
    assert not np.array_equal(first.image, second.image)


def test_the_easiest_have_clear_lesions() -> None:
    exams = [examine(9, patient, 0, 0.0, scanner.USUAL) for patient in range(12)]
    grades = [lesion.grade for exam in exams for lesion in exam.traced.wall.lesions]
    assert grades and all(60 <= grade <= 90 for grade in grades)
    assert not any(exam.decoys or exam.stents for exam in exams)


def test_another_scanner_shows_the_same_patient() -> None:
    usual, other = phantom(2, 5, SIZE), phantom(2, 5, SIZE, device=scanner.OTHER)
    assert usual.image.shape == other.image.shape
    assert not np.array_equal(usual.image, other.image)


@pytest.mark.parametrize(
    ("seed", "index", "size", "views", "vessels", "difficulty"),
    [
        (-1, 0, 64, 1, 1, 1.0),
        (0, -1, 64, 1, 1, 1.0),
        (0, 0, 31, 1, 1, 1.0),
        (0, 0, 64, 0, 1, 1.0),
        (0, 0, 64, 1, 4, 1.0),
        (0, 0, 64, 1, 1, 1.1),
    ],
)
def test_numbers_out_of_range(
    seed: int, index: int, size: int, views: int, vessels: int, difficulty: float
) -> None:
    with pytest.raises(ValueError, match=r"image_size >= 32, views >= 1, vessels 1 to 3"):
        phantom(seed, index, size, views, vessels, difficulty)


def test_the_manifest_is_complete(tmp_path: Path) -> None:
    folder = write(tmp_path / "new", 2, 2, 2, 48, 1.0, seed=2, workers=1).parent
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 and tuple(rows[0]) == COLUMNS
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    columns = ("path", "mask", "vessel_mask")
    assert files == {"manifest.csv"} | {row[key] for row in rows for key in columns if row[key]}
    for index, row in enumerate(rows):
        made = phantom(2, index, 48)
        assert (row["label"], row["patient"]) == (made.label, f"p{made.patient:05d}")
        assert row["grade"] == ";".join(str(lesion.grade) for lesion in made.lesions)
        stored = cv2.imread(str(folder / row["path"]), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(stored, made.image)
        assert bool(row["mask"]) == (made.label == "abnormal")


def test_wrong_numbers_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="patients: got 0"):
        write(tmp_path / "new", 0, 1, 1, 48, 1.0, seed=0)
    assert not (tmp_path / "new").exists()
