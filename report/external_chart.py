"""external.png: ROC curve, calibration and decision curve of a study, side by side."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from data.figures import save_figure
from metrics.estimate import Estimate
from metrics.shares import share
from report.external_study import Study
from report.external_table import Measured

MODEL = "#c0392b"
ALL = "#3b6ea5"
GREY = "0.6"
BINS = 10  # of equally many images, at most
LEAST_IN_BIN = 10  # images
LONGEST_LINE = 170  # letters above the panels


def draw(study: Study, figures: list[Measured], lines: list[str], path: Path) -> None:
    """Write the PNG.

    Args:
        study: the images and what was predicted.
        figures: of them; those of the calibration are written beside its curve.
        lines: what stands above the panels.
        path: of the file.
    """
    figure = Figure(figsize=(14, 5.4), layout="constrained")
    panels = figure.subplots(1, 3)
    _roc(panels[0], study)
    _calibration(panels[1], study, [each for each in figures if each.part == "calibration"])
    _decision(panels[2], study)
    for axis in panels:
        axis.spines[["top", "right"]].set_visible(False)
    title = "\n".join(textwrap.fill(line, LONGEST_LINE) for line in lines)
    figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    save_figure(figure, path, 120)


def _roc(axis: Axes, study: Study) -> None:
    negative, positive = study.names
    found = study.estimates
    sensitivity, specificity = found["sensitivity"], found["specificity"]
    wrong, caught, _ = roc_curve(study.labels, study.scores, drop_intermediate=False)
    axis.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":", label="chance")
    axis.plot(wrong, caught, color=MODEL, label=f"model, AUROC {found['auroc']}")
    axis.errorbar(
        [1 - specificity.value],
        [sensitivity.value],
        yerr=_reach(sensitivity),
        xerr=_reach(specificity)[::-1],
        fmt="o",
        color="black",
        capsize=3,
        label=f"frozen threshold {study.threshold:.3f}",
    )
    axis.set(
        title="Does it tell the classes apart?",
        xlabel=f"1 - specificity: share of {negative} images called {positive}",
        ylabel=f"sensitivity: share of {positive} images called {positive}",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
    )
    axis.legend(fontsize=8, frameon=False, loc="lower right")


def _reach(estimate: Estimate) -> NDArray:
    """(2, 1) how far an interval reaches below and above its value."""
    ends = [estimate.value - estimate.low, estimate.high - estimate.value]
    return np.maximum(0, ends)[:, None]  # rounding may leave a value beyond its own end


def _calibration(axis: Axes, study: Study, found: list[Measured]) -> None:
    _, positive = study.names
    axis.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":", label="right")
    order = np.argsort(study.scores, kind="stable")
    bins = np.array_split(order, max(1, min(BINS, len(study) // LEAST_IN_BIN)))
    for number, images in enumerate(bins):
        among = np.zeros(len(study), bool)
        among[images] = True
        seen = share(study.labels, study.labels, study.groups, among)
        axis.errorbar(
            [study.scores[images].mean()],
            [seen.value],
            yerr=_reach(seen),
            fmt="o",
            color=MODEL,
            capsize=3,
            label=None if number else f"{len(bins)} parts of equally many images",
        )
    words = [f"{each.name.replace('_', ' ')}\n  {each.estimate}" for each in found]
    axis.text(0.03, 0.97, "\n".join(words), va="top", fontsize=8, transform=axis.transAxes)
    axis.set(
        title="Are its probabilities right?",
        xlabel=f"mean probability of {positive}",
        ylabel=f"share that is {positive}",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
    )
    axis.legend(fontsize=8, frameon=False, loc="lower right")


def _decision(axis: Axes, study: Study) -> None:
    curve = study.curve
    thresholds = [point.threshold for point in curve]
    models = [point.model for point in curve]
    lows, highs = ([getattr(each, end) for each in models] for end in ("low", "high"))
    axis.fill_between(thresholds, lows, highs, color=MODEL, alpha=0.18, lw=0, label="95 % interval")
    axis.plot(thresholds, [each.value for each in models], color=MODEL, label="by the model")
    of_all = [point.treat_all.value for point in curve]
    axis.plot(thresholds, of_all, color=ALL, label="act on every image")
    axis.axhline(0, color="black", lw=1, label="act on none")
    axis.axvline(study.threshold, color=GREY, lw=0.8, ls=":", label="frozen threshold")
    most = max(max(each.value for each in models), study.prevalence or study.labels.mean())
    axis.set(
        title="Would it help?",
        xlabel=f"threshold probability of {study.names[1]} from which one acts",
        ylabel="net benefit, per image",
        xlim=(0, 1),
        ylim=(-0.3 * most, 1.15 * most),
    )
    axis.legend(fontsize=8, frameon=False, loc="lower left")
