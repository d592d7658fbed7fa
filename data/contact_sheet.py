"""Small pictures in rows: of a prepared data set, and of what data.audit finds."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
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
        for name in processed.class_names:
            samples = [sample for sample in processed.of(split) if sample.label == name]
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
    ratios = [1, 1, 0.15] * (COLUMNS // 2) if pairs else [1] * COLUMNS
    figure = Figure(figsize=(COLUMNS * 1.6, len(rows) * 1.95), layout="constrained")
    axes = figure.subplots(len(rows), len(ratios), squeeze=False, width_ratios=ratios)
    for axis in axes.flat:
        axis.axis("off")
    for row, line in zip(rows, axes, strict=True):
        title = line[0].text(-0.1, 0.5, row.title, rotation=90, fontsize=8, ha="right", va="center")
        title.set_transform(line[0].transAxes)
        for cell, axis in zip(row.cells, line[np.array(ratios) == 1], strict=False):
            _draw_cell(cell, axis)
    save_figure(figure, path, 110)


def _draw_cell(cell: Cell, axis: Axes) -> None:
    image = cell.image.astype(np.float32)
    if cell.image.min() < 0:
        axis.imshow(image, "bwr", vmin=-0.2, vmax=0.2)
    else:
        axis.imshow(image, "gray", vmin=0, vmax=255 if cell.image.dtype == np.uint8 else 1)
    axis.set_title(cell.caption, fontsize=6)
    if cell.lesion is not None and cell.lesion.any():
        axis.contour(cell.lesion, levels=[0.5], colors="yellow", linewidths=0.8)
