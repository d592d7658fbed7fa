"""training.foreign_weights: which files of other programs are read, and which are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

import CONFIG
import train
from training import weights
from training.foreign_weights import read
from training.initial_weights import InitialWeights
from vit import checkpoint, export
from vit.archive import CheckpointError


def stirred(model: nn.Module) -> nn.Module:
    """The same model with random numbers in every tensor, also in those that begin as 0 or 1."""
    torch.manual_seed(3)
    for parameter in model.parameters():
        parameter.data += 0.03 * torch.randn_like(parameter)
    return model.eval()


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
    save_file(
        timm.create_model("vit_tiny_patch16_224", embed_dim=96, num_heads=2, depth=1).state_dict(),
        tmp_path / "a.safetensors",
    )
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


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    state = tiny().state_dict()
    state["blocks.0.norm1.bias"][0] = float("nan")
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"holds weights that are no finite numbers"):
        read(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "beside", [{"model": "vit_base"}, {"teacher": None}, {"model": torch.zeros(2)}]
)
def test_a_part_that_holds_no_weights_is_passed_over(
    beside: dict[str, Any], tmp_path: Path
) -> None:
    torch.save(beside | {"state_dict": tiny().state_dict()}, tmp_path / "a.pth")
    assert read(tmp_path / "a.pth").config.num_hidden_layers == 2


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("cls_token", ()),
        ("cls_token", (1, 64)),
        ("pos_embed", ()),
        ("patch_embed.proj.weight", ()),
        ("patch_embed.proj.weight", (64, 3)),
        ("patch_embed.proj.weight", (64, 2, 16, 16)),
        ("blocks.0.mlp.fc1.weight", ()),
        ("blocks.0.attn.qkv.weight", ()),
        ("blocks.0.attn.qkv.weight", (2, 64)),
        ("blocks.0.ls1.gamma", ()),
        ("blocks.0.ls1.gamma", (3,)),
        ("head.weight", ()),
    ],
)
def test_tensors_of_odd_shapes_end_in_one_line(
    name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    state = tiny().state_dict() | {name: torch.zeros(shape)}
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"a.safetensors: "):
        read(tmp_path / "a.safetensors")


def test_images_that_were_not_standardised(tmp_path: Path) -> None:
    source = tiny()
    save_file(source.state_dict(), tmp_path / "a.safetensors")
    told = {"do_normalize": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    (model,) = read(tmp_path / "a.safetensors").models
    bias = model.embeddings.patch_embedding.projection.bias
    with torch.no_grad():
        assert bias == pytest.approx(source.patch_embed.proj.bias)


def test_deep_words_beside_the_weights(tmp_path: Path) -> None:
    save_file(tiny().state_dict(), tmp_path / "a.safetensors")
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match=r"config.json: cannot be read"):
        read(tmp_path / "a.safetensors")


def test_what_vit_export_wrote_is_not_read_back(tmp_path: Path, ckpt: Path) -> None:
    file = tmp_path / "t.safetensors"
    export.main([str(ckpt), "--OUTPUT", str(file), "--layout", "timm"])
    with pytest.raises(CheckpointError, match=r"begin with the ViT.ckpt that it was made from"):
        InitialWeights(file)


def test_a_configuration_does_not_take_the_place_of_the_weights(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file(tiny().state_dict(), file)
    before = file.read_bytes()
    with pytest.raises(SystemExit, match=r"wanted a name that ends in .yml"):
        weights.main([str(file), "--OUTPUT", str(file)])
    assert file.read_bytes() == before
