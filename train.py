"""Train a Vision Transformer on a ProcessedFolder: python train.py --Config config.yml --device gpu"""

import argparse
import dataclasses
import hashlib
import json
import logging
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import CONFIG
from files import FolderInUse, end_ctrl_c_in_one_line, held, remove_leftovers, written_whole

if TYPE_CHECKING:
    from data.processed import Processed
    from training.data_module import CoronaryData


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
        "--OUTPUT",
        "--output",
        "-o",
        type=Path,
        default=Path(),
        help="folder for ViT.ckpt and runs/",
    )
    parser.add_argument(
        "--init", type=Path, help="ViT.ckpt whose weights to begin with, as from --phantoms"
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


def quieten() -> None:
    """Keep back what libraries say that tells the user nothing."""
    noise = "does not have many workers|exists and is not empty|logging interval|srun|LeafSpec|val_dataloader"
    noise += "|not resumable"  # the order of the images does go on, see SeededSampler
    warnings.filterwarnings("ignore", message=f".*({noise}).*")
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)


def run_folder(config: CONFIG.Config, arguments: argparse.Namespace, folder: "Processed") -> Path:
    """The folder of the unfinished run of this configuration and data, or of its next new run."""
    number = 1
    kind = f"{config.fingerprint()}-{folder.split_hash()[:6]}"
    if arguments.init:
        kind += f"-{hashlib.sha256(arguments.init.read_bytes()).hexdigest()[:6]}"
    if arguments.cross_validate:
        kind += f"-{arguments.cross_validate}folds"
    runs = arguments.OUTPUT / "runs"
    while (runs / f"{kind}-{number}" / "finished.json").exists():
        number += 1
    return Path(runs / f"{kind}-{number}")


def contents(config: CONFIG.Config, data: "CoronaryData", run: str) -> dict[str, Any]:
    """What ViT.ckpt holds besides weights and metrics; plain types only."""
    from importlib.metadata import version

    from vit.checkpoint import FORMAT

    usual = {
        "border": 0.0,
        "stretch": False,
        "window": None,
        "frame": -1,
    }  # of folders that do not say
    how = {name: data.processed.info.get(name, value) for name, value in usual.items()}
    return {
        "format_version": FORMAT,
        "config": dataclasses.asdict(config),
        "class_names": data.processed.class_names,
        "preprocessing": {
            "image_size": config.image_size,
            "mean": data.mean,
            "std": data.std,
            **how,
        },
        "threshold": 0.5,
        "temperature": 1.0,
        "run": run,
        "split_sha256": data.processed.split_hash(),
        "training_images_sha256": []
        if config.phantoms != "none"
        else [s.sha256 for s in data.train.samples],
        "versions": {"python": sys.version.split()[0]}
        | {name: version(name) for name in ("torch", "pytorch-lightning", "torchmetrics", "numpy")},
    }


def fit(
    config: CONFIG.Config,
    arguments: argparse.Namespace,
    data: "CoronaryData",
    folder: Path,
    weights: str,
) -> None:
    """Train in the run's folder, from where it stands, until it is finished; validate its best or
    last weights.
    """
    import pytorch_lightning as pl
    from torch import nn

    from data.readers import DataError
    from training.lightning_module import Classifier
    from training.publish import write_familiarity, write_validation
    from training.resume import Keeper
    from training.trainer import History, trainer_for
    from vit import checkpoint
    from vit.archive import CheckpointError
    from vit.device import accelerator, precision

    if (folder / "validation.csv").exists():
        return
    history = History(folder)
    last = folder / "last.ckpt"
    keeper = Keeper(folder, config.keep_seconds, [sample.path for sample in data.train.samples])
    device = accelerator(arguments.device)
    devices = 1 if device == "cpu" and arguments.devices == "auto" else arguments.devices
    trainer = trainer_for(
        folder,
        history,
        keeper,
        config.epochs,
        config.gradient_clip,
        config.patience,
        accelerator=device,
        devices=devices,
        num_nodes=arguments.num_nodes,
        strategy=arguments.strategy,
        precision=precision(config.precision, device),
    )
    pl.seed_everything(config.seed, verbose=False)
    model = checkpoint.build_model(dataclasses.asdict(config))
    if arguments.init:
        checkpoint.initialise(model, arguments.init)
    balance = data.class_weights() if config.class_weights else None
    kept = contents(config, data, folder.name)
    if arguments.init:
        first = checkpoint.load(arguments.init)[1]
        known = {sample.sha256 for sample in data.val.samples} & set(
            first.get("training_images_sha256", [])
        )
        if known and not config.allow_leaks:
            raise DataError(
                f"{arguments.init}: learned from {len(known)} of the {len(data.val)} validation images, "
                "which flatters; give weights that did not, or set allow_leaks: true"
            )
        kept["init"] = {name: first.get(name, "") for name in ("run", "config", "split_sha256")}
    head = nn.Linear(config.embedding_size, 2) if data.train.patch_size else None
    recipe = (config.lr, config.weight_decay, config.warmup_share, config.label_smoothing)
    classifier = Classifier(model, *recipe, balance, kept, head, config.lesion_loss, config.seed)
    if trainer.is_global_zero:
        CONFIG.write(config, folder / "config.yml")
        print(
            f"{len(data.train)} training and {len(data.val)} validation images, {trainer.world_size} process(es), "
            f"{sum(p.numel() for p in model.parameters()):,} parameters"
        )
        print(f"{'going on with' if last.exists() else 'new'} run {folder}")
    if last.exists():
        checkpoint.load(last)  # its types and ranges are checked before Lightning takes it
    try:
        trainer.fit(classifier, data, ckpt_path=last if last.exists() else None, weights_only=True)
        if trainer.is_global_zero:
            # now, for last.ckpt is of before the last validation and takes its row back
            history.write()
        trainer.validate(
            classifier, data, ckpt_path=folder / f"{weights}.ckpt", weights_only=True, verbose=False
        )
    except DataError:
        raise
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        if (
            isinstance(error, RuntimeError) and keeper.signal
        ):  # the first process has kept the state and left
            raise keeper.stopped() from None
        restoring = last.exists() and not keeper.listening
        if restoring and (not isinstance(error, RuntimeError) or "state_dict" in str(error)):
            said = (str(error).splitlines() or [""])[0]
            raise CheckpointError(
                f"{last}: is not of this kind of run: {type(error).__name__}, "
                f"{said[:300]}; remove it to begin anew"
            ) from None
        raise
    if trainer.is_global_zero:
        (plain,), _ = checkpoint.load(
            folder / f"{weights}.ckpt"
        )  # whole, however the strategy spreads the model
        write_familiarity(folder / "familiarity.ckpt", plain, data.train, data.val)
        write_validation(
            folder / "validation.csv", data.val, classifier.predictions[:, 2:].numpy(force=True)
        )
    trainer.strategy.barrier()


def train(config: CONFIG.Config, arguments: argparse.Namespace, lock: ExitStack) -> None:
    """Train, or go on with an unfinished run of the same configuration and data, and leave
    ViT.ckpt.
    """
    from data.processed import load
    from phantoms.stream import make
    from report import page
    from training.data_module import CoronaryData
    from training.publish import publish
    from training.resume import is_first_process
    from vit import checkpoint
    from vit.device import torch_device

    quieten()
    device = torch_device(arguments.device)  # one that is not there is said before any work
    if is_first_process():
        print(f"configuration: {json.dumps(dataclasses.asdict(config))}")
    if arguments.init:
        checkpoint.load(arguments.init)  # a wrong file is said before any work
    if arguments.cross_validate and config.phantoms != "none":
        raise CONFIG.ConfigError(
            "--folds: phantoms have no folds; leave out --folds, or set phantoms: none"
        )
    folder = make(config) if config.phantoms != "none" else load(Path(config.data_folder))
    base = run_folder(config, arguments, folder)
    if is_first_process():
        lock.enter_context(held(base))
        for written in (arguments.OUTPUT, base, *base.glob("fold_*")):
            remove_leftovers(written)
    if arguments.cross_validate == 0:
        fit(config, arguments, CoronaryData(config, folder), base, "best")
        runs = [base]
    else:
        if folder.folds != arguments.cross_validate:
            raise CONFIG.ConfigError(
                f"--folds: got {arguments.cross_validate}, but {config.data_folder} was prepared "
                f"with {folder.folds}; prepare it with: python -m data.prepare "
                f"--folds {arguments.cross_validate} ..."
            )
        runs = [base / f"fold_{number}" for number in range(arguments.cross_validate)]
        for number, run in enumerate(runs):
            fit(config, arguments, CoronaryData(config, folder.with_fold(number)), run, "last")
    if is_first_process():
        publish(runs, arguments.OUTPUT / "ViT.ckpt", config.sensitivity)
        if config.phantoms == "none":
            page.of_validation(
                arguments.OUTPUT / "ViT.ckpt", folder, arguments.cross_validate, device
            )
            print(f"wrote {arguments.OUTPUT / 'report.html'}: open it in a browser")
        with written_whole(base / "finished.json") as beside:
            beside.write_text(json.dumps({"ViT.ckpt": "written"}), encoding="utf-8")


def main(argv: list[str]) -> None:
    arguments = parse(argv)
    from vit.archive import CheckpointError, screened

    try:
        config = CONFIG.load(arguments.Config, CONFIG.overrides(arguments))
        if arguments.init:
            screened(arguments.init)  # before torch, for which it may have been made, is there
    except (CONFIG.ConfigError, CheckpointError) as error:
        sys.exit(str(error))
    from data.readers import DataError
    from training.resume import ending_in_one_line
    from vit.device import DeviceError

    try:
        with ending_in_one_line(config.batch_size), ExitStack() as lock:
            train(config, arguments, lock)
    except (CONFIG.ConfigError, DataError, DeviceError, CheckpointError, FolderInUse) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    end_ctrl_c_in_one_line()
    main(sys.argv[1:])
