"""The charts of external.html: ROC curve, calibration, decision curve."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from metrics.estimate import Estimate
from metrics.shares import share
from report.charts import COLOURS, Charts, drawing
from report.external_study import Study

MODEL = COLOURS[1]
ALL = COLOURS[0]
GREY = "0.6"
BINS = 10  # of equally many images, at most
LEAST_IN_BIN = 10  # images


def drawn(study: Study) -> Charts:
    """An SVG for each question, by title."""
    charts: Charts = {}
    with drawing(charts, "Does it tell the classes apart?") as axis:
        _roc(axis, study)
    with drawing(charts, "Are its probabilities right?") as axis:
        _calibration(axis, study)
    with drawing(charts, "Would it help?") as axis:
        _decision(axis, study)
    return charts


def _roc(axis: Axes, study: Study) -> None:
    negative, positive = study.names
    found = study.estimates
    sensitivity, specificity = found["sensitivity"], found["specificity"]
    wrong, caught, _ = roc_curve(study.labels, study.scores, drop_intermediate=False)
    axis.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":", label="chance")
    axis.plot(wrong, caught, color=MODEL, label=f"AUROC {found['auroc']}")
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
        xlabel=f"1 - specificity: {negative} images called {positive}",
        ylabel=f"sensitivity: {positive} images called so",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
    )


def _reach(estimate: Estimate) -> NDArray:
    """(2, 1) how far an interval reaches below and above its value."""
    ends = [estimate.value - estimate.low, estimate.high - estimate.value]
    return np.maximum(0, ends)[:, None]  # rounding may leave a value beyond its own end


def _calibration(axis: Axes, study: Study) -> None:
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
    axis.set(
        xlabel=f"mean probability of {positive}",
        ylabel=f"share that is {positive}",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
    )


def _decision(axis: Axes, study: Study) -> None:
    curve = study.curve
    thresholds = [point.threshold for point in curve]
    models = [point.model for point in curve]
    lows, highs = ([getattr(each, end) for each in models] for end in ("low", "high"))
    axis.fill_between(thresholds, lows, highs, color=MODEL, alpha=0.18, lw=0, label="95 % interval")
    axis.plot(thresholds, [each.value for each in models], color=MODEL, label="by the model")
    of_all = [point.treat_all.value for point in curve]
    axis.plot(thresholds, of_all, color=ALL, label="acting on every image")
    axis.axhline(0, color="black", lw=1, label="acting on none")
    axis.axvline(study.threshold, color=GREY, lw=0.8, ls=":", label="frozen threshold")
    most = max(max(each.value for each in models), study.prevalence or study.labels.mean())
    axis.set(
        xlabel=f"probability of {study.names[1]} from which one acts",
        ylabel="net benefit, per image",
        xlim=(0, 1),
        ylim=(-0.3 * most, 1.15 * most),
    )
