"""The report's charts, each an SVG for an <img>, by matplotlib and scikit-learn's displays."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import (
    PrecisionRecallDisplay,
    RocCurveDisplay,
    precision_recall_curve,
    roc_curve,
)

from data.figures import show_words
from metrics.intervals import BINS

COLOURS = ("#3b6ea5", "#c0392b")  # of what is negative and positive
CURVE = {"color": COLOURS[1], "lw": 1.8}

Charts = dict[str, str]  # by title; each the address of an image that lies in it


@contextmanager
def drawing(charts: Charts, name: str, width: float = 4.2) -> Iterator[Axes]:
    """Axes to draw on; the chart stands in ``charts`` under its name when the block ends."""
    figure, axis = plt.subplots(figsize=(width, 3.6), layout="constrained")
    yield axis
    axis.spines[["top", "right"]].set_visible(False)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize=8, frameon=True, framealpha=0.8, edgecolor="none")
    stream = io.BytesIO()
    show_words(figure)
    with plt.rc_context({"svg.hashsalt": name}):  # the same picture is the same file
        figure.savefig(stream, format="svg", metadata={"Date": None})
    plt.close(figure)
    charts[name] = "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode()


def of_predictions(y: NDArray, s: NDArray, threshold: float, names: list[str]) -> Charts:
    """ROC, precision and recall, calibration, and the distribution of the probabilities.

    Args:
        y: (n,) bool, whether the truth is positive.
        s: (n,) probability of the positive class.
        threshold: from which on an image counts as positive.
        names: of the negative and the positive class.
    """
    negative, positive = names
    charts: Charts = {}
    with drawing(charts, "ROC curve") as axis:
        _roc(axis, y, s, threshold)
        axis.set(
            xlabel=f"1 - specificity: {negative} images called {positive}", ylabel="sensitivity"
        )
    with drawing(charts, "Precision and recall") as axis:
        _precision(axis, y, s, threshold)
        axis.set(
            xlabel="recall (sensitivity)",
            ylabel="precision (positive predictive value)",
            ylim=(0, 1.03),
        )
    with drawing(charts, "Calibration") as axis:
        CalibrationDisplay.from_predictions(
            y,
            s,
            n_bins=min(BINS, len(y)),
            strategy="quantile",
            ax=axis,
            name="model",
            color=COLOURS[1],
        )
        axis.set(xlabel=f"mean probability of {positive}", ylabel=f"share that is {positive}")
    with drawing(charts, "Distribution of the probabilities") as axis:
        bins = np.linspace(0, 1, 26).tolist()
        for side, name, colour in zip((~y, y), names, COLOURS, strict=True):
            axis.hist(s[side], bins=bins, color=colour, alpha=0.55, label=f"{name} ({side.sum()})")
        axis.axvline(threshold, color="black", ls=":", label=f"threshold {threshold:.3f}")
        axis.set(xlabel=f"probability of {positive}", ylabel="images")
    return charts


def of_grades(labels: NDArray, chances: NDArray, names: list[str]) -> Charts:
    """The ROC curve of each cut, and the expected grade of the images of each grade.

    Args:
        labels: (n,) index of the true grade.
        chances: (n, K - 1) probability of grade 1 or more, of grade 2 or more, ...
        names: of the K grades, the lowest first.
    """
    charts: Charts = {}
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, chances.shape[1]))
    with drawing(charts, "ROC curve of each cut") as axis:
        for cut, colour in enumerate(colours, start=1):
            y = labels >= cut
            if not 0 < y.sum() < len(y):
                continue
            false_positive, true_positive, _ = roc_curve(y, chances[:, cut - 1])
            label = f"{names[cut]} or more ({y.sum()})"
            axis.plot(false_positive, true_positive, color=colour, lw=1.6, label=label)
        axis.plot([0, 1], [0, 1], color="0.75", lw=0.8)
        axis.set(xlabel="1 - specificity", ylabel="sensitivity")
    expected = chances.sum(axis=1)  # grades, counted from 0
    with drawing(charts, "Expected grade of the images of each grade") as axis:
        there = [grade for grade in range(len(names)) if (labels == grade).any()]
        drawn = [expected[labels == grade] for grade in there]
        axis.boxplot(drawn, positions=there, widths=0.6, medianprops={"color": COLOURS[1]})
        axis.plot([0, len(names) - 1], [0, len(names) - 1], color="0.75", lw=0.8)
        ticks = range(len(names))
        axis.set_xticks(ticks, names)
        axis.set_yticks(ticks, names)
        axis.set(xlabel="true grade", ylabel="mean of the probabilities")
    return charts


def of_findings(truths: NDArray, shares: NDArray, names: list[str]) -> Charts:
    """The ROC curve, and precision over recall, of each finding.

    Args:
        truths: (n, K) bool, whether an image has a finding.
        shares: (n, K) probabilities.
        names: of the findings; one that all images have, or none, has no curve.
    """
    charts: Charts = {}
    counts = truths.sum(axis=0)
    told = [k for k in range(len(names)) if 0 < counts[k] < len(truths)]
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(told)))
    with drawing(charts, "ROC curve of each finding") as axis:
        for k, colour in zip(told, colours, strict=True):
            wrong, caught, _ = roc_curve(truths[:, k], shares[:, k])
            axis.plot(wrong, caught, color=colour, lw=1.6, label=f"{names[k]} ({counts[k]})")
        axis.plot([0, 1], [0, 1], color="0.75", lw=0.8)
        axis.set(xlabel="1 - specificity", ylabel="sensitivity")
    with drawing(charts, "Precision and recall of each finding") as axis:
        for k, colour in zip(told, colours, strict=True):
            right, caught, _ = precision_recall_curve(truths[:, k], shares[:, k])
            label = f"{names[k]} ({counts[k] / len(truths):.0%})"
            axis.step(caught, right, where="post", color=colour, lw=1.6, label=label)
        axis.set(
            xlabel="recall (sensitivity)",
            ylabel="precision (positive predictive value)",
            ylim=(0, 1.03),
        )
    return charts


def _roc(axis: Axes, y: NDArray, s: NDArray, threshold: float) -> None:
    RocCurveDisplay.from_predictions(
        y, s, ax=axis, curve_kwargs=CURVE, name="model", drop_intermediate=False
    )
    axis.plot([0, 1], [0, 1], color="0.75", lw=0.8)
    called = s >= threshold
    _mark(axis, called[~y].mean(), called[y].mean(), threshold)


def _precision(axis: Axes, y: NDArray, s: NDArray, threshold: float) -> None:
    PrecisionRecallDisplay.from_predictions(y, s, ax=axis, name="model", curve_kwargs=CURVE)
    axis.axhline(y.mean(), color="0.75", lw=0.8)
    called = s >= threshold
    if called.any():
        _mark(axis, called[y].mean(), y[called].mean(), threshold)


def _mark(axis: Axes, x: float, y: float, threshold: float) -> None:
    """Mark the point of the threshold."""
    label = f"threshold {threshold:.3f}"
    axis.plot(x, y, marker="o", color="black", linestyle="none", label=label)


def of_training(histories: list[list[dict[str, float]]]) -> Charts:
    """Loss and validation AUROC over the epochs; a line for each fold."""
    charts: Charts = {}
    with drawing(charts, "Loss while training") as axis:
        _lines(axis, histories, "train_loss", "training", color="0.5", style="--")
        _lines(axis, histories, "val_loss", "validation", color="black")
        axis.set(xlabel="epoch", ylabel="loss of the class labels")
    with drawing(charts, "Validation AUROC while training") as axis:
        label = "one line for each fold" if len(histories) > 1 else "AUROC"
        _lines(axis, histories, "val_auroc", label, color=COLOURS[0])
        axis.set(xlabel="epoch", ylabel="AUROC", ylim=(0, 1.02))
        axis.axhline(0.5, color="0.75", lw=0.8)
    return charts


def _lines(
    axis: Axes,
    histories: list[list[dict[str, float]]],
    key: str,
    label: str,
    color: str,
    style: str = "-",
) -> None:
    """A line for each history, without what is no number; the first one has the label."""
    for number, rows in enumerate(histories):
        points = [(row["epoch"], row[key]) for row in rows if np.isfinite(row.get(key, np.nan))]
        if points:
            first = None if number else label
            axis.plot(*zip(*points, strict=True), color=color, ls=style, label=first)
