"""What pictures of another style cost: each style of a data set is left out of training once.

python -m benchmarks.left_out_style --Path ProcessedFolder --OUTPUT out --styles 4 --epochs 15

A style is what acquisition gives and no label knows: background, spectrum, noise, dark edges.
Images are clustered by it. train.py --folds runs twice, once with the styles as folds, once with
folds that hold every style; both judge each image by a model that did not learn from its group.
The limits of the prediction sets come from the second run, as a user has them. Options that this
does not know go to train.py. Stopped, the same command goes on.
"""

import argparse
import itertools
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

import errors
from data.readers import DataError
from data.tables import Row, read_table, write_table
from errors import UserError
from metrics.conformal import conformal_scores, conformal_set, limits
from vit import LEVEL, checkpoint

BANDS = (0.02, 0.05, 0.1, 0.2, 0.5)  # edges of the bands of the spectrum [cycles per pixel]
DARK = 0.08  # grey range 0 to 1
OF_VALUES = 0.6745  # the median distance from the mean of normal values of deviation 1
LEAST = 1e-300  # probability below which its logarithm is not taken


def style(picture: NDArray) -> list[float]:
    """What acquisition gives, of (S, S) uint8 pixels.

    Background and its range, share of power in each band, noise, share of dark edges.
    """
    grey = np.asarray(picture, np.float32) / 255
    edge = grey.shape[0]
    soft = cv2.GaussianBlur(grey, (0, 0), edge / 8)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return [
        float(np.quantile(soft, 0.75)),
        float(soft.std()),
        *_powers(grey - grey.mean()),
        float(np.log(np.median(np.abs(fine)) / OF_VALUES + 1e-4)),
        float((border < DARK).mean()),
    ]


def _powers(grey: NDArray) -> list[float]:
    """Logarithm of the share of the power in each band."""
    window = np.hanning(len(grey))
    power = np.abs(np.fft.fft2(grey * np.outer(window, window))) ** 2
    steps = np.fft.fftfreq(len(grey))
    radius = np.hypot(steps[:, None], steps[None])
    parts = [
        power[(radius >= low) & (radius < high)].sum() for low, high in itertools.pairwise(BANDS)
    ]
    return [float(np.log(part / sum(parts) + 1e-6)) for part in parts]


def styles_of(folder: Path, rows: list[Row], count: int) -> NDArray:
    """(n,) the style of each image; images of one group have one style."""
    values = np.array([style(np.load(folder / row["path"])) for row in rows])
    scaled = (values - values.mean(0)) / (values.std(0) + 1e-9)
    found = KMeans(count, n_init=10, random_state=0).fit_predict(scaled)
    groups = np.array([row["group"] for row in rows])
    for group in np.unique(groups):
        inside = groups == group
        found[inside] = np.bincount(found[inside]).argmax()
    return np.asarray(found)


def mixed_folds(rows: list[Row], count: int) -> NDArray:
    """(n,) folds of whole groups that hold every style."""
    labels = [row["label"] for row in rows]
    groups = [row["group"] for row in rows]
    folds = np.zeros(len(rows), int)
    cut = StratifiedGroupKFold(count, shuffle=True, random_state=0)
    for number, (_, held_out) in enumerate(cut.split(labels, labels, groups)):
        folds[held_out] = number
    return folds


def cross_validate(source: Path, output: Path, folds: NDArray, more: list[str]) -> None:
    """Train with these folds, (n,), on a copy of the folder. UserError: train.py failed."""
    rows = read_table(source / "manifest.csv")
    numbered = iter(folds.tolist())
    for row in rows:
        row["fold"] = "" if row["split"] == "test" else str(next(numbered))
    with tempfile.TemporaryDirectory() as place:
        prepared = Path(place) / "prepared"
        shutil.copytree(source, prepared)
        write_table(prepared / "manifest.csv", rows)
        places = ["--data_folder", str(prepared), "--OUTPUT", str(output)]
        command = [sys.executable, "train.py", "--folds", str(max(folds) + 1), *places, *more]
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise UserError(f"train.py ended with status {done.returncode}; what it said stands above")


@dataclass(frozen=True)
class Judged:
    """Images as a cross-validation judged them.

    Args:
        positive: (n,) truth.
        shares: (n, 2) probabilities.
    """

    positive: NDArray
    shares: NDArray

    @classmethod
    def read(cls, output: Path, rows: list[Row], names: list[str]) -> "Judged":
        """Of what train.py left in ``output``, in the order of the manifest's rows.

        Without its temperature, which was fitted on these very images.
        """
        known = {row["path"]: row for row in read_table(output / "out_of_fold.csv")}
        ordered = [known[row["path"]] for row in rows]
        shares = [[float(row[f"probability_{name}"]) for name in names] for row in ordered]
        temperature = checkpoint.load(output / "ViT.ckpt").temperature
        own = softmax(temperature * np.log(np.maximum(shares, LEAST)), axis=1)
        return cls(np.array([row["label"] == names[1] for row in rows]), own)

    def auroc(self, chosen: NDArray) -> float:
        """Of the images for which ``chosen``, (n,), is true."""
        return float(roc_auc_score(self.positive[chosen], self.shares[chosen, 1]))

    def coverage(self, chosen: NDArray, limit: dict[str, float], names: list[str]) -> float:
        """Share of the chosen images whose prediction set holds the truth."""
        sets = [conformal_set(row.tolist(), limit) for row in self.shares[chosen]]
        truths = [names[int(truth)] for truth in self.positive[chosen]]
        return float(np.mean([truth in each for truth, each in zip(truths, sets, strict=True)]))


def measure(source: Path, output: Path, count: int, more: list[str]) -> None:
    """As ``main``. DataError: not two classes, or a style of one class alone."""
    rows = [row for row in read_table(source / "manifest.csv") if row["split"] != "test"]
    labels = np.array([row["label"] for row in rows])
    classes = len(set(labels.tolist()))
    if classes != 2:
        raise DataError(f"{source}: got {classes} classes, wanted two")
    found = styles_of(source, rows, count)
    for number in range(count):
        if len(set(labels[found == number])) != 2:
            raise DataError(f"style {number} holds one class alone; give fewer with --styles")
    cross_validate(source, output / "seen", mixed_folds(rows, count), more)
    cross_validate(source, output / "left_out", found, more)
    names = checkpoint.load(output / "seen" / "ViT.ckpt").class_names
    seen, left_out = (Judged.read(output / name, rows, names) for name in ("seen", "left_out"))
    table = compared(seen, left_out, found, names)
    for row in table:
        errors.say(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.items()))
    write_table(output / "left_out_style.csv", table, keep_former=True)


def compared(seen: Judged, left_out: Judged, found: NDArray, names: list[str]) -> list[Row]:
    """A row for each style, and the mean of all."""
    scores = conformal_scores(seen.positive.astype(int), seen.shares, names)
    limit = limits(scores, LEVEL)
    figures = []
    for number in range(int(found.max()) + 1):
        chosen = found == number
        within, beyond = seen.auroc(chosen), left_out.auroc(chosen)
        held = left_out.coverage(chosen, limit, names)
        figures.append((int(chosen.sum()), within, beyond, beyond - within, held))
    table = [_row(str(number), *each) for number, each in enumerate(figures)]
    images = sum(each[0] for each in figures)
    means = np.mean([each[1:4] for each in figures], axis=0)
    whole = left_out.coverage(np.ones(len(found), bool), limit, names)
    within, beyond, change = means.tolist()
    return [*table, _row("mean", images, within, beyond, change, whole)]


def _row(
    name: str, images: int, within: float, beyond: float, change: float, coverage: float
) -> Row:
    return {
        "style": name,
        "images": str(images),
        "auroc_seen": f"{within:.4f}",
        "auroc_left_out": f"{beyond:.4f}",
        "change": f"{change:+.4f}",
        "coverage_left_out": f"{coverage:.4f}",
    }


def main(argv: list[str]) -> None:
    """Train twice, print a line for each style, and write left_out_style.csv."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.left_out_style",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path", type=Path, required=True, help="a ProcessedFolder")
    parser.add_argument("--OUTPUT", type=Path, required=True, help="folder for runs and table")
    parser.add_argument("--styles", type=int, default=4, help="clusters")
    given, more = parser.parse_known_args(argv)
    with errors.ending_in_one_line():
        given.OUTPUT.mkdir(parents=True, exist_ok=True)
        measure(given.Path, given.OUTPUT, given.styles, more)


if __name__ == "__main__":
    errors.run(main)
