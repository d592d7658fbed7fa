"""One picture of a prepared data set, for a look before training."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from data.processed import Processed
from files import written_whole

COLUMNS = 8


def draw(processed: Processed, path: Path, seed: int = 0) -> None:
    """Write a PNG: for each split and class a row of images chosen at random, lesions outlined where known."""
    rows = [
        (split, name) for split in ("train", "val", "test") for name in processed.class_names if processed.of(split)
    ]
    figure, axes = plt.subplots(
        len(rows), COLUMNS, figsize=(COLUMNS * 1.5, len(rows) * 1.65), squeeze=False, layout="constrained"
    )
    rng = np.random.default_rng(seed)
    for (split, name), line in zip(rows, axes, strict=True):
        samples = [sample for sample in processed.of(split) if sample.label == name]
        chosen = rng.choice(len(samples), min(COLUMNS, len(samples)), replace=False)
        for axis in line:
            axis.axis("off")
        for axis, index in zip(line, chosen, strict=False):
            sample = samples[index]
            image = processed.image(sample)
            axis.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
            axis.set_title(Path(sample.path).stem[:18], fontsize=6)
            if sample.mask:
                axis.contour(np.load(processed.folder / sample.mask), levels=[0.5], colors="yellow", linewidths=0.8)
            else:
                for x0, y0, x1, y1 in sample.boxes:
                    axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="yellow", linewidth=0.8))
        groups = len({sample.group for sample in samples})
        line[0].text(-0.08, 0.5, f"{split} {name}\n{len(samples)} images\n{groups} groups", rotation=90, ha="right",
                     va="center", transform=line[0].transAxes, fontsize=8)  # fmt: skip
    with written_whole(path) as beside:
        figure.savefig(beside, dpi=110)
    plt.close(figure)
