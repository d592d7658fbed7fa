"""From pixels to tokens: patches, convolutions, CLS, registers, positions."""

import math

import pytest
import torch
from torch import nn

from tests.models import embeddings_of, model_of
from tests.test_vit import pictures, shaken, vit
from vit.embeddings import PatchEmbedding, sine_positions
from vit.model import POSITIONS


def test_patches_are_numbered_row_by_row() -> None:
    embedding = PatchEmbedding((24, 40), 8, 3, 32)
    images = torch.zeros(2, 3, 24, 40)
    images[0, :, 8:16, 32:40] = 1  # row 1, column 4 of 3 x 5
    changed = (embedding(images) - embedding(torch.zeros_like(images))).abs().amax(dim=2)
    assert changed.nonzero().tolist() == [[0, 1 * 5 + 4]]


@pytest.mark.parametrize("registers", [0, 1, 3])
def test_tokens_are_cls_then_registers_then_patches(registers: int) -> None:
    model = shaken(vit(num_registers=registers))
    parts = model.embeddings
    tokens = parts(pictures())
    assert tokens.shape == (2, 1 + registers + 15, 32)
    assert model.num_prefix_tokens == 1 + registers
    patches = parts.patch_embedding(pictures())
    torch.testing.assert_close(tokens[0, 0], parts.cls_token[0, 0] + parts.position_embedding[0, 0])
    torch.testing.assert_close(tokens[1, 1 : 1 + registers], parts.registers[0])
    torch.testing.assert_close(
        tokens[:, 1 + registers :], patches + parts.position_embedding[:, 1:]
    )


def test_registers_have_no_position() -> None:
    embeddings = embeddings_of((24, 40), 8, 3, 32, num_registers=2)
    assert embeddings.registers.shape == (1, 2, 32)
    assert embeddings.position_embedding.shape == (1, 1 + 15, 32)


def test_registers_take_part() -> None:
    model = shaken(vit(num_registers=2))
    before = model(pictures())
    with torch.no_grad():
        model.embeddings.registers[:, 1].neg_()
    assert not torch.allclose(model(pictures()), before, atol=1e-3)


@pytest.mark.parametrize("size", [(20, 40), (24, 44)])
def test_an_image_that_does_not_divide_into_patches(size: tuple[int, int]) -> None:
    with pytest.raises(
        ValueError, match=rf"image_size {size[0]} x {size[1]} is not divisible by patch_size 8"
    ):
        vit(image_size=size)


def test_an_image_of_another_size_than_the_model() -> None:
    with pytest.raises(ValueError, match=r"image of 40 x 24 px, but this model takes 24 x 40 px"):
        vit()(pictures(40, 24))


@pytest.mark.parametrize(
    ("patch_size", "grid"), [(4, (12, 6)), (8, (6, 3)), (12, (4, 2)), (3, (16, 8))]
)
def test_convolution_stem_gives_a_token_for_each_patch(
    patch_size: int, grid: tuple[int, int]
) -> None:
    model = model_of(
        (48, 24),
        patch_size=patch_size,
        num_channels=3,
        num_classes=5,
        embedding_size=16,
        num_hidden_layers=1,
        num_heads=4,
        stem="convolution",
    )
    cls, patches, _ = model.with_patches(torch.rand(2, 3, 48, 24))
    assert (cls.shape, patches.shape) == ((2, 16), (2, grid[0] * grid[1], 16))
    assert model.grid == grid
    strides = [
        part.stride
        for part in model.embeddings.patch_embedding.modules()
        if isinstance(part, nn.Conv2d)
    ]
    halvings = {4: 2, 8: 3, 12: 2, 3: 0}[patch_size]
    assert strides == [(2, 2), (1, 1)] * halvings + [(patch_size // 2**halvings,) * 2]


def test_unknown_stem_is_refused() -> None:
    with pytest.raises(ValueError, match="stem: got 'conv', wanted patch or convolution"):
        model_of(32, patch_size=8, stem="conv")


def test_positions_begin_as_waves_that_tell_rows_from_columns() -> None:
    waves = sine_positions((3, 5), 16).unflatten(0, (3, 5))
    assert waves.shape == (3, 5, 16)
    assert torch.equal(waves[1, 0, :8], waves[1, 4, :8])  # the row's half
    assert torch.equal(waves[0, 2, 8:], waves[2, 2, 8:])
    assert waves[2, 3, 0] == pytest.approx(math.sin(2))
    assert waves[2, 3, 12] == pytest.approx(math.cos(3))
    assert sine_positions((2, 2), 6).shape == (4, 6)
    embedding = vit().embeddings.position_embedding[0]
    assert torch.equal(embedding[1:], POSITIONS * sine_positions((3, 5), 32))
    assert 0.01 < float(embedding[0].detach().std()) < 0.03
