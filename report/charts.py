"""The report's charts, each an SVG for an <img>: drawn by matplotlib and scikit-learn's displays."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay

from metrics.intervals import BINS

COLOURS = ("#3b6ea5", "#c0392b")  # of what is negative and positive


@contextmanager
def _drawing(charts: dict[str, str], name: str, width: float = 4.2) -> Iterator[Axes]:
    figure, axis = plt.subplots(figsize=(width, 3.6), layout="constrained")
    yield axis
    axis.spines[["top", "right"]].set_visible(False)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize=8, frameon=True, framealpha=0.8, edgecolor="none")
    stream = io.BytesIO()
    with plt.rc_context({"svg.hashsalt": name}):  # the same picture is the same file
        figure.savefig(stream, format="svg", metadata={"Date": None})
    plt.close(figure)
    charts[name] = "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode()


def of_predictions(y: NDArray, s: NDArray, threshold: float, names: list[str]) -> dict[str, str]:
    """ROC, precision-recall, calibration and score distribution of (n,) truths, bool, and (n,)
    probabilities.

    Args:
        names: of the negative and the positive class.
    """
    charts: dict[str, str] = {}
    point: dict[str, Any] = {
        "marker": "o",
        "color": "black",
        "linestyle": "none",
        "label": f"threshold {threshold:.3f}",
    }
    curve = {"color": COLOURS[1], "lw": 1.8}
    called = s >= threshold
    with _drawing(charts, "ROC curve") as axis:
        RocCurveDisplay.from_predictions(
            y, s, ax=axis, curve_kwargs=curve, name="model", drop_intermediate=False
        )
        axis.plot([0, 1], [0, 1], color="0.75", lw=0.8)
        axis.plot(called[~y].mean(), called[y].mean(), **point)
        axis.set(
            xlabel=f"1 - specificity: {names[0]} images called {names[1]}", ylabel="sensitivity"
        )
    with _drawing(charts, "Precision and recall") as axis:
        PrecisionRecallDisplay.from_predictions(y, s, ax=axis, name="model", curve_kwargs=curve)
        axis.axhline(y.mean(), color="0.75", lw=0.8)
        if called.any():
            axis.plot(called[y].mean(), y[called].mean(), **point)
        axis.set(
            xlabel="recall (sensitivity)",
            ylabel="precision (positive predictive value)",
            ylim=(0, 1.03),
        )
    with _drawing(charts, "Calibration") as axis:
        CalibrationDisplay.from_predictions(
            y,
            s,
            n_bins=min(BINS, len(y)),
            strategy="quantile",
            ax=axis,
            name="model",
            color=COLOURS[1],
        )
        axis.set(xlabel=f"mean probability of {names[1]}", ylabel=f"share that is {names[1]}")
    with _drawing(charts, "Distribution of the probabilities") as axis:
        bins = np.linspace(0, 1, 26).tolist()
        for side, name, colour in zip((~y, y), names, COLOURS, strict=True):
            axis.hist(s[side], bins=bins, color=colour, alpha=0.55, label=f"{name} ({side.sum()})")
        axis.axvline(threshold, color="black", ls=":", label=point["label"])
        axis.set(xlabel=f"probability of {names[1]}", ylabel="images")
    return charts


def of_training(histories: list[list[dict[str, float]]]) -> dict[str, str]:
    """Loss and validation AUROC over the epochs; a line for each fold."""
    charts: dict[str, str] = {}

    def lines(axis: Axes, key: str, **style: Any) -> None:
        for number, rows in enumerate(histories):
            points = [
                (row["epoch"], row[key]) for row in rows if key in row and np.isfinite(row[key])
            ]
            if points:
                axis.plot(
                    *zip(*points, strict=True),
                    **{**style, "label": None if number else style["label"]},
                )
        axis.set_xlabel("epoch")

    with _drawing(charts, "Loss while training") as axis:
        lines(axis, "train_loss", color="0.5", ls="--", label="training")
        lines(axis, "val_loss", color="black", label="validation")
        axis.set_ylabel("loss of the class labels")
    with _drawing(charts, "Validation AUROC while training") as axis:
        lines(
            axis,
            "val_auroc",
            color=COLOURS[0],
            label="one line for each fold" if len(histories) > 1 else "AUROC",
        )
        axis.set(ylabel="AUROC", ylim=(0, 1.02))
        axis.axhline(0.5, color="0.75", lw=0.8)
    return charts
