"""A training run: its Trainer, and what it leaves in its folder, each file written whole."""

import csv
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import TensorBoardLogger

from files import written_whole
from report import plots
from training.resume import Keeper, WholeCheckpoints
from vit.device import DeviceError

SECONDS_BETWEEN_PICTURES = 30


class History(pl.Callback):
    """The metrics of every epoch, through any number of resumes, as a table and a picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = list[dict[str, float]]()
        self.drawn = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch + 1, **metrics})
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if trainer.is_global_zero and (
            last or time.monotonic() - self.drawn > SECONDS_BETWEEN_PICTURES
        ):
            self.write()

    def write(self) -> None:
        """Write metrics.csv and curves.png."""
        with (
            written_whole(self.folder / "metrics.csv") as beside,
            open(beside, "w", newline="") as file,
        ):
            table = csv.DictWriter(file, fieldnames=list(self.rows[-1]))
            table.writeheader()
            table.writerows(self.rows)
        plots.curves(self.rows, self.folder / "curves.png")
        self.drawn = time.monotonic()


def trainer_for(
    folder: Path,
    history: History,
    keeper: Keeper,
    epochs: int,
    gradient_clip: float,
    patience: int,
    **how: Any,
) -> pl.Trainer:
    """Lightning's Trainer, which keeps best.ckpt and last.ckpt in the run's folder.

    Args:
        folder: of the run.
        history: keeps the metrics.
        keeper: keeps last.ckpt.
        epochs: passes over the training images.
        gradient_clip: largest norm of the gradient; 0: no clipping.
        patience: epochs without a better validation AUROC after which to stop; 0: never.
        how: passed on to Lightning: accelerator, devices, num_nodes, strategy, precision.

    Raises:
        DeviceError: Lightning does not take these.
    """
    best: dict[str, Any] = {
        "dirpath": folder,
        "filename": "best",
        "monitor": "val_auroc",
        "mode": "max",
    }
    callbacks: list[Any] = [
        history,
        keeper,
        TQDMProgressBar(refresh_rate=1 if sys.stderr.isatty() else 50),
        ModelCheckpoint(
            **best,
            save_weights_only=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
    ]
    if patience:
        callbacks.append(EarlyStopping("val_auroc", mode="max", patience=patience))
    try:
        return pl.Trainer(
            max_epochs=epochs,
            gradient_clip_val=gradient_clip or None,
            callbacks=callbacks,
            plugins=[WholeCheckpoints()],
            logger=TensorBoardLogger(folder, name="", version=""),
            num_sanity_val_steps=0,
            log_every_n_steps=10,
            use_distributed_sampler=False,
            enable_model_summary=False,
            **how,
        )
    except (ValueError, TypeError, MisconfigurationException) as error:
        asked = ", ".join(f"--{name} {how[name]}" for name in ("devices", "num_nodes", "strategy"))
        raise DeviceError(
            f"got {asked}, which Lightning does not take: {' '.join(str(error).split())}"
        ) from None
