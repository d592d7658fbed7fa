"""A run that is killed, told to stop or fed bad numbers goes on to the same result, and what it
leaves is whole.
"""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

import CONFIG
import train
from data.dataset import SeededSampler
from files import UNFINISHED
from tests.test_train import PROJECT, command, metrics
from training.lightning_module import Classifier
from training.resume import ResumeCallback
from training.trainer import History

pytestmark = pytest.mark.usefixtures("unreported")
RECIPE = (
    "--epochs",
    "3",
    "--batch_size",
    "4",
    "--hidden_dropout_prob",
    "0.2",
    "--patch_dropout",
    "0.2",
)


@pytest.fixture
def folder(folder: Path) -> Path:
    CONFIG.write(CONFIG.Config(), folder.parent / "config.yml")
    return folder


def weights(output: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    (path,) = output.glob(f"runs/*/{name}")
    return dict(torch.load(path, weights_only=True)["state_dict"])


def same(a: Path, b: Path) -> bool:
    alike = []
    for name in ("last.ckpt", "best.ckpt"):
        other = weights(b, name)
        alike += [torch.equal(value, other[key]) for key, value in weights(a, name).items()]
    tables = [
        [next(x.glob(f"runs/*/{name}")).read_bytes() for x in (a, b)]
        for name in ("metrics.csv", "validation.csv")
    ]
    return all(alike) and all(own == other for own, other in tables)


@contextmanager
def failing(
    monkeypatch: pytest.MonkeyPatch, owner: Any, hook: str, when: Callable[[Any], bool]
) -> Iterator[None]:
    """The lights go out after that hook has run, once the trainer is where ``when`` says."""
    own = getattr(owner, hook)

    def power_cut(self: Any, trainer: Any, *more: Any) -> None:
        own(self, trainer, *more)
        if when(trainer):
            raise OSError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(owner, hook, power_cut)
        yield


MOMENTS: list[tuple[Any, str, Callable[[Any], bool]]] = [
    (
        ResumeCallback,
        "on_train_batch_end",
        lambda trainer: trainer.current_epoch == 0 and trainer.fit_loop.batch_idx == 2,
    ),
    (
        ResumeCallback,
        "on_train_batch_end",
        lambda trainer: trainer.current_epoch == 0 and trainer.is_last_batch,
    ),
    (ResumeCallback, "on_validation_start", lambda trainer: trainer.current_epoch == 1),
    (History, "on_train_epoch_end", lambda trainer: trainer.current_epoch == 1),
    (
        ResumeCallback,
        "on_train_batch_end",
        lambda trainer: trainer.current_epoch == 2 and trainer.fit_loop.batch_idx == 0,
    ),
    (ResumeCallback, "on_validation_start", lambda trainer: trainer.current_epoch == 2),
    (History, "on_train_epoch_end", lambda trainer: trainer.current_epoch == 2),
    (ResumeCallback, "on_validation_batch_end", lambda trainer: trainer.state.fn == "validate"),
]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_that_is_cut_at_any_moment_goes_on_to_the_same_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """Within an epoch, after its last step, before and after validation; the last epoch too."""
    recipe = (*RECIPE, "--num_workers", workers, "--keep_seconds", "0")
    train.main(command(folder, "whole", *RECIPE))
    for owner, hook, when in MOMENTS:
        with failing(monkeypatch, owner, hook, when), pytest.raises(OSError, match=r"power cut"):
            train.main(command(folder, "cut", *recipe))
    train.main(command(folder, "cut", *recipe))
    assert same(folder.parent / "whole", folder.parent / "cut")


@pytest.mark.parametrize(("seconds", "kept"), [("0", True), ("1000", False)])
def test_within_an_epoch_a_state_is_kept_once_enough_seconds_have_passed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: str, kept: bool
) -> None:
    with failing(monkeypatch, *MOMENTS[0]), pytest.raises(OSError, match=r"power cut"):
        train.main(command(folder, "out", *RECIPE, "--keep_seconds", seconds))
    assert bool(list(folder.parent.glob("out/runs/*/last.ckpt"))) == kept


def test_the_training_loss_is_of_one_epoch(folder: Path) -> None:
    train.main(command(folder, "out", "--epochs", "3", "--lr", "1e-9"))
    first, *others = (float(row["train_loss"]) for row in metrics(folder.parent / "out"))
    assert others == pytest.approx([first] * 2, rel=0.2)


@pytest.mark.parametrize("part", ["optimizer_states", "lr_schedulers", "CoronaryData"])
def test_a_state_of_another_form_is_refused_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    with failing(monkeypatch, *MOMENTS[2]), pytest.raises(OSError, match=r"power cut"):
        train.main(command(folder, "out", *RECIPE))
    (last,) = folder.parent.glob("out/runs/*/last.ckpt")
    state = torch.load(last, weights_only=True)
    torch.save(
        state
        | {part: {name: [] for name in state[part]} if isinstance(state[part], dict) else [[]]},
        last,
    )
    with pytest.raises(
        SystemExit, match=r"last.ckpt: is not of this kind of run: .*; remove it to begin anew$"
    ):
        train.main(command(folder, "out", *RECIPE))


def test_patience_is_not_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = ("--epochs", "30", "--patience", "2", "--lr", "1e-9")
    train.main(command(folder, "whole", *recipe))
    epochs = len(metrics(folder.parent / "whole"))
    over = failing(
        monkeypatch,
        ResumeCallback,
        "on_validation_batch_end",
        lambda trainer: trainer.state.fn == "validate",
    )
    with over, pytest.raises(OSError, match=r"power cut"):
        train.main(command(folder, "cut", *recipe))
    train.main(command(folder, "cut", *recipe))
    assert len(metrics(folder.parent / "cut")) == epochs < 30


def test_a_sampler_goes_on_within_its_epoch_and_begins_the_next_at_its_start() -> None:
    whole, late = (SeededSampler(10, 2, 0, 1, 0, True, start) for start in ((0, 0), (3, 4)))
    whole.set_epoch(3)
    late.set_epoch(3)
    assert list(late) == list(whole)[4:]
    assert len(late) == 10
    late.set_epoch(4)
    whole.set_epoch(4)
    assert list(late) == list(whole)


@pytest.mark.parametrize(
    ("step", "kept"), [(1, [1, 2]), (3, [1, 4])], ids=["in an epoch", "its last step"]
)
def test_a_signal_keeps_the_step_in_which_it_came(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: int, kept: list[int]
) -> None:
    own = Classifier.training_step

    def told(self: Classifier, batch: Any, batch_idx: int) -> Any:
        if (self.current_epoch, batch_idx) == (1, step):
            os.kill(os.getpid(), signal.SIGTERM)
        return own(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", told)
    with pytest.raises(SystemExit) as stopped:
        train.main(command(folder, "out", *RECIPE))
    assert stopped.value.code == 128 + signal.SIGTERM
    (last,) = (folder.parent / "out").glob("runs/*/last.ckpt")
    assert torch.load(last, weights_only=True)["CoronaryData"]["start"] == kept


def begin(folder: Path, *more: str) -> "subprocess.Popen[str]":
    arguments = command(folder, "out", "--epochs", "2000", "--num_workers", "2", *more)
    return subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *arguments],
        cwd=PROJECT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_for_state(process: "subprocess.Popen[str]", output: Path) -> Path:
    """The first state of a run; two processes on two busy cores may need minutes."""
    for _ in range(3000):
        for path in output.glob("runs/*/last.ckpt"):
            return path
        if process.poll() is not None:
            break
        time.sleep(0.1)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError(f"no state was kept:\n{''.join(process.communicate())}")


def alive(group: int) -> list[str]:
    """The processes of a group; those that have ended and were not yet asked for count not."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    fields = [stat.rsplit(")", 1)[1].split() for stat in stats]
    return [state for state, _, own, *_ in fields if own == str(group) and state != "Z"]


@pytest.mark.parametrize(
    ("number", "devices"),
    [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGUSR1, 1), (signal.SIGTERM, 2)],
)
def test_a_signal_keeps_the_state_says_so_and_leaves_nothing_running(
    folder: Path, number: signal.Signals, devices: int
) -> None:
    process = begin(folder, "--keep_seconds", "1000", "--devices", str(devices))
    last = wait_for_state(process, folder.parent / "out")
    if number == signal.SIGUSR1 or devices == 2:
        os.kill(process.pid, number)
    else:
        os.killpg(process.pid, number)  # as Ctrl-C and schedulers do, loader workers too
    said = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 128 + number
    assert f"stopped by {number.name}; the same command goes on with {last.parent}" in said
    time.sleep(0.5)
    assert not alive(process.pid)
    torch.load(last, weights_only=True)


def test_a_second_run_in_one_folder_is_refused_and_a_dead_one_does_not_block(folder: Path) -> None:
    process = begin(folder)
    last = wait_for_state(process, folder.parent / "out")
    with pytest.raises(
        SystemExit, match=rf"is in use by process {process.pid} on .*; wait for it, or stop it"
    ):
        train.main(command(folder, "out", "--epochs", "2000"))
    process.kill()
    process.communicate()
    left = last.with_name(f"{UNFINISHED}{process.pid}-last.ckpt")
    left.write_text("half a file")
    train.main(command(folder, "out", "--epochs", "1"))
    again = begin(folder)  # its loader workers may still be there
    time.sleep(0.1)
    again_said = ""
    for line in again.stdout or ():
        again_said += line
        if "run" in line and str(last.parent) in line:
            break
    again.kill()
    again.communicate()
    assert f"going on with run {last.parent}" in again_said
    assert not left.exists()


def test_a_loss_that_is_no_number_names_the_images_and_keeps_the_last_good_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Classifier.training_step

    def bad(self: Classifier, batch: Any, batch_idx: int) -> Any:
        own_loss = own(self, batch, batch_idx)
        factor = torch.nan if self.global_step == 5 else 1.0
        return {name: value * factor for name, value in own_loss.items()}

    monkeypatch.setattr(Classifier, "training_step", bad)
    with pytest.raises(SystemExit) as stopped:
        train.main(command(folder, "out", *RECIPE, "--keep_seconds", "0"))
    assert stopped.value.code == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("epoch 2, step 1: train_loss is nan; its images, as train/")
    (listed,) = (folder.parent / "out").glob("runs/*/not_finite_0.txt")
    names = listed.read_text().splitlines()[1:]
    assert len(names) == 4
    assert all((folder / name).exists() for name in names)
    assert all(bool(value.isfinite().all()) for value in weights(folder.parent / "out").values())


def test_a_weight_that_is_no_number_is_never_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(self: Classifier, *_: Any) -> None:
        if self.global_step == 5:
            next(self.parameters()).data.fill_(torch.inf)

    monkeypatch.setattr(Classifier, "on_before_zero_grad", spoil)
    with pytest.raises(SystemExit):
        train.main(command(folder, "out", *RECIPE, "--keep_seconds", "0"))
    assert all(bool(value.isfinite().all()) for value in weights(folder.parent / "out").values())


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_out_of_memory_names_the_key_to_lower(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Classifier, "training_step", full)
    with pytest.raises(SystemExit, match=r"\Aout of memory: lower batch_size, which is 8"):
        train.main(command(folder))


def test_a_label_outside_the_classes_names_the_file(folder: Path) -> None:
    rows = list(csv.DictReader((folder / "manifest.csv").open()))
    rows[3]["label"] = "odd"
    with open(folder / "manifest.csv", "w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    with pytest.raises(
        SystemExit, match=rf"{rows[3]['path']}: got label 'odd', wanted one of normal, abnormal"
    ):
        train.main(command(folder))


def test_the_number_of_loader_workers_changes_nothing(folder: Path) -> None:
    for workers in ("0", "1", "2"):
        train.main(command(folder, workers, *RECIPE, "--rotate", "10", "--num_workers", workers))
    assert same(folder.parent / "0", folder.parent / "1")
    assert same(folder.parent / "0", folder.parent / "2")


def test_memory_and_handles_do_not_grow_with_the_epochs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = History.on_train_epoch_end
    seen = list[tuple[int, int]]()

    def look(self: History, trainer: Any, module: Any) -> None:
        own(self, trainer, module)
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        seen.append((resident, len(list(Path("/proc/self/fd").iterdir()))))

    monkeypatch.setattr(History, "on_train_epoch_end", look)
    train.main(
        command(folder, "out", "--epochs", "30", "--num_workers", "1", "--keep_seconds", "0")
    )
    (early, handles), (late, handles_late) = seen[4], seen[-1]
    assert late < 1.05 * early
    assert handles_late == handles
