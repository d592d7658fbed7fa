"""Where the model looked, by methods that stand outside the model.

Every method gives the evidence for one class in each patch, from the tokens' own computation: CLS
and registers are left out, what speaks against the class counts as none, and a map is scaled so
that 1 is an even share.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vit.hooks import attention_maps, outputs_of, still
from vit.map_request import DEFAULT, ExplanationError
from vit.model import VisionTransformer


class _Asked(NamedTuple):
    """What is to be explained, of which blocks and heads."""

    model: VisionTransformer
    images: Tensor
    target: Tensor  # (B,) class of each image
    blocks: slice
    heads: slice

    def odds(self, logits: Tensor) -> Tensor:
        """(B, K) logits to (B,) log odds of each image's class, on which its probability rests."""
        return odds_of(self.model, logits, self.target)


Answer = tuple[Tensor, Tensor]  # (B, classes) logits; (B, 1 + R + K) evidence of each token


def log_odds(logits: Tensor, target: Tensor) -> Tensor:
    """(B, K) logits to (B,) log odds of the target class against all others.

    The probability of the class rests on them, where the classes shut each other out.
    """
    others = logits.masked_fill(nn.functional.one_hot(target, logits.shape[1]).bool(), -math.inf)
    return logits.gather(1, target[:, None])[:, 0] - others.logsumexp(dim=1)


def odds_of(model: VisionTransformer, logits: Tensor, target: Tensor) -> Tensor:
    """As ``log_odds``; the logit of a finding is its log odds already, whatever the others are."""
    if not model.multilabel:
        return log_odds(logits, target)
    is_target = target[:, None] == torch.arange(logits.shape[1], device=logits.device)  # (B, K)
    return (logits * is_target).sum(dim=1)


def _cls_attention(asked: _Asked) -> Answer:
    """Attention of the CLS token in one block, the last by default, mean over heads.

    Dosovitskiy et al. 2021, section 4.5; Caron et al. 2021, "Emerging Properties in Self-Supervised
    Vision Transformers". The published kind of picture; it knows no class.
    """
    number = (asked.blocks.stop or len(asked.model.blocks)) - 1
    with torch.no_grad(), attention_maps(asked.model, number - len(asked.model.blocks)) as maps:
        logits = asked.model(asked.images)
        return logits, maps[0][:, asked.heads, 0].mean(dim=1)


def _rollout(asked: _Asked) -> Answer:
    """Attention multiplied through the blocks; it knows no class.

    Half of each token stays where it is.

    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3.
    """
    with torch.no_grad(), attention_maps(asked.model) as maps:
        logits = asked.model(asked.images)
        fused = [each[:, asked.heads].mean(dim=1) for each in maps[asked.blocks]]
        return logits, _down(fused, _stay)


def _gradient_rollout(asked: _Asked) -> Answer:
    """Rollout of the positive part of attention times the gradient of the class in it.

    Rows sum to 1.

    Rollout as in Abnar and Zuidema 2020 with the weights of Chefer et al. 2021b, equation 5.
    """
    logits, fused = _weighted(asked)
    return logits, _down(fused, _share)


def _relevance(asked: _Asked) -> Answer:
    """Relevance handed down through the blocks by attention times the gradient of the class in it.

    Chefer, Gur and Wolf 2021b, "Generic Attention-model Explainability for Interpreting Bi-Modal
    and Encoder-Decoder Transformers", equations 5 and 6.
    """
    logits, fused = _weighted(asked)
    return logits, _down(fused, _step)


def _legrad(asked: _Asked) -> Answer:
    """Gradient of the class in the attention of each block, summed.

    In each block the class is as the head would judge the CLS token of that block.

    Bousselham et al. 2024, "LeGrad: An Explainability Method for Vision Transformers via Feature
    Formation Sensitivity", equations 5 to 9, for a CLS token.
    """
    model = asked.model
    scores = list[Tensor]()

    def judge(_: nn.Module, __: tuple[Tensor, ...], tokens: Tensor) -> None:
        scores.append(asked.odds(model.head(model.norm(tokens[:, 0]))))

    hooks = [
        block.register_forward_pre_hook(lambda _, given: (given[0].detach(),))
        for block in model.blocks
    ]
    try:
        hooks += [block.register_forward_hook(judge) for block in model.blocks]
        with still(model), attention_maps(model) as maps:
            logits = model(asked.images)
            wanted = maps[asked.blocks]
            gradients = torch.autograd.grad(torch.stack(scores[asked.blocks]).sum(), wanted)
    finally:
        for hook in hooks:
            hook.remove()
    rows = [gradient[:, asked.heads, 0].clamp_min(0).mean(dim=1) for gradient in gradients]
    return logits, torch.stack(rows).sum(dim=0)


def _agreement(asked: _Asked) -> Answer:
    """Geometric mean of ``relevance`` and ``legrad``: high where both see evidence.

    Of our own making, as no single method is the best one for every model (docs/explanations.md).
    """
    logits, first = _relevance(asked)
    _, second = _legrad(asked)
    return logits, (first.clamp_min(0) * second.clamp_min(0)).sqrt()


def _grad_cam(asked: _Asked) -> Answer:
    """Tokens that enter one block, weighted by the mean gradient of the class in each channel.

    By default the last block.

    Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2, a token being a place. It has no heads.
    """
    block = asked.model.blocks[asked.blocks][-1]
    with still(asked.model), outputs_of(asked.model, [block.get_submodule("norm1")]) as kept:
        logits = asked.model(asked.images)
        (gradient,) = torch.autograd.grad(asked.odds(logits).sum(), kept)
    weights = gradient[:, asked.model.num_prefix_tokens :].mean(dim=1, keepdim=True)  # (B, 1, D)
    return logits, (weights * kept[0]).sum(dim=2)


def _occlusion(asked: _Asked) -> Answer:
    """Fall of the log odds when a patch is painted in the mean grey; a forward pass for each patch.

    Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2.
    Blocks and heads do not matter to it.
    """
    model = asked.model
    size = asked.model.embeddings.patch_embedding.patch_size
    with torch.no_grad():
        logits = model(asked.images)
        before = asked.odds(logits)
        falls = []
        for number in range(math.prod(model.grid)):
            row, column = divmod(number, model.grid[1])
            painted = asked.images.clone()
            painted[..., row * size : (row + 1) * size, column * size : (column + 1) * size] = 0
            falls.append(before - asked.odds(model(painted)))
        evidence = torch.stack(falls, dim=1)  # (B, N)
        kept = model.embeddings.kept(asked.images)
        evidence = evidence if kept is None else evidence.gather(1, kept)
    return logits, torch.cat(
        [evidence.new_zeros(len(evidence), model.num_prefix_tokens), evidence], dim=1
    )


METHODS: dict[str, Callable[[_Asked], Answer]] = {
    "attention": _cls_attention,
    "rollout": _rollout,
    "gradient-rollout": _gradient_rollout,
    "relevance": _relevance,
    "legrad": _legrad,
    "agreement": _agreement,
    "grad-cam": _grad_cam,
    "occlusion": _occlusion,
}
WITHOUT = {
    "grad-cam": ("head",),
    "occlusion": ("layer", "head"),
}  # what a method does not tell apart


def explain(
    model: VisionTransformer,
    images: Tensor,
    method: str = DEFAULT,
    target: int | Tensor | None = None,
    layer: int | None = None,
    head: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits, and where the evidence for a class lies, by one of METHODS.

    One forward pass and at most one backward pass for all images, but for occlusion; agreement
    takes two of each.

    Args:
        model: in eval mode.
        images: (B, C, H, W), standardised.
        target: class, or one for each image, (B,); by default the last, positive one.
        layer: the only block that is used, from 0; by default all, or the last where a method
            looks at one.
        head: the only attention head that is used, from 0; by default all.

    Returns:
        (B, K) logits and (B, grid height, grid width) maps, none negative, with a mean of 1 (all 0
            where nothing speaks
        for the class). Patches that the model leaves out are NaN: not seen.

    Raises:
        ExplanationError: no such method, class, block or head, or one that the method does not tell
            apart.
    """
    target = model.num_classes - 1 if target is None else target
    check(model, method, target, layer, head)
    wanted = torch.as_tensor(target, device=images.device).expand(images.shape[0])
    return explain_chosen(model, images, wanted, method, layer, head)


def explain_chosen(
    model: VisionTransformer,
    images: Tensor,
    wanted: Tensor,
    method: str = DEFAULT,
    layer: int | None = None,
    head: int | None = None,
) -> tuple[Tensor, Tensor]:
    """As ``explain``, for (B,) classes that the model's own logits chose.

    Nothing is checked: in a graph that is traced their numbers are not known yet.
    """
    blocks, own = (
        slice(None) if number is None else slice(number, number + 1) for number in (layer, head)
    )
    logits, evidence = METHODS[method](_Asked(model, images, wanted, blocks, own))
    return logits.detach(), _as_maps(model, images, evidence[:, None])[:, 0]


def explain_at_once(
    model: VisionTransformer, images: Tensor, target: int | Tensor
) -> dict[str, Tensor]:
    """What ``explain`` says by each method that rests on attention, all from one pass each way.

    ``target``: as of ``explain``.

    Returns:
        Under the name of a method (B, 1, grid height, grid width); under "heads of attention" and
            "heads of relevance"
        (B, L * (1 + H), grid height, grid width): of each block first the mean over its heads, then
            each head.
    """
    wanted = torch.as_tensor(target, device=images.device).expand(images.shape[0])
    with still(model), attention_maps(model) as maps:
        slopes = torch.autograd.grad(odds_of(model, model(images), wanted).sum(), maps)
    with torch.no_grad():
        weighted = [slope.mul_(each).relu_() for slope, each in zip(slopes, maps, strict=True)]
        plain, fused = ([each.mean(dim=1) for each in every] for every in (maps, weighted))
        walks = {
            "relevance": (fused, _step),
            "rollout": (plain, _stay),
            "gradient-rollout": (fused, _share),
        }
        evidence = {name: _down(*walk)[:, None] for name, walk in walks.items()}
        for name, every in (("heads of attention", maps), ("heads of relevance", weighted)):
            heads = torch.stack(
                [each[:, :, 0] for each in every], dim=1
            )  # (B, L, H, 1 + R + K), the CLS row
            evidence[name] = torch.cat([heads.mean(dim=2, keepdim=True), heads], dim=2).flatten(
                1, 2
            )
        return {name: _as_maps(model, images, each) for name, each in evidence.items()}


def _as_maps(model: VisionTransformer, images: Tensor, evidence: Tensor) -> Tensor:
    """(B, M, 1 + R + K) evidence to (B, M, grid height, grid width) maps, as ``explain`` gives."""
    evidence = evidence.detach()[..., model.num_prefix_tokens :].clamp_min(0)  # (B, M, K)
    maps = evidence / evidence.mean(dim=2, keepdim=True).clamp_min(1e-12)
    kept = model.embeddings.kept(images)
    if kept is not None:
        unseen = maps.new_full((*maps.shape[:2], math.prod(model.grid)), math.nan)
        maps = unseen.scatter(2, kept[:, None].expand(-1, maps.shape[1], -1), maps)  # (B, M, N)
    return maps.view(*maps.shape[:2], *model.grid)


def check(
    model: VisionTransformer,
    method: str,
    target: int | Tensor,
    layer: int | None = None,
    head: int | None = None,
) -> None:
    """Raise ExplanationError unless ``explain`` can answer this."""
    if method not in METHODS:
        raise ExplanationError(f"method: got {method}, wanted one of {', '.join(METHODS)}")
    classes = torch.as_tensor(target)
    for name, value, count in (
        *(("target", int(each), model.num_classes) for each in (classes.min(), classes.max())),
        ("layer", layer, len(model.blocks)),
        ("head", head, model.num_heads),
    ):
        if value is not None and name in WITHOUT.get(method, ()):
            raise ExplanationError(
                f"{name}: got {value}, but {method} has none to choose; leave --{name} out"
            )
        if value is not None and not 0 <= value < count:
            raise ExplanationError(f"{name}: got {value}, wanted 0 to {count - 1}")


def _weighted(asked: _Asked) -> tuple[Tensor, list[Tensor]]:
    """Logits, and of each block the mean over heads of (gradient x attention)+ (Chefer et al.
    2021b, equation 5).
    """
    with still(asked.model), attention_maps(asked.model) as maps:
        logits = asked.model(asked.images)
        wanted = maps[asked.blocks]
        gradients = torch.autograd.grad(asked.odds(logits).sum(), wanted)
        pairs = zip(gradients, wanted, strict=True)
        with torch.no_grad():
            return logits, [
                slope.mul_(each)[:, asked.heads].relu_().mean(dim=1) for slope, each in pairs
            ]


def _step(row: Tensor, mixing: Tensor) -> Tensor:
    return row + row @ mixing


def _stay(row: Tensor, mixing: Tensor) -> Tensor:
    return (row + row @ mixing) / 2


def _share(row: Tensor, mixing: Tensor) -> Tensor:
    return _step(row / (1 + mixing.sum(dim=2))[:, None], mixing)


def _down(fused: list[Tensor], step: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The CLS row, (B, N), of the product of all blocks.

    They are (B, N, N) each, the last block (B, 1, N).
    """
    *body, last = fused
    count = last.shape[2]
    row = nn.functional.one_hot(torch.zeros_like(last[:, :1, 0], dtype=torch.long), count).to(
        last
    )  # (B, 1, N): CLS
    for mixing in [nn.functional.pad(last, (0, 0, 0, count - last.shape[1])), *reversed(body)]:
        row = step(row, mixing)
    return row[:, 0]
