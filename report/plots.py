"""The pictures: predictions with attention maps, and the curves of a training."""

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from files import written_whole

SMALL: dict[str, Any] = {"fontsize": 7, "va": "center", "color": "dimgray"}
COVER = 0.6  # share of the map's colours where it lies over a picture
OUTLINE = [withStroke(linewidth=2.5, foreground="black")]


@dataclass(frozen=True)
class Explained:
    """One image with what the model says of it.

    Args:
        name: shown above the image.
        image: (H, W) grey from 0 to 1.
        map: (grid height, grid width) evidence, 1 is an even share, NaN a patch that the model left
            out.
        method: how the map was made, and for which class.
        truth: class name, or empty where unknown.
        predicted: class name.
        class_names: in index order, the positive one last.
        probabilities: of each class.
        lesion: (H, W) mask, or None where unknown.
    """

    name: str
    image: NDArray
    map: NDArray
    method: str
    truth: str
    predicted: str
    class_names: list[str]
    probabilities: list[float]
    lesion: NDArray | None = None


def shared_scale(maps: list[NDArray]) -> float:
    """Upper end of the colour scale that all maps of a figure share: their 99.5th percentile, at
    least 2.
    """
    return max(2.0, float(np.nanpercentile(maps, 99.5)))


def upsampled(map_: NDArray, shape: tuple[int, ...]) -> NDArray:
    """A map, (grid height, grid width), as it is drawn over a picture of this shape: smooth; what
    was not seen is 0.
    """
    smooth = cv2.resize(
        np.nan_to_num(map_).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    return np.clip(smooth, 0, None)


def blend(grey: NDArray, strength: NDArray) -> NDArray:
    """(...) grey and strength from 0 to 1 to (..., 3) colours: at each grey the lighter, the
    stronger.

    The share of each is the same everywhere, so that the vessel keeps its contrast under the
    strongest evidence, and a picture without colours still shows where that is.
    """
    return (1 - COVER) * grey[..., None] + COVER * matplotlib.colormaps["inferno"](strength)[
        ..., :3
    ]


def colour_bar(figure: Figure, axes: Any, top: float, label: str, size: float = 10) -> None:
    """A colour bar of what ``blend`` does to middle grey; the scale ends at ``top``."""
    colours = ListedColormap(blend(np.full(256, 0.4), np.linspace(0, 1, 256)))
    shown = ScalarMappable(Normalize(0, top), colours)
    bar = figure.colorbar(shown, ax=axes, fraction=0.05, pad=0.02, extend="max")
    bar.ax.tick_params(labelsize=size)
    bar.set_label(label, fontsize=size)


def predictions(items: list[Explained], path: Path, title: str, top: float | None = None) -> None:
    """A row for each image: the image, the map over it with its colour bar and its peak, truth and
    prediction.

    Args:
        items: the images in the order of the rows.
        path: the PNG to write.
        title: a line above all, such as how the images were chosen.
        top: upper end of the colour scale; by default ``shared_scale`` of the items.
    """
    top = top or shared_scale([item.map for item in items])
    height = 2.45 * len(items) + 0.75
    figure = plt.figure(figsize=(7.2, height), layout="constrained")
    figure.suptitle(textwrap.fill(title, 95), fontsize=9, parse_math=False)
    grid = figure.add_gridspec(len(items), 3, width_ratios=[1, 1.2, 0.72])
    for row, item in enumerate(items):
        left, right, words = (figure.add_subplot(grid[row, column]) for column in range(3))
        left.imshow(item.image, cmap="gray", vmin=0, vmax=1)
        left.set_title(
            Path(item.name).stem[-40:], fontsize=7, parse_math=False
        )  # a name may hold a $
        right.set_title(item.method, fontsize=7, parse_math=False)
        evidence = upsampled(item.map, item.image.shape)
        unseen = np.isnan(item.map)
        right.imshow(blend(np.clip(item.image, 0, 1), np.clip(evidence / top, 0, 1)))
        peak = np.unravel_index(int(evidence.argmax()), evidence.shape)
        found = bool(evidence[peak] > 0)
        if found:
            right.plot(
                peak[1],
                peak[0],
                "+",
                color="white",
                markersize=9,
                markeredgewidth=1.1,
                path_effects=OUTLINE,
            )
        colour_bar(figure, right, top, "evidence (1 = even share)", 6)
        for axis in (left, right):
            axis.axis("off")
        if unseen.any():
            covered = cv2.resize(
                unseen.astype(np.uint8), item.image.shape[::-1], interpolation=cv2.INTER_NEAREST
            )
            right.contourf(covered, levels=[0.5, 1.5], colors="none", hatches=["////"]).set(
                edgecolor="0.55", lw=0
            )
            words.text(0, 0.02, "hatched: not seen", **SMALL)
        if item.lesion is not None and item.lesion.any():
            right.contour(item.lesion, levels=[0.5], colors="cyan", linewidths=0.9)
            off = cv2.distanceTransform((item.lesion == 0).astype(np.uint8), cv2.DIST_L2, 5)[peak]
            where = (
                "on the lesion" if off == 0 else f"{off:.0f} of {len(item.image)} px off the lesion"
            )
            words.text(0, 0.18, f"peak {where}" if found else "no evidence anywhere", **SMALL)
        words.axis("off")
        wrong = bool(item.truth) and item.truth != item.predicted
        lines = [
            f"truth: {item.truth or 'not known'}",
            f"predicted: {item.predicted}",
            *(
                f"P({name}) = {p:.2f}"
                for name, p in zip(item.class_names, item.probabilities, strict=True)
            ),
        ]
        words.text(
            0, 0.62, "\n".join(lines), fontsize=9, va="center", linespacing=1.5, parse_math=False
        )
        if wrong:
            words.text(0, 0.28, "wrong", fontsize=9, va="center", weight="bold", color="firebrick")
        if item.lesion is not None and item.lesion.any():
            words.text(0, 0.1, "outline: known lesion", **SMALL)
    with written_whole(path) as beside:
        figure.savefig(beside, dpi=120)
    plt.close(figure)


def curves(history: list[dict[str, float]], path: Path) -> None:
    """Loss and metrics over the epochs, the best epoch marked."""
    epochs = [row["epoch"] for row in history]
    best = int(np.argmax([row["val_auroc"] for row in history]))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for name, style in (("train_loss", "--"), ("val_loss", "-")):
        left.plot(
            epochs,
            [row.get(name, np.nan) for row in history],
            style,
            color="black",
            label=name.replace("_", " "),
        )
    colours = {
        "auroc": "C0",
        "accuracy": "C1",
        "sensitivity": "C2",
        "specificity": "C3",
        "f1": "C4",
    }
    for name, colour in colours.items():
        width = 2.0 if name == "auroc" else 0.9
        right.plot(
            epochs,
            [row[f"val_{name}"] for row in history],
            color=colour,
            linewidth=width,
            label=name,
        )
    right.set_ylim(0, 1)
    right.axhline(0.5, color="lightgray", linewidth=0.8)
    for axis in (left, right):
        axis.axvline(epochs[best], color="gray", linestyle=":")
        axis.set_xlabel("epoch")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=7, frameon=False)
    left.set_title("loss of the class labels", fontsize=9)
    right.set_title(
        f"validation; best AUROC {history[best]['val_auroc']:.3f} at epoch {epochs[best]:.0f}",
        fontsize=9,
    )
    with written_whole(path) as beside:
        figure.savefig(beside, dpi=110)
    plt.close(figure)
