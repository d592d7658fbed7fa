"""The model: the same function as two well-known ones, and what its arguments do."""

from collections.abc import Callable
from math import sqrt
from typing import Any, TypeVar, cast

import pytest
import torch
from torch import Tensor, nn

from tests.models import embeddings_of, model_of
from vit.checkpoint_gate import Plain
from vit.encoder import MLP, EncoderBlock
from vit.model import VisionTransformer

SIZES: Plain = {
    "image_size": (24, 40),
    "patch_size": 8,
    "num_channels": 3,
    "num_classes": 5,
    "embedding_size": 32,
    "num_hidden_layers": 3,
    "num_heads": 4,
    "mlp_ratio": 1.5,
    "eps": 1e-6,
}
SQUARE = {**SIZES, "image_size": 40}

Weights = dict[str, Tensor]
Model = TypeVar("Model", bound=nn.Module)


def vit(**changes: Any) -> VisionTransformer:
    return model_of(**{**SIZES, **changes})


def blocks_of(model: VisionTransformer) -> list[EncoderBlock]:
    return cast(list[EncoderBlock], list(model.blocks))


def shaken(model: Model) -> Model:
    """The model in eval mode, every parameter moved: no bias is zero, no norm is one, attention is
    uneven.
    """
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model.eval()


def pictures(height: int = 24, width: int = 40) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(4))


def logits_and_gradient(model: Callable[[Tensor], Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """(B, K) logits, and the gradient of an uneven sum of them with respect to the images."""
    images = images.clone().requires_grad_()
    logits = model(images)
    factors = torch.linspace(-1, 2, logits.numel()).view_as(logits)
    return logits.detach(), torch.autograd.grad((logits * factors).sum(), images)[0]


def assert_same_function(
    one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor], images: Tensor
) -> None:
    logits, gradient = logits_and_gradient(one, images)
    other_logits, other_gradient = logits_and_gradient(other, images)
    assert logits.std() > 0.1, "logits too even to tell two models apart"
    torch.testing.assert_close(logits, other_logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient, other_gradient, atol=1e-5, rtol=1e-4)


def renamed(theirs: Weights, names: dict[str, str]) -> Weights:
    """Weights under our names; a joint ``qkv`` becomes query, key and value."""
    ours: Weights = {}
    for name, weight in theirs.items():
        for old, new in names.items():
            name = name.replace(old, new)
        if "qkv" in name:
            ours |= {
                name.replace("qkv", part): weight.chunk(3)[i]
                for i, part in enumerate(("query", "key", "value"))
            }
        else:
            ours[name] = weight
    ours.setdefault("embeddings.registers", torch.zeros(1, 0, SIZES["embedding_size"]))
    return ours


def from_timm(theirs: Weights) -> Weights:
    names = {
        "cls_token": "embeddings.cls_token",
        "reg_token": "embeddings.registers",
        "pos_embed": "embeddings.position_embedding",
        "patch_embed.proj": "embeddings.patch_embedding.projection",
        "attn.proj": "attention.projection",
        "attn.": "attention.",
        "head.": "head.0.",
    }
    return renamed(theirs, names)


def from_torchvision(theirs: Weights) -> Weights:
    hidden_head = "heads.pre_logits.weight" in theirs
    names = {
        "class_token": "embeddings.cls_token",
        "encoder.pos_embedding": "embeddings.position_embedding",
        "conv_proj": "embeddings.patch_embedding.projection",
        "encoder.layers.encoder_layer_": "blocks.",
        "encoder.ln": "norm",
        "ln_1": "norm1",
        "ln_2": "norm2",
        "self_attention.in_proj_": "attention.qkv.",
        "self_attention.out_proj": "attention.projection",
        "mlp.0": "mlp.fc1",
        "mlp.3": "mlp.fc2",
        "heads.pre_logits": "head.0",
        "heads.head": "head.2" if hidden_head else "head.0",
    }
    return renamed(theirs, names)


def timm_model(**options: Any) -> nn.Module:
    timm = pytest.importorskip("timm.models.vision_transformer")
    theirs: nn.Module = timm.VisionTransformer(
        img_size=SIZES["image_size"],
        patch_size=8,
        in_chans=3,
        num_classes=5,
        embed_dim=32,
        depth=3,
        num_heads=4,
        mlp_ratio=1.5,
        **options,
    )
    return shaken(theirs)


@pytest.mark.parametrize("qkv_bias", [False, True])
def test_same_weights_give_the_logits_and_gradients_of_timm(qkv_bias: bool) -> None:
    theirs = timm_model(qkv_bias=qkv_bias)
    ours = vit(qkv_bias=qkv_bias).eval()
    ours.load_state_dict(from_timm(theirs.state_dict()))
    assert_same_function(ours, theirs, pictures())


def test_registers_are_those_of_timm() -> None:
    theirs = timm_model(reg_tokens=2, no_embed_class=True)  # positions of the patches alone
    weights = from_timm(theirs.state_dict())
    patches = weights["embeddings.position_embedding"]
    weights["embeddings.position_embedding"] = torch.cat([torch.zeros(1, 1, 32), patches], dim=1)
    ours = vit(num_registers=2).eval()
    ours.load_state_dict(weights)
    assert_same_function(ours, theirs, pictures())


@pytest.mark.parametrize("representation_size", [0, 12])
def test_same_weights_give_the_logits_and_gradients_of_torchvision(
    representation_size: int,
) -> None:
    torchvision = pytest.importorskip("torchvision.models")
    hidden_head = {"representation_size": representation_size or None}
    theirs = shaken(
        torchvision.VisionTransformer(40, 8, 3, 4, 32, 48, num_classes=5, **hidden_head)
    )
    ours = model_of(**SQUARE, representation_size=representation_size).eval()
    ours.load_state_dict(from_torchvision(theirs.state_dict()))
    assert_same_function(ours, theirs, pictures(40, 40))


@pytest.mark.parametrize("depth", [1, 3])
def test_the_short_cut_of_the_last_block_changes_nothing(depth: int) -> None:
    model = shaken(vit(num_hidden_layers=depth, num_registers=2))

    def all_tokens(images: Tensor) -> Tensor:
        tokens = model.embeddings(images)
        for block in model.blocks:
            tokens = block(tokens)
        logits: Tensor = model.head(model.norm(tokens)[:, 0])
        return logits

    assert_same_function(model, all_tokens, pictures())
    short = torch.autograd.grad(model(pictures()).square().sum(), list(model.parameters()))
    whole = torch.autograd.grad(all_tokens(pictures()).square().sum(), list(model.parameters()))
    torch.testing.assert_close(short, whole, atol=1e-5, rtol=1e-4)


def test_arguments_set_the_shapes() -> None:
    model = vit(
        image_size=(16, 48), num_channels=1, num_classes=7, mlp_ratio=3, num_hidden_layers=2
    )
    assert model.grid == (2, 6)
    assert model(torch.zeros(2, 1, 16, 48)).shape == (2, 7)
    assert len(model.blocks) == 2
    assert blocks_of(model)[0].mlp.fc1.out_features == 96
    assert model.norm.eps == 1e-6
    assert {name for name in model.state_dict() if "query.bias" in name}


def test_no_qkv_bias_leaves_out_those_three_alone() -> None:
    gone = set(vit().state_dict()) - set(vit(qkv_bias=False).state_dict())
    assert gone == {
        f"blocks.{i}.attention.{part}.bias" for i in range(3) for part in ("query", "key", "value")
    }


def test_defaults_are_the_published_model() -> None:
    model = model_of()
    assert (model.grid, len(model.blocks), model.norm.eps) == ((16, 16), 4, 1e-12)
    assert blocks_of(model)[0].attention.num_heads == 8
    assert model.embeddings.position_embedding.shape == (1, 257, 256)


def test_a_width_that_does_not_divide_among_heads() -> None:
    with pytest.raises(ValueError, match="embedding_size 32 is not divisible by num_heads 5"):
        vit(num_heads=5)


@pytest.mark.parametrize("std", [0.02, 0.1])
def test_weights_start_with_the_asked_spread(std: float) -> None:
    torch.manual_seed(5)
    model = vit(embedding_size=128, num_registers=2, representation_size=64, initializer_range=std)
    norms = {id(module.weight) for module in model.modules() if isinstance(module, nn.LayerNorm)}
    for name, parameter in model.named_parameters():
        if id(parameter) in norms:
            assert (parameter == 1).all(), name
        elif name.endswith("bias"):
            assert (parameter == 0).all(), name
        elif name != "embeddings.position_embedding":
            standard_error = std / sqrt(2 * parameter.numel())
            assert abs(parameter.std().item() - std) < 4 * standard_error, name
            assert abs(parameter.mean().item()) < 4 * std / sqrt(parameter.numel()), name


@pytest.mark.parametrize("name", ["hidden_dropout_prob", "attention_dropout"])
def test_dropout_acts_in_training_alone(name: str) -> None:
    model = shaken(vit(**{name: 0.3}))
    assert torch.equal(model(pictures()), model(pictures()))
    model.train()
    assert not torch.allclose(model(pictures()), model(pictures()), atol=1e-3)


def test_without_dropout_training_mode_changes_nothing() -> None:
    model = shaken(vit())
    assert torch.equal(model(pictures()), model.train()(pictures()))


def test_each_dropout_reaches_its_layers() -> None:
    model = vit(hidden_dropout_prob=0.1, attention_dropout=0.3)
    assert model.embeddings.dropout.p == 0.1
    for block in blocks_of(model):
        assert (
            block.attention.dropout.p,
            block.attention.projection_dropout.p,
            block.mlp.dropout.p,
        ) == (0.3, 0.1, 0.1)


def share_of_zeros(x: Tensor) -> float:
    return (x == 0).float().mean().item()


def test_hidden_dropout_acts_on_the_embedded_tokens() -> None:
    embeddings = shaken(embeddings_of((24, 40), 8, 3, 32, num_registers=2, dropout=0.3)).train()
    assert share_of_zeros(embeddings(pictures())) == pytest.approx(0.3, abs=0.06)


def test_hidden_dropout_acts_on_both_layers_of_the_mlp() -> None:
    mlp = shaken(MLP(32, 48, dropout=0.3)).train()
    between = list[Tensor]()
    mlp.fc2.register_forward_pre_hook(lambda _, inputs: between.append(inputs[0]))
    assert share_of_zeros(mlp(torch.randn(2, 17, 32))) == pytest.approx(0.3, abs=0.06)
    assert share_of_zeros(between[0]) == pytest.approx(0.3, abs=0.06)


def test_an_image_is_judged_alone() -> None:
    model = shaken(vit())
    both = model(pictures())
    torch.testing.assert_close(model(pictures()[1:]), both[1:], atol=1e-5, rtol=0)


def test_the_model_stands_on_torch_primitives() -> None:
    kinds = {type(module).__name__ for module in vit().modules()}
    assert not {kind for kind in kinds if "Transformer" in kind} - {"VisionTransformer"}
    assert "MultiheadAttention" not in kinds
