"""What a model holds in between: hooks that are gone afterwards, whatever happens meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vit.attention import SelfAttention, explicit_attention
from vit.model import VisionTransformer


@contextmanager
def attention_maps(model: VisionTransformer, first: int = 0) -> Iterator[list[Tensor]]:
    """Inside this context each forward pass fills the list with one map for each block.

    A map is (B, heads, N, N) attention probabilities, rows summing to 1; that of the last block has
    one row, (B, heads, 1, N), of the CLS token, the only one that is worked out there. ``first`` =
    -1 gives that map alone, while all blocks before it stay fused: nothing of size N x N is held.
    With gradients enabled, one can be asked of every map, even if no weight has any.
    """
    blocks = model.blocks[first:]
    attentions = [part for part in blocks.modules() if isinstance(part, SelfAttention)]
    assert len(attentions) == len(blocks), "a block without SelfAttention"
    with (
        explicit_attention(blocks),
        outputs_of(model, [each.probabilities for each in attentions]) as maps,
    ):
        yield maps


@contextmanager
def outputs_of(model: VisionTransformer, modules: list[nn.Module]) -> Iterator[list[Tensor]]:
    """Inside this context each forward pass fills the list with what the modules give."""
    outputs: list[Tensor] = []

    def keep(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        if torch.is_grad_enabled() and not output.requires_grad:
            output.requires_grad_()
        outputs.append(output)

    hooks = [model.embeddings.register_forward_pre_hook(lambda *_: outputs.clear())]
    try:
        hooks += [module.register_forward_hook(keep) for module in modules]
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def still(model: VisionTransformer) -> Iterator[None]:
    """Inside this context gradients are worked out, but none of a weight."""
    needing = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in needing:
            parameter.requires_grad_(False)
        with torch.enable_grad():
            yield
    finally:
        for parameter in needing:
            parameter.requires_grad_(True)


@contextmanager
def token_outliers(model: VisionTransformer) -> Iterator[list[Tensor]]:
    """Inside this context each forward pass adds how far the longest patch token stands out.

    It is (B,): the largest norm of a patch token divided by the usual one of the image.

    Norms of the tokens that enter the last block, the largest divided by the median. From
    ``vit.predictions.OUTLIER`` on the model keeps notes in a patch that has no need of its place,
    and attention lies there whatever the picture shows (Darcet et al. 2024, "Vision Transformers
    Need Registers", section 2.1).
    """
    ratios: list[Tensor] = []

    def measure(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        norms = given[0][:, model.num_prefix_tokens :].detach().norm(dim=2)  # (B, K)
        rising = norms.sort(dim=1).values
        usual = rising[:, (norms.shape[1] - 1) // 2]  # the median
        ratios.append(rising[:, -1] / usual.clamp_min(1e-12))

    hook = model.blocks[-1].register_forward_pre_hook(measure)
    try:
        yield ratios
    finally:
        hook.remove()
