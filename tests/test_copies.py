"""data.copies: pictures that were mirrored, turned, cut or changed otherwise before the split."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.copies import TEN, Change, three_at_once
from data import overlay
from data.copies import same_pictures
from data.geometry import Placement
from data.sketch import MOST, sketch
from data.vocabulary import MIRROR, Points, _Vocabulary
from metrics.groups import join
from phantoms.ct import phantom
from tests.test_duplicates import scenes


def pairs(images: list[NDArray], patients: Sequence[str] = ()) -> set[tuple[int, int]]:
    sketches = [sketch(image) for image in images]
    return {(int(i), int(j)) for i, j in same_pictures(sketches, patients)}


def groups(images: list[NDArray]) -> int:
    return len(set(join([()] * len(images), np.array(sorted(pairs(images))).reshape(-1, 2))))


@pytest.mark.parametrize(
    ("change", "least"),
    [*((change, 23) for change in TEN), (three_at_once, 17)],
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_changed_copies_are_found_and_nothing_else(change: Change, least: int) -> None:
    images = scenes(24)
    rng = np.random.default_rng(3)
    ties = pairs(images + [change(image, rng) for image in images])
    assert sum(j - i == 24 for i, j in ties) >= least
    assert all((j - i) % 24 == 0 for i, j in ties)


def test_many_copies_of_two_photographs_are_two_pictures() -> None:
    rng = np.random.default_rng(4)
    images = scenes(2, seed=5)
    for i in range(40):
        images.append(TEN[i % len(TEN)](images[i % 2], rng))
    assert groups(images) == 2


def test_more_has_to_agree_where_two_patients_are_named() -> None:
    images = scenes(24)
    rng = np.random.default_rng(3)
    both = images + [three_at_once(image, rng) for image in images]
    numbers = [str(number) for number in range(48)]
    unnamed = pairs(both)
    assert pairs(both, numbers[:24] * 2) == unnamed
    assert pairs(both, [*numbers[:24], *[""] * 24]) == unnamed
    assert pairs(both, numbers) < unnamed


def test_a_copy_under_the_name_of_another_patient_is_found() -> None:
    images = scenes(24)
    both = images + [np.ascontiguousarray(image[:, ::-1]) for image in images]
    ties = pairs(both, [str(number) for number in range(48)])
    assert ties == {(number, number + 24) for number in range(24)}


def test_copies_of_a_mirrored_and_turned_copy_are_found_without_the_original() -> None:
    image = scenes(1, seed=6)[0]
    upside_down = np.ascontiguousarray(np.rot90(image))
    assert pairs([*scenes(10), upside_down, np.ascontiguousarray(image[:, ::-1])]) == {(10, 11)}


def test_many_near_copies_of_one_picture_hide_no_copies_of_others() -> None:
    one, *others = scenes(13, seed=8)
    near = [np.roll(one, shift, axis=1) for shift in range(-6, 6)]
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in others]
    assert groups([*near, *others, *mirrored]) == 13


def test_words_of_the_mirrored_picture_are_those_of_its_features() -> None:
    points = Points.of([sketch(image) for image in scenes(6)])
    chosen = points.chosen(large=False)
    features, rows = points.features[chosen], np.nonzero(chosen)[0]
    words = _Vocabulary.of(features)
    mirrored = words.mirrored().bags(features, rows, 6)
    assert (mirrored != words.bags(features[:, MIRROR], rows, 6)).nnz == 0
    assert (mirrored != words.bags(features, rows, 6)).nnz > 0


@pytest.mark.parametrize("enlarged", [0, 1])
def test_detail_agrees_whichever_of_two_pictures_shows_more(enlarged: int) -> None:
    whole = scenes(1, size=192, seed=9)[0]
    images = [whole, whole[24:168, 24:168]]
    sketches = [sketch(image) for image in (images if enlarged else images[::-1])]
    pictures = overlay.Pictures(np.stack([one.picture for one in sketches]))
    pair = np.array([[0, 1]])
    ((_, keypoints, detail),) = overlay.compare(
        Points.of(sketches), pictures, pair, False, 4, np.array([6])
    )
    assert keypoints >= 6
    assert detail > 0.6


def test_detail_is_not_compared_where_too_few_keypoints_agree() -> None:
    image = scenes(1, seed=9)[0]
    sketches = [sketch(image), sketch(image[4:, 4:])]
    pictures = overlay.Pictures(np.stack([one.picture for one in sketches]))
    points = Points.of(sketches)
    pairs = np.array([[0, 1]] * 2)
    result = overlay.compare(points, pictures, pairs, False, 4, np.array([6, MOST + 1]))
    assert result[0, 1] >= 6
    assert result[0, 2] > 0.6
    assert (result[1, 1:] == 0).all()


def test_images_without_keypoints_can_be_compared() -> None:
    sketches = [sketch(np.full((64, 64), 7, np.uint8))] * 2
    pictures = overlay.Pictures(np.stack([one.picture for one in sketches]))
    result = overlay.compare(
        Points.of(sketches), pictures, np.array([[0, 1]]), True, 4, np.array([6])
    )
    assert result.tolist() == [[0, 0, 0]]


def test_two_parts_of_one_frame_that_show_different_content_stay_apart() -> None:
    frames = scenes(10, size=256, seed=7)
    parts = [frame[:, half * 128 :][:, :128] for frame in frames for half in (0, 1)]
    assert pairs(parts) == set()


def test_patients_with_like_anatomy_are_not_tied() -> None:
    assert len(pairs([phantom(41, index, 128, 1).image for index in range(80)])) <= 3


def test_rotations_of_one_vessel_are_joined_and_patients_kept_apart() -> None:
    views = [phantom(29, index, 96, 4).image for index in range(160)]
    patient = np.arange(160) // 4
    group = np.array(join([()] * 160, np.array(sorted(pairs(views)))))
    same = group[:, None] == group
    joined = same[(patient[:, None] == patient) & ~np.eye(160, dtype=bool)].mean()
    assert joined >= 0.8
    assert np.bincount(group).max() <= 8


def test_two_images_with_the_same_piece_cut_out_are_two_pictures() -> None:
    images = scenes(20)
    for image in images:
        image[30:80, 40:100] = 0
    assert pairs(images) == set()


def test_pairs_do_not_depend_on_the_order_of_images() -> None:
    images = scenes(12) + [image[:, ::-1].copy() for image in scenes(5)]
    order = np.random.default_rng(1).permutation(17)
    again = {
        tuple(sorted((int(order[i]), int(order[j])))) for i, j in pairs([images[k] for k in order])
    }
    assert again == pairs(images) == {(i, i + 12) for i in range(5)}


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_images(count: int) -> None:
    ties = same_pictures([sketch(scenes(1)[0])] * count)
    assert ties.tolist() == [[i, j] for i in range(count) for j in range(i + 1, count)]
    assert ties.shape[1] == 2


@pytest.mark.parametrize("image", [np.full((32, 32), 7, np.uint8), np.zeros((9, 200), np.uint8)])
def test_flat_images_have_no_keypoints_and_no_partner(image: NDArray) -> None:
    assert len(sketch(image).places) == 0
    assert pairs([image, image + 2]) == set()


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float16])
def test_depth_of_pixels_does_not_matter(kind: type) -> None:
    image = scenes(1)[0]
    scaled = image.astype(kind) if kind is np.uint8 else (image / 255).astype(kind)
    made = sketch(scaled)
    assert (made.picture.shape, made.picture.dtype) == ((96, 96), np.uint8)
    assert 20 < len(made.places) <= MOST
    assert np.abs(made.picture.astype(int) - sketch(image).picture).max() <= 2


@pytest.mark.parametrize("shape", [(32, 512), (512, 40)])
def test_thin_strips_that_differ_are_not_tied(shape: tuple[int, int]) -> None:
    height, width = shape
    squares = [
        Placement(height, width, 256).image(image[:height, :width].copy())
        for image in scenes(12, size=512)
    ]
    assert pairs(squares) == set()
