"""Weights of other programs, as a model of ours that training begins with.

Read are files of safetensors, and files of torch.save that hold plain types and tensors.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import errors
from CONFIG import Config
from data.preprocessing import Preprocessing
from data.tables import plain_bytes
from settings import ConfigError
from vit import checkpoint
from vit.archive import CheckpointError, is_boxed
from vit.checkpoint import Checkpoint
from vit.conversion import to_ours
from vit.layouts import CLS, IMAGENET, PATCHES, POSITIONS, REGISTERS, Layout, LayoutError, layout_of
from vit.model import VisionTransformer

MOST = 4 * 2**30  # bytes of a file
HOLDERS = ("teacher", "model", "state_dict")  # names under which such files keep the weights
# heads of the widths whose heads are not 64 wide (Zhai et al. 2022, "Scaling Vision Transformers")
HEADS = {1280: 16, 1408: 16, 1664: 16}
HEAD = 64  # width of a head otherwise


@dataclass(frozen=True)
class Told:
    """What the files beside the weights tell: config.json, preprocessor_config.json."""

    heads: int | None
    eps: float | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    activation: str | None

    @classmethod
    def beside(cls, path: Path) -> "Told":
        """Of the folder of a file; what is not there is not known.

        Raises:
            CheckpointError: what they say cannot be.
        """
        plain: dict[str, Any] = {}
        for name in ("config.json", "preprocessor_config.json"):
            file = path.with_name(name)
            if not file.is_file():
                continue
            try:
                known = json.loads(plain_bytes(file))
            except ValueError as error:
                raise CheckpointError(f"{file}: cannot be read: {error}") from None
            plain |= known if isinstance(known, dict) else {}
        own = plain.get("pretrained_cfg")
        timm = own if isinstance(own, dict) else {}
        try:
            return cls(
                _number(plain, "num_attention_heads", int),
                _number(plain, "layer_norm_eps", float),
                _values(timm.get("mean", plain.get("image_mean")), 0),
                _values(timm.get("std", plain.get("image_std")), 1e-3),
                plain.get("hidden_act"),
            )
        except ValueError as error:
            raise CheckpointError(f"{path.with_name('config.json')}: {error}") from None


def _number(plain: dict[str, Any], name: str, kind: type[int] | type[float]) -> Any:
    """A number above 0, or None. ValueError: it is another."""
    value = plain.get(name)
    if value is None:
        return None
    if isinstance(value, kind) and 0 < value < 1000:
        return value
    raise ValueError(f"{name}: got {str(value)[:40]}, wanted a number above 0")


def _values(given: Any, least: float) -> tuple[float, ...] | None:
    """Grey values from ``least`` to 1, of one channel or three. ValueError: they are others."""
    if given is None:
        return None
    numbers = [float(each) for each in given if isinstance(each, int | float)]
    whole = isinstance(given, list) and len(numbers) == len(given) in (1, 3)
    if whole and all(least <= number <= 1 for number in numbers):
        return tuple(numbers)
    raise ValueError(f"mean or deviation: got {str(given)[:40]}, wanted numbers from 0 to 1")


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
        layout, before = layout_of(set(state))
        inner = {
            name.removeprefix(before): value
            for name, value in state.items()
            if name.startswith(before) or name.startswith("classifier.")
        }
        ours = to_ours(layout, inner)
        if told.activation not in (None, "gelu"):
            raise LayoutError(f"has {told.activation} as activation, wanted gelu")
    except LayoutError as error:
        raise CheckpointError(f"{path}: {error}") from None
    mean, std = _grey_values(path, layout, told, wrapped, ours[f"{PATCHES}.weight"].shape[1])
    _make_grey(ours, mean, std)
    try:
        config = _config(path, layout, told, ours)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from None
    model = VisionTransformer(config).eval()
    own = model.state_dict()
    ours = {**{name: own[name] for name in own if name.startswith("head.")}, **ours}
    try:
        model.load_state_dict(ours)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{path}: is no whole Vision Transformer: {said}") from None
    if not all(value.isfinite().all() for value in ours.values()):
        raise CheckpointError(f"{path}: holds weights that are no finite numbers")
    names = [f"class {number}" for number in range(config.num_classes)]
    return Checkpoint(config, names, Preprocessing(config.image_size, 0.0, 1.0), models=[model])


def _tensors(path: Path) -> tuple[dict[str, Tensor], bool]:
    """The tensors of a file by name, and whether they lay in a part of it."""
    size = path.stat().st_size
    if size > MOST:
        raise CheckpointError(f"{path}: has {size:,} bytes, wanted at most {MOST:,}")
    if is_boxed(path):
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return {name: value.float() for name, value in load_file(path).items()}, False
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(f"{path}: is damaged: {str(error)[:300]}") from None
    plain: Any = checkpoint.read(path)
    wrapped = False
    while isinstance(plain, dict) and (inner := [name for name in HOLDERS if name in plain]):
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
    heads = told.heads or HEADS.get(width, max(1, width // HEAD))
    if told.heads is None and width % HEAD and width not in HEADS:
        raise CheckpointError(
            f"{path}: its tokens are {width} wide, and no config.json beside it says with how many "
            'heads; write one: {"num_attention_heads": 3}'
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
