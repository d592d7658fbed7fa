"""From finished runs to ViT.ckpt: temperature and threshold from validation, figures, the folds as
one.
"""

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from data.dataset import CoronaryDataset
from data.tables import read_table, write_table
from files import keeping_former
from metrics.calibration import fit_temperature, fit_threshold
from metrics.conformal import conformal_scores
from metrics.intervals import evaluate
from vit import checkpoint, familiarity
from vit.model import VisionTransformer

# training images that are looked at again, images at a time
MOST = 2000
TOGETHER = 64


def write_validation(path: Path, dataset: CoronaryDataset, logits: NDArray) -> None:
    """A run's predictions of the images that it did not learn from, in the form of predictions.csv
    and with groups.
    """
    names = dataset.processed.class_names
    probabilities = torch.from_numpy(logits).double().softmax(dim=1).numpy()
    rows: list[dict[str, Any]] = []
    for sample, row in zip(dataset.samples, probabilities, strict=True):
        said = {f"probability_{name}": share for name, share in zip(names, row, strict=True)}
        predicted = names[int(row.argmax())]
        rows.append(
            {
                "path": sample.path,
                "truth": sample.label,
                **said,
                "predicted": predicted,
                "group": sample.group,
            }
        )
    write_table(path, rows)


def write_familiarity(
    path: Path, model: VisionTransformer, training: CoronaryDataset, held_out: CoronaryDataset
) -> None:
    """What tells images that are unlike the training images, of which a fixed choice is looked at,
    not augmented.
    """
    plain = copy(training)
    plain.augment = None
    plain.patch_size = 0
    chosen = np.sort(np.random.default_rng(0).permutation(len(plain))[:MOST])

    def batches(dataset: CoronaryDataset, numbers: NDArray) -> Iterator[torch.Tensor]:
        for start in range(0, len(numbers), TOGETHER):
            yield torch.stack([dataset[0, int(i)][0] for i in numbers[start : start + TOGETHER]])

    fitted = familiarity.fit(
        model, batches(plain, chosen), batches(held_out, np.arange(len(held_out)))
    )
    checkpoint.save(fitted.state_dict(), path)


def publish(runs: list[Path], target: Path, sensitivity: float) -> None:
    """Write ``target`` with the weights of the runs; an older file is kept under a dated name.

    One run gives a model, with the weights of its best epoch. Several are folds and give an
    ensemble, whose logits are averaged, with the weights of each last epoch: a fold that chose its
    epoch would flatter its own figures. Temperature and threshold are fitted on the runs'
    validation images, pooled.

    Args:
        runs: folders with best.ckpt, last.ckpt, validation.csv and, unless an older version ran,
            familiarity.ckpt.
        target: ViT.ckpt.
        sensitivity: that the threshold shall reach on validation; 0: most sensitivity + specificity
            (Youden).
    """
    members = [checkpoint.read(run / "best.ckpt") for run in runs]
    rows = [row for run in runs for row in read_table(run / "validation.csv")]
    names = members[0]["class_names"]
    labels = np.array([names.index(row["truth"]) for row in rows])
    probabilities = np.array(
        [[float(row[f"probability_{name}"]) for name in names] for row in rows]
    )
    logits = np.log(np.maximum(probabilities, 1e-300))
    groups = [row["group"] or row["path"] for row in rows]
    temperature = fit_temperature(labels, logits, groups)
    if (
        len(runs) == 1
        # its epoch was chosen on these images, so it does better on them than on others: never surer
    ):
        temperature = max(1.0, temperature)
    result: dict[str, Any] = {**members[0], "temperature": temperature}
    scores = torch.from_numpy(logits / temperature).softmax(dim=1).numpy()
    result["conformal_scores"] = conformal_scores(labels, scores, names)
    if all((run / "familiarity.ckpt").exists() for run in runs):
        result["familiarity"] = [checkpoint.read(run / "familiarity.ckpt") for run in runs]
    if len(names) == 2:
        result["threshold"] = fit_threshold(labels, scores[:, 1], sensitivity or None)
        figures = evaluate(labels, scores[:, 1], groups, result["threshold"])
    else:
        areas = [evaluate(labels == k, scores[:, k], groups)["auroc"] for k in range(len(names))]
        figures = {f"auroc, {name} or not": area for name, area in zip(names, areas, strict=True)}
    result["figures"] = {
        name: [figure.value, figure.low, figure.high] for name, figure in figures.items()
    }
    result["epoch_chosen_on_validation"] = len(runs) == 1
    histories = [read_table(run / "metrics.csv") for run in runs]
    result["history"] = [
        [{name: float(row[name]) for name in row} for row in history] for history in histories
    ]
    if len(runs) > 1:
        states = [checkpoint.read(run / "last.ckpt")["state_dict"] for run in runs]
        result["state_dict"], *result["members"] = states
        images = {digest for member in members for digest in member["training_images_sha256"]}
        result["training_images_sha256"] = sorted(images)
        with keeping_former(joined := target.parent / "out_of_fold.csv"):
            write_table(joined, rows)
    with keeping_former(target):
        checkpoint.save(result, target)
    print(summary(result, len(rows), len(runs)))
    print(f"wrote {target}; curves and logs in {runs[0] if len(runs) == 1 else runs[0].parent}")


def summary(result: dict[str, Any], images: int, runs: int) -> str:
    """The validation figures as a table."""
    how = "out-of-fold predictions, weights of each last epoch"
    if runs == 1:
        epoch = result["validation"]["epoch"]
        chosen = "which was chosen on them (--folds gives unflattered figures)"
        how = f"validation images, weights of epoch {epoch}, {chosen}"
    lines = [
        f"{images} {how}; temperature {result['temperature']:.2f}, threshold {result['threshold']:.3f}"
    ]
    for name, (value, low, high) in result.get("figures", {}).items():
        lines.append(f"  {name:<24}{value:7.3f}   95 % interval {low:.3f} to {high:.3f}")
    return "\n".join(lines)
