"""Draw the figures of docs/how-it-works.md: python docs/figures.py --Path_Checkpoint ViT.ckpt --OUTPUT docs

The patch grid and the diagram show the published size and need no learned weights. The others show the weights of the
checkpoint, the last of them on one phantom that always is the same.
"""

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from CONFIG import Config
from data.dataset import to_tensor
from data.phantom_ct import Phantom, phantom
from files import written_whole
from vit import checkpoint
from vit.explain import attention_maps, explain
from vit.model import VisionTransformer

SEED = 2021  # of the phantom; make demo trains on seed 0, so its model has not seen this one
SHOWN = Config(embedding_size=256, num_heads=8, mlp_ratio=4.0)  # the published size, which the text works out
FILTERS = (4, 12)  # rows and columns of filters that are shown
GREY, BLUE, ORANGE, INK = "#eeeeee", "#cfe3f3", "#fbe0c3", "#1f4e79"
Tiles = NDArray[np.floating[Any]]


def picture(size: int) -> Phantom:
    """The first abnormal phantom of the seed."""
    return next(made for i in range(100) if (made := phantom(SEED, i, size, views=1)).label == "abnormal")


def save(figure: Figure, path: Path, greys: int | None = None) -> None:
    """Write a PNG; ``greys``: reduce it to so many, for noise packs badly."""
    with io.BytesIO() as drawn, written_whole(path) as beside:
        figure.savefig(drawn, dpi=110)
        image: Image.Image = Image.open(drawn)
        if greys:
            image = image.convert("L").quantize(greys, dither=Image.Dither.NONE)
        image.save(beside, optimize=True)
    plt.close(figure)
    print(f"wrote {path}")


def mosaic(tiles: Tiles, gap: int) -> Tiles:
    """(rows, columns, h, w) tiles as one picture, with ``gap`` empty (NaN) pixels between them."""
    padded = np.pad(tiles, ((0, 0), (0, 0), (0, gap), (0, gap)), constant_values=np.nan)
    rows, columns, height, width = padded.shape
    return padded.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)[:-gap, :-gap]


def patches(config: Config, path: Path) -> None:
    """The phantom, and the phantom cut into patches."""
    image, edge = picture(config.image_size).image / np.float32(255), config.patch_size
    count = config.image_size // edge
    tiles = image.reshape(count, edge, count, edge).transpose(0, 2, 1, 3)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 4.9), layout="constrained")
    left.imshow(image, cmap="gray")
    left.set_title(f"the picture: {config.image_size} x {config.image_size} px", fontsize=11)
    right.imshow(mosaic(tiles, edge // 4), cmap="gray")
    right.set_title(f"{count} x {count} patches of {edge} x {edge} px", fontsize=11)
    corners = [(0, 1, 0), (1, 1, count - 1), (0, 0, count * (count - 1)), (1, 0, count * count - 1)]
    for x, y, number in corners:
        right.text(
            x, y, f" {number} ", ha="right" if x else "left", va="bottom" if y else "top", transform=right.transAxes
        )
    for axis in (left, right):
        axis.axis("off")
    save(figure, path, greys=48)


def filters(model: VisionTransformer, path: Path) -> None:
    """The first convolution's weights, those of the largest norm first, all on one scale."""
    first = next(part for part in model.embeddings.patch_embedding.modules() if isinstance(part, nn.Conv2d))
    weight = first.weight.detach().mean(dim=1).numpy()  # (D, P, P)
    rows, columns = FILTERS[0], min(FILTERS[1], len(weight) // FILTERS[0])
    strongest = np.argsort(-np.square(weight).sum(axis=(1, 2)))[: rows * columns]
    tiles = weight[strongest].reshape(rows, columns, *weight.shape[1:])
    top = float(np.quantile(np.abs(tiles), 0.998))
    figure, axis = plt.subplots(figsize=(10, 3.5), layout="constrained")
    shown = axis.imshow(mosaic(tiles, 2), cmap="gray", vmin=-top, vmax=top, interpolation="nearest")
    axis.set_title(f"patch projection: {rows * columns} of {len(weight)} filters, largest first", fontsize=11)
    axis.axis("off")
    figure.colorbar(shown, ax=axis, label="weight", fraction=0.03, pad=0.02, shrink=0.85)
    save(figure, path)


def positions(model: VisionTransformer, path: Path) -> None:
    """Cosine similarity of each patch's position embedding to every other's."""
    (rows, columns), embedding = model.grid, model.embeddings.position_embedding.detach()[0, 1:].numpy()
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    tiles = (unit @ unit.T).reshape(rows, columns, rows, columns)
    figure, axis = plt.subplots(figsize=(8.2, 6.6), layout="constrained")
    shown = axis.imshow(mosaic(tiles, 2), cmap="viridis", vmin=-1, vmax=1, interpolation="nearest")
    axis.set_xticks((columns + 2) * np.arange(columns) + (columns - 1) / 2, [str(i) for i in range(columns)])
    axis.set_yticks((rows + 2) * np.arange(rows) + (rows - 1) / 2, [str(i) for i in range(rows)])
    axis.set(xlabel="column of the patch", ylabel="row of the patch")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_title("each small map: one patch's position, compared with all of them", fontsize=11)
    figure.colorbar(shown, ax=axis, label="cosine similarity", fraction=0.045, pad=0.02)
    save(figure, path)


def attention(model: VisionTransformer, about: dict[str, Any], path: Path) -> None:
    """The attention of CLS to every patch, for each block and head, in shares of an even spread."""
    how, size = about["preprocessing"], about["preprocessing"]["image_size"]
    made = picture(size)
    grey = made.image / np.float32(255)
    batch = to_tensor(grey, how["mean"], how["std"], about["config"]["num_channels"])[None]
    logits, mean = explain(model, batch, "attention")
    probability = float((logits / about["temperature"]).softmax(dim=1)[0, -1])
    with torch.inference_mode(), attention_maps(model) as maps:
        model(batch)
        rows = torch.stack([one[0, :, 0, model.num_prefix_tokens :] for one in maps])  # (blocks, heads, N)
    depth, heads, _ = rows.shape
    shares = (rows / rows.mean(dim=2, keepdim=True)).view(depth, heads, *model.grid).numpy()
    maps_of = {(i, j + 1): (f"block {i + 1}, head {j + 1}", shares[i, j]) for i, j in np.ndindex(depth, heads)}
    lines = max(2, depth)  # the first column holds the picture above and the mean below
    maps_of[lines - 1, 0] = f"block {depth}, mean of heads", mean[0].numpy()
    scale = PowerNorm(0.5, vmin=0, vmax=float(shares.max()))
    size_inches = 2.05 * (heads + 1) + 0.9, 2.1 * lines + 0.3
    figure, axes = plt.subplots(lines, heads + 1, figsize=size_inches, squeeze=False, layout="constrained")
    axes[0, 0].imshow(grey, cmap="gray", vmin=0, vmax=1)
    axes[0, 0].set_title(f"P({about['class_names'][-1]}) = {probability:.2f}", fontsize=10)
    for place, (title, one) in maps_of.items():
        shown = axes[place].imshow(one, cmap="inferno", norm=scale, extent=(0, size, size, 0))
        axes[place].set_title(title, fontsize=10)
    for place, axis in np.ndenumerate(axes):
        axis.axis("off")
        if place in maps_of or place == (0, 0):
            axis.contour(made.mask, levels=[0.5], colors="cyan", linewidths=1.0)
    ticks = [tick for tick in (0, 1, 5, 10, 20, 40, 80) if tick <= shares.max()]
    bar = figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.02, ticks=ticks, format="%g")
    bar.set_label("attention of CLS (1: even share; root scale)")
    save(figure, path)


def chain(axis: Axes, y: float, parts: list[tuple[float, float, str, str]], shapes: list[str]) -> None:
    """Boxes of (centre, width, words, colour) in a line, an arrow with a shape over it from each to the next.

    Width 0 is a place where the line only stops.
    """
    for x, width, text, colour in parts:
        if width:
            outline = FancyBboxPatch((x - width / 2, y - 0.45), width, 0.9, "round,pad=0,rounding_size=0.1")
            axis.add_patch(outline).set(facecolor=colour, edgecolor="black")
        axis.text(x, y, text, ha="center", va="center", fontsize=9, linespacing=1.35)
    for (x0, w0, *_), (x1, w1, *_), shape in zip(parts[:-1], parts[1:], shapes, strict=True):
        arrow(axis, (x0 + w0 / 2, y), (x1 - w1 / 2, y))
        axis.text((x0 + w0 / 2 + x1 - w1 / 2) / 2, y + 0.12, shape, ha="center", fontsize=8, color=INK)


def arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0})


def branch(axis: Axes, y: float, start: float, end: float, text: str) -> None:
    """The way round from ``start`` to the sum at ``end``."""
    axis.plot([start, start, end, end], [y, y + 1, y + 1, y + 0.5], color="black", linewidth=1)
    arrow(axis, (end, y + 1), (end, y + 0.16))
    axis.text((start + end) / 2, y + 1.1, text, ha="center", fontsize=9)
    axis.text(end, y, "+", ha="center", va="center", fontsize=11, bbox={"boxstyle": "circle,pad=0.1", "fc": "white"})


def diagram(config: Config, path: Path) -> None:
    """The model from picture to logits, and one block of it, with the shapes for one picture."""
    size, edge, width, heads = config.image_size, config.patch_size, config.embedding_size, config.num_heads
    count = (size // edge) ** 2
    tokens, hidden, depth = 1 + config.num_registers + count, int(width * config.mlp_ratio), config.num_hidden_layers
    every, split = f"({tokens}, {width})", f"({heads}, {tokens}, {width // heads})"
    figure, axis = plt.subplots(figsize=(12.4, 5.2), layout="constrained")
    axis.set(xlim=(0, 16), ylim=(0, 6.7), aspect="equal")
    axis.axis("off")
    axis.text(0.1, 6.3, "VisionTransformer", fontsize=11, weight="bold")
    chain(axis, 5.3, [
        (0.75, 1.3, "picture", GREY), (3.6, 1.9, f"patch projection\n{edge} x {edge}, stride {edge}", BLUE),
        (6.6, 1.6, "CLS in front,\n+ positions", BLUE), (9.3, 1.5, f"{depth} encoder\nblocks", ORANGE),
        (11.9, 0.9, "norm", GREY), (13.7, 0.9, "head", BLUE), (15.4, 0.9, "logits", GREY),
    ], [f"({config.num_channels}, {size}, {size})", f"({count}, {width})", every, f"CLS, ({width},)", f"({width},)",
        f"({config.num_classes},)"])  # fmt: skip
    for x0, x1 in ((8.6, 0.2), (10.0, 15.8)):
        axis.plot([x0, x1], [4.82, 3.92], color="gray", linestyle=":")
    axis.add_patch(
        FancyBboxPatch((0.1, 0.1), 15.8, 3.8, "round,pad=0,rounding_size=0.15", fill=False, edgecolor="gray")
    )
    axis.text(0.35, 3.45, "EncoderBlock", fontsize=11, weight="bold")
    axis.text(
        0.35, 0.35, "The last block works out the row of CLS alone, from the keys and values of all tokens.", fontsize=9
    )
    chain(axis, 1.95, [
        (0.25, 0, "", GREY), (2.1, 0.9, "norm1", GREY), (3.6, 1.2, "query, key,\nvalue", BLUE),
        (6.8, 2.1, f"softmax(QK$^T$/$\\sqrt{{d}}$) V\nin each of {heads} heads", ORANGE),
        (9.6, 1.1, "projection", BLUE), (10.55, 0, "", GREY), (12.3, 0.9, "norm2", GREY),
        (13.7, 1.3, f"MLP\nhidden {hidden}", BLUE), (14.7, 0, "", GREY), (15.85, 0, "", GREY),
    ], [every, "", f"3 x {split}", split, "", every, "", "", every])  # fmt: skip
    axis.text(6.8, 1.2, f"probabilities ({heads}, {tokens}, {tokens})", ha="center", fontsize=8, color=INK)
    branch(axis, 1.95, 1.5, 10.55, "eq. 2")
    branch(axis, 1.95, 11.72, 14.7, "eq. 3")
    save(figure, path)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="docs/figures.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--Path_Checkpoint", type=Path, default=Path("ViT.ckpt"), help="ViT.ckpt, trained on phantoms")
    parser.add_argument("--OUTPUT", type=Path, default=Path("docs"), help="folder for the figures")
    arguments = parser.parse_args(argv)
    try:
        (model, *_), about = checkpoint.load(arguments.Path_Checkpoint)
    except checkpoint.CheckpointError as error:
        sys.exit(str(error))
    diagram(SHOWN, arguments.OUTPUT / "model.png")
    patches(SHOWN, arguments.OUTPUT / "patches.png")
    filters(model, arguments.OUTPUT / "filters.png")
    positions(model, arguments.OUTPUT / "positions.png")
    attention(model, about, arguments.OUTPUT / "attention.png")


if __name__ == "__main__":
    main(sys.argv[1:])
