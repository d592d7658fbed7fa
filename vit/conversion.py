"""Weights of a plain Vision Transformer under the names of another program, there and back."""

import math
import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from vit.layouts import CLS, PATCHES, POSITIONS, REGISTERS, TIMM, Layout, LayoutError

State = Mapping[str, Tensor]
QKV = ("attention.query", "attention.key", "attention.value")
SCALED = ("attention.projection", "mlp.fc2")  # what a LayerScale multiplies


def to_ours(layout: Layout, state: State) -> dict[str, Tensor]:
    """Their weights under our names, without a LayerScale of their own.

    Raises:
        LayoutError: a tensor is missing, or one is there that this model has no place for.
    """
    left = dict(state)
    ours = {name: left.pop(theirs) for name, theirs in layout.tokens.items() if theirs in left}
    for name, theirs in layout.layers.items():
        ours.update(_layer(left, name, theirs))
    count = 0
    while f"{layout.block.format(count)}{layout.parts['norm1']}.weight" in left:
        ours.update(_block(layout, left, count))
        count += 1
    unknown = [
        name for name in left if not any(re.fullmatch(each, name) for each in layout.ignored)
    ]
    if unknown:
        raise LayoutError(f"holds {unknown[0]}, which a plain Vision Transformer has not")
    needed = {CLS, POSITIONS, f"{PATCHES}.weight", "norm.weight"}
    if missing := sorted(needed - ours.keys()):
        raise LayoutError(f"lacks {', '.join(missing)}; wanted a whole Vision Transformer")
    return _with_positions_of_cls_alone(ours)


def from_ours(layout: Layout, state: State) -> dict[str, Tensor]:
    """Our weights under their names.

    Raises:
        LayoutError: their model has no place for a tensor.
    """
    theirs = {}
    for name, value in state.items():
        if name == REGISTERS and not value.shape[1]:
            continue
        if found := re.match(r"blocks\.(\d+)\.(.+)\.(weight|bias)$", name):
            number, part, kind = found.groups()
            block = layout.block.format(number)
            if part in QKV and layout.fused:
                if part == QKV[0]:
                    each = [state[f"blocks.{number}.{other}.{kind}"] for other in QKV]
                    theirs[block + layout.fused.format(kind)] = torch.cat(each)
                continue
            theirs[f"{block}{layout.parts[part]}.{kind}"] = value
        elif name == REGISTERS and layout is not TIMM:
            raise LayoutError(f"{layout.name} has no registers; wanted num_registers 0, or timm")
        elif name in layout.tokens:
            theirs[layout.tokens[name]] = value
        else:
            layer, _, kind = name.rpartition(".")
            if layer not in layout.layers:
                raise LayoutError(
                    f"{layout.name} has no place for {name}; wanted stem: patch, and one linear "
                    "layer as head"
                )
            theirs[f"{layout.layers[layer]}.{kind}"] = value
    if layout is TIMM and REGISTERS in state and state[REGISTERS].shape[1]:
        count = state[REGISTERS].shape[1]
        positions = theirs["pos_embed"]
        nowhere = positions.new_zeros(1, count, positions.shape[2])
        theirs["pos_embed"] = torch.cat([positions[:, :1], nowhere, positions[:, 1:]], dim=1)
    return theirs


def _layer(left: dict[str, Tensor], ours: str, theirs: str) -> Iterator[tuple[str, Tensor]]:
    for kind in ("weight", "bias"):
        if f"{theirs}.{kind}" in left:
            yield f"{ours}.{kind}", left.pop(f"{theirs}.{kind}")


def _block(layout: Layout, left: dict[str, Tensor], number: int) -> dict[str, Tensor]:
    """One block under our names."""
    theirs = layout.block.format(number)
    ours = f"blocks.{number}."
    block: dict[str, Tensor] = {}
    for name, part in layout.parts.items():
        block.update(_layer(left, ours + name, theirs + part))
    for kind in ("weight", "bias"):
        fused = theirs + layout.fused.format(kind)
        if layout.fused and fused in left:
            thirds = left.pop(fused).chunk(3)
            names = [f"{ours}{name}.{kind}" for name in QKV]
            block.update(zip(names, thirds, strict=True))
    for name, scale in zip(SCALED, layout.scales, strict=True):
        gamma = left.pop(theirs + scale, None) if scale else None
        if gamma is not None:
            block[f"{ours}{name}.weight"] = block[f"{ours}{name}.weight"] * gamma[:, None]
            block[f"{ours}{name}.bias"] = block[f"{ours}{name}.bias"] * gamma
    return block


def _with_positions_of_cls_alone(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Positions of CLS and patches: those of registers go into them; CLS may have none."""
    positions = ours[POSITIONS]
    width = positions.shape[2]
    registers = ours.setdefault(REGISTERS, positions.new_zeros(1, 0, width))
    count = registers.shape[1]
    places = {prefix: positions.shape[1] - prefix for prefix in (0, 1, 1 + count)}
    fitting = [prefix for prefix, n in places.items() if n > 0 and math.isqrt(n) ** 2 == n]
    if not fitting:
        raise LayoutError(
            f"has {positions.shape[1]} positions, wanted those of a square of patches"
        )
    if len(fitting) > 1:
        raise LayoutError(
            f"has {positions.shape[1]} positions and {count} registers, which fits two sizes of "
            "picture; wanted positions of the patches alone, or another number of registers"
        )
    prefix = fitting[0]
    if prefix == 0:
        positions = torch.cat([positions.new_zeros(1, 1, width), positions], dim=1)
    elif prefix > 1:
        ours[REGISTERS] = registers + positions[:, 1:prefix]
        positions = torch.cat([positions[:, :1], positions[:, prefix:]], dim=1)
    ours[POSITIONS] = positions
    return ours
