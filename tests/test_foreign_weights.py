"""Weights of timm, transformers and torchvision: the same logits here, and there again."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models import VisionTransformer as Torchvision

import CONFIG
import train
from tests.conftest import CONFIGURATION, contents
from tests.models import model_of
from training import weights
from training.foreign_weights import read
from training.initial_weights import InitialWeights
from vit import checkpoint, export
from vit.archive import CheckpointError
from vit.conversion import from_ours
from vit.layouts import WRITTEN
from vit.model import VisionTransformer

HALF = (0.5, 0.5, 0.5)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHAPE = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3}
SIZES = {"image_size": 32, "patch_size": 8, "intermediate_size": 96, "num_labels": 3}


def of_timm(name: str = "vit_tiny_patch16_224", **more: Any) -> nn.Module:
    return timm.create_model(name, num_classes=more.pop("num_classes", 3), **more)


def of_hf(kind: str, **more: Any) -> nn.Module:
    config = getattr(transformers, f"{kind}Config")(**SHAPE, **SIZES | more)
    return getattr(transformers, f"{kind}ForImageClassification")(config)


def of_torchvision(**more: Any) -> nn.Module:
    sizes = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2}
    return Torchvision(**sizes, hidden_dim=128, mlp_dim=256, num_classes=3, **more)


def hf_logits(model: nn.Module, images: Tensor) -> Tensor:
    return model(images).logits


MODELS: dict[str, Callable[[], nn.Module]] = {
    "timm tiny": of_timm,
    "timm one channel": lambda: of_timm(in_chans=1, img_size=64),
    "timm another grid": lambda: of_timm("vit_small_patch32_224", img_size=96),
    "timm without bias": lambda: of_timm(qkv_bias=False, img_size=64),
    "timm registers": lambda: of_timm(reg_tokens=3, img_size=64),
    "timm registers, patches alone have positions": lambda: of_timm(
        reg_tokens=4, no_embed_class=True, img_size=64
    ),
    "timm LayerScale": lambda: of_timm(init_values=0.3, img_size=64),
    "timm deit": lambda: of_timm("deit_tiny_patch16_224", img_size=64),
    "timm base": lambda: of_timm("vit_base_patch32_224", img_size=64),
    "transformers": lambda: of_hf("ViT"),
    "transformers one channel": lambda: of_hf("ViT", num_channels=1),
    "torchvision": of_torchvision,
}


def stirred(model: nn.Module) -> nn.Module:
    """The same model with random numbers in every tensor, also in those that begin as 0 or 1."""
    torch.manual_seed(3)
    for parameter in model.parameters():
        parameter.data += 0.03 * torch.randn_like(parameter)
    return model.eval()


def grey(size: int) -> Tensor:
    torch.manual_seed(4)
    return torch.rand(3, 1, size, size)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_the_source(name: str, tmp_path: Path) -> None:
    source = stirred(MODELS[name]())
    save_file(source.state_dict(), tmp_path / "a.safetensors")
    usual = IMAGENET if name == "torchvision" else (HALF, HALF)
    if name.startswith("transformers"):  # 48 wide, of 3 heads
        (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 3}))
    loaded = read(tmp_path / "a.safetensors")
    (model,) = loaded.models
    images = grey(loaded.config.image_size)
    channels = 1 if "one channel" in name else 3
    mean, std = (torch.tensor(each)[None, :channels, None, None] for each in usual)
    standardised = (images - mean) / std
    with torch.no_grad():
        expected = source.double()(standardised.double())
        expected = expected if isinstance(expected, Tensor) else expected.logits
        assert model.double()(images.double()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("kind", "registers"), [("Dinov2", 0), ("Dinov2WithRegisters", 4)])
def test_tokens_of_dinov2(kind: str, registers: int, tmp_path: Path) -> None:
    more = {"num_register_tokens": registers} if registers else {}
    config = getattr(transformers, f"{kind}Config")(
        **SHAPE, image_size=56, patch_size=14, mlp_ratio=2, layerscale_value=0.4, **more
    )
    source = stirred(getattr(transformers, f"{kind}Model")(config))
    source.save_pretrained(tmp_path)
    (model,) = read(tmp_path / "model.safetensors").models
    mean, std = (torch.tensor(each)[None, :, None, None] for each in IMAGENET)
    images = grey(56)
    with torch.no_grad():
        given = ((images - mean) / std).double()
        expected = source.double()(given).last_hidden_state[:, 1 + registers :]
        tokens = model.double().with_patches(images.double())[1]
        assert tokens == pytest.approx(expected, abs=1e-5)


def ours(**shape: Any) -> VisionTransformer:
    sizes = {"patch_size": 8, "embedding_size": 128, "num_heads": 2, "num_hidden_layers": 2}
    model = model_of(32, **sizes, mlp_ratio=2.0, eps=1e-6, num_classes=3, **shape)
    stirred(model)
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("layout", "registers"), [("timm", 0), ("timm", 2)])
def test_timm_takes_our_weights(layout: str, registers: int) -> None:
    model = ours(num_registers=registers)
    other = timm.models.VisionTransformer(
        img_size=32,
        patch_size=8,
        in_chans=1,
        num_classes=3,
        embed_dim=128,
        depth=2,
        num_heads=2,
        mlp_ratio=2.0,
        reg_tokens=registers,
    ).eval()
    other.load_state_dict(from_ours(WRITTEN[layout], model.state_dict()))
    with torch.no_grad():
        assert other(grey(32)) == pytest.approx(model(grey(32)), abs=1e-5)


def test_torchvision_takes_our_weights() -> None:
    model = ours()
    other = of_torchvision().eval()
    other.conv_proj = nn.Conv2d(1, 128, 8, 8)
    other.load_state_dict(from_ours(WRITTEN["torchvision"], model.state_dict()))
    with torch.no_grad():
        assert other(grey(32)) == pytest.approx(model(grey(32)), abs=1e-5)


def test_transformers_takes_our_weights(tmp_path: Path) -> None:
    model = ours()
    config = transformers.ViTConfig(
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
        image_size=32,
        patch_size=8,
        num_channels=1,
        num_labels=3,
        layer_norm_eps=1e-6,
    )
    config.save_pretrained(tmp_path)
    theirs = from_ours(WRITTEN["transformers"], model.state_dict())
    named = {
        name if name.startswith("classifier") else f"vit.{name}": theirs[name] for name in theirs
    }
    save_file(
        {name: value.contiguous() for name, value in named.items()}, tmp_path / "model.safetensors"
    )
    other = transformers.ViTForImageClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert other(grey(32)).logits == pytest.approx(model(grey(32)), abs=1e-5)


def tiny(**more: Any) -> nn.Module:
    """timm's model of 64 px, 2 blocks, width 64."""
    sizes = {"img_size": 64, "patch_size": 16, "embed_dim": 64, "depth": 2, "num_heads": 1}
    return stirred(timm.models.VisionTransformer(**sizes, num_classes=3, **more))


@pytest.mark.parametrize("holder", ["model", "teacher", "state_dict"])
def test_files_that_keep_the_weights_in_a_part(
    holder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tiny().state_dict()
    state = {f"backbone.{name}": value for name, value in state.items()}
    state["head.last_layer.weight"] = torch.zeros(3, 3)  # of the training, beside the backbone
    torch.save({holder: state, "epoch": 7}, tmp_path / "a.pth")
    assert read(tmp_path / "a.pth").config.num_hidden_layers == 2
    assert "taken: mean 0.485, 0.456, 0.406" in capsys.readouterr().err


def test_decoder_and_mask_token_of_mae_are_left(tmp_path: Path) -> None:
    state = tiny().state_dict() | {"mask_token": torch.zeros(1, 1, 8)}
    state["decoder_blocks.0.norm1.weight"] = torch.zeros(8)
    torch.save({"model": state}, tmp_path / "a.pth")
    assert read(tmp_path / "a.pth").config.embedding_size == 64


def test_a_file_beside_the_weights_says_how_images_were_standardised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(tiny().state_dict(), tmp_path / "a.safetensors")
    first = read(tmp_path / "a.safetensors").models[0].state_dict()
    assert "no file beside it says how its images were standardised" in capsys.readouterr().err
    told = {"image_mean": [0.1] * 3, "image_std": [0.25] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    second = read(tmp_path / "a.safetensors").models[0].state_dict()
    assert "standardised" not in capsys.readouterr().err
    weight = "embeddings.patch_embedding.projection.weight"
    assert second[weight] == pytest.approx(2 * first[weight], rel=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rope.freqs": (3,)}, r"has rotary positions \(rope.freqs\)"),
        ({"blocks.0.mlp.w12.weight": (3, 3)}, r"has a SwiGLU in place of its MLP"),
        ({"blocks.0.attn.rel_pos_h": (3,)}, r"relative positions, as windows have"),
        ({"blocks.0.attn.q_norm.weight": (3,)}, r"norms of query and key"),
        ({"dist_token": (1, 1, 64)}, r"a second, distilled head"),
        ({"fc_norm.weight": (64,)}, r"a head over the mean of the patches"),
        ({"norm_pre.weight": (64,)}, r"a norm before its blocks"),
        ({"blocks.0.adapter": (3,)}, r"holds blocks.0.adapter, which a plain"),
        ({"pos_embed": (1, 12, 64)}, r"has 12 positions, wanted those of a square"),
        ({"blocks.1.mlp.fc2.weight": (64, 8)}, r"is no whole Vision Transformer"),
        ({"cls_token": None}, r"lacks embeddings.cls_token; wanted a whole"),
        ({"blocks.0.norm1.weight": None}, r"holds no Vision Transformer that is known"),
    ],
)
def test_other_models_are_refused_by_name(
    change: dict[str, tuple[int, ...] | None], said: str, tmp_path: Path
) -> None:
    state = tiny().state_dict()
    for name, shape in change.items():
        if shape is None:
            del state[name]
        else:
            state[name] = torch.zeros(shape)
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=said):
        InitialWeights(tmp_path / "a.safetensors")


def test_heads_that_nothing_tells_are_asked_for(tmp_path: Path) -> None:
    save_file(of_timm(embed_dim=96, num_heads=2, depth=1).state_dict(), tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"96 wide.*with how many heads; write one"):
        read(tmp_path / "a.safetensors")


@pytest.mark.parametrize("content", [b"", b"text", (20).to_bytes(8, "little") + b'{"a": 1' * 9])
def test_damaged_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged|no checkpoint"):
        InitialWeights(tmp_path / "a.safetensors")


def test_a_configuration_is_written_with_which_training_begins(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.safetensors"
    source = tiny()
    save_file(source.state_dict(), file)
    weights.main([str(file), "--OUTPUT", str(tmp_path / "w.yml")])
    config = CONFIG.load(tmp_path / "w.yml")
    assert (config.init, config.image_size, config.standardise) == (str(file), 64, "none")
    assert (config.patch_size, config.num_hidden_layers, config.eps) == (16, 2, 1e-6)
    command = ["--Config", str(tmp_path / "w.yml"), "--data_folder", str(folder), "--epochs", "1"]
    monkeypatch.chdir(tmp_path)
    train.main([*command, "--OUTPUT", str(tmp_path / "out"), "--device", "cpu", "--lr", "1e-9"])
    loaded = checkpoint.load(tmp_path / "out" / "ViT.ckpt")
    assert (loaded.preprocessing.mean, loaded.preprocessing.std) == (0.0, 1.0)
    (model,) = loaded.models
    with torch.no_grad():
        assert model.norm.weight == pytest.approx(source.norm.weight, abs=1e-4)


def test_the_command_writes_weights_for_another_program(tmp_path: Path, ckpt: Path) -> None:
    export.main([str(ckpt), "--OUTPUT", str(tmp_path / "t.safetensors"), "--layout", "timm"])
    other = timm.models.VisionTransformer(
        img_size=32,
        patch_size=8,
        in_chans=1,
        num_classes=2,
        embed_dim=16,
        depth=2,
        num_heads=2,
        mlp_ratio=2.0,
        norm_layer=partial(nn.LayerNorm, eps=1e-12),
    ).eval()
    other.load_state_dict(load_file(tmp_path / "t.safetensors"))
    (model,) = checkpoint.load(ckpt).models
    with torch.no_grad():
        assert other(grey(32)) == pytest.approx(model(grey(32)), abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stem": "convolution"}, r"timm has no place for embeddings.patch_embedding"),
        ({"kept_tokens": 0.5}, r"kept_tokens: got 0.5, but timm has all patches"),
        ({"representation_size": 8}, r"has no place for head.2|has no place for head"),
    ],
)
def test_what_another_program_has_not_is_refused(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    config = replace(CONFIGURATION, **changes)
    state = {f"model.{name}": v for name, v in VisionTransformer(config).state_dict().items()}
    checkpoint.save(contents(config=asdict(config), state_dict=state), tmp_path / "a.ckpt")
    with pytest.raises(SystemExit, match=said):
        output = str(tmp_path / "t.safetensors")
        export.main([str(tmp_path / "a.ckpt"), "-o", output, "--layout", "timm"])


@pytest.mark.parametrize(
    "told",
    [
        {"num_attention_heads": "3"},
        {"num_attention_heads": 0},
        {"layer_norm_eps": -1.0},
        {"image_mean": [0.5, 0.5]},
        {"image_std": [0.0, 0.0, 0.0]},
        {"image_std": "half"},
        {"pretrained_cfg": {"mean": {"r": 1}}},
    ],
)
def test_impossible_words_beside_the_weights_are_refused(
    told: dict[str, Any], tmp_path: Path
) -> None:
    save_file(tiny().state_dict(), tmp_path / "a.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(told))
    with pytest.raises(CheckpointError, match=r"config.json: .*got .*, wanted"):
        read(tmp_path / "a.safetensors")
