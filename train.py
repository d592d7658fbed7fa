"""Train a Vision Transformer on a ProcessedFolder: python train.py --Config config.yml --device gpu"""

import argparse
import dataclasses
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import CONFIG
from files import keep_aside, written_whole

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from data.datamodule import CoronaryData
    from vit.progress import History


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--Config", "--config", "-c", type=Path, default=Path("config.yml"), help="config.yml")
    parser.add_argument("--device", "-d", default="auto", choices=("auto", "cpu", "gpu", "cuda", "mps"),
                        help="auto takes a GPU where there is one")  # fmt: skip
    parser.add_argument("--devices", default="auto", help="how many devices of a node, or their numbers: 2 or 0,3")
    parser.add_argument("--num_nodes", type=int, default=1, help="machines (torchrun or SLURM starts them)")
    parser.add_argument("--strategy", default="auto", help="Lightning's strategy for several devices: ddp, fsdp, ...")
    parser.add_argument("--OUTPUT", "--output", "-o", type=Path, default=Path(), help="folder for ViT.ckpt and runs/")
    CONFIG.add_arguments(parser)
    return parser.parse_args(argv)


def accelerator(device: str) -> str:
    """Lightning's name for the device. Raises ConfigError where there is none such."""
    import torch

    if device in ("gpu", "cuda") and not torch.cuda.is_available():
        raise CONFIG.ConfigError(f"--device {device}: this machine has no GPU that torch {torch.__version__} can use; "
                                 "wanted one, or --device cpu, or --device auto")  # fmt: skip
    if device == "mps" and not torch.backends.mps.is_available():
        raise CONFIG.ConfigError("--device mps: this machine has none; use --device cpu or --device auto")
    return {"auto": "gpu" if torch.cuda.is_available() else "cpu", "cuda": "gpu"}.get(device, device)


def precision(config: CONFIG.Config, accelerator: str) -> str:
    """The number format: as configured, or what suits the accelerator."""
    import torch

    if config.precision != "auto":
        return config.precision if config.precision != "32" else "32-true"
    if accelerator == "gpu":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "32-true"


def run_folder(output: Path, name: str) -> Path:
    """The folder of the unfinished run of this configuration and data, or of its next new run."""
    number = 1
    while (output / "runs" / f"{name}-{number}" / "finished.json").exists():
        number += 1
    return output / "runs" / f"{name}-{number}"


def contents(config: CONFIG.Config, data: "CoronaryData", run: str) -> dict[str, Any]:
    """What ViT.ckpt holds besides weights and metrics; plain types only."""
    from importlib.metadata import version

    from vit.checkpoint import FORMAT

    info = data.processed.info
    return {
        "format_version": FORMAT,
        "config": dataclasses.asdict(config),
        "class_names": data.processed.class_names,
        "preprocessing": {
            "image_size": config.image_size,
            "mean": data.mean,
            "std": data.std,
            "border": float(info.get("border", 0.0)),
            "stretch": bool(info.get("stretch", False)),
        },
        "threshold": 0.5,
        "temperature": 1.0,
        "run": run,
        "split_sha256": data.processed.split_hash(),
        "training_images_sha256": [sample.sha256 for sample in data.train.samples],
        "versions": {"python": sys.version.split()[0]}
        | {name: version(name) for name in ("torch", "pytorch-lightning", "torchmetrics", "numpy")},
    }


def trainer_for(config: CONFIG.Config, arguments: argparse.Namespace, folder: Path, history: "History") -> "pl.Trainer":
    """Lightning's Trainer, which keeps best.ckpt and last.ckpt in the run's folder."""
    import pytorch_lightning as pl
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
    from pytorch_lightning.loggers import TensorBoardLogger

    from vit.progress import WholeCheckpoints

    device = accelerator(arguments.device)
    keep: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False, "save_on_train_epoch_end": True}
    callbacks: list[Any] = [
        history,
        TQDMProgressBar(refresh_rate=1 if sys.stderr.isatty() else 50),
        ModelCheckpoint(filename="best", monitor="val_auroc", mode="max", save_weights_only=True, **keep),
        ModelCheckpoint(filename="last", **keep),
    ]
    if config.patience:
        callbacks.append(EarlyStopping("val_auroc", mode="max", patience=config.patience))
    return pl.Trainer(
        accelerator=device,
        devices=1 if device == "cpu" and arguments.devices == "auto" else arguments.devices,
        num_nodes=arguments.num_nodes,
        strategy=arguments.strategy,
        precision=precision(config, device),  # type: ignore[arg-type]
        max_epochs=config.epochs,
        gradient_clip_val=config.gradient_clip or None,
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        logger=TensorBoardLogger(folder, name="", version=""),
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        use_distributed_sampler=False,
        enable_model_summary=False,
    )


def train(config: CONFIG.Config, arguments: argparse.Namespace) -> None:
    """Train, or go on with an unfinished run of the same configuration and data, and leave ViT.ckpt."""
    import pytorch_lightning as pl
    from torch import nn

    from data.datamodule import CoronaryData
    from vit import checkpoint
    from vit.module import Classifier
    from vit.progress import History

    warnings.filterwarnings(
        "ignore", message=".*(does not have many workers|exists and is not empty|logging interval|srun|LeafSpec).*"
    )
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    data = CoronaryData(config)
    folder = run_folder(arguments.OUTPUT, f"{config.fingerprint()}-{data.processed.split_hash()[:6]}")
    history, last = History(folder), folder / "last.ckpt"
    trainer = trainer_for(config, arguments, folder, history)
    pl.seed_everything(config.seed, verbose=False)
    model = checkpoint.build_model(dataclasses.asdict(config))
    weights = data.class_weights() if config.class_weights else None
    kept = contents(config, data, folder.name)
    head = nn.Linear(config.embedding_size, 1) if data.train.patch_size else None
    recipe = (config.lr, config.weight_decay, config.warmup_share, config.label_smoothing)
    classifier = Classifier(model, *recipe, weights, kept, head, config.lesion_loss, config.seed)
    if trainer.is_global_zero:
        CONFIG.write(config, folder / "config.yml")
        print(f"configuration: {json.dumps(dataclasses.asdict(config))}")
        print(f"{len(data.train)} training and {len(data.val)} validation images, {trainer.world_size} process(es), "
              f"{sum(p.numel() for p in model.parameters()):,} parameters")  # fmt: skip
        print(f"{'going on with' if last.exists() else 'new'} run {folder}")
    try:
        trainer.fit(classifier, data, ckpt_path=last if last.exists() else None, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        sys.exit(f"\nstopped; the same command goes on from {last}, the best weights so far are in {folder}/best.ckpt")
    if trainer.is_global_zero:
        publish(folder, arguments.OUTPUT / "ViT.ckpt", history)
    trainer.strategy.barrier()


def publish(folder: Path, target: Path, history: "History") -> None:
    """Make the best weights of a finished run ViT.ckpt; an older one is kept under a dated name."""
    import torch

    from vit import checkpoint

    history.write()
    best = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=True)
    kept = keep_aside(target)
    checkpoint.save({**best, "history": history.rows}, target)
    found = best["validation"]
    with written_whole(folder / "finished.json") as beside:
        beside.write_text(json.dumps(found, indent=2), encoding="utf-8")
    if kept:
        print(f"kept the former {target} as {kept}")
    metrics = [f"{name.removeprefix('val_')} {value:.3f}" for name, value in found.items() if name != "epoch"]
    print(f"best of {len(history.rows)} epochs is {found['epoch']}, on validation: {', '.join(metrics)}")
    print(f"wrote {target}; curves and logs in {folder}")


def main(argv: list[str]) -> None:
    arguments = parse(argv)
    try:
        config = CONFIG.load(arguments.Config, CONFIG.overrides(arguments))
        from data.readers import DataError
    except CONFIG.ConfigError as error:
        sys.exit(str(error))
    try:
        train(config, arguments)
    except (CONFIG.ConfigError, DataError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
