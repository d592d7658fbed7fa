"""A picture of a model's parts, with the shapes of what goes from one to the next."""

import math
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from vit.model import VisionTransformer

GREY = "#eeeeee"
BLUE = "#cfe3f3"
ORANGE = "#fbe0c3"
INK = "#1f4e79"
NOTE = "The last block works out the row of CLS alone, from the keys and values of all tokens."


class Box(NamedTuple):
    """A part of the model, its centre at ``x``; one of no width is a place where the line stops."""

    x: float
    width: float = 0
    words: str = ""
    colour: str = GREY


def diagram(model: VisionTransformer) -> Figure:
    """The whole model, and one block of it."""
    figure, axis = plt.subplots(figsize=(12.4, 5.2), layout="constrained")
    axis.set(xlim=(0, 16), ylim=(0, 6.7), aspect="equal")
    axis.axis("off")
    _draw_model(axis, model)
    for x0, x1 in ((9.2, 0.2), (10.4, 15.8)):
        axis.plot([x0, x1], [4.77, 3.92], color="gray", linestyle=":")
    _draw_block(axis, model)
    return figure


def _draw_model(axis: Axes, model: VisionTransformer) -> None:
    first = next(part for part in model.embeddings.modules() if isinstance(part, nn.Conv2d))
    height, width = model.embeddings.patch_embedding.image_size
    depth = len(model.blocks)
    wide = model.embeddings.cls_token.shape[2]
    parts = [
        Box(0.6, 1.0, "picture"),
        Box(3.5, 1.9, _stem(model), BLUE),
        Box(6.9, 2.5, _added(model), BLUE),
        Box(9.8, 1.2, f"{depth} encoder\n{'block' if depth == 1 else 'blocks'}", ORANGE),
        Box(12.1, 0.8, "norm"),
        Box(13.85, 1.0, _head(model), BLUE),
        Box(15.45, 0.9, "logits"),
    ]
    shapes = [
        f"({first.in_channels}, {height}, {width})",
        f"({math.prod(model.grid)}, {wide})",
        f"({_tokens(model)}, {wide})",
        f"CLS, ({wide},)",
        f"({wide},)",
        f"({model.num_classes},)",
    ]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    axis.text(0.1, 6.3, f"VisionTransformer, {parameters:,} parameters", fontsize=11, weight="bold")
    _chain(axis, 5.3, parts, shapes)


def _draw_block(axis: Axes, model: VisionTransformer) -> None:
    axis.add_patch(
        FancyBboxPatch(
            (0.1, 0.1), 15.8, 3.8, "round,pad=0,rounding_size=0.15", fill=False, edgecolor="gray"
        )
    )
    axis.text(0.35, 3.45, "EncoderBlock", fontsize=11, weight="bold")
    axis.text(0.35, 0.35, NOTE, fontsize=9.5)
    heads = model.num_heads
    tokens = _tokens(model)
    wide = model.embeddings.cls_token.shape[2]
    linear = [part for part in model.blocks[0].modules() if isinstance(part, nn.Linear)]
    hidden = max(part.out_features for part in linear)
    parts = [
        Box(0.25),
        Box(2.1, 0.9, "norm1"),
        Box(3.6, 1.2, "query, key,\nvalue", BLUE),
        Box(6.8, 2.2, f"softmax(QK\u1d40/\u221ad) V\nin each of {heads} heads", ORANGE),
        Box(9.6, 1.1, "projection", BLUE),
        Box(10.55),
        Box(12.3, 0.9, "norm2"),
        Box(13.7, 1.3, f"MLP\nhidden {hidden}", BLUE),
        Box(14.7),
        Box(15.85),
    ]
    every = f"({tokens}, {wide})"
    split = f"({heads}, {tokens}, {wide // heads})"
    _chain(axis, 1.95, parts, [every, "", f"3 x {split}", split, "", every, "", "", every])
    probabilities = f"probabilities ({heads}, {tokens}, {tokens})"
    axis.text(6.8, 1.15, probabilities, ha="center", fontsize=9, color=INK)
    _branch(axis, 1.95, 1.5, 10.55, "eq. 2")
    _branch(axis, 1.95, 11.72, 14.7, "eq. 3")


def _tokens(model: VisionTransformer) -> int:
    """How many go through the blocks."""
    return model.num_prefix_tokens + model.embeddings.num_kept


def _stem(model: VisionTransformer) -> str:
    patches = model.embeddings.patch_embedding
    edge = patches.patch_size
    kernels = [part.kernel_size[0] for part in patches.modules() if isinstance(part, nn.Conv2d)]
    if len(kernels) == 1:
        return f"patch projection\n{edge} x {edge}, stride {edge}"
    return (
        f"convolution stem\n{len(kernels) - 1} of 3 x 3, then\none of {kernels[-1]} x {kernels[-1]}"
    )


def _added(model: VisionTransformer) -> str:
    """What becomes of the patches before the first block."""
    count = math.prod(model.grid)
    kept = model.embeddings.num_kept
    registers = model.num_prefix_tokens - 1
    tokens = {0: "CLS", 1: "CLS, 1 register"}.get(registers, f"CLS, {registers} registers")
    stay = [f"{kept} of {count} patches stay"] if kept < count else []
    return ",\n".join(["+ positions", *stay, f"{tokens} in front"])


def _head(model: VisionTransformer) -> str:
    linear = [part.out_features for part in model.head if isinstance(part, nn.Linear)]
    return f"head\n{linear[0]}, tanh" if len(linear) > 1 else "head"


def _chain(axis: Axes, y: float, parts: list[Box], shapes: list[str]) -> None:
    """Boxes in a line, and from each to the next an arrow with a shape over it."""
    for box in parts:
        if box.width:
            outline = FancyBboxPatch(
                (box.x - box.width / 2, y - 0.5), box.width, 1, "round,pad=0,rounding_size=0.1"
            )
            axis.add_patch(outline).set(facecolor=box.colour, edgecolor="black")
        axis.text(box.x, y, box.words, ha="center", va="center", fontsize=9.5, linespacing=1.3)
    for left, right, shape in zip(parts[:-1], parts[1:], shapes, strict=True):
        start = left.x + left.width / 2
        end = right.x - right.width / 2
        _arrow(axis, (start, y), (end, y))
        fits = 94 * (end - start) / max(1, len(shape))  # points: of long shapes, short arrows
        axis.text((start + end) / 2, y + 0.12, shape, ha="center", color=INK, fontsize=min(9, fits))


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", end, start, arrowprops=style)


def _branch(axis: Axes, y: float, start: float, end: float, text: str) -> None:
    """The way round from ``start`` to the sum at ``end``."""
    axis.plot([start, start, end, end], [y, y + 1, y + 1, y + 0.5], color="black", linewidth=1)
    _arrow(axis, (end, y + 1), (end, y + 0.16))
    axis.text((start + end) / 2, y + 1.1, text, ha="center", fontsize=9.5)
    circle = {"boxstyle": "circle,pad=0.1", "fc": "white"}
    axis.text(end, y, "+", ha="center", va="center", fontsize=11, bbox=circle)
