"""Small pictures in rows: of a prepared data set, for a look before training, and of what
data.audit finds.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data.processed import SPLITS, Processed
from files import written_whole

COLUMNS = 8
Cell = tuple[
    NDArray, str, NDArray | None
]  # image, uint8 or from 0 to 1, or -1 to 1 as a difference; caption; lesions


def of(processed: Processed, path: Path, seed: int = 0) -> None:
    """Write a PNG: for each split and class a row of images chosen at random, lesions outlined
    where known.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for split, name in (
        (split, name) for split in SPLITS for name in processed.class_names if processed.of(split)
    ):
        samples = [sample for sample in processed.of(split) if sample.label == name]
        chosen = [
            samples[i] for i in rng.choice(len(samples), min(COLUMNS, len(samples)), replace=False)
        ]
        cells = [
            (processed.image(own), Path(own.path).stem[:18], processed.lesion(own))
            for own in chosen
        ]
        groups = len({sample.group for sample in samples})
        rows.append((f"{split} {name}\n{len(samples)} images\n{groups} groups", cells))
    draw(rows, path)


def draw(rows: list[tuple[str, list[Cell]]], path: Path, pairs: bool = False) -> None:
    """Write a PNG: a row for each title with its cells, COLUMNS at most; ``pairs``: with a gap
    after every second.
    """
    ratios = [1, 1, 0.15] * (COLUMNS // 2) if pairs else [1] * COLUMNS
    figure = Figure(figsize=(COLUMNS * 1.6, len(rows) * 1.95), layout="constrained", dpi=110)
    axes = figure.subplots(len(rows), len(ratios), squeeze=False, width_ratios=ratios)
    for axis in axes.flat:
        axis.axis("off")
    for (title, cells), line in zip(rows, axes, strict=True):
        line[0].text(
            -0.1,
            0.5,
            title,
            rotation=90,
            ha="right",
            va="center",
            transform=line[0].transAxes,
            fontsize=8,
        )
        for (image, caption, lesion), axis in zip(cells, line[np.array(ratios) == 1], strict=False):
            low, high = (
                (-0.2, 0.2) if image.min() < 0 else (0, 255 if image.dtype == np.uint8 else 1)
            )
            axis.imshow(image.astype(np.float32), "bwr" if low else "gray", vmin=low, vmax=high)
            axis.set_title(caption, fontsize=6)
            if lesion is not None and lesion.any():
                axis.contour(lesion, levels=[0.5], colors="yellow", linewidths=0.8)
    with written_whole(path) as beside:
        figure.savefig(beside)
