"""Each method against its paper's equations, worked out here with whole matrices, or against
Captum.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from captum.attr import LayerGradCam, Occlusion
from torch import Tensor, nn

from tests.test_hooks import GRID, HEADS, PATCH, blocks_of, hooks_on, pictures, vit
from vit.checkpoint_gate import Plain
from vit.explain import METHODS, explain, explain_at_once, log_odds
from vit.hooks import attention_maps
from vit.model import VisionTransformer

TARGET = 3  # of 5 classes
Worked = tuple[
    Tensor, list[Tensor], list[Tensor]
]  # logits; of each block attention (B, heads, N, N), and tokens after


def worked_out(model: VisionTransformer, images: Tensor) -> Worked:
    """The model by its equations, every row of the last block too."""
    tokens = model.embeddings(images)
    maps = list[Tensor]()
    states = list[Tensor]()
    for block in blocks_of(model):
        normed = block.norm1(tokens)
        own = block.attention
        query, key, value = (
            part(normed).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for part in (own.query, own.key, own.value)
        )
        scores = torch.einsum("bhqd,bhkd->bhqk", query, key) / query.shape[3] ** 0.5
        maps.append(scores.exp() / scores.exp().sum(dim=3, keepdim=True))
        tokens = tokens + own.projection(
            torch.einsum("bhqk,bhkd->bqhd", maps[-1], value).flatten(2)
        )
        tokens = tokens + block.mlp(block.norm2(tokens))
        states.append(tokens)
    return model.head(model.norm(tokens[:, 0])), maps, states


def score(logits: Tensor) -> Tensor:
    """log p / (1 - p), summed over the batch."""
    p = logits.softmax(dim=1)[:, TARGET]
    return (p / (1 - p)).log().sum()


def as_map(evidence: Tensor, prefix: int = 3) -> Tensor:
    """CLS and two registers go, negative evidence too, and the mean becomes 1."""
    patches = evidence[:, prefix:].clamp(min=0).detach()
    return (patches / patches.mean(dim=1, keepdim=True)).view(-1, *GRID)


def product(matrices: list[Tensor]) -> Tensor:
    whole = torch.eye(matrices[0].shape[1]).expand_as(matrices[0])
    for matrix in matrices:
        whole = matrix @ whole
    return whole[:, 0]


def weighted(model: VisionTransformer, images: Tensor) -> list[Tensor]:
    logits, maps, _ = worked_out(model, images)
    gradients = torch.autograd.grad(score(logits), maps)
    return [(a * g).clamp(min=0).mean(dim=1) for a, g in zip(maps, gradients, strict=True)]


def attention(model: VisionTransformer, images: Tensor) -> Tensor:
    return worked_out(model, images)[1][-1].mean(dim=1)[:, 0]


def rollout(model: VisionTransformer, images: Tensor) -> Tensor:
    eye = torch.eye(18)
    return product([0.5 * each.mean(dim=1) + 0.5 * eye for each in worked_out(model, images)[1]])


def gradient_rollout(model: VisionTransformer, images: Tensor) -> Tensor:
    with_self = [each + torch.eye(18) for each in weighted(model, images)]
    return product([each / each.sum(dim=2, keepdim=True) for each in with_self])


def relevance(model: VisionTransformer, images: Tensor) -> Tensor:
    whole = torch.eye(18).expand(len(images), -1, -1)
    for each in weighted(model, images):
        whole = whole + each @ whole
    return whole[:, 0]


def legrad(model: VisionTransformer, images: Tensor) -> Tensor:
    _, maps, states = worked_out(model, images)
    total = torch.zeros(len(images), 18)
    for each, state in zip(maps, states, strict=True):
        (gradient,) = torch.autograd.grad(
            score(model.head(model.norm(state[:, 0]))), each, retain_graph=True
        )
        total += gradient.clamp(min=0).mean(dim=1).sum(dim=1)  # rows beyond that of CLS are 0
    return total


def agreement(model: VisionTransformer, images: Tensor) -> Tensor:
    return (relevance(model, images) * legrad(model, images)).sqrt()


class Probe(nn.Module):
    """Lets Captum see patch tokens as a picture of channels."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.place = nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.inner(tokens)
        return torch.cat(
            [tokens[:, :3], self.place(tokens[:, 3:].transpose(1, 2)).transpose(1, 2)], dim=1
        )


def grad_cam(model: VisionTransformer, images: Tensor) -> Tensor:
    last = blocks_of(model)[-1]
    inner = last.norm1
    last.norm1 = probe = Probe(inner)  # type: ignore[assignment]
    found = LayerGradCam(
        lambda x: log_odds(model(x), torch.full((len(x),), TARGET)), probe.place
    ).attribute(images)
    last.norm1 = inner
    assert isinstance(found, Tensor)
    return torch.cat([torch.zeros(len(images), 3), found[:, 0]], dim=1)


def occlusion(model: VisionTransformer, images: Tensor) -> Tensor:
    window = (3, PATCH, PATCH)
    captum = Occlusion(lambda x: log_odds(model(x), torch.full((len(x),), TARGET)))
    found = captum.attribute(images, sliding_window_shapes=window, strides=window, baselines=0)
    assert isinstance(found, Tensor)
    patches = found[:, 0, ::PATCH, ::PATCH].flatten(1)
    return torch.cat([torch.zeros(len(images), 3), patches], dim=1)


REFERENCES: dict[str, Callable[[VisionTransformer, Tensor], Tensor]] = {
    "attention": attention,
    "rollout": rollout,
    "gradient-rollout": gradient_rollout,
    "relevance": relevance,
    "legrad": legrad,
    "agreement": agreement,
    "grad-cam": grad_cam,
    "occlusion": occlusion,
}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_what_its_paper_says(method: str) -> None:
    model = vit(num_hidden_layers=2)
    images = pictures()
    wanted = as_map(REFERENCES[method](model, images))
    _, maps = explain(model, images, method, target=TARGET)
    torch.testing.assert_close(maps, wanted, atol=1e-4, rtol=1e-4)


def test_attention_lands_on_the_patches_that_are_kept() -> None:
    model = vit(kept_tokens=0.4)
    images = pictures()
    kept = model.embeddings.kept(images)
    assert kept is not None
    with attention_maps(model) as maps, torch.no_grad():
        model(images)
    rows = maps[-1].mean(dim=1)[:, 0, 3:]
    for one, numbers, values in zip(
        explain(model, images, "attention")[1], kept, rows, strict=True
    ):
        torch.testing.assert_close(
            one.flatten()[numbers], values / values.mean(), atol=1e-5, rtol=1e-4
        )


def test_occlusion_lands_on_the_patches_that_are_kept() -> None:
    model = vit(kept_tokens=0.4)
    images = pictures()
    kept = model.embeddings.kept(images)
    assert kept is not None
    falls = occlusion(model, images)[:, 3:].detach()  # by Captum, of all patches
    for one, numbers, values in zip(
        explain(model, images, "occlusion", TARGET)[1], kept, falls, strict=True
    ):
        wanted = values[numbers].clamp(min=0)
        torch.testing.assert_close(
            one.flatten()[numbers], wanted / wanted.mean(), atol=1e-4, rtol=1e-4
        )


def test_a_frozen_weight_stays_frozen() -> None:
    model = vit()
    model.norm.weight.requires_grad_(False)
    explain(model, pictures(), "relevance")
    assert not model.norm.weight.requires_grad
    assert model.norm.bias.requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_explaining_changes_no_logit_and_leaves_nothing_behind(method: str) -> None:
    model = vit(attention_dropout=0.3, hidden_dropout_prob=0.3)
    plain = model(pictures()).detach()
    logits, maps = explain(model, pictures(), method)
    torch.testing.assert_close(logits, plain, atol=1e-6, rtol=1e-6)
    assert not logits.requires_grad
    assert not maps.requires_grad
    assert hooks_on(model) == 0
    assert all(
        parameter.requires_grad and parameter.grad is None for parameter in model.parameters()
    )


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_left_behind_after_an_exception(method: str) -> None:
    model = vit()

    def fail(*_: Any) -> None:
        raise RuntimeError("in the middle")

    hook = blocks_of(model)[1].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        explain(model, pictures(), method)
    hook.remove()
    assert hooks_on(model) == 0
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(block.attention.fused for block in blocks_of(model))


@pytest.mark.parametrize("method", METHODS)
def test_maps_do_not_depend_on_the_batch(method: str) -> None:
    model = vit()
    images = pictures(8)
    alone = torch.cat([explain(model, image[None], method)[1] for image in images])
    torch.testing.assert_close(explain(model, images, method)[1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_map_is_of_one_class_where_the_method_knows_classes(method: str) -> None:
    model = vit()
    images = pictures()
    one, other = (explain(model, images, method, target=target)[1] for target in (0, TARGET))
    assert torch.equal(one, other) == (method in ("attention", "rollout"))
    mixed = explain(model, images, method, target=torch.tensor([0, TARGET]))[1]
    torch.testing.assert_close(mixed, torch.stack([one[0], other[1]]), atol=1e-5, rtol=1e-4)
    assert torch.equal(
        explain(model, images, method)[1], explain(model, images, method, target=4)[1]
    )


@pytest.mark.parametrize("method", METHODS)
def test_patches_that_are_left_out_are_not_seen(method: str) -> None:
    model = vit(kept_tokens=0.4)
    images = pictures()
    _, maps = explain(model, images, method)
    kept = model.embeddings.kept(images)
    assert kept is not None
    for one, numbers in zip(maps, kept, strict=True):
        assert torch.equal((~one.isnan()).flatten().nonzero()[:, 0], numbers)
        assert one.nanmean() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "method", ["attention", "rollout", "gradient-rollout", "relevance", "legrad", "agreement"]
)
def test_heads_differ_and_one_head_is_that_head(method: str) -> None:
    model = vit()
    images = pictures()
    own = [explain(model, images, method, head=head)[1] for head in range(HEADS)]
    assert all(not torch.allclose(own[0], other, atol=1e-2) for other in own[1:])
    if method == "attention":
        whole = worked_out(model, images)[1][-1]
        torch.testing.assert_close(own[2], as_map(whole[:, 2, 0]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "method",
    ["attention", "rollout", "gradient-rollout", "relevance", "legrad", "agreement", "grad-cam"],
)
def test_blocks_differ_and_one_block_is_that_block(method: str) -> None:
    model = vit()
    images = pictures()
    own = [explain(model, images, method, target=TARGET, layer=layer)[1] for layer in range(3)]
    assert all(not torch.allclose(own[0], other, atol=1e-2) for other in own[1:])
    rows = [each.mean(dim=1)[:, 0] for each in worked_out(model, images)[1]]
    if method in ("attention", "rollout"):
        for one, row in zip(own, rows, strict=True):
            torch.testing.assert_close(one, as_map(row), atol=1e-5, rtol=1e-4)
    if method == "relevance":
        for one, each in zip(own, weighted(model, images), strict=True):
            torch.testing.assert_close(one, as_map(each[:, 0]), atol=1e-4, rtol=1e-4)


def test_agreement_has_evidence_where_both_methods_have_it() -> None:
    model = vit()
    images = pictures()
    both, first, second = (
        explain(model, images, name)[1] for name in ("agreement", "relevance", "legrad")
    )
    assert torch.equal(both > 0, (first > 0) & (second > 0))


def test_where_nothing_speaks_for_the_class_the_map_is_empty() -> None:
    model = vit()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert not explain(model, pictures(), "occlusion")[1].any()


def test_log_odds_are_the_difference_of_two_logits() -> None:
    logits = torch.tensor([[0.3, 1.5], [2.0, -1.0]])
    torch.testing.assert_close(log_odds(logits, torch.tensor([1, 0])), torch.tensor([1.2, 3.0]))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "lime"}, "method: got lime, wanted one of attention, rollout, .*occlusion"),
        ({"layer": 3}, "layer: got 3, wanted 0 to 2"),
        ({"head": 4}, "head: got 4, wanted 0 to 3"),
        ({"target": 5}, "target: got 5, wanted 0 to 4"),
        ({"method": "grad-cam", "head": 0}, "head: got 0, but grad-cam has none to choose"),
        ({"method": "occlusion", "layer": 0}, "layer: got 0, but occlusion has none to choose"),
    ],
)
def test_what_is_not_there_is_said(asked: Plain, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explain(vit(), pictures(), **asked)


@pytest.mark.parametrize("kept", [1.0, 0.5])
def test_all_at_once_says_what_each_method_says(kept: float) -> None:
    model = vit(kept_tokens=kept)
    images = pictures()
    together = explain_at_once(model, images, TARGET)
    for method in ("relevance", "rollout", "gradient-rollout"):
        alone = explain(model, images, method, TARGET)[1]
        assert torch.allclose(together[method][:, 0], alone, rtol=1e-4, atol=1e-5, equal_nan=True)
    for method in ("attention", "relevance"):
        own = together[f"heads of {method}"].view(len(images), len(model.blocks), 1 + HEADS, *GRID)
        for layer in range(len(model.blocks)):
            for head in (None, 0, HEADS - 1):
                alone = explain(model, images, method, TARGET, layer, head)[1]
                at = own[:, layer, 0 if head is None else 1 + head]
                assert torch.allclose(at, alone, rtol=1e-4, atol=1e-5, equal_nan=True)
