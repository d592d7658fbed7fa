"""The Trainer of a run, and the history that it leaves: metrics.csv and curves.png."""

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import TensorBoardLogger

from CONFIG import Config
from data.tables import write_table
from errors import note
from training.launch import is_single_process
from training.resume import WholeCheckpoints
from vit.checkpoint_gate import Plain
from vit.device import DeviceError, accelerator

SECONDS_BETWEEN_PICTURES = 30
# draws the metrics of every epoch; given by the caller, for pictures are the matter of report/
Draw = Callable[[list[dict[str, float]], Path], None]

# what libraries say that tells the user nothing
NOISE = (
    "does not have many workers",
    "exists and is not empty",
    "logging interval",
    "srun",
    "LeafSpec",
    "val_dataloader",
    "not resumable",  # the order of the images does go on, see SeededSampler
)


@dataclass(frozen=True)
class Devices:
    """What a run works on.

    Args:
        device: auto, cpu, gpu, cuda or mps.
        devices: how many of a node, or their numbers, as Lightning takes them; auto: all GPUs, one
            process on a CPU.
        num_nodes: machines.
        strategy: Lightning's strategy for several devices.
    """

    device: str = "auto"
    devices: str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"


class BestCheckpoint(ModelCheckpoint):
    """Keeps best.ckpt in the run's folder, wherever that lies when the run goes on.

    Lightning's own forgets the best epoch of a run that was moved or mounted elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            dirpath=folder,
            filename="best",
            monitor="val_auroc",
            mode="max",
            save_weights_only=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    @property
    def state_key(self) -> str:
        """The name under which Lightning files the state; that of its own class."""
        return super().state_key.replace(type(self).__name__, "ModelCheckpoint", 1)

    def load_state_dict(self, state_dict: Plain) -> None:
        """Take the state with the places that its files have now."""
        here = dict(state_dict, dirpath=self.dirpath)
        if state_dict["best_model_path"]:
            best = str(Path(str(self.dirpath)) / "best.ckpt")
            scores = state_dict["best_k_models"].values()
            here.update(best_model_path=best, kth_best_model_path=best)
            here["best_k_models"] = dict.fromkeys([best], next(iter(scores)))
        super().load_state_dict(here)


class History(pl.Callback):
    """The metrics of every epoch, through any number of resumes, as a table and a picture.

    Args:
        folder: of the run.
        draw: draws the curves; None: no picture.
    """

    def __init__(self, folder: Path, draw: Draw | None = None) -> None:
        self.folder = folder
        self.draw = draw
        self.rows: list[dict[str, float]] = []
        self.drawn = 0.0

    def state_dict(self) -> Plain:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: Plain) -> None:
        self.rows = state_dict["rows"]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch + 1, **metrics})
        is_last = trainer.current_epoch + 1 == trainer.max_epochs
        is_due = time.monotonic() - self.drawn > SECONDS_BETWEEN_PICTURES
        if trainer.is_global_zero and (is_last or is_due):
            self.write()

    def write(self) -> None:
        """Write metrics.csv and curves.png."""
        write_table(self.folder / "metrics.csv", self.rows, list(self.rows[-1]))
        if self.draw:
            self.draw(self.rows, self.folder / "curves.png")
        self.drawn = time.monotonic()


def trainer_for(
    folder: Path, callbacks: list[pl.Callback], config: Config, devices: Devices
) -> pl.Trainer:
    """Lightning's Trainer, which keeps best.ckpt in the run's folder.

    Args:
        folder: of the run.
        callbacks: History, and ResumeCallback, which keeps last.ckpt.
        config: epochs, gradient_clip, patience and precision.
        devices: that it works on.

    Raises:
        DeviceError: they are not there, or Lightning does not take them.
    """
    _forget_variables()
    kind = accelerator(devices.device)
    bar = TQDMProgressBar(refresh_rate=1 if sys.stderr.isatty() else 50)
    patience = []
    if config.patience:
        patience = [EarlyStopping("val_auroc", mode="max", patience=config.patience)]
    try:
        return pl.Trainer(
            accelerator=kind,
            devices=1 if kind == "cpu" and devices.devices == "auto" else devices.devices,
            num_nodes=devices.num_nodes,
            strategy=devices.strategy,
            precision=cast(Any, _precision(config.precision, kind)),
            max_epochs=config.epochs,
            gradient_clip_val=config.gradient_clip or None,
            callbacks=[*callbacks, bar, BestCheckpoint(folder), *patience],
            plugins=_plugins(devices),
            logger=TensorBoardLogger(folder, name="", version=""),
            num_sanity_val_steps=0,
            log_every_n_steps=10,
            use_distributed_sampler=False,
            enable_model_summary=False,
        )
    except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
        asked = f"--devices {devices.devices}, --num_nodes {devices.num_nodes}"
        asked += f", --strategy {devices.strategy}"
        said = " ".join(str(error).split())
        raise DeviceError(f"got {asked}, which Lightning does not take: {said}") from None


def _forget_variables() -> None:
    """Remove the variables from which Lightning takes what its Trainer is not told, and say so."""
    names = sorted(name for name in os.environ if name.startswith("PL_TRAINER_"))
    told = [f"{name}={os.environ.pop(name)}" for name in names]
    if told:
        note(f"{', '.join(told)} not used: config.yml and the command line alone shape a run")


def _plugins(devices: Devices) -> list[Any]:
    """Checkpoints written whole, and for a single process no cluster, whatever the shell holds."""
    if is_single_process(devices.device, devices.devices, devices.num_nodes):
        return [WholeCheckpoints(), LightningEnvironment()]
    return [WholeCheckpoints()]


def _precision(wanted: str, kind: str) -> str:
    """Lightning's name of the number format; auto takes mixed precision on a GPU."""
    if wanted == "auto" and kind == "gpu":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "32-true" if wanted in ("auto", "32") else wanted


def quieten() -> None:
    """Keep back what libraries say that tells the user nothing."""
    warnings.filterwarnings("ignore", message=f".*({'|'.join(NOISE)}).*")
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
