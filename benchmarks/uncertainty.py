"""Whether probabilities, conformal sets and the warning of unlike images keep their promise.

python -m benchmarks.uncertainty --Path ProcessedFolder --Path_Checkpoint ViT.ckpt \\
    --others 'XRAY/**/*.png' ...

Over 200 random halvings of the held-out groups: temperature, conformal limits and the limit of the
distance come from one half, and all is measured on the other. Held out are the validation images of
the model's own ProcessedFolder, or all images of the one that ``--held_out`` names. Unlike are the
images of ``--others`` and 600 crops of photographs and textures that scikit-image and scikit-learn
bring; none of them has a say in anything that is fitted.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

import errors
from benchmarks.photographs import crops
from data.dataset import CoronaryDataset
from data.inputs import find, folder_given, gather
from data.processed import load
from metrics.calibration import fit_temperature
from metrics.conformal import conformal_scores, conformal_set, limits
from training.run import learn_familiarity
from vit import checkpoint, familiarity
from vit.checkpoint import Checkpoint
from vit.views import logits_of

SPLITS = 200
BINS = 10
TOGETHER = 64  # images at a time
Answer = Callable[[Tensor], Tensor]


def over(images: list[Tensor], answer: Answer) -> NDArray:
    """What ``answer`` gives of (B, C, H, W) batches, joined."""
    with torch.inference_mode():
        return torch.cat(
            [answer(part) for part in torch.split(torch.stack(images), TOGETHER)]
        ).numpy()


@dataclass(frozen=True)
class HeldOut:
    """Images that the model did not learn from.

    Args:
        names: of the classes.
        labels: (n,) class indices.
        logits: (n, K).
        groups: (n,) images that are drawn together.
    """

    names: list[str]
    labels: NDArray
    logits: NDArray
    groups: NDArray

    @cached_property
    def halvings(self) -> list[NDArray]:
        """(n,) masks of one half of the groups."""
        number = np.unique(self.groups, return_inverse=True)[1]
        count = int(number.max()) + 1
        rng = np.random.default_rng(0)
        return [np.isin(number, rng.permutation(count)[: count // 2]) for _ in range(SPLITS)]

    def temperature(self, half: NDArray) -> float:
        """That which one half gives."""
        return fit_temperature(self.labels[half], self.logits[half], self.groups[half])

    def calibration_error(self, part: NDArray, temperature: float = 1.0) -> float:
        """That of the positive class, over bins of equally many images, as report.evaluate's.

        Source: Nixon et al. 2019, 3.2.
        """
        right = self.labels[part] == len(self.names) - 1
        said = softmax(self.logits[part] / temperature, axis=1)[:, -1]
        bins = np.array_split(np.argsort(said, kind="stable"), BINS)
        return float(sum(abs((right[own] - said[own]).sum()) for own in bins) / len(said))


def row(name: str, values: list[float], more: str = "") -> None:
    """Print the mean of a figure, and its spread over the halvings."""
    low, high = np.quantile(values, [0.025, 0.975])
    print(f"  {name:<66}{np.mean(values):8.4f}   95 % of halvings {low:8.4f} to {high:8.4f}{more}")


def calibration(held_out: HeldOut) -> None:
    """Calibration error of the positive class before and after temperature scaling."""
    before = []
    after = []
    for half in held_out.halvings:
        before.append(held_out.calibration_error(~half))
        after.append(held_out.calibration_error(~half, held_out.temperature(half)))
    row("calibration error before temperature scaling", before)
    row("after", after)
    raised = np.mean(np.array(after) > before)
    row("change", list(np.subtract(after, before)), f"; raised in {raised:.1%}")


def coverage(held_out: HeldOut, level: float) -> None:
    """How often the conformal set holds the true class."""
    names = held_out.names
    covered: dict[str, list[float]] = {name: [] for name in ("all classes", *names)}
    sizes: dict[str, list[float]] = {"no class": [], "one": [], "more than one": []}
    for half in held_out.halvings:
        shares = softmax(held_out.logits / held_out.temperature(half), axis=1)
        limit = limits(conformal_scores(held_out.labels[half], shares[half], names), level)
        sets = [conformal_set(each, limit) for each in shares[~half].tolist()]
        truths = held_out.labels[~half]
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


def by_its_own(source: Checkpoint, held_out: HeldOut, level: float) -> None:
    """What the temperature and the limits of the checkpoint itself give."""
    everything = np.ones(len(held_out.labels), bool)
    before = held_out.calibration_error(everything)
    after = held_out.calibration_error(everything, source.temperature)
    shares = softmax(held_out.logits / source.temperature, axis=1).tolist()
    limit = limits(source.conformal_scores, level)
    pairs = zip(held_out.labels, shares, strict=True)
    held = np.mean([held_out.names[y] in conformal_set(each, limit) for y, each in pairs])
    print(
        f"  by the checkpoint's own temperature {source.temperature:.3f} calibration error "
        f"{before:.4f}, after {after:.4f}; by its own limits {held:.3f} of the sets hold the true "
        "class"
    )


def warnings(
    distance: Answer,
    images: list[Tensor],
    halvings: list[NDArray],
    others: Iterator[tuple[str, list[Tensor]]],
) -> None:
    """Share flagged of the other half of the held-out images, and of images that are unlike."""
    held_out = over(images, distance)
    rank = [
        min(half.sum(), int(np.ceil((half.sum() + 1) * familiarity.INSIDE))) for half in halvings
    ]
    limit = [np.sort(held_out[half])[k - 1] for half, k in zip(halvings, rank, strict=True)]
    pairs = zip(halvings, limit, strict=True)
    own = [float((held_out[~half] > most).mean()) for half, most in pairs]
    row(f"flagged of the {len(held_out)} held-out images, the other half", own)
    for name, unlike in others:
        distances = over(unlike, distance)
        flagged = [float((distances > most).mean()) for most in limit]
        row(f"flagged of {len(unlike)} {name}"[-64:], flagged)


def unlike_images(paths: list[str], source: Checkpoint) -> Iterator[tuple[str, list[Tensor]]]:
    """Images that are unlike the training images, by where they come from."""
    preprocessing = source.preprocessing
    for path in paths:
        inputs = gather(find(path), source.class_names, folder_given(path))
        yield (
            path,
            [
                torch.from_numpy(preprocessing.standardised(item.image(preprocessing)))
                for item in inputs
            ],
        )
    greys = crops(preprocessing.image_size)
    yield (
        "crops of photographs and textures",
        [torch.from_numpy(preprocessing.standardised(grey)) for grey in greys],
    )


def measure(options: argparse.Namespace) -> None:
    """Print all figures of a checkpoint."""
    source = checkpoint.load(options.Path_Checkpoint)
    names = source.class_names
    folder = load(options.held_out or options.Path)
    splits = ("train", "val") if options.held_out else ("val",)
    datasets = [CoronaryDataset(folder, split, source.preprocessing) for split in splits]
    images = [dataset[0, i][0] for dataset in datasets for i in range(len(dataset))]
    samples = [sample for dataset in datasets for sample in dataset.samples]
    labels = np.array([names.index(sample.label) for sample in samples])
    groups = np.array([sample.group for sample in samples])
    print(
        f"{options.Path_Checkpoint}: {len(images)} held-out images of {len(set(groups))} groups, "
        f"{SPLITS} random halvings"
    )
    logits = over(images, lambda batch: logits_of(source, batch))
    held_out = HeldOut(names, labels, logits.astype(float), groups)
    if options.held_out and source.conformal_scores:  # not in older files
        by_its_own(source, held_out, options.level)
    calibration(held_out)
    coverage(held_out, options.level)
    training = CoronaryDataset(load(options.Path), "train", source.preprocessing)
    # of the unit of the distance, which hangs on the limit, nothing here depends
    usual = learn_familiarity(source.models[0], training, datasets[0])
    others = unlike_images(options.others, source)
    warnings(lambda batch: usual(source.models[0], batch), images, held_out.halvings, others)


def main(argv: list[str]) -> None:
    """Measure as the command line says; a user's mistake ends in one line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.uncertainty",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
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
    with errors.ending_in_one_line():
        measure(parser.parse_args(argv))


if __name__ == "__main__":
    errors.run(main)
