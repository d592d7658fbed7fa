"""What other programs call the weights of a plain Vision Transformer.

timm (vit_*, deit_*, also the files of DINO and MAE), transformers (ViT, Dinov2 with and without
registers) and torchvision (vit_b_16 and its kin) hold the same numbers under other names.
"""

import re
from dataclasses import dataclass, replace

from errors import UserError

CLS = "embeddings.cls_token"
REGISTERS = "embeddings.registers"
POSITIONS = "embeddings.position_embedding"
PATCHES = "embeddings.patch_embedding.projection"
# mean and deviation of red, green and blue in ImageNet
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MADE_HERE = "vit.export"  # in the metadata of files that we write


class LayoutError(UserError):
    """Weights that this model cannot have, with the reason in one line."""


@dataclass(frozen=True)
class Layout:
    """The names of one program; ours stand before theirs.

    Args:
        name: of the program's models.
        tokens: of the whole model: tensors without weight and bias.
        layers: of the whole model: layers with weight and, mostly, bias.
        block: what a block's names begin with, its number for {}.
        parts: layers of a block.
        fused: where query, key and value are one tensor: its name, with {} for weight or bias.
        scales: of a LayerScale (Touvron et al. 2021, "Going deeper with Image Transformers").
        ignored: names that no prediction needs, as regular expressions.
        eps: of its layer norms.
        mean, std: of the grey values that its images mostly have.
    """

    name: str
    tokens: dict[str, str]
    layers: dict[str, str]
    block: str
    parts: dict[str, str]
    fused: str = ""
    scales: tuple[str, str] = ("", "")
    ignored: tuple[str, ...] = ()
    eps: float = 1e-6
    mean: tuple[float, ...] = IMAGENET[0]
    std: tuple[float, ...] = IMAGENET[1]


HALF = (0.5, 0.5, 0.5)
TIMM = Layout(
    "timm",
    {CLS: "cls_token", REGISTERS: "reg_token", POSITIONS: "pos_embed"},
    {PATCHES: "patch_embed.proj", "norm": "norm", "head.0": "head"},
    "blocks.{}.",
    {
        "norm1": "norm1",
        "attention.projection": "attn.proj",
        "norm2": "norm2",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    },
    fused="attn.qkv.{}",
    scales=("ls1.gamma", "ls2.gamma"),
    ignored=(r"mask_token", r"decoder_.*"),
    mean=HALF,
    std=HALF,
)
_HF_TOKENS = {
    CLS: "embeddings.cls_token",
    REGISTERS: "embeddings.register_tokens",
    POSITIONS: "embeddings.position_embeddings",
}
_HF_LAYERS = {
    PATCHES: "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
    "head.0": "classifier",
}
_HF_ATTENTION = {
    "attention.query": "attention.attention.query",
    "attention.key": "attention.attention.key",
    "attention.value": "attention.attention.value",
    "attention.projection": "attention.output.dense",
}
_HF_IGNORED = (r"embeddings\.mask_token", r"pooler\..*")
TRANSFORMERS = Layout(
    "transformers",
    _HF_TOKENS,
    _HF_LAYERS,
    "encoder.layer.{}.",
    {
        "norm1": "layernorm_before",
        **_HF_ATTENTION,
        "norm2": "layernorm_after",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    },
    ignored=_HF_IGNORED,
    eps=1e-12,
    mean=HALF,
    std=HALF,
)
DINOV2 = Layout(
    "Dinov2",
    _HF_TOKENS,
    _HF_LAYERS,
    "encoder.layer.{}.",
    {
        "norm1": "norm1",
        **_HF_ATTENTION,
        "norm2": "norm2",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    },
    scales=("layer_scale1.lambda1", "layer_scale2.lambda1"),
    ignored=(*_HF_IGNORED, r"classifier\..*"),  # its head reads the mean of the patches too
)
# as models of version 5 hold them in memory; their files have the former names
_MEMORY = {
    "attention.query": "attention.q_proj",
    "attention.key": "attention.k_proj",
    "attention.value": "attention.v_proj",
    "attention.projection": "attention.o_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
TRANSFORMERS_5 = replace(TRANSFORMERS, block="layers.{}.", parts={**TRANSFORMERS.parts, **_MEMORY})
DINOV2_5 = replace(DINOV2, parts={**DINOV2.parts, **_MEMORY})
TORCHVISION = Layout(
    "torchvision",
    {CLS: "class_token", POSITIONS: "encoder.pos_embedding"},
    {PATCHES: "conv_proj", "norm": "encoder.ln", "head.0": "heads.head"},
    "encoder.layers.encoder_layer_{}.",
    {
        "norm1": "ln_1",
        "attention.projection": "self_attention.out_proj",
        "norm2": "ln_2",
        "mlp.fc1": "mlp.0",
        "mlp.fc2": "mlp.3",
    },
    fused="self_attention.in_proj_{}",
)
WRITTEN = {layout.name: layout for layout in (TIMM, TRANSFORMERS, TORCHVISION)}
# names that only models of another kind have
FOREIGN = {
    r"rope|rotary": "rotary positions",
    r"relative_position|rel_pos": "relative positions, as windows have",
    r"mlp\.(w12|weights_in|w1|fc1_g)\b": "a SwiGLU in place of its MLP",
    r"q_norm|k_norm": "norms of query and key",
    r"dist_token|distillation|head_dist": "a second, distilled head",
    r"fc_norm": "a head over the mean of the patches",
    r"norm_pre|ln_pre|pre_layrnorm": "a norm before its blocks",
    r"patch_embed\.backbone|downsample|stages\.|layers\.\d+\.blocks": "stages of convolutions",
    r"conv_proj\.conv|patch_embed\.proj\.\d": "a stem of several layers",
}


# names that only files have, of torchvision before 0.14 and of DINOv2's own program
FORMER = ((r"\bmlp\.linear_1\.", "mlp.0."), (r"\bmlp\.linear_2\.", "mlp.3."))
_OWN = (r"^((?:.*\.)?)(?<!embeddings\.)register_tokens$", r"\1reg_token")


def known_name(name: str) -> str:
    """The name that a program has now for what its older files call ``name``."""
    for former, now in (*FORMER, _OWN):
        name = re.sub(former, now, name)
    return name


def layout_of(names: set[str]) -> tuple[Layout, str]:
    """Which program's names these are, and what stands before each.

    Raises:
        LayoutError: no plain Vision Transformer of these programs.
    """
    for pattern, what in FOREIGN.items():
        if found := next((name for name in sorted(names) if re.search(pattern, name)), None):
            raise LayoutError(f"has {what} ({found}); wanted a plain Vision Transformer")
    for layout in (TIMM, TORCHVISION, TRANSFORMERS, TRANSFORMERS_5, DINOV2, DINOV2_5):
        block = layout.block.format(0)
        first = {f"{block}{part}.weight" for part in layout.parts.values()}
        if layout.fused:
            first.add(block + layout.fused.format("weight"))
        patches = f"{layout.layers[PATCHES]}.weight"
        for name in sorted(names):
            before = name.removesuffix(patches)
            if before != name and {before + each for each in first} <= names:
                return layout, before
    raise LayoutError(
        "holds no Vision Transformer that is known; wanted one of timm, transformers (ViT, Dinov2) "
        f"or torchvision; got, for example, {', '.join(sorted(names)[:3])}"
    )
