"""Patches that leave the sequence: flat ones always, others at random in training."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import CONFIG
from report import plots
from tests.models import model_of
from training.lightning_module import Classifier
from vit.checkpoint_gate import Plain
from vit.embeddings import contrast
from vit.explain import explain
from vit.model import VisionTransformer


def vit(**changes: Any) -> VisionTransformer:
    """24 x 40 px in 3 x 5 patches of 8 px."""
    torch.manual_seed(0)
    sizes: Plain = {
        "num_classes": 5,
        "embedding_size": 32,
        "num_hidden_layers": 3,
        "num_heads": 4,
    }
    return model_of((24, 40), patch_size=8, num_channels=1, **{**sizes, **changes}).eval()


def pictures(lively: list[list[int]]) -> Tensor:
    """Flat pictures but for the patches of these numbers, a list for each picture."""
    torch.manual_seed(1)
    images = torch.full((len(lively), 1, 24, 40), 0.7)
    for image, numbers in zip(images, lively, strict=True):
        for number in numbers:
            row, column = divmod(number, 5)
            image[0, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = torch.rand(8, 8)
    return images


def test_contrast_is_the_variance_of_each_patch() -> None:
    images = torch.rand(2, 3, 24, 40)
    patches = images.mean(dim=1).unfold(1, 8, 8).unfold(2, 8, 8).flatten(3)  # (B, 3, 5, 64)
    torch.testing.assert_close(contrast(images, 8), patches.var(dim=3, correction=0).flatten(1))


def test_the_patches_with_most_contrast_stay() -> None:
    kept = vit(kept_tokens=0.2).embeddings.kept(pictures([[3, 8, 9], [14, 0, 2]]))
    assert kept is not None
    assert kept.tolist() == [[3, 8, 9], [0, 2, 14]]


def test_flat_patches_have_no_contrast_however_bright_and_the_first_of_equals_stay() -> None:
    flat = torch.tensor([0.0, 2.1, 4.1, 10.7])[:, None, None, None].expand(-1, 1, 24, 40)
    assert contrast(flat, 8).max() < 1e-9  # the difference of two large means would leave 1e-4
    kept = vit(kept_tokens=0.4).embeddings.kept(flat[:1])
    assert kept is not None
    assert kept.tolist() == [list(range(6))]


@pytest.mark.parametrize(
    ("share", "dropout", "count", "in_training"), [(0.55, 0.0, 8, 8), (1.0, 0.3, 15, 10)]
)
def test_the_share_that_stays_is_rounded(
    share: float, dropout: float, count: int, in_training: int
) -> None:
    model = vit(kept_tokens=share, patch_dropout=dropout)
    images = torch.rand(2, 1, 24, 40)
    assert model.embeddings(images, model.embeddings.kept(images)).shape[1] == 1 + count
    model.train()
    assert model.embeddings(images, model.embeddings.kept(images)).shape[1] == 1 + in_training


def test_each_image_drops_patches_of_its_own() -> None:
    model = vit(patch_dropout=0.5).train()
    kept = model.embeddings.kept(torch.rand(20, 1, 24, 40))
    assert kept is not None
    assert len({tuple(numbers.tolist()) for numbers in kept}) > 10


def test_what_is_left_out_changes_nothing() -> None:
    model = vit(kept_tokens=0.2)
    images = pictures([[3, 8, 9]])
    other = images.clone()
    other[0, 0, :8, :8] = 0.1  # flat, of another grey
    torch.testing.assert_close(model(other), model(images), atol=0, rtol=0)
    assert not torch.allclose(vit()(other), vit()(images))


def test_keeping_all_is_the_plain_model() -> None:
    images = torch.rand(2, 1, 24, 40)
    assert vit().embeddings.kept(images) is None
    assert torch.equal(vit(kept_tokens=1.0)(images), vit()(images))


def test_kept_tokens_are_those_of_the_whole_sequence() -> None:
    model = vit(kept_tokens=0.4)
    images = torch.rand(2, 1, 24, 40)
    kept = model.embeddings.kept(images)
    whole = model.embeddings(images)
    some = model.embeddings(images, kept)
    assert kept is not None
    assert some.shape == (2, 1 + 6, 32)
    for image in range(2):
        assert torch.equal(some[image, 1:], whole[image, 1:][kept[image]])


def test_an_image_is_judged_alone() -> None:
    model = vit(kept_tokens=0.4)
    images = torch.rand(3, 1, 24, 40)
    torch.testing.assert_close(model(images[1:2]), model(images)[1:2], atol=1e-5, rtol=0)


def test_patches_are_dropped_at_random_in_training_alone() -> None:
    model = vit(kept_tokens=0.8, patch_dropout=0.5)
    images = torch.rand(2, 1, 24, 40)
    still = model.embeddings.kept(images)
    assert still is not None
    assert torch.equal(still, model.embeddings.kept(images))
    assert still.shape == (2, 12)
    model.train()
    drawn = [model.embeddings.kept(images) for _ in range(30)]
    assert all(numbers is not None and numbers.shape == (2, 6) for numbers in drawn)
    for image in range(2):
        met = {int(number) for numbers in drawn if numbers is not None for number in numbers[image]}
        assert met == set(still[image].tolist())


def test_targets_of_patches_follow_those_that_are_kept() -> None:
    model = vit(kept_tokens=0.2, num_classes=2)
    images = pictures([[3, 8, 9], [14, 0, 2]])
    module = Classifier(model, CONFIG.TrainingConfig(), None, {}, nn.Linear(32, 2))
    targets = torch.zeros(2, 15, 2)
    targets[0, 8], targets[0, 4], targets[1, 14] = 1, 1, 1  # 4 is left out
    labels = torch.tensor([1, 0])
    parts = module.training_step((images, labels, labels, targets), 0)
    _, patches, _ = model.with_patches(images)
    seen = torch.stack([targets[0, [3, 8, 9]], targets[1, [0, 2, 14]]])
    assert module.patch_head is not None
    torch.testing.assert_close(
        parts["train_lesion_loss"], module._lesion_loss(module.patch_head(patches), seen)
    )


def test_maps_say_what_was_not_seen() -> None:
    _, maps = explain(vit(kept_tokens=0.2), pictures([[3, 8, 9], [14, 0, 2]]), "attention")
    assert maps.shape == (2, 3, 5)
    assert np.flatnonzero(~maps[1].isnan()).tolist() == [0, 2, 14]
    torch.testing.assert_close(maps.nanmean(dim=(1, 2)), torch.ones(2))


def test_what_was_not_seen_is_hatched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attention = np.ones((3, 5), np.float32)
    attention[0, 0] = np.nan
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    item = plots.Explained(
        "a.png",
        np.full((24, 40), 0.5),
        attention,
        "relevance, for b",
        "a",
        "b",
        ["a", "b"],
        [0.4, 0.6],
    )
    plots.predictions([item], tmp_path / "x.png", "title")
    hatched = [
        part
        for axis in drawn[0].axes
        for part in axis.collections
        if getattr(part, "hatches", [None])[0]
    ]
    assert len(hatched) == 1
    assert any(
        "hatched: not seen" in text.get_text() for axis in drawn[0].axes for text in axis.texts
    )
