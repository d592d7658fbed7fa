"""Resume: a run goes on where it was interrupted, and says in one line why it stopped."""

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

from errors import EndedEarly
from files import written_whole
from vit import checkpoint
from vit.checkpoint_gate import Plain

# the last is what SLURM can send before the time is up: sbatch --signal=USR1@60
STOPPING = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    if hasattr(signal, name)
]


def _is_ignored(number: int) -> bool:
    """Whether it is the end of a terminal that nohup has asked to outlive."""
    return number == getattr(signal, "SIGHUP", 0) and signal.getsignal(number) is signal.SIG_IGN


def is_first_process() -> bool:
    """Whether this is the process, of however many, that writes files and speaks."""
    return bool(rank_zero_only.rank == 0)  # type: ignore[attr-defined]


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, each written beside and renamed."""

    def save_checkpoint(self, contents: Plain, path: Any, storage_options: Any = None) -> None:
        checkpoint.save(contents, Path(path))

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> Plain:
        return dict(checkpoint.read(Path(path)))


class ResumeCallback(pl.Callback):
    """Keeps last.ckpt, from which the same command resumes to the same result.

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
        # of each loss over the steps of this epoch, the same on all processes
        self.sums: dict[str, float] = {}
        self.images: list[str] = []  # of the last step
        self.signal = 0
        self.stopping = False
        self.kept = time.monotonic()
        self.listening = False  # from the first step or validation on

    @property
    def state_key(self) -> str:
        """The name under which Lightning files the state; that of the first version."""
        return "Keeper"

    def state_dict(self) -> Plain:
        return {"sums": self.sums}

    def load_state_dict(self, state_dict: Plain) -> None:
        self.sums = state_dict["sums"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._listen()

    def _listen(self) -> None:
        """Take the signals; Lightning's own answer can leave processes waiting for each other."""
        self.listening = True
        for number in STOPPING:
            if not _is_ignored(number):
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
        is_due = trainer.is_global_zero and time.monotonic() - self.kept >= self.seconds
        numbers = [float(outputs[name]) for name in parts]
        numbers += [bool(self.signal), is_due]
        tensor = torch.tensor(numbers, device=pl_module.device)
        summed = trainer.strategy.reduce(tensor, reduce_op="sum")  # so that all processes agree
        *losses, told, due = summed.tolist()
        for name, loss in zip(parts, losses, strict=True):
            if not math.isfinite(loss):
                raise self._no_number(trainer, f"{name} is {loss}")
            self.sums[name] = self.sums.get(name, 0.0) + loss / trainer.world_size
        self.stopping = told > 0
        # after the last step validation comes at once, and keeps it
        if (told or due) and not trainer.is_last_batch:
            self._keep(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._listen()
        if trainer.state.fn == "fit":
            self._keep(trainer)

    def on_validation_batch_end(self, *_: Any) -> None:
        if self.signal:  # what was kept before the validation is all there is to keep
            raise self.stopped()

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        for name, total in self.sums.items():
            mean = total / trainer.num_training_batches
            pl_module.log(name, mean, prog_bar=name == "train_loss")

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # Lightning ends the loader workers of training or of validation, not of both
        trainer.fit_loop.teardown()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: Plain
    ) -> None:
        if trainer.validating:  # Lightning skips a validation unless it was left with a batch begun
            loops = checkpoint["loops"]["fit_loop"]
            loops["epoch_loop.val_loop.batch_progress"]["total"].update(ready=1, started=1)

    def _keep(self, trainer: pl.Trainer) -> None:
        parameters = trainer.lightning_module.parameters()
        if not all(bool(weights.isfinite().all()) for weights in parameters):
            raise self._no_number(trainer, "a weight is no finite number after it")
        trainer.save_checkpoint(self.folder / "last.ckpt", weights_only=False)
        self.kept = time.monotonic()
        if self.stopping:
            raise self.stopped()

    def stopped(self) -> EndedEarly:
        """What to end with after a signal, of this process or of another."""
        number = self.signal or signal.SIGTERM
        name = signal.Signals(number).name
        reason = f"stopped by {name}; the same command goes on with {self.folder}"
        return EndedEarly(reason, 128 + number)

    def _no_number(self, trainer: pl.Trainer, what: str) -> EndedEarly:
        step = f"epoch {trainer.current_epoch + 1}, step {trainer.fit_loop.batch_idx + 1}"
        path = self.folder / f"not_finite_{trainer.global_rank}.txt"
        with written_whole(path) as beside:
            beside.write_text("\n".join([f"{step}: {what}", *self.images, ""]), encoding="utf-8")
        some = ", ".join(self.images[:3])
        return EndedEarly(
            f"{step}: {what}; its images, as {some}, are listed in {self.folder}/not_finite_*.txt; "
            "last.ckpt is of before it; mend or leave out such images, or lower lr",
            1,
        )


@contextmanager
def one_process_speaks() -> Iterator[None]:
    """Of several processes that end early the first one says why, with its status.

    Lightning would kill the first process, which may still be writing, if another one failed.

    Raises:
        EndedEarly: on the first process; Ctrl-C too.
        SystemExit: on all others, with status 0.
    """
    try:
        yield
    except EndedEarly:
        if not is_first_process():
            sys.exit(0)
        raise
    except KeyboardInterrupt:
        reason = "stopped by SIGINT; the same command goes on"
        raise EndedEarly(reason, 128 + signal.SIGINT) from None
