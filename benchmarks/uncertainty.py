"""Whether probabilities, conformal sets and the warning of unlike images keep what they promise.

python -m benchmarks.uncertainty --Path ProcessedFolder --Path_Checkpoint ViT.ckpt --others
'XRAY/**/*.png' ...

Over 200 random halvings of the held-out groups: temperature, conformal limits and the limit of the
distance come from one half, and all is measured on the other. Held out are the validation images of
the model's own ProcessedFolder, or all images of the one that ``--held_out`` names. Unlike are the
images of ``--others`` and 600 crops of photographs and textures that scikit-image and scikit-learn
bring; none of them has a say in anything that is fitted.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.datasets import load_sample_images

from data.dataset import CoronaryDataset, to_tensor
from data.inputs import find, gather
from data.processed import load
from data.readers import DataError
from metrics.calibration import fit_temperature
from metrics.conformal import conformal_scores, conformal_set, limits
from training.publish import MOST
from vit import checkpoint, familiarity
from vit.archive import CheckpointError
from vit.model import VisionTransformer

# SMALLEST: edge of a crop in pixels of its picture
SPLITS = 200
BINS = 10
TOGETHER = 64
CROPS = 600
SMALLEST = 48
PICTURES = (
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)

Array = NDArray[Any]


def crops(size: int) -> list[Array]:
    """Square grey crops, size x size from 0 to 1, of each picture in turn; every other one at its
    own resolution.
    """
    pictures = [getattr(skimage.data, name)() for name in PICTURES] + list(
        load_sample_images().images
    )
    grey = [
        (image.mean(axis=2) if image.ndim == 3 else image).astype(np.float32) / 255
        for image in pictures
    ]
    rng = np.random.default_rng(0)
    made = []
    for number in range(CROPS):
        image = grey[number % len(grey)]
        most = min(image.shape)
        edge = (
            min(size, most)
            if number // len(grey) % 2
            else int(rng.integers(min(SMALLEST, most), most + 1))
        )
        y, x = (int(rng.integers(length - edge + 1)) for length in image.shape)
        how = cv2.INTER_AREA if edge > size else cv2.INTER_LINEAR
        made.append(cv2.resize(image[y : y + edge, x : x + edge], (size, size), interpolation=how))
    return made


def over(images: list[torch.Tensor], answer: Callable[[torch.Tensor], torch.Tensor]) -> Array:
    """What ``answer`` gives of (B, C, H, W) batches, joined."""
    with torch.inference_mode():
        parts = [
            answer(torch.stack(images[i : i + TOGETHER])) for i in range(0, len(images), TOGETHER)
        ]
    return torch.cat(parts).numpy()


def halvings(groups: Array) -> list[Array]:
    """(n,) masks of one half of the groups."""
    number = np.unique(groups, return_inverse=True)[1]
    count = int(number.max()) + 1
    rng = np.random.default_rng(0)
    return [np.isin(number, rng.permutation(count)[: count // 2]) for _ in range(SPLITS)]


def calibration_error(right: Array, said: Array) -> float:
    """Expected one over bins of equally many images (Nixon et al. 2019, 3.2), as report.evaluate's."""
    bins = np.array_split(np.argsort(said, kind="stable"), BINS)
    return float(sum(abs((right[part] - said[part]).sum()) for part in bins) / len(said))


def row(name: str, values: list[float], more: str = "") -> None:
    low, high = np.quantile(values, [0.025, 0.975])
    print(f"  {name:<66}{np.mean(values):8.4f}   95 % of halvings {low:8.4f} to {high:8.4f}{more}")


def calibration(labels: Array, logits: Array, groups: Array, halves: list[Array]) -> None:
    """Calibration error of the positive class before and after temperature scaling."""
    before = []
    after = []
    for half in halves:
        temperature = fit_temperature(labels[half], logits[half], groups[half])
        right = labels[~half] == logits.shape[1] - 1
        before.append(calibration_error(right, softmax(logits[~half], axis=1)[:, -1]))
        after.append(calibration_error(right, softmax(logits[~half] / temperature, axis=1)[:, -1]))
    row("calibration error before temperature scaling", before)
    row("after", after)
    row(
        "change",
        list(np.subtract(after, before)),
        f"; raised in {np.mean(np.array(after) > before):.1%}",
    )


def coverage(
    labels: Array, logits: Array, groups: Array, halves: list[Array], names: list[str], level: float
) -> None:
    """How often the conformal set holds the true class."""
    covered: dict[str, list[float]] = {name: [] for name in ("all classes", *names)}
    sizes: dict[str, list[float]] = {"no class": [], "one": [], "more than one": []}
    for half in halves:
        shares = softmax(logits / fit_temperature(labels[half], logits[half], groups[half]), axis=1)
        limit = limits(conformal_scores(labels[half], shares[half], names), level)
        sets = [conformal_set(each, limit) for each in shares[~half].tolist()]
        truths = labels[~half]
        held = np.array([names[y] in own for y, own in zip(truths, sets, strict=True)])
        covered["all classes"].append(held.mean())
        for k, name in enumerate(names):
            covered[name].append(held[truths == k].mean())
        counts = np.minimum([len(own) for own in sets], 2)
        for k, name in enumerate(sizes):
            sizes[name].append(float((counts == k).mean()))
    for name, values in covered.items():
        within = np.mean([abs(share - level) <= 0.02 for share in values])
        row(
            f"sets at level {level} that hold the true class, {name}",
            values,
            f"; {within:.0%} within 0.02 of it",
        )
    for name, values in sizes.items():
        row(f"sets that hold {name}", values)


def warnings(
    near: Callable[[list[torch.Tensor]], Array],
    held_out: Array,
    others: dict[str, list[torch.Tensor]],
    halves: list[Array],
) -> None:
    """Share flagged of the other half of the held-out images, and of images that are unlike."""
    rank = [min(half.sum(), int(np.ceil((half.sum() + 1) * familiarity.INSIDE))) for half in halves]
    limit = [np.sort(held_out[half])[k - 1] for half, k in zip(halves, rank, strict=True)]
    own = [float((held_out[~half] > most).mean()) for half, most in zip(halves, limit, strict=True)]
    row(f"flagged of the {len(held_out)} held-out images, the other half", own)
    for name, images in others.items():
        distances = near(images)
        row(
            f"flagged of {len(images)} {name}"[-64:],
            [float((distances > most).mean()) for most in limit],
        )


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.uncertainty", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--Path", type=Path, required=True, help="ProcessedFolder that the model learned from"
    )
    parser.add_argument("--Path_Checkpoint", type=Path, required=True)
    parser.add_argument(
        "--held_out", type=Path, help="ProcessedFolder of other patients; default: val of --Path"
    )
    parser.add_argument(
        "--others",
        nargs="*",
        default=[],
        help="folders or globs of images unlike the training images",
    )
    parser.add_argument("--level", type=float, default=0.9)
    options = parser.parse_args(argv)
    models, about = checkpoint.load(options.Path_Checkpoint)
    names = about["class_names"]
    how = about["preprocessing"]
    common = (how["image_size"], how["mean"], how["std"], about["config"]["num_channels"])

    def tensor(image: Array) -> torch.Tensor:
        return to_tensor(image, *common[1:])

    folder = load(options.held_out or options.Path)
    splits = [
        CoronaryDataset(folder, split, *common)
        for split in (("train", "val") if options.held_out else ("val",))
    ]
    images = [dataset[0, i][0] for dataset in splits for i in range(len(dataset))]
    samples = [sample for dataset in splits for sample in dataset.samples]
    labels = np.array([names.index(s.label) for s in samples])
    groups = np.array([s.group for s in samples])
    halves = halvings(groups)
    print(
        f"{options.Path_Checkpoint}: {len(images)} held-out images of {len(set(groups))} groups, "
        f"{SPLITS} random halvings"
    )
    logits = over(
        images, lambda batch: torch.stack([each(batch) for each in models]).mean(dim=0)
    ).astype(float)
    if options.held_out and "conformal_scores" in about:  # not in older files
        own = [
            calibration_error(
                labels == len(names) - 1, softmax(logits / temperature, axis=1)[:, -1]
            )
            for temperature in (1.0, about["temperature"])
        ]
        shares = softmax(logits / about["temperature"], axis=1)
        limit = limits(about["conformal_scores"], options.level)
        held = np.mean(
            [
                names[y] in conformal_set(each, limit)
                for y, each in zip(labels, shares.tolist(), strict=True)
            ]
        )
        print(
            f"  by the checkpoint's own temperature {about['temperature']:.3f} calibration error {own[0]:.4f}, "
            f"after {own[1]:.4f}; by its own limits {held:.3f} of the sets hold the true class"
        )
    calibration(labels, logits, groups, halves)
    coverage(labels, logits, groups, halves, names, options.level)
    near = _familiar(models[0], CoronaryDataset(load(options.Path), "train", *common), images)
    others = {
        path: [tensor(item.image(how)) for item in gather(find(path), names)]
        for path in options.others
    }
    others["crops of photographs and textures"] = [
        tensor(image) for image in crops(how["image_size"])
    ]
    warnings(near, near(images), others, halves)


def _familiar(
    model: VisionTransformer, training: CoronaryDataset, held_out: list[torch.Tensor]
) -> Callable[[list[torch.Tensor]], Array]:
    """What gives distances; of their unit, which hangs on the limit, nothing here depends."""
    chosen = np.random.default_rng(0).permutation(len(training))[:MOST]
    fitted = familiarity.fit(
        model, (training[0, int(i)][0][None] for i in chosen), [torch.stack(held_out[:TOGETHER])]
    )
    return lambda images: over(images, lambda batch: fitted(model, batch))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (DataError, CheckpointError) as error:
        sys.exit(str(error))
