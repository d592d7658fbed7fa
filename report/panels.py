"""Pictures of a model with an image: its patches, what each head attends to, and each method."""

import io

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from data.figures import show_words
from report.overlay import STRIPE, striped, tile
from report.plots import colour_bar
from report.structure import mosaic, numbered
from report.subject import Subject
from vit.explain import METHODS, explain
from vit.heatmap import shared_scale

GAP = 12  # px between images
FRAMES = 32  # of the animation, at most: those of the last blocks


def patches(subject: Subject) -> Figure:
    """The image, and the image cut into the model's patches; what it leaves out is striped."""
    rows, columns = subject.model.grid
    edge = subject.model.embeddings.patch_embedding.patch_size
    cut = subject.image.astype(np.float32).reshape(rows, edge, columns, edge)
    tiles = cut.swapaxes(1, 2).copy()  # (rows, columns, P, P)
    kept = subject.model.embeddings.kept(subject.batch)
    words = f"{rows} x {columns} patches of {edge} x {edge} px"
    if kept is not None:
        unseen = np.setdiff1d(np.arange(rows * columns), kept[0].numpy())
        tiles.reshape(-1, edge, edge)[unseen] = np.where(striped((edge, edge), 1), STRIPE, 1)
        words += "; striped: not seen"
    size = (9.2, 4.4 * rows / columns + 0.7)
    figure, (left, right) = plt.subplots(1, 2, figsize=size, layout="constrained")
    left.imshow(subject.image, cmap="gray", vmin=0, vmax=1)
    left.set_title(f"the picture: {rows * edge} x {columns * edge} px", fontsize=11, pad=16)
    right.imshow(mosaic(tiles, max(1, edge // 4)), cmap="gray", vmin=0, vmax=1)
    right.set_title(words, fontsize=11, pad=16)
    _number_corners(right, rows, columns)
    for axis in (left, right):
        axis.axis("off")
    return figure


def _number_corners(axis: Axes, rows: int, columns: int) -> None:
    """The numbers of the patches in the four corners."""
    last = rows * columns - 1
    corners = ((0, 1, 0), (1, 1, columns - 1), (0, 0, last + 1 - columns), (1, 0, last))
    for x, y, number in corners:
        axis.text(
            x,
            y,
            str(number),
            transform=axis.transAxes,
            ha="right" if x else "left",
            va="bottom" if y else "top",
        )


def head_maps(subject: Subject) -> NDArray:
    """(blocks, heads, grid height, grid width) attention of CLS.

    1 is an even share, NaN a patch that was not seen.
    """
    model = subject.model
    size = (len(model.blocks), model.num_heads)
    maps = [
        explain(model, subject.batch, "attention", layer=layer, head=head)[1]
        for layer, head in np.ndindex(size)
    ]
    return torch.cat(maps).view(*size, *model.grid).numpy()


def heads(subject: Subject, maps: NDArray) -> Figure:
    """The attention of CLS over the image.

    A row for each block: the mean of its heads, then each head.
    """
    depth, count = maps.shape[:2]
    top = shared_scale(list(maps))
    whole = np.concatenate([maps.mean(axis=1, keepdims=True), maps], axis=1)
    tiles = np.stack([[tile(subject, map_, top) for map_ in block] for block in whole])
    height, width = tiles.shape[2:4]
    panel = min(2.0, 14 / (count + 1))
    size = (max(6.0, panel * (count + 1) + 1.6), panel * depth * height / width + 0.8)
    figure, axis = plt.subplots(figsize=size, layout="compressed")
    axis.imshow(mosaic(tiles, GAP, 1.0))
    names = (["mean", *(f"head {i}" for i in range(count))], [f"block {i}" for i in range(depth)])
    numbered(axis, names, (height, width), GAP)
    axis.xaxis.tick_top()
    axis.set_title(subject.title, fontsize=11)
    axis.set_xlabel(subject.legend)
    colour_bar(figure, axis, top, "attention of CLS (1: even share)")
    return figure


def frames(subject: Subject, maps: NDArray) -> list[Image.Image]:
    """The image beside the attention of one head, head by head and block by block."""
    depth, count = maps.shape[:2]
    top = shared_scale(list(maps))
    plain = tile(subject)
    size = (5.6, 2.4 * plain.shape[0] / plain.shape[1] + 0.6)
    figure, (left, right) = plt.subplots(1, 2, figsize=size, layout="constrained")
    left.imshow(plain)
    figure.suptitle(subject.title, fontsize=9)
    left.set_title(subject.legend or "image", fontsize=9)
    shown = right.imshow(plain)
    colour_bar(figure, right, top, "1: even share")
    for axis in (left, right):
        axis.axis("off")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # else the frames shake
    images = []
    first = max(0, depth - max(1, FRAMES // count))
    for block in range(first, depth):
        for head in range(count):
            shown.set_data(tile(subject, maps[block, head], top))
            right.set_title(f"CLS: block {block}, head {head}", fontsize=9)
            images.append(drawn(figure, dpi=90))
    return images


def methods(subject: Subject) -> Figure:
    """The image, and where each fast method finds the evidence for the positive class."""
    names = [name for name in METHODS if name != "occlusion"]
    maps = [explain(subject.model, subject.batch, name)[1][0].numpy() for name in names]
    top = shared_scale(maps)
    height, width = subject.model.grid
    columns = 4
    rows = -(-(2 + len(maps)) // columns)  # with the image, and room for words
    size = (2.5 * columns + 0.9, rows * (2.5 * height / width + 0.3) + 0.3)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    first, *others = axes.flat
    first.imshow(tile(subject))
    first.set_title("image", fontsize=10)
    for axis, name, map_ in zip(others, names, maps, strict=False):
        axis.imshow(tile(subject, map_, top))
        empty = not np.nan_to_num(map_).any()
        axis.set_title(f"{name}: none" if empty else name, fontsize=10)
    words = ["attention and rollout", "know no class.", "", *subject.legend.split("; ")]
    others[-1].text(0, 0.5, "\n".join(words), fontsize=9, va="center", linespacing=1.5)
    figure.suptitle(subject.title, fontsize=11)
    colour_bar(figure, axes, top, f"evidence for {subject.positive} (1: even share)")
    return figure


def drawn(figure: Figure, dpi: int = 110) -> Image.Image:
    """The figure's pixels."""
    with io.BytesIO() as buffer:
        show_words(figure)
        figure.savefig(buffer, dpi=dpi, pil_kwargs={"compress_level": 1})
        plt.close(figure)
        return Image.open(buffer).convert("RGB")
