"""Pictures of a model that need no image: its parts with their shapes, its filters, its positions."""

import math

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from numpy.typing import NDArray
from torch import nn

from vit.model import VisionTransformer

GREY = "#eeeeee"
BLUE = "#cfe3f3"
ORANGE = "#fbe0c3"
INK = "#1f4e79"
FILTERS = (4, 12)  # rows and columns of filters that are shown, at most


def mosaic(tiles: NDArray, gap: int, fill: float = np.nan) -> NDArray:
    """(rows, columns, h, w, ...) tiles as one picture, with ``gap`` empty pixels between them."""
    padded = np.pad(
        tiles, [(0, 0)] * 2 + [(0, gap)] * 2 + [(0, 0)] * (tiles.ndim - 4), constant_values=fill
    )
    rows, columns, height, width, *rest = padded.shape
    return padded.swapaxes(1, 2).reshape(rows * height, columns * width, *rest)[:-gap, :-gap]


def numbered(
    axis: Axes, names: tuple[list[str], list[str]], tile: tuple[int, ...], gap: int
) -> None:
    """Names of the columns and rows of a mosaic of tiles of (h, w, ...)."""
    axis.set_xticks((tile[1] + gap) * np.arange(len(names[0])) + (tile[1] - 1) / 2, names[0])
    axis.set_yticks((tile[0] + gap) * np.arange(len(names[1])) + (tile[0] - 1) / 2, names[1])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def chain(
    axis: Axes, y: float, parts: list[tuple[float, float, str, str]], shapes: list[str]
) -> None:
    """Boxes of (centre, width, words, colour) in a line, an arrow with a shape over it from each to
    the next.

    Width 0 is a place where the line only stops.
    """
    for x, width, text, colour in parts:
        if width:
            outline = FancyBboxPatch(
                (x - width / 2, y - 0.5), width, 1, "round,pad=0,rounding_size=0.1"
            )
            axis.add_patch(outline).set(facecolor=colour, edgecolor="black")
        axis.text(x, y, text, ha="center", va="center", fontsize=9.5, linespacing=1.3)
    for (x0, w0, *_), (x1, w1, *_), shape in zip(parts[:-1], parts[1:], shapes, strict=True):
        start = x0 + w0 / 2
        end = x1 - w1 / 2
        arrow(axis, (start, y), (end, y))
        fits = (
            94 * (end - start) / max(1, len(shape))
        )  # points: long shapes over short arrows get small
        axis.text((start + end) / 2, y + 0.12, shape, ha="center", color=INK, fontsize=min(9, fits))


def arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0},
    )


def branch(axis: Axes, y: float, start: float, end: float, text: str) -> None:
    """The way round from ``start`` to the sum at ``end``."""
    axis.plot([start, start, end, end], [y, y + 1, y + 1, y + 0.5], color="black", linewidth=1)
    arrow(axis, (end, y + 1), (end, y + 0.16))
    axis.text((start + end) / 2, y + 1.1, text, ha="center", fontsize=9.5)
    axis.text(
        end,
        y,
        "+",
        ha="center",
        va="center",
        fontsize=11,
        bbox={"boxstyle": "circle,pad=0.1", "fc": "white"},
    )


def words(model: VisionTransformer) -> tuple[str, str, str]:
    """What stands in the boxes of the stem, of the tokens that are added, and of the head."""
    patches = model.embeddings.patch_embedding
    embeddings = model.embeddings
    kernels = [part.kernel_size[0] for part in patches.modules() if isinstance(part, nn.Conv2d)]
    stem = f"patch projection\n{patches.patch_size} x {patches.patch_size}, stride {patches.patch_size}"
    if len(kernels) > 1:
        stem = f"convolution stem\n{len(kernels) - 1} of 3 x 3, then\none of {kernels[-1]} x {kernels[-1]}"
    count = math.prod(model.grid)
    extra = model.num_prefix_tokens - 1
    lines = [
        "+ positions",
        *[f"{embeddings.num_kept} of {count} patches stay"] * (embeddings.num_kept < count),
    ]
    lines += [f"CLS, {extra} register{'s' * (extra > 1)} in front" if extra else "CLS in front"]
    hidden = [part.out_features for part in model.head if isinstance(part, nn.Linear)][:-1]
    return stem, ",\n".join(lines), f"head\n{hidden[0]}, tanh" if hidden else "head"


def diagram(model: VisionTransformer) -> Figure:
    """The whole model, and one block of it."""
    first = next(part for part in model.embeddings.modules() if isinstance(part, nn.Conv2d))
    (height, width), heads, depth = (
        model.embeddings.patch_embedding.image_size,
        model.num_heads,
        len(model.blocks),
    )
    count = math.prod(model.grid)
    wide = model.embeddings.cls_token.shape[2]
    tokens = model.num_prefix_tokens + model.embeddings.num_kept
    hidden = max(
        part.out_features for part in model.blocks[0].modules() if isinstance(part, nn.Linear)
    )
    every = f"({tokens}, {wide})"
    split = f"({heads}, {tokens}, {wide // heads})"
    stem, added, head = words(model)
    figure, axis = plt.subplots(figsize=(12.4, 5.2), layout="constrained")
    axis.set(xlim=(0, 16), ylim=(0, 6.7), aspect="equal")
    axis.axis("off")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    axis.text(0.1, 6.3, f"VisionTransformer, {parameters:,} parameters", fontsize=11, weight="bold")
    chain(
        axis,
        5.3,
        [
            (0.6, 1.0, "picture", GREY),
            (3.5, 1.9, stem, BLUE),
            (6.9, 2.5, added, BLUE),
            (9.8, 1.2, f"{depth} encoder\nblock{'s' * (depth > 1)}", ORANGE),
            (12.1, 0.8, "norm", GREY),
            (13.85, 1.0, head, BLUE),
            (15.45, 0.9, "logits", GREY),
        ],
        [
            f"({first.in_channels}, {height}, {width})",
            f"({count}, {wide})",
            every,
            f"CLS, ({wide},)",
            f"({wide},)",
            f"({model.num_classes},)",
        ],
    )
    for x0, x1 in ((9.2, 0.2), (10.4, 15.8)):
        axis.plot([x0, x1], [4.77, 3.92], color="gray", linestyle=":")
    axis.add_patch(
        FancyBboxPatch(
            (0.1, 0.1), 15.8, 3.8, "round,pad=0,rounding_size=0.15", fill=False, edgecolor="gray"
        )
    )
    axis.text(0.35, 3.45, "EncoderBlock", fontsize=11, weight="bold")
    note = "The last block works out the row of CLS alone, from the keys and values of all tokens."
    axis.text(0.35, 0.35, note, fontsize=9.5)
    chain(
        axis,
        1.95,
        [
            (0.25, 0, "", GREY),
            (2.1, 0.9, "norm1", GREY),
            (3.6, 1.2, "query, key,\nvalue", BLUE),
            (6.8, 2.2, f"softmax(QK$^T$/$\\sqrt{{d}}$) V\nin each of {heads} heads", ORANGE),
            (9.6, 1.1, "projection", BLUE),
            (10.55, 0, "", GREY),
            (12.3, 0.9, "norm2", GREY),
            (13.7, 1.3, f"MLP\nhidden {hidden}", BLUE),
            (14.7, 0, "", GREY),
            (15.85, 0, "", GREY),
        ],
        [every, "", f"3 x {split}", split, "", every, "", "", every],
    )
    axis.text(
        6.8,
        1.15,
        f"probabilities ({heads}, {tokens}, {tokens})",
        ha="center",
        fontsize=9,
        color=INK,
    )
    branch(axis, 1.95, 1.5, 10.55, "eq. 2")
    branch(axis, 1.95, 11.72, 14.7, "eq. 3")
    return figure


def filters(model: VisionTransformer) -> Figure:
    """The first convolution's weights, those of the largest norm first, and of patches their
    principal components.
    """
    first = next(part for part in model.embeddings.modules() if isinstance(part, nn.Conv2d))
    weight = (
        first.weight.detach().sum(dim=1).numpy()
    )  # (D, P, P); the grey is the same in each channel
    count, edge, _ = weight.shape
    columns = min(FILTERS[1], count)
    rows = min(FILTERS[0], count // columns)
    tiles = weight[np.argsort(-np.square(weight).sum(axis=(1, 2)))[: rows * columns]]
    shares = [""] * columns
    names = ["largest\nfilters", *[""] * (rows - 1)]
    if first.stride[0] == edge and edge**2 >= columns:
        _, sizes, components = np.linalg.svd(weight.reshape(count, -1), full_matrices=False)
        tiles = np.concatenate([components[:columns].reshape(-1, edge, edge), tiles])
        shares = [f"{share:.0%}" for share in sizes[:columns] ** 2 / (sizes**2).sum()]
        names = ["principal\ncomponents", *names]
        rows = rows + 1
    tiles = tiles / np.abs(tiles).max(axis=(1, 2), keepdims=True)
    gap = max(1, edge // 8)
    figure, axis = plt.subplots(figsize=(10, 9.2 / columns * rows + 0.5), layout="constrained")
    grey = mosaic(tiles.reshape(rows, columns, edge, edge), gap)
    axis.imshow(grey, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    numbered(axis, (shares, names), (edge, edge), gap)
    axis.xaxis.tick_top()
    axis.set_title(
        f"first weights: {count} filters of {edge} x {edge} px, each on its own scale", fontsize=11
    )
    return figure


def positions(model: VisionTransformer) -> Figure:
    """Cosine similarity of patches' position embeddings to every other's."""
    (rows, columns), embedding = (
        model.grid,
        model.embeddings.position_embedding.detach()[0, 1:].numpy(),
    )
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    step = -(-max(rows, columns) // 16)  # more maps than this are too small to read
    tiles = (unit @ unit.T).reshape(rows, columns, rows, columns)[::step, ::step]
    low = np.floor(4 * tiles.min()) / 4
    whole = mosaic(tiles, 2)
    figure, axis = plt.subplots(
        figsize=(8.0, 6.6 * whole.shape[0] / whole.shape[1] + 0.5), layout="compressed"
    )
    shown = axis.imshow(whole, cmap="viridis", vmin=low, vmax=1, interpolation="nearest")
    across, down = ([str(i) for i in range(0, count, step)] for count in (columns, rows))
    numbered(axis, (across, down), (rows, columns), 2)
    axis.set(xlabel="column of the patch", ylabel="row of the patch")
    axis.set_title("each small map: one patch's position, compared with all of them", fontsize=11)
    figure.colorbar(shown, ax=axis, label="cosine similarity", fraction=0.045, pad=0.02)
    return figure
