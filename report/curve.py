"""A learning curve: its points, the sentence on whether it rises, and its picture."""

import math
import textwrap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data.figures import save_figure
from metrics.comparison import compare
from metrics.intervals import Estimate, evaluate
from training.validation import Validation


@dataclass(frozen=True)
class Point:
    """A training on one share of the groups.

    Args:
        share: of the training groups.
        seed: of the choice of groups, and of the training.
        images, groups: that it learned from.
        epochs: that it took.
        times: that each image is seen in an epoch.
        run: its folder.
        validation: its predictions of the validation images.
    """

    share: float
    seed: int
    images: int
    groups: int
    epochs: int
    times: int
    run: Path
    validation: Validation

    @cached_property
    def auroc(self) -> Estimate:
        """Of the positive class on the validation images."""
        return evaluate(self.labels, self.scores, self.validation.owners)["auroc"]

    @property
    def labels(self) -> NDArray:
        """(n,) whether each validation image is positive."""
        return np.array(self.validation.truths) == self.validation.class_names[-1]

    @property
    def scores(self) -> NDArray:
        """(n,) probability of the positive class."""
        return self.validation.probabilities[:, -1]

    def row(self) -> dict[str, object]:
        """Its row of learning_curve.csv."""
        return {
            "share": self.share,
            "seed": self.seed,
            "images": self.images,
            "groups": self.groups,
            "epochs": self.epochs,
            "times": self.times,
            "run": self.run,
            "auroc": self.auroc.value,
            "low": self.auroc.low,
            "high": self.auroc.high,
        }


Curve = list[list[Point]]  # for each share, the smallest first, a point of each seed


def mean(estimates: list[Estimate]) -> Estimate:
    """That of several seeds.

    Their errors go together, for the images are the same: the ends are averaged too.
    """
    ends = [(each.value, each.low, each.high) for each in estimates]
    return Estimate(*np.mean(ends, axis=0).tolist())


def verdict(curve: Curve) -> str:
    """A sentence on whether the curve rises between its two largest shares.

    It rests on a paired comparison of the same images.
    """
    changes = [
        compare(small.labels, small.scores, large.scores, small.validation.owners)[0]
        for small, large in zip(*curve[-2:], strict=True)
    ]
    change = mean(changes)
    if math.isnan(change.low):
        said = "unknown, for validation has fewer than two groups of a class"
    elif change.low > 0:
        said = "still rising, so more images would probably help"
    elif change.high < 0:
        said = "falling: look at the images and labels that the larger share adds"
    else:
        said = f"not shown to rise, though a gain of up to {change.high:.3f} cannot be ruled out"
    small, large = (np.mean([point.images for point in points]) for points in curve[-2:])
    return f"From {small:,.0f} to {large:,.0f} images the AUROC changed by {change}: {said}."


def draw(curve: Curve, title: str, path: Path) -> None:
    """Write a PNG of the AUROC with its 95 % interval over the number of images.

    With several seeds it is their mean, and a dot for each.
    """
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    images = [float(np.mean([point.images for point in points])) for points in curve]
    groups = [float(np.mean([point.groups for point in points])) for points in curve]
    means = [mean([point.auroc for point in points]) for points in curve]
    values = [each.value for each in means]
    ends = ([m.value - m.low for m in means], [m.high - m.value for m in means])
    axes.errorbar(images, values, ends, fmt="o-", color="black", capsize=4)
    for place in zip(images, values, strict=True):
        axes.annotate(f"{place[1]:.3f}", place, (7, -12), textcoords="offset points", fontsize=9)
    if len(curve[0]) > 1:
        each = [(point.images, point.auroc.value) for points in curve for point in points]
        axes.plot(*zip(*each, strict=True), "o", color="C0", alpha=0.6, label="each training")
        axes.legend(loc="lower right", frameon=False)
    lowest = [each.low - 0.02 for each in means if not math.isnan(each.low)]
    axes.set(
        xscale="log",
        xlabel="training images (groups of images that belong together)",
        ylim=(min([0.48, *lowest]), 1),
        ylabel="AUROC on validation, 95 % interval\n0.5: chance, 1: faultless",
    )
    axes.minorticks_off()
    ticks = [f"{i:,.0f}\n({g:,.0f})" for i, g in zip(images, groups, strict=True)]
    axes.set_xticks(images, ticks)
    axes.axhline(0.5, color="gray", linestyle=":")
    axes.set_title(textwrap.fill(title, 90), fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path, 110)
