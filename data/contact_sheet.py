"""Small pictures in rows: of a prepared data set, and of what data.audit finds."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data.figures import save_figure
from data.findings import KINDS, Finding
from data.looks import Look
from data.processed import SPLITS, Processed

COLUMNS = 8
FINDING_ROWS = 2  # for one kind of finding
EDGE = 1.5  # of a picture [inches]; what follows is measured in it
ACROSS = 1.05  # from one picture to the next
DOWN = 1.25  # from one row to the next
GAP = 0.2  # after every second picture
MARGIN = 0.4  # at the left, for titles


@dataclass(frozen=True)
class Cell:
    """One small picture.

    Args:
        image: (H, W) uint8, or floating from 0 to 1, or from -1 to 1 as a difference.
        caption: stands above it.
        lesion: (H, W) mask that is outlined, or None.
    """

    image: NDArray
    caption: str
    lesion: NDArray | None = None


@dataclass(frozen=True)
class Row:
    """Pictures with a title at their left, COLUMNS at most."""

    title: str
    cells: list[Cell]


def of(processed: Processed, path: Path, seed: int = 0) -> None:
    """Write a PNG with a row of images, chosen at random, for each split and class.

    Lesions are outlined where known.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for split in SPLITS:
        if not processed.of(split):
            continue
        for name, samples in processed.by_class(processed.of(split)).items():
            count = min(COLUMNS, len(samples))
            chosen = [samples[i] for i in rng.choice(len(samples), count, replace=False)]
            cells = [
                Cell(
                    processed.image(sample),
                    Path(sample.path).stem[:18],
                    processed.lesion(sample),
                )
                for sample in chosen
            ]
            groups = len({sample.group for sample in samples})
            title = f"{split} {name}\n{len(samples)} images\n{groups} groups"
            rows.append(Row(title, cells))
    draw(rows, path)


def of_findings(
    findings: list[Finding],
    looks: list[Look],
    names: list[str],
    read: Callable[[str], NDArray],
    path: Path,
) -> None:
    """Write a PNG with the mean of each class, then two rows of each kind of finding.

    Pairs stand side by side. ``names``: of the classes, in index order. ``read`` gives the grey
    picture of a file of the data set.
    """
    rows = [Row("classes", _means(looks, names))]
    labels = {look.sample.path: look.sample.label for look in looks}
    for kind, meaning in KINDS.items():
        of_kind = [finding for finding in findings if finding.kind == kind]
        most = COLUMNS if kind == "shortcut" else 2
        files = [
            name for finding in _varied(of_kind) for name in finding.files[:most] if name in labels
        ]
        for start in range(0, min(len(files), FINDING_ROWS * COLUMNS), COLUMNS):
            cells = [
                Cell(read(name), f"{_short(name)}\n{labels[name]}")
                for name in files[start : start + COLUMNS]
            ]
            title = f"{len(of_kind)} x {meaning}"
            if kind == "shortcut":
                title = of_kind[start // most].detail
            rows.append(Row(textwrap.fill(title.split(":")[0], 20), cells))
    draw(rows, path, pairs=True)


def _means(looks: list[Look], names: list[str]) -> list[Cell]:
    """The mean of each class, and how each differs from the first."""
    means = {}
    for name in names:
        thumbs = [look.views["baseline"] for look in looks if look.sample.label == name]
        if thumbs:
            means[name] = np.mean(thumbs, axis=0)
    first, *others = means
    cells = [Cell(mean, f"mean of\n{name}") for name, mean in means.items()]
    for name in others:
        cells.append(Cell(means[name] - means[first], f"{name} less {first}\nred: brighter"))
    return cells


def _varied(findings: list[Finding]) -> list[Finding]:
    """One of all findings that have their first file, and what is wrong, in common."""
    varied = {}
    for finding in reversed(findings):
        varied[(*finding.files[:1], finding.detail)] = finding
    return list(reversed(varied.values()))


def _short(name: str) -> str:
    return name if len(name) < 28 else f"...{name[-24:]}"


def draw(rows: list[Row], path: Path, pairs: bool = False) -> None:
    """Write a PNG of the rows; ``pairs``: with a gap after every second picture."""
    lefts = [number * ACROSS + (number // 2) * GAP * pairs for number in range(COLUMNS)]
    width = MARGIN + lefts[-1] + ACROSS
    height = max(1, len(rows)) * DOWN
    figure = Figure(figsize=(width * EDGE, height * EDGE))
    # one for all pictures: axes of its own for each would take seconds
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    for number, row in enumerate(rows):
        top = height - number * DOWN - (DOWN - 1)
        left = MARGIN - 0.05
        axes.text(left, top - 0.5, row.title, rotation=90, fontsize=8, ha="right", va="center")
        for cell, start in zip(row.cells, lefts, strict=False):
            _draw_cell(cell, axes, MARGIN + start, top)
    axes.set(xlim=(0, width), ylim=(-0.05, height), aspect="auto")
    save_figure(figure, path, 110)


def _draw_cell(cell: Cell, axes: Axes, left: float, top: float) -> None:
    """One picture in the middle of a square of edge 1."""
    image = cell.image.astype(np.float32)
    high, wide = np.array(image.shape) / max(image.shape)
    middle = (left + 0.5, top - 0.5)
    extent = (
        middle[0] - wide / 2,
        middle[0] + wide / 2,
        middle[1] - high / 2,
        middle[1] + high / 2,
    )
    if cell.image.min() < 0:
        axes.imshow(image, "bwr", vmin=-0.2, vmax=0.2, extent=extent)
    else:
        brightest = 255 if cell.image.dtype == np.uint8 else 1
        axes.imshow(image, "gray", vmin=0, vmax=brightest, extent=extent)
    axes.text(middle[0], top + 0.03, cell.caption, fontsize=6, ha="center", va="bottom")
    if cell.lesion is not None and cell.lesion.any():
        outline = partial(axes.contour, levels=[0.5], colors="yellow", linewidths=0.8)
        outline(cell.lesion, extent=extent, origin="upper")
