"""Every tensor name in published files of each family has a place, or is known to be needless.

The names were read from lists of such files in public repositories; the numbers are made up.
"""

import pytest
import torch
from torch import Tensor

from vit.conversion import to_ours
from vit.layouts import known_name, layout_of

BLOCKS = 12
WIDTH = 8


def both(*layers: str) -> list[str]:
    return [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]


def names(before: list[str], block: list[str], after: list[str], blocks: int = BLOCKS) -> list[str]:
    inner = [each.format(number) for number in range(blocks) for each in block]
    return [*before, *inner, *after]


FB_BEFORE = ["cls_token", "pos_embed", *both("patch_embed.proj")]
FB_BLOCK = both(
    *(f"blocks.{{}}.{part}" for part in ("norm1", "attn.qkv", "attn.proj", "norm2"))
) + both("blocks.{}.mlp.fc1", "blocks.{}.mlp.fc2")
HF_BEFORE = [
    "embeddings.cls_token",
    "embeddings.position_embeddings",
    *both("embeddings.patch_embeddings.projection"),
]
HF_ATTENTION = [
    f"encoder.layer.{{}}.attention.{part}"
    for part in ("attention.query", "attention.key", "attention.value", "output.dense")
]
HF_VIT_BLOCK = both(
    *HF_ATTENTION,
    *(
        f"encoder.layer.{{}}.{part}"
        for part in ("intermediate.dense", "output.dense", "layernorm_before", "layernorm_after")
    ),
)
DINOV2_BLOCK = [
    *both("encoder.layer.{}.norm1", *HF_ATTENTION),
    "encoder.layer.{}.layer_scale1.lambda1",
    *both("encoder.layer.{}.norm2", "encoder.layer.{}.mlp.fc1", "encoder.layer.{}.mlp.fc2"),
    "encoder.layer.{}.layer_scale2.lambda1",
]
TV_BLOCK = [
    *both("encoder.layers.encoder_layer_{}.ln_1"),
    "encoder.layers.encoder_layer_{}.self_attention.in_proj_weight",
    "encoder.layers.encoder_layer_{}.self_attention.in_proj_bias",
    *both(
        "encoder.layers.encoder_layer_{}.self_attention.out_proj",
        "encoder.layers.encoder_layer_{}.ln_2",
    ),
]
TV_BEFORE = ["class_token", *both("conv_proj"), "encoder.pos_embedding"]
TV_AFTER = both("encoder.ln", "heads.head")


def torchvision(first: str, second: str) -> list[str]:
    mlp = both(
        f"encoder.layers.encoder_layer_{{}}.mlp.{first}",
        f"encoder.layers.encoder_layer_{{}}.mlp.{second}",
    )
    return names(TV_BEFORE, TV_BLOCK + mlp, TV_AFTER)


FAMILIES = {
    "timm, vit_base_patch16_224": names(FB_BEFORE, FB_BLOCK, both("norm", "head")),
    "timm, vit_base_patch14_reg4_dinov2": names(
        [*FB_BEFORE, "reg_token"],
        [*FB_BLOCK, "blocks.{}.ls1.gamma", "blocks.{}.ls2.gamma"],
        both("norm"),
    ),
    "DINO, dino_vitbase16_pretrain": names(FB_BEFORE, FB_BLOCK, both("norm")),
    "DINOv2, dinov2_vitb14_reg4_pretrain": names(
        [*FB_BEFORE, "register_tokens", "mask_token"],
        [*FB_BLOCK, "blocks.{}.ls1.gamma", "blocks.{}.ls2.gamma"],
        both("norm"),
    ),
    "MAE, mae_pretrain_vit_base": names(FB_BEFORE, FB_BLOCK, both("norm")),
    "MAE with its decoder": [
        *names(FB_BEFORE, FB_BLOCK, both("norm")),
        *["mask_token", "decoder_pos_embed", *both("decoder_embed")],
        *names(
            [],
            [f"decoder_{each}" for each in FB_BLOCK],
            both("decoder_norm", "decoder_pred"),
            blocks=8,
        ),
    ],
    "transformers, google/vit-base-patch16-224": [
        f"vit.{each}" for each in names(HF_BEFORE, HF_VIT_BLOCK, both("layernorm"))
    ]
    + both("classifier"),
    "transformers, google/vit-base-patch16-224-in21k": names(
        HF_BEFORE, HF_VIT_BLOCK, both("layernorm", "pooler.dense")
    ),
    "transformers, facebook/dinov2-base": names(
        [*HF_BEFORE, "embeddings.mask_token"], DINOV2_BLOCK, both("layernorm")
    ),
    "transformers, facebook/dinov2-with-registers-base": names(
        [*HF_BEFORE, "embeddings.mask_token", "embeddings.register_tokens"],
        DINOV2_BLOCK,
        both("layernorm"),
    ),
    "torchvision, vit_b_16 of today": torchvision("0", "3"),
    "torchvision, vit_b_16 as published": torchvision("linear_1", "linear_2"),
}


def made(name: str) -> Tensor:
    """A tensor of a fitting shape."""
    if name.endswith(("_token", "_tokens")):
        return torch.ones(1, 1, WIDTH)
    if "pos" in name:
        return torch.ones(1, 5, WIDTH)
    is_filter = "patch_embed" in name or "conv_proj" in name
    if is_filter and name.endswith("weight"):
        return torch.ones(WIDTH, 3, 2, 2)
    if "qkv" in name or "in_proj" in name:
        return torch.ones(3 * WIDTH, WIDTH) if name.endswith("weight") else torch.ones(3 * WIDTH)
    if "norm" in name or "ln" in name or name.endswith(("bias", "gamma", "lambda1")):
        return torch.ones(WIDTH)
    return torch.ones(WIDTH, WIDTH)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_name_of_a_published_file_is_known(family: str) -> None:
    known = [known_name(name) for name in FAMILIES[family]]
    layout, before = layout_of(set(known))
    state = {name.removeprefix(before): made(name) for name in known}
    ours = to_ours(layout, state)
    assert sum(name.endswith("mlp.fc2.weight") for name in ours) == BLOCKS
    assert sum(name.endswith("attention.value.bias") for name in ours) == BLOCKS
    assert bool(ours["embeddings.registers"].numel()) == ("reg" in family)
    assert ("head.0.weight" in ours) == any("head" in n or "classifier" in n for n in state)
