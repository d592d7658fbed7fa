"""Images on their way to the model: order, augmentation, targets, standardising, and what is
refused.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

import CONFIG
from data import processed
from data.augment import Augment
from data.dataset import CoronaryDataset, SeededSampler
from data.preprocessing import Preprocessing
from data.readers import DataError
from training.data_module import CoronaryData


def first_form(tmp_path: Path, copies: dict[str, str]) -> CONFIG.Config:
    """A folder of the first published form, 2 images a class and split; ``copies``: files that
    equal another one.
    """
    rng = np.random.default_rng(0)
    for split, label, i in (
        (split, label, i) for split in ("train", "val") for label in ("0", "1") for i in range(2)
    ):
        (tmp_path / split / label).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / split / label / f"{i}.npy", rng.random((32, 32, 1)).astype(np.float16))
    for copy, original in copies.items():
        (tmp_path / copy).write_bytes((tmp_path / original).read_bytes())
    return CONFIG.Config(data_folder=str(tmp_path), image_size=32, patch_size=8)


def test_the_same_file_in_train_and_val_is_refused_without_a_manifest(tmp_path: Path) -> None:
    config = first_form(tmp_path, {"val/1/0.npy": "train/1/1.npy"})
    with pytest.raises(
        DataError,
        match=r"1 groups .* as train/1/1.npy, val/1/0.npy; validation would look too good",
    ):
        CoronaryData(config, processed.load(tmp_path))


def test_one_image_under_two_labels_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = first_form(tmp_path, {"train/1/0.npy": "train/0/1.npy"})
    CoronaryData(config, processed.load(tmp_path))
    assert (
        "1 images are there under more than one label, as train/0/1.npy, train/1/0.npy"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_every_process_count_sees_the_same_batches(world_size: int) -> None:
    parts = []
    for rank in range(world_size):
        sampler = SeededSampler(50, 12, rank, world_size, seed=3, shuffle=True)
        sampler.set_epoch(2)
        parts.append(list(sampler))
    local = 12 // world_size
    batches = [
        {key for part in parts for key in part[i * local : (i + 1) * local]} for i in range(4)
    ]
    whole = SeededSampler(50, 12, 0, 1, seed=3, shuffle=True)
    whole.set_epoch(2)
    order = list(whole)
    assert batches == [set(order[i * 12 : (i + 1) * 12]) for i in range(4)]


def test_validation_counts_every_image_once() -> None:
    parts = [list(SeededSampler(9, 4, rank, 2, seed=0, shuffle=False)) for rank in range(2)]
    assert sorted(index for part in parts for _, index in part) == list(range(9))


def test_each_epoch_has_its_own_order() -> None:
    sampler = SeededSampler(20, 4, 0, 1, seed=0, shuffle=True)
    first = list(sampler)
    sampler.set_epoch(1)
    assert [index for _, index in first] != [index for _, index in sampler]


def test_augmentation_keeps_shape_and_range() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((24, 32), np.float32)
    changed, _ = Augment("both", 20, 0.2, 0.3, 0.5, 0.2)(image, rng)
    assert changed.shape == (24, 32)
    assert changed.dtype == np.float32
    assert 0 <= changed.min() <= changed.max() <= 1


def test_a_dark_border_is_on_one_side_and_no_deeper_than_asked() -> None:
    augment = Augment("none", 0, 0, 0, 0, 0, dark_border=0.25)
    depths = set()
    for seed in range(60):
        changed, _ = augment(np.full((20, 20), 0.5, np.float32), np.random.default_rng(seed))
        dark = changed < 0.4
        rows, columns = dark.all(axis=1).sum(), dark.all(axis=0).sum()
        assert dark.sum() in (20 * rows, 20 * columns)
        depths.add(int(max(rows, columns) if dark.any() else 0))
    assert depths == {0, 1, 2, 3, 4, 5}


def test_shading_falls_from_one_side_to_the_other() -> None:
    augment = Augment("none", 0, 0, 0, 0, 0, shading=0.5)
    for seed in range(20):
        changed, _ = augment(np.full((20, 20), 0.8, np.float32), np.random.default_rng(seed))
        along = np.ptp(changed.mean(axis=0)), np.ptp(changed.mean(axis=1))
        assert min(along) == pytest.approx(0, abs=1e-6)
        assert max(along) <= 0.4 + 1e-6
        assert changed.max() == pytest.approx(0.8)


def test_no_augmentation_leaves_the_image() -> None:
    image = np.random.default_rng(0).random((24, 32), np.float32)
    np.testing.assert_array_equal(
        Augment("none", 0, 0, 0, 0, 0)(image, np.random.default_rng(1))[0], image
    )


def test_mask_moves_with_the_image() -> None:
    image = np.zeros((40, 32), np.float32)
    image[8:14, 20:28] = 1
    augment = Augment("both", 15, 0.1, 0.2, 0, 0)
    for seed in range(5):
        changed, (mask,) = augment(image, np.random.default_rng(seed), [image.copy()])
        assert mask is not None
        np.testing.assert_array_equal(changed, mask)


def test_patches_with_lesion_are_targets(tmp_path: Path) -> None:
    for split, label in (
        (split, label) for split in ("train", "val") for label in ("normal", "abnormal")
    ):
        (tmp_path / split / label).mkdir(parents=True)
        np.save(
            tmp_path / split / label / "a.npy",
            np.random.default_rng(0).random((16, 16)).astype(np.float16),
        )
    boxes = {"normal": "", "abnormal": "4,8,8,12"}
    samples = [
        processed.Sample(f"{split}/{label}/a.npy", split, label, lesion_boxes_xyxy=boxes[label])
        for split in ("train", "val")
        for label in boxes
    ]
    loaded = processed.Processed(tmp_path, samples, ["normal", "abnormal"], {})
    dataset = CoronaryDataset(loaded, "train", Preprocessing(16, 0.5, 0.3), patch_size=4)
    lesion = {dataset.samples[i].label: dataset[(0, i)][3].reshape(4, 4, 2) for i in range(2)}
    assert all(
        targets[..., 1].isnan().all() for targets in lesion.values()
    )  # of vessels nothing is known
    lesion = {label: targets[..., 0] for label, targets in lesion.items()}
    assert lesion["normal"].sum() == 0
    assert lesion["abnormal"].nonzero().tolist() == [[2, 1]]


def test_an_image_standardised_by_itself_does_not_depend_on_exposure_and_black_frame() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(0.4, 0.6, (32, 32)).astype(np.float32)
    framed = image.copy()
    framed[:, :10] = 0.02
    itself = Preprocessing(32, None, None, 2)
    alone, brighter, beside = (
        torch.from_numpy(itself.standardised(x)) for x in (image, 1.3 * image, framed)
    )
    assert alone.shape == (2, 32, 32)
    assert abs(float(alone.mean())) < 1e-3
    assert 0.8 < float(alone.std()) < 1.01
    assert torch.allclose(alone, brighter, atol=0.1)
    assert torch.allclose(alone[:, :, 10:], beside[:, :, 10:], atol=0.1)
    assert float(beside[:, :, :10].max()) == pytest.approx(-4, abs=1e-3)
    assert np.isfinite(itself.standardised(np.zeros((8, 8), np.float32))).all()


def test_turns_give_all_eight_orientations_and_the_mask_goes_along() -> None:
    image = np.random.default_rng(0).random((8, 8), np.float32)
    seen = set()
    for seed in range(60):
        changed, (mask,) = Augment("turns", 0, 0, 0, 0, 0)(
            image, np.random.default_rng(seed), [image.copy()]
        )
        assert mask is not None
        assert np.array_equal(changed, mask)
        seen.add(changed.tobytes())
    assert seen == {
        np.ascontiguousarray(np.rot90(way, k)).tobytes()
        for way in (image, image.T)
        for k in range(4)
    }
