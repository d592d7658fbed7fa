"""Weights of other programs, as a model of ours that training begins with.

Read are files of safetensors, and files of torch.save that hold plain types and tensors.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import errors
from CONFIG import Config
from data.preprocessing import Preprocessing
from settings import ConfigError
from training.foreign_config import Told
from vit import checkpoint
from vit.archive import CheckpointError, is_boxed
from vit.checkpoint import Checkpoint
from vit.conversion import to_ours
from vit.layouts import (
    CLS,
    IMAGENET,
    MADE_HERE,
    PATCHES,
    POSITIONS,
    REGISTERS,
    Layout,
    LayoutError,
    known_name,
    layout_of,
)
from vit.model import VisionTransformer

MOST = 4 * 2**30  # bytes of a file
HOLDERS = ("teacher", "model", "state_dict")  # names under which such files keep the weights
# heads of the widths whose heads are not 64 wide (Zhai et al. 2022, "Scaling Vision Transformers")
HEADS = {1152: 16, 1280: 16, 1408: 16, 1664: 16}
HEAD = 64  # width of a head otherwise


def read(path: Path) -> Checkpoint:
    """A model of ours with the weights of a file, for grey pictures from 0 to 1.

    Its filters for red, green and blue are summed, with the standardisation of the grey values in
    them: w / std, and b less w x mean / std.

    Raises:
        CheckpointError: no such weights, damaged, too large, or of a model that ours cannot be.
    """
    state, wrapped = _tensors(path)
    told = Told.beside(path)
    try:
        model, config = _model(path, state, wrapped, told)
    except (LayoutError, ConfigError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    except CheckpointError:
        raise
    except (LookupError, TypeError, ArithmeticError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())[:300]  # tensors of other shapes than their names say
        raise CheckpointError(f"{path}: is no whole Vision Transformer: {said}") from None
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise CheckpointError(f"{path}: holds weights that are no finite numbers")
    names = [f"class {number}" for number in range(config.num_classes)]
    return Checkpoint(config, names, Preprocessing(config.image_size, 0.0, 1.0), models=[model])


def _model(
    path: Path, state: dict[str, Tensor], wrapped: bool, told: Told
) -> tuple[VisionTransformer, Config]:
    """Ours with these weights, and its configuration."""
    state = {known_name(name): value for name, value in state.items()}
    layout, before = layout_of(set(state))
    if told.activation not in (None, "gelu"):
        raise LayoutError(f"has {told.activation} as activation, wanted gelu")
    inner = {
        name.removeprefix(before): value
        for name, value in state.items()
        if name.startswith((before, "classifier."))
    }
    ours = to_ours(layout, inner)
    channels = ours[f"{PATCHES}.weight"].shape[1]
    if channels not in (1, 3):
        raise LayoutError(f"takes images of {channels} channels, wanted 1 or 3")
    mean, std = _grey_values(path, layout, told, wrapped, channels)
    _make_grey(ours, mean, std)
    config = _config(path, layout, told, ours)
    model = VisionTransformer(config).eval()
    own = model.state_dict()
    model.load_state_dict({**{name: own[name] for name in own if name.startswith("head.")}, **ours})
    return model, config


def _tensors(path: Path) -> tuple[dict[str, Tensor], bool]:
    """The tensors of a file by name, and whether they lay in a part of it."""
    size = path.stat().st_size
    if size > MOST:
        raise CheckpointError(f"{path}: has {size:,} bytes, wanted at most {MOST:,}")
    if is_boxed(path):
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                if MADE_HERE in (file.metadata() or {}):
                    raise CheckpointError(
                        f"{path}: was written by vit.export for another program; begin with the "
                        "ViT.ckpt that it was made from"
                    )
                names = list(file.keys())
                return {name: file.get_tensor(name).float() for name in names}, False
        except CheckpointError:
            raise
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(f"{path}: is damaged: {str(error)[:300]}") from None
    plain: Any = checkpoint.read(path)
    wrapped = False
    while inner := [name for name in HOLDERS if isinstance(plain.get(name), dict)]:
        plain = plain[inner[0]]
        wrapped = True
    tensors = {
        name: value.float()
        for name, value in plain.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if not tensors:
        raise CheckpointError(f"{path}: holds no weights by name, wanted a state_dict")
    return tensors, wrapped


def _grey_values(
    path: Path, layout: Layout, told: Told, wrapped: bool, channels: int
) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the grey values that the weights were trained with, (channels,)."""
    # files of DeiT, DINO and MAE keep timm's names in a part, and have ImageNet's values
    mean, std = IMAGENET if wrapped else (layout.mean, layout.std)
    if told.mean and told.std:
        mean, std = told.mean, told.std
    else:
        errors.note(
            f"{path.name}: no file beside it says how its images were standardised; taken: mean "
            f"{', '.join(map(str, mean))}, deviation {', '.join(map(str, std))}"
        )
    each = [torch.tensor(values) for values in (mean, std)]
    if len(mean) != channels:
        each = [values.mean().expand(channels) for values in each]
    return each[0], each[1]


def _make_grey(ours: dict[str, Tensor], mean: Tensor, std: Tensor) -> None:
    """Sum the filters of the colours, and put the standardisation into them."""
    weight = ours[f"{PATCHES}.weight"]
    scaled = weight / std[:, None, None]
    bias = ours.get(f"{PATCHES}.bias", weight.new_zeros(len(weight)))
    ours[f"{PATCHES}.weight"] = scaled.sum(dim=1, keepdim=True)
    ours[f"{PATCHES}.bias"] = bias - (scaled * mean[:, None, None]).sum(dim=(1, 2, 3))


def _config(path: Path, layout: Layout, told: Told, ours: dict[str, Tensor]) -> Config:
    """The shape that the tensors have."""
    width = ours[CLS].shape[2]
    heads = told.heads or HEADS.get(width, width // HEAD)
    if told.heads is None and (not heads or (width % HEAD and width not in HEADS)):
        raise CheckpointError(
            f"{path}: its tokens are {width} wide, and no config.json beside it says with how many "
            'heads; write one: {"num_attention_heads": 3}'
        )
    if told.heads is None:
        errors.note(
            f"{path.name}: no config.json beside it says how many heads its blocks have; taken: "
            f"{heads}, as models of this width mostly have"
        )
    patch = ours[f"{PATCHES}.weight"].shape[-1]
    edge = math.isqrt(ours[POSITIONS].shape[1] - 1)
    blocks = 1 + max(int(name.split(".")[1]) for name in ours if name.startswith("blocks."))
    head = ours.get("head.0.weight")
    return replace(
        Config(),
        image_size=edge * patch,
        patch_size=patch,
        stem="patch",
        standardise="none",
        embedding_size=width,
        num_hidden_layers=blocks,
        num_heads=heads,
        mlp_ratio=len(ours["blocks.0.mlp.fc1.weight"]) / width,
        num_registers=ours[REGISTERS].shape[1],
        qkv_bias="blocks.0.attention.query.bias" in ours,
        eps=told.eps or layout.eps,
        num_classes=len(head) if head is not None else 2,
    )
