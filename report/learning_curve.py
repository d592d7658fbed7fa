"""Would more images help?
python -m report.learning_curve --Config config.yml --device cpu --OUTPUT learning_curve

Trains on growing shares of the training groups, each within the next, and judges all by the same
validation images, with the weights of the last epoch: the best one would have been chosen on those
images. Every share takes as many steps as the whole, for which an epoch repeats its images: a small
one is not merely trained less, but costs as much, and may be trained too long for so few images.
``patience`` is not used. Stopped, the same command goes on.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import CONFIG
import errors
from data.processed import Processed, load
from data.readers import DataError
from data.tables import write_table
from files import remove_leftovers
from locks import held, read_here
from report import plots
from report.curve import Curve, Point, draw, verdict
from report.shares import group_of, part
from training.beginning import Beginning, begin
from training.data_checks import check_images
from training.data_module import CoronaryData
from training.initial_weights import InitialWeights
from training.resume import one_process_speaks
from training.run import Run, run_folder
from training.trainer import Devices, quieten
from vit.archive import screen_init
from vit.device import accelerator


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
    parser.add_argument(
        "--OUTPUT",
        "--output",
        "-o",
        type=Path,
        default=Path("learning_curve"),
        help="folder for learning_curve.csv, learning_curve.png and runs/",
    )
    parser.add_argument(
        "--shares",
        type=float,
        nargs="+",
        default=[0.1, 0.25, 0.5, 1.0],
        metavar="S",
        help="shares of the training groups, two or more",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        help="trainings of each share, every one with other groups and another start",
    )
    keys = [name for name in CONFIG.FIELDS if name not in ("folds", "patience")]
    CONFIG.add_arguments(parser, keys)
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Plan:
    """One training of the curve.

    Args:
        share: of the training groups.
        seed: of the choice of groups, and of the training.
        images, groups: that it learns from.
        times: that each image is seen in an epoch, so that all trainings have like epochs.
        config: with the epochs that give it as many steps as the whole.
        data: the share, its images repeated.
    """

    share: float
    seed: int
    images: int
    groups: int
    times: int
    config: CONFIG.Config
    data: Processed

    @classmethod
    def of(cls, folder: Processed, config: CONFIG.Config, share: float, seed: int) -> "Plan":
        """That of a share of a folder. DataError: too few groups are left."""
        smaller = part(folder, share, seed)
        samples = smaller.of("train")
        whole = len(folder.of("train"))
        times = whole // len(samples)
        repeated = times * len(samples)
        steps = config.epochs * (whole // min(config.batch_size, whole))
        epochs = round(steps / (repeated // min(config.batch_size, repeated)))
        return cls(
            share,
            seed,
            len(samples),
            len({group_of(sample) for sample in samples}),
            times,
            replace(config, seed=seed, epochs=epochs, patience=0),
            replace(smaller, samples=samples * times + smaller.of("val")),
        )

    def __str__(self) -> str:
        return (
            f"share {self.share:g}, seed {self.seed}: {self.images} images of {self.groups} "
            f"groups, each {self.times} times in an epoch, {self.config.epochs} epochs"
        )

    def measure(self, output: Path, devices: Devices, begun: Beginning) -> Point:
        """Train what is not trained yet, in a folder below ``output``."""
        begun = replace(begun, config=self.config)
        folder = run_folder(output, begun, self.data)
        remove_leftovers(folder)
        data = CoronaryData(self.config, self.data)
        run = Run(folder, data, devices, begun, "last", plots.curves)
        run.finish()
        return Point(
            self.share,
            self.seed,
            self.images,
            self.groups,
            self.config.epochs,
            self.times,
            folder,
            run.validation(),
        )


def measure(arguments: argparse.Namespace, config: CONFIG.Config) -> Curve:
    """Train what is not trained yet: for each share, the smallest first, a point of each seed.

    Raises:
        ConfigError, DataError, DeviceError, CheckpointError: as train.py does; shares or seeds that
            make no curve.
    """
    shares = sorted(set(arguments.shares))
    seeds = range(config.seed, config.seed + arguments.seeds)
    _check(arguments, config)
    accelerator(arguments.device)  # a device that is not there is said before any work
    folder = load(Path(config.data_folder))
    check_images(config, folder)
    begun = begin(config, folder, arguments.OUTPUT)
    if begun.init:
        _refuse_known_images(begun.init, folder)
    # all of them now, so that faults are said before any work
    plans = [[Plan.of(folder, begun.config, share, seed) for seed in seeds] for share in shares]
    devices = Devices(arguments.device, devices="1")
    curve: Curve = []
    for of_share in plans:
        curve.append([])
        for plan in of_share:
            errors.say(str(plan))
            point = plan.measure(arguments.OUTPUT, devices, begun)
            curve[-1].append(point)
            errors.say(f"AUROC {point.auroc}")
    return curve


def _check(arguments: argparse.Namespace, config: CONFIG.Config) -> None:
    """Raise ConfigError for what makes no curve."""
    shares = set(arguments.shares)
    in_range = all(0 < share <= 1 for share in shares)
    if len(shares) < 2 or not in_range or arguments.seeds < 1:
        given = " ".join(f"{share:g}" for share in arguments.shares)
        raise CONFIG.ConfigError(
            f"got --shares {given} --seeds {arguments.seeds}; wanted two or more different shares "
            "above 0 and up to 1, and one seed or more, as --shares 0.1 0.25 0.5 1 --seeds 1"
        )
    if config.phantoms != "none":
        raise CONFIG.ConfigError(
            "phantoms: any number can be made, so their curve tells nothing; set phantoms: none"
        )
    if config.task != "classes":
        raise CONFIG.ConfigError(
            f"task: got {config.task}, but the curve follows the AUROC of the positive class; set "
            "task: classes"
        )


def _refuse_known_images(init: InitialWeights, folder: Processed) -> None:
    known = init.known_among(sample.sha256 for sample in folder.of("train"))
    if known:
        raise DataError(
            f"{init.path}: learned from {len(known)} of the training images, so that small shares "
            "would know them; give weights that did not, such as those from --phantoms"
        )


def main(argv: list[str]) -> None:
    """Leave learning_curve.csv and learning_curve.png, and say what they show.

    A user's mistake ends in one line.
    """
    arguments = parse(argv)
    quieten()
    with errors.ending_in_one_line():
        config = CONFIG.load(arguments.Config, CONFIG.overrides(arguments))
        screen_init(config.init)
    output = arguments.OUTPUT
    memory = f"lower batch_size, which is {config.batch_size}, or image_size; the runs so far stay"
    disk = "what was kept before is whole, and the same command goes on"
    with errors.ending_in_one_line(memory, disk), one_process_speaks(), held(output):
        with read_here(Path(config.data_folder)):
            curve = measure(arguments, config)
        sentence = verdict(curve)
        table = output / "learning_curve.csv"
        picture = output / "learning_curve.png"
        rows = [point.row() for points in curve for point in points]
        write_table(table, rows, keep_former=True)
        draw(curve, sentence, picture)
    errors.say(f"{sentence}\nwrote {table} and {picture}")


if __name__ == "__main__":
    errors.run(main)
