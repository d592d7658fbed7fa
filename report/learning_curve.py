"""Would more images help? python -m report.learning_curve --Config config.yml --device cpu --OUTPUT
learning_curve

Trains on growing shares of the training groups, each within the next, and judges all by the same
validation images, with the weights of the last epoch: the best one would have been chosen on those
images. Every share takes as many steps as the whole, for which an epoch repeats its images: a small
one is not merely trained less, but costs as much, and may be trained too long for so few images.
``patience`` is not used. Stopped, the same command goes on.
"""

import argparse
import math
import sys
import textwrap
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.figure
import numpy as np

import CONFIG
import train
from data.processed import Processed, load
from data.readers import DataError
from data.tables import read_table, write_table
from files import (
    FolderInUse,
    end_ctrl_c_in_one_line,
    held,
    keeping_former,
    remove_leftovers,
    written_whole,
)
from metrics.comparison import compare
from metrics.intervals import Estimate, evaluate, judged
from training.data_module import CoronaryData
from training.resume import ending_in_one_line
from vit import checkpoint
from vit.archive import CheckpointError
from vit.device import DeviceError, accelerator


@dataclass(frozen=True)
class Point:
    """A training on one share of the groups."""

    share: float
    seed: int
    images: int
    groups: int
    epochs: int
    times: int  # that each image is seen in an epoch
    run: Path  # its folder
    auroc: Estimate  # of the validation images


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m report.learning_curve", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--Config", "--config", "-c", type=Path, default=Path("config.yml"), help="config.yml"
    )
    parser.add_argument(
        "--device", "-d", default="auto", choices=("auto", "cpu", "gpu", "cuda", "mps")
    )
    about = "folder for learning_curve.csv, learning_curve.png and runs/"
    parser.add_argument(
        "--OUTPUT", "--output", "-o", type=Path, default=Path("learning_curve"), help=about
    )
    parser.add_argument(
        "--init", type=Path, help="ViT.ckpt whose weights each training begins with"
    )
    about = "shares of the training groups, two or more"
    parser.add_argument(
        "--shares", type=float, nargs="+", default=[0.1, 0.25, 0.5, 1.0], metavar="S", help=about
    )
    about = "trainings of each share, every one with other groups and another start"
    parser.add_argument("--seeds", type=int, default=1, help=about)
    CONFIG.add_arguments(
        parser, [name for name in CONFIG.FIELDS if name not in ("folds", "patience")]
    )
    parser.set_defaults(
        devices=1, num_nodes=1, strategy="auto", cross_validate=0
    )  # what train.fit asks for besides
    return parser.parse_args(argv)


def part(folder: Processed, share: float, seed: int) -> Processed:
    """The folder with this share of its training groups and all of its validation images.

    Groups that hold the same classes are put in an order by chance and taken from its beginning.

    Raises:
        DataError: fewer than two groups of a class are left.
    """
    classes = defaultdict(set)
    for sample in folder.of("train"):
        classes[sample.group or sample.path].add(sample.label)
    kinds = defaultdict(list)
    for group, labels in sorted(classes.items()):
        kinds[tuple(sorted(labels))].append(group)
    # the least share that has the group
    rng = np.random.default_rng(seed)
    begins = dict[str, float]()
    for _, own in sorted(kinds.items()):
        begins |= {
            str(group): (place + 0.5) / len(own) for place, group in enumerate(rng.permutation(own))
        }
    by_class = {
        name: sorted(begins[own] for own in classes if name in classes[own])
        for name in folder.class_names
    }
    least = max(
        [*shares, 2, 2][1] for shares in by_class.values()
    )  # with which each class has two groups
    for name, shares in by_class.items():
        if (count := sum(begin <= share for begin in shares)) < 2:
            wanted = (
                f"give shares from {math.ceil(1000 * least) / 1000} on"
                if least <= 1
                else "add images"
            )
            raise DataError(
                f"--shares: got {share:g}, which leaves {count} group(s) of class {name}, wanted 2 or "
                f"more; {wanted}"
            )
    samples = [s for s in folder.of("train") if begins[s.group or s.path] <= share] + folder.of(
        "val"
    )
    info = {
        name: value for name, value in folder.info.items() if name not in ("mean", "std")
    }  # of all images
    return replace(folder, samples=samples, info=info)


def measure(arguments: argparse.Namespace, config: CONFIG.Config) -> tuple[list[list[Point]], str]:
    """Train what is not trained yet: for each share, the smallest first, a point of each seed; and
    the positive class.

    Raises:
        ConfigError, DataError, DeviceError, CheckpointError: as train.py does; shares or seeds that
            make no curve.
    """
    shares = sorted(set(arguments.shares))
    seeds = range(config.seed, config.seed + arguments.seeds)
    if len(shares) < 2 or not 0 < shares[0] <= shares[-1] <= 1 or not seeds:
        given = f"--shares {' '.join(f'{share:g}' for share in arguments.shares)} --seeds {arguments.seeds}"
        raise CONFIG.ConfigError(
            f"got {given}; wanted two or more different shares above 0 and up to 1, and one seed "
            "or more, as --shares 0.1 0.25 0.5 1 --seeds 1"
        )
    if config.phantoms != "none":
        raise CONFIG.ConfigError(
            "phantoms: any number can be made, so their curve tells nothing; set phantoms: none"
        )
    accelerator(arguments.device)  # a device that is not there is said before any work
    folder = load(Path(config.data_folder))
    if arguments.init:
        learned = checkpoint.load(arguments.init)[1].get("training_images_sha256", [])
        if known := {sample.sha256 for sample in folder.of("train")} & set(learned):
            raise DataError(
                f"{arguments.init}: learned from {len(known)} of the training images, so that small shares "
                "would know them; give weights that did not, such as those from --phantoms"
            )
    parts = [
        (share, seed, part(folder, share, seed)) for share in shares for seed in seeds
    ]  # faults before any work
    whole = len(folder.of("train"))
    positive = folder.class_names[-1]
    steps = config.epochs * (whole // min(config.batch_size, whole))
    points = []
    for share, seed, data in parts:
        own = data.of("train")
        images = len(data.of("train"))
        times = whole // images  # an image is seen in an epoch
        epochs = round(steps / (times * images // min(config.batch_size, times * images)))
        groups = len({sample.group or sample.path for sample in own})
        print(
            f"share {share:g}, seed {seed}: {images} images of {groups} groups, "
            f"each {times} times in an epoch, {epochs} epochs"
        )
        repeated = replace(data, samples=own * times + data.of("val"))
        settings = replace(config, seed=seed, epochs=epochs, patience=0)
        run = train.run_folder(settings, arguments, repeated)
        remove_leftovers(run)
        train.fit(settings, arguments, CoronaryData(settings, repeated), run, "last")
        auroc = evaluate(*judged(read_table(run / "validation.csv"), positive))["auroc"]
        points.append(Point(share, seed, images, groups, epochs, times, run, auroc))
        print(f"AUROC {auroc}")
    return [
        points[start : start + len(seeds)] for start in range(0, len(points), len(seeds))
    ], positive


def mean(figures: list[Estimate]) -> Estimate:
    """Of several seeds. Their errors go together, for the images are the same: the mean's interval
    is no wider.
    """
    return Estimate(
        *np.mean([(figure.value, figure.low, figure.high) for figure in figures], axis=0).tolist()
    )


def verdict(points: list[list[Point]], positive: str) -> str:
    """A sentence on whether the curve rises between the two largest shares: paired comparison of
    the same images.
    """
    changes = []
    for pair in zip(*points[-2:], strict=True):
        (y, s, g), (_, larger, _) = (
            judged(read_table(point.run / "validation.csv"), positive) for point in pair
        )
        changes.append(compare(y, s, larger, g)[0])
    change = mean(changes)
    (one, two) = ([point.images for point in own] for own in points[-2:])
    said = f"not shown to rise, though a gain of up to {change.high:.3f} cannot be ruled out"
    if math.isnan(change.low):
        said = "unknown, for validation has fewer than two groups of a class"
    elif change.low > 0:
        said = "still rising, so more images would probably help"
    elif change.high < 0:
        said = "falling: look at the images and labels that the larger share adds"
    return f"From {np.mean(one):,.0f} to {np.mean(two):,.0f} images the AUROC changed by {change}: {said}."


def draw(points: list[list[Point]], title: str, path: Path) -> None:
    """AUROC with its 95 % interval over the number of images; with several seeds their mean, and a
    dot for each.
    """
    figure = matplotlib.figure.Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    x = [float(np.mean([point.images for point in own])) for own in points]
    means = [mean([point.auroc for point in own]) for own in points]
    ends = [[m.value - m.low for m in means], [m.high - m.value for m in means]]
    axes.errorbar(x, [m.value for m in means], ends, fmt="o-", color="black", capsize=4)
    for place, m in zip(x, means, strict=True):
        axes.annotate(
            f"{m.value:.3f}", (place, m.value), (7, -12), textcoords="offset points", fontsize=9
        )
    if len(points[0]) > 1:
        each = [(point.images, point.auroc.value) for own in points for point in own]
        axes.plot(*zip(*each, strict=True), "o", color="C0", alpha=0.6, label="each training")
        axes.legend(loc="lower right", frameon=False)
    groups = [np.mean([point.groups for point in own]) for own in points]
    axes.set(
        xscale="log",
        xlabel="training images (groups of images that belong together)",
        ylim=(min(0.48, *(m.low - 0.02 for m in means if not math.isnan(m.low))), 1),
        ylabel="AUROC on validation, 95 % interval\n0.5: chance, 1: faultless",
    )
    axes.minorticks_off()
    axes.set_xticks(x, [f"{i:,.0f}\n({g:,.0f})" for i, g in zip(x, groups, strict=True)])
    axes.axhline(0.5, color="gray", linestyle=":")
    axes.set_title(textwrap.fill(title, 90), fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    with written_whole(path) as beside:
        figure.savefig(beside, dpi=110)


def main(argv: list[str]) -> None:
    """Leave learning_curve.csv and learning_curve.png, and say what they show; a user's mistake
    ends in a line.
    """
    arguments = parse(argv)
    train.quieten()
    try:
        config = CONFIG.load(arguments.Config, CONFIG.overrides(arguments))
        with ending_in_one_line(config.batch_size), held(arguments.OUTPUT):
            points, positive = measure(arguments, config)
            each = [point for own in points for point in own]
            rows = [
                vars(p) | {"auroc": p.auroc.value, "low": p.auroc.low, "high": p.auroc.high}
                for p in each
            ]
            sentence = verdict(points, positive)
            table, picture = (
                arguments.OUTPUT / f"learning_curve.{kind}" for kind in ("csv", "png")
            )
            with keeping_former(table), keeping_former(picture):
                write_table(table, rows)
                draw(points, sentence, picture)
    except (CONFIG.ConfigError, DataError, DeviceError, CheckpointError, FolderInUse) as error:
        sys.exit(str(error))
    print(f"{sentence}\nwrote {table} and {picture}")


if __name__ == "__main__":
    end_ctrl_c_in_one_line()
    main(sys.argv[1:])
