"""Pictures of a model that need no image: its filters and its positions."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from vit.model import VisionTransformer

FILTERS = (4, 12)  # rows and columns of filters that are shown, at most
POSITIONS = 16  # maps in a row, at most; of more each is too small to read


def mosaic(tiles: NDArray, gap: int, fill: float = np.nan) -> NDArray:
    """(rows, columns, h, w, ...) tiles as one picture, with ``gap`` empty pixels between them."""
    around = [(0, 0), (0, 0), (0, gap), (0, gap), *[(0, 0)] * (tiles.ndim - 4)]
    padded = np.pad(tiles, around, constant_values=fill)
    rows, columns, height, width, *rest = padded.shape
    whole = padded.swapaxes(1, 2).reshape(rows * height, columns * width, *rest)
    return whole[:-gap, :-gap]


def numbered(
    axis: Axes, names: tuple[list[str], list[str]], tile: tuple[int, ...], gap: int
) -> None:
    """Names of the columns and rows of a mosaic of tiles of (h, w, ...)."""
    height, width = tile[:2]
    axis.set_xticks((width + gap) * np.arange(len(names[0])) + (width - 1) / 2, names[0])
    axis.set_yticks((height + gap) * np.arange(len(names[1])) + (height - 1) / 2, names[1])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def filters(model: VisionTransformer) -> Figure:
    """The first convolution's weights, those of the largest norm first.

    Of patches that do not overlap their principal components are shown too.
    """
    first = next(part for part in model.embeddings.modules() if isinstance(part, nn.Conv2d))
    weight = first.weight.detach().sum(dim=1).numpy()  # (D, P, P); the grey is in each channel
    count, edge, _ = weight.shape
    columns = min(FILTERS[1], count)
    rows = min(FILTERS[0], count // columns)
    by_norm = np.argsort(-np.square(weight).sum(axis=(1, 2)))
    tiles = weight[by_norm[: rows * columns]]
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
    rows, columns = model.grid
    embedding = model.embeddings.position_embedding.detach()[0, 1:].numpy()  # (N, D)
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    step = -(-max(rows, columns) // POSITIONS)
    tiles = (unit @ unit.T).reshape(rows, columns, rows, columns)[::step, ::step]
    low = np.floor(4 * tiles.min()) / 4
    whole = mosaic(tiles, 2)
    size = (8.0, 6.6 * whole.shape[0] / whole.shape[1] + 0.5)
    figure, axis = plt.subplots(figsize=size, layout="compressed")
    shown = axis.imshow(whole, cmap="viridis", vmin=low, vmax=1, interpolation="nearest")
    across, down = ([str(i) for i in range(0, count, step)] for count in (columns, rows))
    numbered(axis, (across, down), (rows, columns), 2)
    axis.set(xlabel="column of the patch", ylabel="row of the patch")
    axis.set_title("each small map: one patch's position, compared with all of them", fontsize=11)
    figure.colorbar(shown, ax=axis, label="cosine similarity", fraction=0.045, pad=0.02)
    return figure
