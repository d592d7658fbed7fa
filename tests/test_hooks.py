"""Attention maps: complete, in the right place, and without a trace on the model."""

from typing import Any, cast

import pytest
import torch
from torch import Tensor

from tests.models import model_of
from vit.checkpoint_gate import Plain
from vit.encoder import EncoderBlock
from vit.explain import explain
from vit.hooks import attention_maps, token_outliers
from vit.model import VisionTransformer
from vit.predictions import OUTLIER

DEPTH = 3
HEADS = 4
GRID = (3, 5)
PATCH = 8
WIDTH = 32
SIZE = (GRID[0] * PATCH, GRID[1] * PATCH)


def vit(**changes: Any) -> VisionTransformer:
    """A small model with sharp attention."""
    torch.manual_seed(11)
    sizes: Plain = {
        "image_size": SIZE,
        "patch_size": PATCH,
        "num_channels": 3,
        "num_classes": 5,
        "embedding_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_heads": HEADS,
        "num_registers": 2,
        "initializer_range": 0.2,
        "eps": 1e-6,
    }
    return model_of(**{**sizes, **changes}).eval()


def pictures(batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, *SIZE, generator=torch.Generator().manual_seed(12))


def blocks_of(model: VisionTransformer) -> list[EncoderBlock]:
    return cast(list[EncoderBlock], list(model.blocks))


def hooks_on(model: VisionTransformer) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()
    )


@torch.no_grad()
def that_attends_to_bright_patches() -> VisionTransformer:
    """Every query is the same; the key of a bright patch points along it, other keys are zero."""
    model = vit()
    for parameter in model.parameters():
        parameter.zero_()
    direction = torch.randn(WIDTH, generator=torch.Generator().manual_seed(13))
    direction = (direction - direction.mean()) / direction.std(
        correction=0
    )  # what a norm makes of it
    model.embeddings.patch_embedding.projection.weight[:] = direction[:, None, None, None]
    for block in blocks_of(model):
        block.norm1.weight.fill_(1)
        block.attention.key.weight.copy_(torch.eye(WIDTH))
        block.attention.query.bias.copy_(direction)
    return model


@pytest.mark.parametrize("registers", [0, 2])
def test_one_map_for_each_block(registers: int) -> None:
    model = vit(num_registers=registers)
    with attention_maps(model) as maps:
        model(pictures())
    n = 1 + registers + 15
    assert [tuple(one.shape) for one in maps] == [(2, HEADS, n, n)] * (DEPTH - 1) + [
        (2, HEADS, 1, n)
    ]


def test_maps_come_in_the_order_of_the_blocks() -> None:
    model = vit(num_registers=0)
    for block, constant in zip(blocks_of(model), (0.0, 5.0, 0.0), strict=True):
        torch.nn.init.constant_(block.attention.query.weight, 0)
        torch.nn.init.constant_(block.attention.query.bias, constant)
    with attention_maps(model) as maps:
        model(pictures())
    uneven = [bool((one - 1 / 16).abs().max() > 1e-3) for one in maps]
    assert uneven == [False, True, False]


def test_rows_sum_to_one() -> None:
    model = vit()
    with attention_maps(model) as maps:
        model(pictures())
    for one in maps:
        torch.testing.assert_close(one.sum(dim=-1), torch.ones(one.shape[:-1]), atol=1e-6, rtol=0)


def test_maps_can_be_differentiated() -> None:
    model = vit()
    with attention_maps(model) as maps:
        logits = model(pictures())
    gradients = torch.autograd.grad(logits[:, 1].sum(), maps)
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_last_map_is_the_first_row_of_all_tokens() -> None:
    model = vit()
    with attention_maps(model) as maps:
        model(pictures())
        short = maps[-1]
        tokens = model.embeddings(pictures())
        for block in model.blocks:
            tokens = block(tokens)
        torch.testing.assert_close(short, maps[-1][:, :, :1], atol=1e-6, rtol=0)


def test_a_second_forward_pass_replaces_the_maps() -> None:
    model = vit()
    with attention_maps(model) as maps:
        model(pictures())
        first = list(maps)
        model(pictures().flip(0))
    assert len(maps) == DEPTH
    for before, after in zip(first, maps, strict=True):
        torch.testing.assert_close(after, before.flip(0), atol=1e-6, rtol=0)
        assert not torch.allclose(after, before, atol=1e-3)


def test_nothing_is_left_on_the_model() -> None:
    model = vit()
    with attention_maps(model) as maps:
        model(pictures())
        kept = list(maps)
        assert hooks_on(model) == DEPTH + 1
    model(pictures(8))
    assert hooks_on(model) == 0
    assert all(one is before for one, before in zip(maps, kept, strict=True))


def test_nothing_is_left_on_the_model_after_an_exception() -> None:
    model = vit()
    with pytest.raises(ValueError, match="image of 8 x 8 px"), attention_maps(model) as maps:
        model(torch.zeros(2, 3, 8, 8))
    assert hooks_on(model) == 0
    model(pictures())
    assert maps == []


def test_looking_changes_no_logit() -> None:
    model = vit(attention_dropout=0.3, hidden_dropout_prob=0.3)
    with torch.no_grad():
        plain = model(pictures())
    logits, _ = explain(model, pictures(), "attention")
    torch.testing.assert_close(logits, plain, atol=1e-6, rtol=1e-6)


def test_an_even_share_is_one() -> None:
    logits, maps = explain(vit(), pictures(), "attention")
    assert logits.shape == (2, 5)
    assert maps.shape == (2, *GRID)
    torch.testing.assert_close(maps.mean(dim=(1, 2)), torch.ones(2), atol=1e-6, rtol=0)


def test_cls_attention_is_the_mean_of_the_heads_over_patches() -> None:
    model = vit()
    with attention_maps(model) as maps, torch.no_grad():
        model(pictures())
    patches = maps[-1][:, :, 0, -15:].mean(dim=1)
    wanted = (patches / patches.sum(dim=1, keepdim=True) * 15).view(2, *GRID)
    torch.testing.assert_close(
        explain(model, pictures(), "attention")[1], wanted, atol=1e-6, rtol=1e-6
    )


def test_maps_do_not_depend_on_the_batch() -> None:
    model = vit()
    images = pictures(8)
    alone = torch.cat([explain(model, image[None], "attention")[1] for image in images])
    torch.testing.assert_close(explain(model, images, "attention")[1], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("places", [((0, 4), (2, 0)), ((1, 3), (2, 1))])
def test_the_map_shows_the_patch_that_is_attended(
    places: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    images = torch.zeros(2, 3, *SIZE)
    for image, (row, column) in zip(images, places, strict=True):
        image[:, row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH] = 1
    _, maps = explain(that_attends_to_bright_patches(), images, "attention")
    for one, place in zip(maps, places, strict=True):
        assert divmod(int(one.argmax()), GRID[1]) == place
        others = one.flatten().sort().values[:-1]
        assert one.max() > 3 * others.max()
        torch.testing.assert_close(others, others[:1].expand_as(others))


def test_the_last_map_alone_leaves_the_other_blocks_fused() -> None:
    model = vit()
    with attention_maps(model) as maps, torch.no_grad():
        model(pictures())
        wanted = maps[-1]
    with attention_maps(model, first=-1) as maps, torch.no_grad():
        model(pictures())
    assert len(maps) == 1
    torch.testing.assert_close(maps[0], wanted, atol=1e-6, rtol=0)


def test_a_token_that_stands_out_is_told() -> None:
    model = vit()
    images = pictures()
    with token_outliers(model) as ratios:
        model(images)
    usual = ratios[0]
    assert usual.shape == (2,)
    assert (usual < OUTLIER).all()

    def swell(_: Any, __: Any, tokens: Tensor) -> Tensor:
        tokens = tokens.clone()
        tokens[1, 2 + 1 + 7] *= 50
        tokens[:, :3] *= 1000  # CLS and registers do not count
        return tokens

    hook = model.blocks[-2].register_forward_hook(swell)
    with token_outliers(model) as ratios:
        model(images)
    hook.remove()
    assert ratios[0][0] == pytest.approx(float(usual[0]), rel=1e-4)
    assert ratios[0][1] > 10 * OUTLIER
    assert hooks_on(model) == 0
