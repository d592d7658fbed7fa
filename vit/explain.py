"""Where the model looked. Outside the model: hooks that are gone afterwards, whatever happens in between."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from vit.attention import SelfAttention, explicit_attention
from vit.model import VisionTransformer


@contextmanager
def attention_maps(model: VisionTransformer, first: int = 0) -> Iterator[list[Tensor]]:
    """Inside this context each forward pass fills the list with one map for each block, ``first`` block first.

    A map is (B, heads, N, N) attention probabilities, rows summing to 1; that of the last block has one row,
    (B, heads, 1, N), of the CLS token, the only one that is worked out there. ``first`` = -1 gives that map alone,
    while all blocks before it stay fused: nothing of size N x N is held.
    """
    maps: list[Tensor] = []
    blocks = model.blocks[first:]
    attentions = [part for part in blocks.modules() if isinstance(part, SelfAttention)]
    assert len(attentions) == len(blocks), "a block without SelfAttention"
    hooks = [model.embeddings.register_forward_pre_hook(lambda *_: maps.clear())]
    try:
        for attention in attentions:
            hooks.append(attention.probabilities.register_forward_hook(lambda _, __, output: maps.append(output)))
        with explicit_attention(blocks):
            yield maps
    finally:
        for hook in hooks:
            hook.remove()


def cls_attention(model: VisionTransformer, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits, and the attention of the CLS token to each patch in the last block, averaged over heads.

    The map that Dosovitskiy et al. 2021 and Caron et al. 2021 ("Emerging Properties in Self-Supervised Vision
    Transformers") show. CLS and registers are left out, and the rest is scaled so that 1 is an even share:
    the mean of each map is 1. Patches that the model leaves out are NaN: not seen.

    Args:
        model: in eval mode.
        images: (B, C, H, W), standardised.

    Returns:
        (B, K) logits and (B, grid height, grid width) maps.
    """
    with torch.inference_mode(), attention_maps(model, first=-1) as maps:
        logits = model(images)
        cls_row = maps[-1].mean(dim=1)[:, 0, model.num_prefix_tokens :]  # (B, K)
        relative = cls_row / cls_row.mean(dim=1, keepdim=True).clamp_min(1e-12)
        kept = model.embeddings.kept(images)
        if kept is not None:
            unseen = relative.new_full((len(images), math.prod(model.grid)), math.nan)
            relative = unseen.scatter(1, kept, relative)  # (B, N)
    return logits, relative.view(-1, *model.grid)
