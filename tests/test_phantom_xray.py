"""data/phantom_xray.py: what one made-up angiogram shows, and what a written folder holds."""

import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from phantoms.projection import cast
from phantoms.vessels import Vessel
from phantoms.xray import XrayPhantom, _render, phantom, write

SIZE = 48


@pytest.fixture(scope="module")
def stream() -> list[XrayPhantom]:
    return [phantom(3, index, SIZE) for index in range(300)]


def test_an_image_depends_on_its_numbers_alone(stream: list[XrayPhantom]) -> None:
    again = phantom(3, 17, SIZE)
    for part in ("image", "vessel", "lesion"):
        assert np.array_equal(getattr(again, part), getattr(stream[17], part))
    assert not np.array_equal(again.image, phantom(4, 17, SIZE).image)
    assert not np.array_equal(again.image, phantom(3, 17, SIZE, field=30.0).image)
    assert len({made.image.tobytes() for made in stream}) == len(stream)


@pytest.mark.parametrize("index", range(8))
def test_another_size_shows_the_same_scene(index: int) -> None:
    small = phantom(0, index, 64)
    large = phantom(0, index, 128)
    shrunk = cv2.resize(large.image, (64, 64), interpolation=cv2.INTER_AREA)
    smooth = [cv2.GaussianBlur(image, (0, 0), 1.5).ravel() for image in (small.image, shrunk)]
    assert np.corrcoef(smooth)[0, 1] > 0.95
    assert (small.label, small.lesion_types, small.grades, small.lengths) == (
        large.label,
        large.lesion_types,
        large.grades,
        large.lengths,
    )


def test_masks_agree_with_the_label(stream: list[XrayPhantom]) -> None:
    assert 0.4 < np.mean([made.label == "abnormal" for made in stream]) < 0.6
    for made in stream:
        assert made.image.shape == made.vessel.shape == made.lesion.shape == (SIZE, SIZE)
        assert made.image.dtype == made.vessel.dtype == made.lesion.dtype == np.uint8
        assert set(np.unique(made.lesion)) <= {0, 1} and set(np.unique(made.vessel)) <= {0, 1}
        assert made.label in ("normal", "abnormal")
        assert made.lesion.any() == (made.label == "abnormal") == bool(made.boxes)
        assert made.lesion.mean() < 0.2
        lists = (made.lesion_types, made.grades, made.lengths, made.boxes)
        assert {len(values) for values in lists} == {len(made.boxes)}
        assert set(made.lesion_types) <= {"concentric", "eccentric", "ostial", "occlusion"}
        assert all(40 <= grade <= 100 for grade in made.grades) and all(
            2 <= length <= 18 for length in made.lengths
        )
        boxed = np.zeros_like(made.lesion)
        for x0, y0, x1, y1 in made.boxes:
            assert 0 <= x0 < x1 <= SIZE and 0 <= y0 < y1 <= SIZE
            boxed[y0:y1, x0:x1] = 1
        assert not (made.lesion & ~boxed).any()


def test_a_lesion_narrows_a_vessel_and_nothing_else_changes() -> None:
    narrower = darker = 0
    pairs = [
        (_render(6, index, 64, 36.0, 0.5), _render(6, index, 64, 36.0, 0.5, healthy=True))
        for index in range(60)
    ]
    pairs = [pair for pair in pairs if pair[0].label == "abnormal" and max(pair[0].grades) < 85]
    for sick, well in pairs:
        lesion = sick.lesion > 0
        away = cv2.dilate(sick.lesion, np.ones((9, 9), np.uint8)) == 0
        assert well.label == "normal" and not well.lesion.any()
        assert well.vessel[lesion].mean() > 0.6  # it lies where the vessel would be
        assert np.mean(sick.vessel[away] != well.vessel[away]) < 0.02
        assert np.median(np.abs(sick.image[away].astype(float) - well.image[away])) <= 1
        narrower += sick.vessel[lesion].mean() <= well.vessel[lesion].mean()
        darker += sick.image[lesion].mean() > well.image[lesion].mean()
    assert len(pairs) > 15 and narrower > 0.95 * len(pairs) and darker > 0.95 * len(pairs)


def test_pixels_alone_do_not_tell(stream: list[XrayPhantom]) -> None:
    made = stream + [phantom(3, index, SIZE) for index in range(300, 900)]
    pixels = (
        np.stack(
            [cv2.resize(one.image, (16, 16), interpolation=cv2.INTER_AREA).ravel() for one in made]
        )
        / 255.0
    )
    truth = np.array([one.label == "abnormal" for one in made])
    fitted = LogisticRegression(C=0.1, max_iter=500).fit(pixels[:600], truth[:600])
    assert roc_auc_score(truth[600:], fitted.decision_function(pixels[600:])) < 0.65


def straight(heading: float, start: float = -15.0, parent: float = 0.0) -> Vessel:
    """A tube of 2 mm radius that runs through the middle, or from it, as the branch of a vessel."""
    s = np.arange(start, 15, 0.3)
    points = np.stack([s * np.cos(heading), s * np.sin(heading)], 1)
    same = np.ones_like(s)
    return Vessel(
        points,
        heading * same,
        2 * same,
        0.1 * same,
        same,
        0 * s,
        np.zeros(len(s), np.uint8),
        parent,
    )


def shadow(*vessels: Vessel) -> np.ndarray:
    total = np.zeros((200, 200), np.float32)
    sick = np.zeros((200, 200), np.uint8)
    for vessel in vessels:
        cast(vessel, total, sick, 10.0)
    return total


def test_attenuation_is_the_path_through_a_cylinder_and_adds_at_a_crossing() -> None:
    alone = shadow(straight(0.0))
    crossed = shadow(straight(0.0), straight(np.pi / 2))
    across = (np.arange(200) + 0.5) / 10 - 10  # mm
    chord = 2 * np.sqrt(np.maximum(2.0**2 - across**2, 0))
    assert np.allclose(alone[:, 30], 0.1 * chord, atol=0.01)
    assert np.allclose(crossed[100, 100], 2 * alone[100, 100], rtol=0.01)
    assert np.allclose(crossed, alone + alone.T, atol=0.03)


def test_a_branch_does_not_add_to_its_parent() -> None:
    joined = shadow(straight(0.0), straight(np.pi / 2, 0.0, 2.0))
    assert joined[98:102, 98:102].max() < 0.41


def test_difficulty(stream: list[XrayPhantom]) -> None:
    easy = [phantom(3, index, SIZE, difficulty=0.0) for index in range(300)]

    def noise(made: XrayPhantom) -> float:
        return float(np.median(np.abs(cv2.Laplacian(made.image, cv2.CV_32F))))

    assert np.mean([made.vessel.mean() for made in easy]) < 0.8 * np.mean(
        [made.vessel.mean() for made in stream]
    )
    assert np.median([noise(made) for made in easy]) < 0.8 * np.median(
        [noise(made) for made in stream]
    )
    grades = [grade for made in easy for grade in made.grades]
    assert min(grades) >= 70
    assert all(cv2.connectedComponents(made.vessel)[0] <= 4 for made in easy)


@pytest.mark.parametrize(
    "numbers",
    [
        (-1, 0, 64),
        (0, -1, 64),
        (0, 0, 15),
        (0, 0, 64, 4.0),
        (0, 0, 64, 129.0),
        (0, 0, 64, 36.0, 1.1),
        (0, 0, 64, 36.0, -0.1),
    ],
)
def test_numbers_out_of_range(numbers: tuple[float, ...]) -> None:
    with pytest.raises(
        ValueError,
        match=r"wanted seed, index >= 0, image_size >= 16, field 5 to 2 x image_size, diff",
    ):
        phantom(*numbers)  # type: ignore[arg-type]


def test_a_written_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "new", 12, 32, 26.0, 1.0, seed=2, workers=2).parent
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert files == {"manifest.csv"} | {
        row[key] for row in rows for key in ("path", "mask", "vessel_mask") if row[key]
    }
    for index, row in enumerate(rows):
        made = phantom(2, index, 32, 26.0)
        assert row["path"] == f"images/{made.label}/x{index:06d}.png" and row["label"] == made.label
        assert row["lesion_type"] == ";".join(made.lesion_types)
        assert [float(grade) for grade in row["grade"].split(";") if grade] == list(made.grades)
        assert [float(length) for length in row["length_mm"].split(";") if length] == list(
            made.lengths
        )
        assert row["lesion_boxes_xyxy"] == ";".join(",".join(map(str, box)) for box in made.boxes)
        expected = {"path": made.image, "vessel_mask": 255 * made.vessel, "mask": 255 * made.lesion}
        for column, pixels in expected.items():
            if row[column]:
                assert np.array_equal(
                    cv2.imread(str(folder / row[column]), cv2.IMREAD_UNCHANGED), pixels
                )
        assert bool(row["mask"]) == (made.label == "abnormal")


def test_wrong_numbers_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="count: got 0"):
        write(tmp_path / "new", 0, 64, 36.0, 1.0, seed=0)
    with pytest.raises(ValueError, match="image_size 8"):
        write(tmp_path / "new", 1, 8, 36.0, 1.0, seed=0)
    assert not (tmp_path / "new").exists()


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    command = [sys.executable, "-m", "phantoms.xray", "--output", str(tmp_path), "--count", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1 and "is not an empty folder" in ended.stderr
