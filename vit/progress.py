"""What a training run leaves in its folder, each file written whole: checkpoints, metrics.csv, curves.png."""

import csv
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.plugins.io import TorchCheckpointIO

from files import written_whole
from vit import checkpoint, plot

SECONDS_BETWEEN_PICTURES = 30


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, each written beside and renamed."""

    def save_checkpoint(self, contents: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        checkpoint.save(contents, Path(path))


class History(pl.Callback):
    """The metrics of every epoch, through any number of resumes, as a table and a picture."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows, self.drawn = folder, list[dict[str, float]](), 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch + 1, **metrics})
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if trainer.is_global_zero and (last or time.monotonic() - self.drawn > SECONDS_BETWEEN_PICTURES):
            self.write()

    def write(self) -> None:
        """Write metrics.csv and curves.png."""
        with written_whole(self.folder / "metrics.csv") as beside, open(beside, "w", newline="") as file:
            table = csv.DictWriter(file, fieldnames=list(self.rows[-1]))
            table.writeheader()
            table.writerows(self.rows)
        plot.curves(self.rows, self.folder / "curves.png")
        self.drawn = time.monotonic()
