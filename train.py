"""Train a Vision Transformer: python train.py --Config config.yml --device gpu"""

import argparse
import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import CONFIG
import errors
from files import refuse_other_kinds, remove_leftovers, written_whole
from locks import held, held_beside, read_here

if TYPE_CHECKING:
    from data.processed import Processed
    from training.beginning import Beginning
    from training.publish import FinishedRun
    from training.run import Run

WRITTEN = ("ViT.ckpt", "report.html", "out_of_fold.csv")  # into OUTPUT, after all the work
WAIT_FOR_OTHERS = 3600.0  # seconds that another training may write its ViT.ckpt and report


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train.py", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--Config", "--config", "-c", type=Path, default=Path("config.yml"), help="config.yml"
    )
    parser.add_argument(
        "--device",
        "-d",
        default="auto",
        choices=("auto", "cpu", "gpu", "cuda", "mps"),
        help="auto takes a GPU where there is one",
    )
    parser.add_argument(
        "--devices", default="auto", help="how many devices of a node, or their numbers: 2 or 0,3"
    )
    parser.add_argument(
        "--num_nodes", type=int, default=1, help="machines (torchrun or SLURM starts them)"
    )
    parser.add_argument(
        "--strategy",
        default="auto",
        help="Lightning's strategy for several devices: ddp, fsdp, ...",
    )
    parser.add_argument(
        "--OUTPUT", "--output", "-o", type=Path, default=Path(), help="for ViT.ckpt and runs/"
    )
    parser.add_argument(
        "--folds",
        dest="cross_validate",
        type=int,
        default=0,
        metavar="K",
        help="cross-validate over the folds that data.prepare assigned",
    )
    CONFIG.add_arguments(parser, [name for name in CONFIG.FIELDS if name != "folds"])
    return parser.parse_args(argv)


def train(config: CONFIG.Config, arguments: argparse.Namespace, lock: ExitStack) -> None:
    """Train, or resume an unfinished run of the same configuration and data; leave ViT.ckpt."""
    from training.beginning import begin
    from training.data_checks import check_images
    from training.publish import FinishedRun, publish
    from training.resume import is_first_process
    from training.run import run_folder
    from training.trainer import quieten
    from vit.device import torch_device

    quieten()
    torch_device(arguments.device)  # one that is not there is said before any work
    if config.phantoms == "none":
        lock.enter_context(read_here(Path(config.data_folder)))
    folder = images_of(config, arguments.cross_validate, arguments.OUTPUT)
    check_images(config, folder, arguments.cross_validate)
    begun = begin(config, folder, arguments.OUTPUT)
    if is_first_process():
        errors.say(f"configuration: {json.dumps(dataclasses.asdict(begun.config))}")
    base = run_folder(arguments.OUTPUT, begun, folder, arguments.cross_validate)
    if is_first_process():
        lock.enter_context(held(base))
        for written in (arguments.OUTPUT, base, *base.glob("fold_*")):
            remove_leftovers(written)
    finished = []
    for run in runs_of(begun, arguments, folder, base):
        run.finish()
        if is_first_process():
            finished.append(FinishedRun(run.folder, run.validation()))
    if not is_first_process():
        return
    target = arguments.OUTPUT / "ViT.ckpt"
    with held_beside(target, WAIT_FOR_OTHERS):  # so that the report is of this very file
        publish(finished, target, config.sensitivity)
        if config.phantoms == "none":
            write_report(arguments, folder, finished)
    with written_whole(base / "finished.json") as beside:
        beside.write_text(json.dumps({"ViT.ckpt": "written"}), encoding="utf-8")


def images_of(config: CONFIG.Config, folds: int, output: Path) -> "Processed":
    """The prepared folder, or made-up images in its place, which are kept in ``output``.

    Raises:
        ConfigError: a number of folds that the images do not have.
        DataError: the faults of the folder.
    """
    from data.processed import load
    from phantoms.stream import make

    if config.phantoms != "none":
        if folds:
            raise CONFIG.ConfigError(
                "--folds: phantoms have no folds; leave out --folds, or set phantoms: none"
            )
        return make(config, output / "runs" / "phantoms")
    folder = load(Path(config.data_folder))
    if folds and folder.folds != folds:
        raise CONFIG.ConfigError(
            f"--folds: got {folds}, but {config.data_folder} was prepared with {folder.folds}; "
            f"prepare it with: python -m data.prepare --folds {folds} ..."
        )
    return folder


def runs_of(
    begun: "Beginning", arguments: argparse.Namespace, folder: "Processed", base: Path
) -> Iterator["Run"]:
    """One run with its best weights, or one for each fold with its last weights."""
    from report.plots import curves
    from training.data_module import CoronaryData
    from training.run import Run
    from training.trainer import Devices

    devices = Devices(arguments.device, arguments.devices, arguments.num_nodes, arguments.strategy)
    if not arguments.cross_validate:
        yield Run(base, CoronaryData(begun.config, folder), devices, begun, "best", curves)
    for number in range(arguments.cross_validate):
        # one at a time, for they take memory
        data = CoronaryData(begun.config, folder.with_fold(number))
        yield Run(base / f"fold_{number}", data, devices, begun, "last", curves)


def write_report(
    arguments: argparse.Namespace, folder: "Processed", finished: "list[FinishedRun]"
) -> None:
    """Write report.html of the validation images beside ViT.ckpt."""
    from report import page
    from vit.device import torch_device

    validations = [run.validation for run in finished]
    target = arguments.OUTPUT / "ViT.ckpt"
    page.of_validation(target, folder, validations, torch_device(arguments.device))
    errors.say(f"wrote {arguments.OUTPUT / 'report.html'}: open it in a browser")


def main(argv: list[str]) -> None:
    """Train as the command line says; a user's mistake ends in one line."""
    arguments = parse(argv)
    with errors.ending_in_one_line():
        from vit.archive import screen_init

        config = CONFIG.load(arguments.Config, CONFIG.overrides(arguments))
        refuse_other_kinds(*(arguments.OUTPUT / name for name in WRITTEN))
        screen_init(config.init)  # before torch, for which it may have been made, is there
    from training.launch import forget_other_launchers, is_single_process

    is_single = is_single_process(arguments.device, arguments.devices, arguments.num_nodes)
    forget_other_launchers(is_single)
    from training.resume import one_process_speaks

    memory = f"lower batch_size, which is {config.batch_size}, or image_size; the runs so far stay"
    disk = "what was kept before is whole, and the same command goes on"
    with errors.ending_in_one_line(memory, disk), one_process_speaks(), ExitStack() as lock:
        train(config, arguments, lock)


if __name__ == "__main__":
    errors.run(main)
