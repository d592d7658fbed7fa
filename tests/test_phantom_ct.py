"""data/phantom_ct.py: what one made-up patient shows, and what a written folder holds."""

import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from phantoms.ct import Phantom, _render, phantom, write

SIZE = 96


@pytest.fixture(scope="module")
def stream() -> list[Phantom]:
    return [phantom(3, index, SIZE, views=3) for index in range(150)]


def test_an_image_depends_on_seed_and_index_alone(stream: list[Phantom]) -> None:
    again = phantom(3, 17, SIZE, views=3)
    assert np.array_equal(again.image, stream[17].image)
    assert np.array_equal(again.mask, stream[17].mask)
    assert not np.array_equal(again.image, phantom(4, 17, SIZE, views=3).image)


def test_no_two_images_are_equal(stream: list[Phantom]) -> None:
    assert len({made.image.tobytes() for made in stream}) == len(stream)


def test_form(stream: list[Phantom]) -> None:
    for index, made in enumerate(stream):
        assert (made.patient, made.view) == divmod(index, 3)
        assert made.image.shape == made.mask.shape == (SIZE, SIZE)
        assert made.image.dtype == made.mask.dtype == np.uint8


@pytest.mark.parametrize("index", range(8))
def test_another_size_shows_the_same_anatomy(index: int) -> None:
    small = phantom(0, index, 128)
    large = phantom(0, index, 256)
    shrunk = cv2.resize(large.image, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(shrunk.ravel(), small.image.ravel())[0, 1] > 0.96
    assert (small.label, small.lesion_types, small.grades) == (
        large.label,
        large.lesion_types,
        large.grades,
    )


def test_only_the_abnormal_have_lesions(stream: list[Phantom]) -> None:
    for made in stream:
        assert made.label in ("normal", "abnormal")
        assert made.mask.any() == (made.label == "abnormal") == bool(made.lesion_types)
        assert len(made.lesion_types) == len(made.grades) <= 3
        assert all(25 <= grade <= 90 for grade in made.grades)
        assert made.mask.mean() < 0.05


def test_labels_and_types_are_balanced() -> None:
    made = [phantom(5, index, 32, views=1) for index in range(400)]
    kinds = [kind for one in made for kind in one.lesion_types]
    assert 0.4 < np.mean([one.label == "abnormal" for one in made]) < 0.6
    assert all(
        0.25 < kinds.count(kind) / len(kinds) < 0.42 for kind in ("calcified", "soft", "mixed")
    )


def test_views_of_one_patient_are_alike(stream: list[Phantom]) -> None:
    for first, second, third in zip(stream[::3], stream[1::3], stream[2::3], strict=True):
        assert first.label == second.label == third.label
        assert first.lesion_types == second.lesion_types == third.lesion_types
        assert first.grades == second.grades == third.grades
    flat = np.stack([made.image.ravel() for made in stream]).astype(float)
    alike = np.corrcoef(flat)
    neighbours = [alike[index, index + 1] for index in range(0, 150, 3)]
    strangers = [alike[index, (index + 3) % 150] for index in range(0, 150, 3)]
    assert np.median(neighbours) > np.median(strangers) + 0.2


@pytest.mark.parametrize("size", [32, SIZE])
def test_boxes_cover_the_mask_tightly(size: int) -> None:
    for index in range(40):
        made, boxes = _render(3, index, size, 1)
        covered = np.zeros_like(made.mask)
        for x0, y0, x1, y1 in boxes:
            assert 0 <= x0 < x1 <= size
            assert 0 <= y0 < y1 <= size
            assert made.mask[y0:y1, x0].any() and made.mask[y0, x0:x1].any()
            assert made.mask[y0:y1, x1 - 1].any() and made.mask[y1 - 1, x0:x1].any()
            covered[y0:y1, x0:x1] = 1
        assert len(boxes) == len(made.lesion_types)
        assert not (made.mask & ~covered).any()


def test_a_lesion_lies_on_the_vessel(
    monkeypatch: pytest.MonkeyPatch, stream: list[Phantom]
) -> None:
    """The same patients with nothing but their vessel painted: each lesion pixel is on it or within
    its wall.
    """
    for painter in ("paint_surroundings", "paint_veins", "paint_side_branches", "_scan"):
        monkeypatch.setattr(f"phantoms.ct.{painter}", lambda cut, *_: cut.hu.copy())
    monkeypatch.setattr("phantoms.ct.paint_great_vessels", lambda cut, _: np.ones_like(cut.s))
    for index in range(0, 60, 3):
        bare = phantom(3, index, SIZE, views=3)
        vessel = (bare.image > 0).astype(np.uint8)
        assert not (bare.mask & ~cv2.dilate(vessel, np.ones((3, 3), np.uint8))).any()


def test_calcium_is_bright_and_soft_plaque_dark(stream: list[Phantom]) -> None:
    def brightness(kind: str) -> list[float]:
        return [
            float(made.image[made.mask > 0].max())
            for made in stream
            if set(made.lesion_types) == {kind}
        ]

    assert np.median(brightness("calcified")) > np.median(brightness("soft")) + 30


@pytest.mark.parametrize(
    ("seed", "index", "size", "views"),
    [(-1, 0, 64, 1), (0, -1, 64, 1), (0, 0, 31, 1), (0, 0, 64, 0)],
)
def test_numbers_out_of_range(seed: int, index: int, size: int, views: int) -> None:
    with pytest.raises(
        ValueError, match=r"wanted seed and index >= 0, views >= 1, image_size >= 32"
    ):
        phantom(seed, index, size, views)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("phantoms") / "new", 7, 3, 48, seed=2, workers=2).parent


def test_the_manifest_is_complete(folder: Path) -> None:
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert files == {"manifest.csv"} | {
        row[key] for row in rows for key in ("path", "mask") if row[key]
    }
    for index, row in enumerate(rows):
        made, boxes = _render(2, index, 48, 3)
        assert row["path"] == f"images/{made.label}/p{made.patient:04d}_v{made.view}.png"
        assert (row["label"], row["patient"], row["view"]) == (
            made.label,
            f"p{made.patient:04d}",
            str(made.view),
        )
        assert row["lesion_type"] == ";".join(made.lesion_types)
        assert [float(grade) for grade in row["grade"].split(";") if grade] == list(made.grades)
        assert row["lesion_boxes_xyxy"] == ";".join(",".join(map(str, box)) for box in boxes)
        assert np.array_equal(
            cv2.imread(str(folder / row["path"]), cv2.IMREAD_UNCHANGED), made.image
        )
        assert bool(row["mask"]) == (made.label == "abnormal")
        if row["mask"]:
            assert np.array_equal(
                cv2.imread(str(folder / row["mask"]), cv2.IMREAD_UNCHANGED), 255 * made.mask
            )


def test_a_folder_in_use_is_refused(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(ValueError, match="is not an empty folder"):
        write(folder, 1, 1, 48, seed=0)
    assert sorted(folder.rglob("*")) == before


def test_wrong_numbers_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="patients: got 0"):
        write(tmp_path / "new", 0, 1, 48, seed=0)
    with pytest.raises(ValueError, match="image_size 8"):
        write(tmp_path / "new", 1, 1, 8, seed=0)
    assert not (tmp_path / "new").exists()


def test_the_command_refuses_in_one_line(folder: Path) -> None:
    command = [sys.executable, "-m", "phantoms.ct", "--output", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1 and "is not an empty folder" in ended.stderr
