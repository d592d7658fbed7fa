"""The pictures: predictions with attention maps, and the curves of a training."""

import textwrap
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from data.figures import save_figure
from metrics.decision import BETWEEN, apart
from vit.facts import Facts
from vit.heatmap import blend, shared_scale, upsampled
from vit.map_request import MapRequest
from vit.predictions import Prediction

MOST_FINDINGS = 5  # whose probability stands in a figure
LINE = 27  # letters of a line beside a map
OUTLINE = [withStroke(linewidth=2.5, foreground="black")]
LOSSES = {"train_loss": "--", "val_loss": "-"}
METRICS = {"auroc": "C0", "accuracy": "C1", "sensitivity": "C2", "specificity": "C3", "f1": "C4"}
METRICS |= {"kappa": "C2"}  # of grades, which have no sensitivity


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
        is_of_disease: whether the map is of the positive class, so that its peak belongs there.
        multilabel: whether the classes are findings, of which it may have several.
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
    is_of_disease: bool = True
    multilabel: bool = False

    @property
    def mistake(self) -> str:
        """What is wrong in the prediction; empty: nothing, or the truth is not known."""
        if not self.truth or self.truth == self.predicted:
            return ""
        if not self.multilabel:
            return "wrong"
        true, called = apart(self.truth), apart(self.predicted)
        missed = [name for name in true if name not in called]
        added = [name for name in called if name not in true]
        lines = [("missed", missed), ("not there", added)]
        return "\n".join(f"{what}: {', '.join(names)}" for what, names in lines if names)

    @property
    def has_lesion(self) -> bool:
        """Whether a lesion is known."""
        return self.lesion is not None and bool(self.lesion.any())

    @cached_property
    def evidence(self) -> NDArray:
        """(H, W) the map, as fine as the image."""
        return upsampled(self.map, self.image.shape)

    @property
    def peak(self) -> tuple[int, int]:
        """(row, column) of the most evidence."""
        row, column = np.unravel_index(int(self.evidence.argmax()), self.evidence.shape)
        return int(row), int(column)


def explained(prediction: Prediction, facts: Facts, request: MapRequest) -> Explained:
    """A prediction with its pixels, ready to be drawn. DataError: its file cannot be read."""
    assert prediction.map is not None, "only what was explained is drawn"
    preprocessing = facts.preprocessing
    item = prediction.item
    names = facts.class_names
    own = request.of(names.index(prediction.map_of)) if request.target is None else request
    return Explained(
        prediction.caption,
        item.image(preprocessing),
        prediction.map,
        own.title(names, facts.ordered),
        prediction.truth,
        prediction.label,
        facts.class_names,
        list(prediction.probabilities.values()),
        item.lesion(preprocessing),
        # of findings it is not known which of them is drawn
        not facts.multilabel and request.target == len(names) - 1,
        facts.multilabel,
    )


def colour_bar(
    figure: Figure,
    axes: Any,
    top: float,
    label: str,
    size: float = 10,
    own_axes: Axes | None = None,
) -> None:
    """A colour bar of what ``blend`` does to middle grey; the scale ends at ``top``.

    It takes room from ``axes``, or lies in axes of its own.
    """
    colours = ListedColormap(blend(np.full(256, 0.4), np.linspace(0, 1, 256)))
    shown = ScalarMappable(Normalize(0, top), colours)
    room = {"ax": axes, "fraction": 0.05, "pad": 0.02} if own_axes is None else {"cax": own_axes}
    bar = figure.colorbar(shown, **room, extend="max")
    bar.ax.tick_params(labelsize=size)
    bar.set_label(label, fontsize=size)


def predictions(items: list[Explained], path: Path, title: str, top: float | None = None) -> None:
    """Write a PNG with a row for each image.

    A row holds the image, the map over it with its colour bar and its peak, and the words: truth
    and prediction.

    Args:
        items: the images in the order of the rows.
        path: the PNG to write.
        title: a line above all, such as how the images were chosen.
        top: upper end of the colour scale; by default ``shared_scale`` of the items.
    """
    top = top or shared_scale([item.map for item in items])
    height = 2.45 * len(items) + 0.75
    figure = plt.figure(figsize=(7.2, height), layout="constrained")
    figure.suptitle(textwrap.fill(title, 95), fontsize=9)
    grid = figure.add_gridspec(len(items), 3, width_ratios=[1, 1.2, 0.72])
    for row, item in enumerate(items):
        left, right, words = (figure.add_subplot(grid[row, column]) for column in range(3))
        left.imshow(item.image, cmap="gray", vmin=0, vmax=1)
        left.set_title(item.name, fontsize=7)
        for axis in (left, right, words):
            axis.axis("off")
        _draw_map(figure, right, item, top)
        _say(words, item)
    save_figure(figure, path, 120)
    plt.close(figure)


def _draw_map(figure: Figure, axis: Axes, item: Explained, top: float) -> None:
    """The map over the image, its peak, what was not seen, and the known lesion."""
    axis.set_title(item.method, fontsize=7)
    axis.imshow(blend(np.clip(item.image, 0, 1), np.clip(item.evidence / top, 0, 1)))
    if item.evidence[item.peak] > 0:
        (cross,) = axis.plot(item.peak[1], item.peak[0], "+", color="white")
        cross.set(markersize=9, markeredgewidth=1.1, path_effects=OUTLINE)
    colour_bar(figure, axis, top, "evidence (1 = even share)", 6)
    unseen = np.isnan(item.map).astype(np.uint8)
    if unseen.any():
        size = item.image.shape[::-1]
        covered = cv2.resize(unseen, size, interpolation=cv2.INTER_NEAREST)
        hatched = axis.contourf(covered, levels=[0.5, 1.5], colors="none", hatches=["////"])
        hatched.set(edgecolor="0.55", lw=0)
    if item.has_lesion:
        axis.contour(item.lesion, levels=[0.5], colors="cyan", linewidths=0.9)


def _say(axis: Axes, item: Explained) -> None:
    """Truth and prediction, and what the marks on the map mean."""
    write = partial(axis.text, 0, fontsize=9, va="center")
    if item.multilabel:
        _say_findings(axis, item)
    else:
        lines = [f"truth: {item.truth or 'not known'}", f"predicted: {item.predicted}"]
        shares = zip(item.class_names, item.probabilities, strict=True)
        lines += [f"P({name}) = {share:.2f}" for name, share in shares]
        write(0.62, "\n".join(lines), linespacing=1.5)
        if item.mistake:
            write(0.28, item.mistake, weight="bold", color="firebrick")
    small = partial(axis.text, 0, fontsize=7, va="center", color="dimgray")
    if np.isnan(item.map).any():
        small(0.02, "hatched: not seen")
    if item.has_lesion:
        if item.is_of_disease:
            small(0.18, _place_of_peak(item))
        small(0.1, "outline: known lesion")


def _say_findings(axis: Axes, item: Explained) -> None:
    """True and predicted findings, the most probable ones, and which are missed or not there."""
    shares = sorted(zip(item.probabilities, item.class_names, strict=True), reverse=True)
    lines = [f"truth: {_shown(item.truth) or 'not known'}", f"predicted: {_shown(item.predicted)}"]
    lines += [f"P({name}) = {share:.2f}" for share, name in shares[:MOST_FINDINGS]]
    if len(shares) > MOST_FINDINGS:
        lines.append(f"{len(shares) - MOST_FINDINGS} others are less probable")
    wrapped = [textwrap.fill(line, LINE, subsequent_indent="  ") for line in lines]
    write = partial(axis.text, 0, fontsize=8, linespacing=1.3)
    write(1, "\n".join(wrapped), va="top")
    mistakes = [textwrap.fill(line, LINE) for line in item.mistake.split("\n")]
    write(0.14, "\n".join(mistakes), va="bottom", weight="bold", color="firebrick")


def _shown(label: str) -> str:
    """A label as it is drawn: several findings with a blank between them."""
    return label.replace(BETWEEN, f"{BETWEEN} ")


def _place_of_peak(item: Explained) -> str:
    """How far the peak of the evidence is from the known lesion, in words."""
    assert item.lesion is not None, "only a known lesion has a distance"
    if item.evidence[item.peak] <= 0:
        return "no evidence anywhere"
    outside = (item.lesion == 0).astype(np.uint8)
    off = cv2.distanceTransform(outside, cv2.DIST_L2, 5)[item.peak]
    if off == 0:
        return "peak on the lesion"
    return f"peak {off:.0f} of {len(item.image)} px off the lesion"


def curves(history: list[dict[str, float]], path: Path) -> None:
    """Write a PNG of loss and metrics over the epochs, the best epoch marked."""
    epochs = [row["epoch"] for row in history]
    best = int(np.argmax([row["val_auroc"] for row in history]))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for name, style in LOSSES.items():
        values = [row.get(name, np.nan) for row in history]
        left.plot(epochs, values, style, color="black", label=name.replace("_", " "))
    for name, colour in METRICS.items():
        if f"val_{name}" not in history[0]:
            continue
        values = [row[f"val_{name}"] for row in history]
        width = 2.0 if name == "auroc" else 0.9
        right.plot(epochs, values, color=colour, linewidth=width, label=name)
    right.set_ylim(0, 1)
    right.axhline(0.5, color="lightgray", linewidth=0.8)
    for axis in (left, right):
        axis.axvline(epochs[best], color="gray", linestyle=":")
        axis.set_xlabel("epoch")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=7, frameon=False)
    left.set_title("loss of the class labels", fontsize=9)
    value = history[best]["val_auroc"]
    marked = f"validation; best AUROC {value:.3f} at epoch {epochs[best]:.0f}"
    right.set_title(marked, fontsize=9)
    save_figure(figure, path, 110, keep_former=False)  # of a run, again and again
    plt.close(figure)
