"""Going on where a run was interrupted, and one line for what can stop it."""

import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities import rank_zero_only

from files import written_whole
from vit import checkpoint
from vit.device import out_of_memory_in_one_line

# the last is what SLURM can send before the time is up: sbatch --signal=USR1@60
STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]


class Stopped(Exception):
    """A run that ends before its time: why, in one line, and the status that the process ends with."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


def is_first_process() -> bool:
    """Whether this is the process, of however many, that writes files and speaks."""
    return bool(rank_zero_only.rank == 0)  # type: ignore[attr-defined]


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, each written beside and renamed."""

    def save_checkpoint(
        self, contents: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        checkpoint.save(contents, Path(path))

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return dict(checkpoint.read(Path(path)))


class Keeper(pl.Callback):
    """Keeps last.ckpt, from which the same command goes on to the same result, and stops the run
    where it must.

    It is kept when enough seconds have passed after a step, before each validation, and after the
    step in which a signal came; never with weights or after a loss that are no numbers.

    Args:
        folder: of the run.
        seconds: between two kept states.
        names: of the training images, to tell those of a bad step.
    """

    def __init__(self, folder: Path, seconds: float, names: list[str]) -> None:
        self.folder = folder
        self.seconds = seconds
        self.names = names
        self.sums = dict[
            str, float
        ]()  # of each loss over the steps of this epoch, all processes alike
        self.signal = 0
        self.stopping = False
        self.kept = time.monotonic()
        self.listening = False  # from the first step or validation on

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.sums}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.sums = state_dict["sums"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._listen()

    def _listen(self) -> None:
        """In place of Lightning, whose own answer to SIGTERM can leave processes waiting for each
        other.
        """
        self.listening = True
        for number in STOPPING:
            signal.signal(number, self._hear)

    def _hear(self, number: int, _: Any) -> None:
        self.signal = number

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.sums = {}

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.images = [self.names[i] for i in batch[2].tolist()]
        parts = [name for name in outputs if name != "loss"]
        due = trainer.is_global_zero and time.monotonic() - self.kept >= self.seconds
        own = torch.tensor(
            [*(float(outputs[name]) for name in parts), bool(self.signal), due],
            device=pl_module.device,
        )
        *losses, told, due = trainer.strategy.reduce(
            own, reduce_op="sum"
        ).tolist()  # so that all processes agree
        for name, loss in zip(parts, losses, strict=True):
            if not math.isfinite(loss):
                raise self._no_number(trainer, f"{name} is {loss}")
            self.sums[name] = self.sums.get(name, 0.0) + loss / trainer.world_size
        self.stopping = told > 0
        if (
            told or due
        ) and not trainer.is_last_batch:  # else validation comes at once, and keeps it
            self._keep(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._listen()
        if trainer.state.fn == "fit":
            self._keep(trainer)

    def on_validation_batch_end(self, *_: Any) -> None:
        if self.signal:  # what was kept before the validation is all there is to keep
            raise self.stopped()

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for name, total in self.sums.items() if trainer.state.fn == "fit" else ():
            pl_module.log(name, total / trainer.num_training_batches, prog_bar=name == "train_loss")

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # Lightning ends the loader workers of training or of validation, not of both
        trainer.fit_loop.teardown()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.validating:  # Lightning skips a validation unless it was left with a batch begun
            checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]["total"].update(
                ready=1, started=1
            )

    def _keep(self, trainer: pl.Trainer) -> None:
        if not all(
            bool(weights.isfinite().all()) for weights in trainer.lightning_module.parameters()
        ):
            raise self._no_number(trainer, "a weight is no finite number after it")
        trainer.save_checkpoint(self.folder / "last.ckpt", weights_only=False)
        self.kept = time.monotonic()
        if self.stopping:
            raise self.stopped()

    def stopped(self) -> Stopped:
        """What to end with after a signal, of this process or of another."""
        number = self.signal or signal.SIGTERM
        return Stopped(
            f"stopped by {signal.Signals(number).name}; the same command goes on with {self.folder}",
            128 + number,
        )

    def _no_number(self, trainer: pl.Trainer, what: str) -> Stopped:
        step = f"epoch {trainer.current_epoch + 1}, step {trainer.fit_loop.batch_idx + 1}"
        path = self.folder / f"not_finite_{trainer.global_rank}.txt"
        with written_whole(path) as beside:
            beside.write_text("\n".join([f"{step}: {what}", *self.images, ""]), encoding="utf-8")
        some = ", ".join(self.images[:3])
        return Stopped(
            f"{step}: {what}; its images, as {some}, are listed in {self.folder}/not_finite_*.txt; "
            "last.ckpt is of before it; mend or leave out such images, or lower lr",
            1,
        )


@contextmanager
def ending_in_one_line(batch_size: int) -> Iterator[None]:
    """Leave with one line and a status where the run must stop, or the machine has no room for it."""
    try:
        with out_of_memory_in_one_line(
            f"lower batch_size, which is {batch_size}, or image_size; the runs so far stay"
        ):
            yield
    except Stopped as stopped:
        if not is_first_process():
            sys.exit(
                0
                # Lightning would kill the first process, which may still be writing, if another failed
            )
        print(f"\n{stopped}", file=sys.stderr)
        sys.exit(stopped.status)
    except KeyboardInterrupt:
        print("\nstopped by SIGINT; the same command goes on", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except OSError as error:
        if error.errno is None:
            raise
        sys.exit(
            f"{error.filename}: {error.strerror}; what was kept before is whole, and the same command goes on"
        )
