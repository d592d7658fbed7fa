"""What a change of the picture costs a trained model: AUROC, sensitivity, prediction sets.

python -m benchmarks.robustness --Path ProcessedFolder/val --Path_Checkpoint ViT.ckpt --OUTPUT out

Another hospital's pictures differ in scale, exposure, sharpness, noise, compression and border.
Each is changed here by itself, at three strengths. Threshold and sets stay as training left them.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import errors
from data.augment import darkened, shaded
from data.figures import save_figure
from data.inputs import find, folder_given, gather
from data.preprocessing import as_float
from data.readers import DataError
from data.tables import write_table
from metrics.conformal import conformal_set, limits
from vit import LEVEL, checkpoint
from vit.checkpoint import Checkpoint
from vit.views import logits_of

Grey = NDArray[np.float32]  # (S, S) from 0 to 1
STRENGTHS = ("mild", "middle", "strong")
QUALITIES = (60, 30, 12)  # of JPEG
TOGETHER = 64  # images at a time


@dataclass(frozen=True)
class Change:
    """One kind of change.

    Args:
        name: what it is.
        in_training: whether augmentation makes such changes, at the default configuration.
        make: gives the changed picture, by the number of its strength.
    """

    name: str
    in_training: bool
    make: Callable[[Grey, int, np.random.Generator], Grey]


def _zoomed(picture: Grey, factor: float) -> Grey:
    edge = picture.shape[0]
    middle = (edge / 2 - 0.5, edge / 2 - 0.5)
    matrix = cv2.getRotationMatrix2D(middle, 0, factor)
    mode = cv2.BORDER_REFLECT_101
    moved = cv2.warpAffine(picture, matrix, (edge, edge), borderMode=mode)
    return np.asarray(moved, np.float32)


def larger(picture: Grey, strength: int, _: np.random.Generator) -> Grey:
    """As of a detector with smaller pixels."""
    return _zoomed(picture, (1.08, 1.2, 1.4)[strength])


def smaller(picture: Grey, strength: int, _: np.random.Generator) -> Grey:
    """As of a detector with larger pixels."""
    return _zoomed(picture, (0.92, 0.8, 0.65)[strength])


def brighter(picture: Grey, strength: int, _: np.random.Generator) -> Grey:
    """Gain."""
    return picture * (1.1, 1.25, 1.5)[strength]


def darker(picture: Grey, strength: int, _: np.random.Generator) -> Grey:
    """Gain."""
    return picture * (0.9, 0.75, 0.55)[strength]


def curved(picture: Grey, strength: int, _: np.random.Generator) -> Grey:
    """Gamma above 1."""
    return picture ** (1.1, 1.3, 1.7)[strength]


def lifted(picture: Grey, strength: int, _: np.random.Generator) -> Grey:
    """Gamma below 1."""
    return picture ** (0.9, 0.75, 0.55)[strength]


def paler(picture: Grey, strength: int, _: np.random.Generator) -> Grey:
    """Less contrast about the mean."""
    mean = picture.mean()
    return mean + (picture - mean) * (0.85, 0.65, 0.4)[strength]


def noisy(picture: Grey, strength: int, rng: np.random.Generator) -> Grey:
    """Gaussian noise."""
    noise = rng.standard_normal(picture.shape, np.float32)
    return picture + noise * (0.015, 0.04, 0.08)[strength]


def blurred(picture: Grey, strength: int, _: np.random.Generator) -> Grey:
    """Gaussian blur, in shares of the edge."""
    sigma = picture.shape[0] * (0.004, 0.009, 0.018)[strength]
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def sharpened(picture: Grey, strength: int, _: np.random.Generator) -> Grey:
    """Unsharp mask, as consoles apply it."""
    soft = cv2.GaussianBlur(picture, (0, 0), picture.shape[0] * 0.012)
    return np.asarray(picture + (picture - soft) * (0.4, 1.0, 2.0)[strength], np.float32)


def compressed(picture: Grey, strength: int, _: np.random.Generator) -> Grey:
    """JPEG at the size that the model sees."""
    levels = np.clip(255 * picture, 0, 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITIES[strength]]
    packed = cv2.imencode(".jpg", levels, quality)[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)


def collimated(picture: Grey, strength: int, rng: np.random.Generator) -> Grey:
    """A dark border on one side."""
    depth = round(picture.shape[0] * (0.04, 0.1, 0.18)[strength])
    return np.ascontiguousarray(darkened(picture, depth, int(rng.integers(4))))


def unevenly_lit(picture: Grey, strength: int, rng: np.random.Generator) -> Grey:
    """Brightness that falls off towards one side."""
    return shaded(picture, (0.15, 0.35, 0.6)[strength], int(rng.integers(4)))


CHANGES = (
    Change("larger", True, larger),
    Change("smaller", True, smaller),
    Change("brighter", True, brighter),
    Change("darker", True, darker),
    Change("gamma above 1", True, curved),
    Change("gamma below 1", True, lifted),
    Change("less contrast", False, paler),
    Change("noise", True, noisy),
    Change("blur", False, blurred),
    Change("sharpening", False, sharpened),
    Change("JPEG", False, compressed),
    Change("dark border", True, collimated),
    Change("shading", True, unevenly_lit),
)


@dataclass(frozen=True)
class Figures:
    """Of all images under one change."""

    auroc: float
    sensitivity: float
    specificity: float
    coverage: float  # share of prediction sets that hold the truth


class Judge:
    """A model with its threshold and its sets, asked for many changed versions of the same images.

    Args:
        source: what training left.
        truths: (n,) numbers of the true classes.
    """

    def __init__(self, source: Checkpoint, truths: NDArray) -> None:
        self.source = source
        self.truths = truths
        self.limits = limits(source.conformal_scores, LEVEL)

    @torch.inference_mode()
    def figures(self, pictures: list[Grey]) -> Figures:
        """Of (S, S) pictures in the order of the truths."""
        names = self.source.class_names
        tensors = torch.from_numpy(
            np.stack([self.source.preprocessing.standardised(each) for each in pictures])
        )
        logits = torch.cat([self._logits(part) for part in torch.split(tensors, TOGETHER)])
        shares = (logits / self.source.temperature).softmax(1).numpy()
        is_positive = self.truths == len(names) - 1
        found = shares[:, -1] >= self.source.threshold
        sets = [conformal_set(row.tolist(), self.limits) for row in shares]
        holds = [names[truth] in each for truth, each in zip(self.truths, sets, strict=True)]
        return Figures(
            float(roc_auc_score(is_positive, shares[:, -1])),
            float(found[is_positive].mean()),
            float((~found[~is_positive]).mean()),
            float(np.mean(holds)),
        )

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        return logits_of(self.source, images)


def main(argv: list[str]) -> None:
    """Measure, print the table, and write robustness.csv and robustness.png."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path", required=True, help="prepared images with known classes")
    parser.add_argument("--Path_Checkpoint", type=Path, default=Path("ViT.ckpt"))
    parser.add_argument("--OUTPUT", type=Path, required=True, help="folder for table and picture")
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        measure(given.Path, given.Path_Checkpoint, given.OUTPUT)


def measure(path: str, model: Path, output: Path) -> None:
    """As ``main``. DataError: a model of more than two classes, or images of one class."""
    source = checkpoint.load(model)
    how = source.preprocessing
    size = how.image_size
    names = source.class_names
    items = gather(find(path), names, folder_given(path))
    items = [item for item in items if item.truth in names]
    truths = np.array([names.index(item.truth) for item in items])
    if len(names) != 2 or len(set(truths.tolist())) != 2:
        raise DataError(f"{path}: wanted images of both classes, and a model of two classes")
    judge = Judge(source, truths)
    pictures = [np.asarray(as_float(item.image(how), size), np.float32) for item in items]
    before = judge.figures(pictures)
    errors.say(f"{len(items)} images, unchanged: {_words(before)}")
    rows = []
    for change in CHANGES:
        for number, strength in enumerate(STRENGTHS):
            rng = np.random.default_rng(0)
            changed = [np.clip(change.make(each, number, rng), 0, 1) for each in pictures]
            after = judge.figures(changed)
            kind = "in training" if change.in_training else "not in training"
            cost = f"AUROC {after.auroc - before.auroc:+.3f}"
            lost = f"sensitivity {after.sensitivity - before.sensitivity:+.3f}"
            errors.say(f"{change.name}, {strength} ({kind}): {cost}, {lost}; {_words(after)}")
            rows.append(_row(change, strength, before, after))
    output.mkdir(parents=True, exist_ok=True)
    write_table(output / "robustness.csv", rows, keep_former=True)
    _draw(pictures[int(np.argmax(truths))], output / "robustness.png")


def _words(figures: Figures) -> str:
    return (
        f"AUROC {figures.auroc:.3f}, sensitivity {figures.sensitivity:.3f}, "
        f"specificity {figures.specificity:.3f}, sets that hold the truth {figures.coverage:.3f}"
    )


def _row(change: Change, strength: str, before: Figures, after: Figures) -> dict[str, str]:
    return {
        "change": change.name,
        "strength": strength,
        "in_training": str(change.in_training).lower(),
        "auroc": f"{after.auroc:.4f}",
        "auroc_change": f"{after.auroc - before.auroc:.4f}",
        "sensitivity": f"{after.sensitivity:.4f}",
        "sensitivity_change": f"{after.sensitivity - before.sensitivity:.4f}",
        "specificity": f"{after.specificity:.4f}",
        "coverage": f"{after.coverage:.4f}",
    }


def _draw(picture: Grey, path: Path) -> None:
    """One picture under every change."""
    figure = Figure(figsize=(2 * len(STRENGTHS), 2 * len(CHANGES)), layout="constrained")
    axes = figure.subplots(len(CHANGES), len(STRENGTHS))
    for row, change in zip(axes, CHANGES, strict=True):
        for number, strength in enumerate(STRENGTHS):
            changed = np.clip(change.make(picture, number, np.random.default_rng(0)), 0, 1)
            row[number].imshow(changed, cmap="gray", vmin=0, vmax=1)
            row[number].set_title(f"{change.name}, {strength}", fontsize=8)
            row[number].axis("off")
    save_figure(figure, path, dpi=100)


if __name__ == "__main__":
    errors.run(main)
