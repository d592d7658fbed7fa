"""data.duplicates: which images count as the same picture, on made and on real ones."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from data.alignment import BLOCK, SLACK, STEP, _all_blocks, _best_fit, _blocks
from data.descriptors import OUTSIDE, SIZE, _blur, describe
from data.duplicates import near_duplicates
from phantoms.ct import phantom
from tests.conftest import SHARED


def pairs(images: list[NDArray]) -> set[tuple[int, int]]:
    return {
        (int(i), int(j))
        for i, j in near_duplicates(np.stack([describe(image) for image in images]))
    }


def scenes(count: int, size: int = 128, seed: int = 0) -> list[NDArray]:
    """Dark winding vessels before a shaded, grainy background, each scene another."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        image = (
            140
            + cv2.GaussianBlur(rng.normal(0, 900, (size, size)), (0, 0), 15)
            + rng.normal(0, 4, (size, size))
        )
        for _ in range(5):
            line = np.cumsum(rng.normal(0, 7, (12, 2)) + rng.normal(0, 9, 2), axis=0) + rng.uniform(
                0, size, 2
            )
            vessel = cv2.polylines(
                np.zeros((size, size)), [line.astype(np.int32)], False, 1, int(rng.integers(2, 8))
            )
            image -= 55 * cv2.GaussianBlur(vessel, (0, 0), 1)
        made.append(np.clip(image, 20, 255).astype(np.uint8))
    return made


def moved(image: NDArray, degrees: float, x: float, y: float, border: int) -> NDArray:
    size = image.shape[0]
    matrix = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), degrees, 1)
    matrix[:, 2] += (x, y)
    return cv2.warpAffine(image, matrix, (size, size), borderMode=border)


KINDS: dict[str, Callable[[NDArray], NDArray]] = {
    "copied": lambda image: image.copy(),
    "turned": lambda image: moved(image, 5, 0, 0, cv2.BORDER_REFLECT_101),
    "turned, black corners": lambda image: moved(image, -5, 0, 0, cv2.BORDER_CONSTANT),
    "shifted": lambda image: moved(image, 0, 6, 0, cv2.BORDER_REFLECT_101),
    "shifted, black edge": lambda image: moved(image, 0, -6, 6, cv2.BORDER_CONSTANT),
    "JPEG": lambda image: cv2.imdecode(
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0
    ),
    "gamma": lambda image: np.round(255 * (image / 255) ** 1.3).astype(np.uint8),
    "another size": lambda image: cv2.resize(image, (200, 200)),
}


def found(images: list[NDArray], kind: str) -> tuple[int, int]:
    """How many changed images are tied to their originals; how many pairs are of two originals."""
    count = len(images)
    ties = pairs(images + [KINDS[kind](image) for image in images])
    return len({i for i, j in ties if j - i == count}), sum((j - i) % count != 0 for i, j in ties)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_copies_are_found_and_nothing_else(kind: str) -> None:
    right, wrong = found(scenes(40), kind)
    assert right >= 38
    assert wrong == 0


def test_pairs_do_not_depend_on_the_order_of_images() -> None:
    images = scenes(15) + [KINDS["turned"](image) for image in scenes(5)]
    order = np.random.default_rng(1).permutation(20)
    again = {
        tuple(sorted((int(order[i]), int(order[j])))) for i, j in pairs([images[k] for k in order])
    }
    assert again == pairs(images)
    assert len(again) == 5


@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 32), (64, 64)])
def test_one_bright_object_does_not_make_unlike_images_alike(
    pictures: Callable[..., Path], height: int, width: int
) -> None:
    raw = pictures(count=20, height=height, width=width)
    images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(raw.rglob("*.png"))]
    assert pairs(images) == set()


def test_common_collimator_does_not_make_unlike_images_alike() -> None:
    images = scenes(30)
    for image in images:
        image[:, :20], image[100:] = 6, 6
    assert pairs(images) == set()
    assert pairs([*images, moved(images[4], 0, 5, 0, cv2.BORDER_CONSTANT)]) == {(4, 30)}


def test_unrelated_patients_of_a_large_set_are_not_tied() -> None:
    images = [phantom(31, index, 64, 1).image for index in range(1000)]
    assert len(pairs(images)) <= 10  # a threshold that does not grow with the set ties 200


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_images(count: int) -> None:
    descriptors = np.zeros((0, 2, SIZE, SIZE), np.int8)
    if count:
        descriptors = np.stack([describe(scenes(1)[0])] * count)
    ties = near_duplicates(descriptors)
    assert ties.tolist() == [[i, j] for i in range(count) for j in range(i + 1, count)]
    assert ties.shape[1] == 2


def test_descriptor_is_small_and_marks_the_field_of_view() -> None:
    image = scenes(1)[0]
    image[:, :64] = 0
    made = describe(image)
    assert (made.shape, made.dtype) == ((2, 48, 48), np.int8)
    assert (made[0, :, :23] == OUTSIDE).all()
    assert (made[0, 4:-4, 30:-4] != OUTSIDE).all()


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float16])
def test_depth_of_pixels_does_not_matter(kind: type) -> None:
    image = scenes(1)[0]
    scaled = image.astype(kind) if kind is np.uint8 else (image / 255).astype(kind)
    assert np.abs(describe(scaled).astype(int) - describe(image)).max() <= 2


def test_flat_image_has_a_descriptor_and_no_partner() -> None:
    assert pairs([np.full((32, 32), 7, np.uint8), np.full((40, 40), 9, np.uint8)]) == set()


def test_detail_is_smoothed_as_opencv_does() -> None:
    picture = np.random.default_rng(2).random((SIZE, SIZE)).astype(np.float32)
    for reach in (1.5, 9.0):
        blur = _blur(reach)
        assert np.allclose(
            blur @ picture @ blur.T, cv2.GaussianBlur(picture, (0, 0), reach), atol=1e-5
        )


def test_sums_of_blocks_are_those_of_their_pixels() -> None:
    values = np.random.default_rng(2).integers(-99, 99, (SIZE, SIZE, 3)).astype(np.float32)
    sums = _blocks(values)
    everywhere = _all_blocks(values)
    assert sums.shape == (7, 7, 3)
    assert everywhere.shape == (37, 37, 3)
    for row, column in ((0, 0), (2, 5), (6, 3)):
        y, x = STEP * row, STEP * column
        expected = values[y : y + BLOCK, x : x + BLOCK].sum(axis=(0, 1))
        assert (sums[row, column] == expected).all()
        assert (everywhere[y, x] == expected).all()


def test_a_block_is_found_where_it_was_moved_to() -> None:
    edge = SIZE + 2 * SLACK
    moved = np.random.default_rng(2).normal(size=(edge, edge, 2)).astype(np.float32)
    still = moved[:SIZE, 1 : 1 + SIZE]
    assert _best_fit(still, moved).min() > 0.999
    assert _best_fit(moved[::-1][:SIZE, :SIZE], moved).max() < 0.9


def real(folder: str) -> list[Path]:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"{SHARED / folder} is absent: the small public sets stand beside the project")
    return sorted((SHARED / folder).rglob("*.png"))


def test_real_frames_that_repeat_are_found_and_others_not_joined() -> None:
    files = real("arcade_sample")
    ties = pairs([cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files])
    assert {(files[i].stem, files[j].stem) for i, j in ties} == {("27", "617"), ("526", "75")}


def test_real_patches_that_leak_are_found() -> None:
    files = real("xca_patches")
    images = [cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files]
    ties = pairs(images)
    labels = [file.parent.name for file in files]
    assert all(labels[i] == labels[j] for i, j in ties)
    identical = {
        (i, j) for j in range(len(files)) for i in range(j) if np.array_equal(images[i], images[j])
    }
    assert identical <= ties
    test = {i for i, file in enumerate(files) if file.parts[-3] == "test"}
    assert (
        len({i for i, j in ties | {(j, i) for i, j in ties} if i in test and j not in test}) >= 28
    )
