"""vit.layouts, vit.conversion: the same logits as in other programs, and there again."""

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
from tests.conftest import CONFIGURATION, contents
from tests.models import model_of
from training.foreign_weights import read
from training.initial_weights import InitialWeights
from vit import checkpoint, export
from vit.conversion import from_ours, to_ours
from vit.layouts import WRITTEN, LayoutError
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


def test_registers_are_for_timm_alone() -> None:
    for name in ("transformers", "torchvision"):
        with pytest.raises(LayoutError, match=f"{name} has no registers; wanted num_registers 0"):
            from_ours(WRITTEN[name], ours(num_registers=2).state_dict())


def test_positions_that_fit_two_sizes_are_refused() -> None:
    state = from_ours(WRITTEN["timm"], ours(num_registers=8).state_dict())  # 1 + 8 + 16 = 5 x 5
    with pytest.raises(LayoutError, match=r"25 positions and 8 registers, which fits two sizes"):
        to_ours(WRITTEN["timm"], state)


@pytest.mark.parametrize(("size", "patch"), [(70, 14), (40, 8)])
def test_an_image_size_that_16_does_not_divide(size: int, patch: int, tmp_path: Path) -> None:
    source = of_timm(img_size=size, patch_size=patch, depth=1)
    save_file(source.state_dict(), tmp_path / "a.safetensors")
    config = InitialWeights(tmp_path / "a.safetensors").shaped(CONFIG.Config())
    assert (config.image_size, config.patch_size) == (size, patch)


def test_a_note_says_how_many_heads_were_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(of_timm(depth=1).state_dict(), tmp_path / "a.safetensors")
    assert read(tmp_path / "a.safetensors").config.num_heads == 3
    assert "how many heads its blocks have; taken: 3" in capsys.readouterr().err
    (tmp_path / "config.json").write_text(json.dumps({"model_args": {"num_heads": 4}}))
    assert read(tmp_path / "a.safetensors").config.num_heads == 4
    assert "heads" not in capsys.readouterr().err
