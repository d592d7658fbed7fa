"""What the user's shell leaves to a command: variables of launchers, signals, text that is none."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning_utilities.core import rank_zero
from torch.utils.data import DataLoader, Dataset

import CONFIG
import errors
import train
from tests.test_files import holding
from tests.test_resume import RECIPE
from tests.test_train import PROJECT, command, folder  # noqa: F401  a fixture
from training import launch
from training.launch import forget_other_launchers, is_single_process
from training.resume import STOPPING, ResumeCallback
from training.trainer import Devices, trainer_for

SLURM = {"SLURM_NTASKS": "8", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train"}
LEFT = [
    {"LOCAL_RANK": "1"},
    {"RANK": "1"},
    {"JSM_NAMESPACE_RANK": "2"},
    {"NODE_RANK": "1"},
    {"GROUP_RANK": "3", "RANK": "12", "WORLD_SIZE": "16"},
    {**SLURM, "SLURM_PROCID": "3", "SLURM_JOB_NAME": "bash"},
    {**SLURM, "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"},
]


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The shell of a test holds no variable of a launcher, and is as it was afterwards."""
    for name in (*launch.RANKS, *launch.NODES, *launch.LAUNCHED, *SLURM):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(rank_zero.rank_zero_only, "rank", 0)
    return monkeypatch


@pytest.mark.parametrize("left", LEFT, ids=[" ".join(left) for left in LEFT])
def test_a_run_of_one_process_does_not_know_its_rank_from_another_launcher(
    clean: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], left: dict[str, str]
) -> None:
    for name, value in left.items():
        clean.setenv(name, value)
    rank_zero.rank_zero_only.rank = 3
    forget_other_launchers(is_single=True)
    assert not {*launch.RANKS, *launch.NODES} & os.environ.keys()
    assert rank_zero.rank_zero_only.rank == 0
    told = [f"{name}={left[name]}" for name in (*launch.RANKS, *launch.NODES) if name in left]
    said = capsys.readouterr().err
    assert all(word in said for word in told if not word.endswith("=0"))
    assert bool(said) == any(not word.endswith("=0") for word in told)


@pytest.mark.parametrize(
    "started",
    [
        {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"},
        {**SLURM, "SLURM_PROCID": "3"},
        {"JSM_NAMESPACE_RANK": "2"},
    ],
    ids=["torchrun", "SLURM", "LSF"],
)
def test_several_processes_keep_the_rank_that_their_launcher_gave(
    clean: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], started: dict[str, str]
) -> None:
    for name, value in started.items():
        clean.setenv(name, value)
    forget_other_launchers(is_single=False)
    assert started.items() <= os.environ.items()
    assert capsys.readouterr().err == ""


def test_a_rank_alone_starts_no_run_of_several_processes(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("LOCAL_RANK", "1")
    forget_other_launchers(is_single=False)
    assert "LOCAL_RANK" not in os.environ


@pytest.mark.parametrize(
    ("asked", "is_single"),
    [
        (("cpu", "auto", 1), True),
        (("auto", "1", 1), True),
        (("cpu", "2", 1), False),
        (("gpu", "0,1", 1), False),
        (("cpu", "auto", 2), False),
    ],
)
def test_one_process_is_what_the_command_line_asks_for(
    asked: tuple[str, str, int], is_single: bool
) -> None:
    assert is_single_process(*asked) is is_single


def test_a_rank_that_was_left_behind_leaves_a_checkpoint_all_the_same(
    clean: pytest.MonkeyPatch,
    folder: Path,  # noqa: F811
) -> None:
    clean.setenv("LOCAL_RANK", "1")
    clean.setenv("SLURM_PROCID", "3")
    clean.setattr(train, "write_report", lambda *_: None)
    train.main(command(folder, "out", "--epochs", "1"))
    assert (folder.parent / "out" / "ViT.ckpt").is_file()


def test_variables_of_lightning_do_not_shape_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PL_TRAINER_LIMIT_TRAIN_BATCHES", "1")
    monkeypatch.setenv("PL_TRAINER_FAST_DEV_RUN", "1")
    for _ in range(2):  # as of two folds
        trainer = trainer_for(tmp_path, [], CONFIG.Config(epochs=3), Devices("cpu"))
        assert (trainer.limit_train_batches, trainer.max_epochs) == (1.0, 3)
    said = "note: PL_TRAINER_FAST_DEV_RUN=1, PL_TRAINER_LIMIT_TRAIN_BATCHES=1 not used: "
    assert capsys.readouterr().err.count(said) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM", "SIGUSR1"])
def test_a_signal_to_stop_is_heard(name: str) -> None:
    assert getattr(signal, name) in STOPPING


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
def test_a_terminal_that_closes_leaves_a_run_to_go_on_with(
    folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = ResumeCallback.on_train_batch_end
    formers = {number: signal.getsignal(number) for number in STOPPING}

    def hang_up(self: Any, trainer: Any, *more: Any) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        own(self, trainer, *more)

    monkeypatch.setattr(ResumeCallback, "on_train_batch_end", hang_up)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
    try:
        with pytest.raises(SystemExit) as ended:
            train.main(command(folder, "out", *RECIPE))
    finally:
        for number, former in formers.items():
            signal.signal(number, former)
    assert ended.value.code == 128 + signal.SIGHUP
    assert "stopped by SIGHUP; the same command goes on" in capsys.readouterr().err
    assert list((folder.parent / "out").glob("runs/*/last.ckpt"))


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
def test_a_run_under_nohup_outlives_its_terminal(
    folder: Path,  # noqa: F811
) -> None:
    formers = {number: signal.getsignal(number) for number in STOPPING}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ResumeCallback(folder, 0, [])._listen()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is not formers[signal.SIGTERM]
    finally:
        for number, former in formers.items():
            signal.signal(number, former)


class Killed(Dataset[int]):
    """Images whose loader worker is killed."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return number


def test_a_killed_loader_worker_is_one_line() -> None:
    said = (
        r"\Aa process that works on images was killed; set num_workers: 0, or free memory: less\Z"
    )
    with pytest.raises(SystemExit, match=said), errors.ending_in_one_line("less"):
        list(DataLoader(Killed(), num_workers=1))


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("unable to open shared memory object </torch_1> in read-write mode", "is full; set num_"),
        (
            "unable to write to file </torch_1>: No space left on device (28): shm",
            "is full; set num",
        ),
        ("DataLoader worker (pid 7) is killed by signal: Bus error", "was killed; set num_workers"),
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "was killed; set num_workers: 0"),
        ("A process in the process pool was terminated abruptly", "was killed; set num_workers: 0"),
    ],
)
def test_the_death_of_a_helper_is_one_line(said: str, line: str) -> None:
    with pytest.raises(SystemExit, match=line), errors.ending_in_one_line():
        raise RuntimeError(said)


def test_a_fault_of_the_program_in_a_loader_worker_is_not_called_a_lost_process() -> None:
    said = "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback: a bug"
    with pytest.raises(RuntimeError, match=r"a bug"), errors.ending_in_one_line():
        raise RuntimeError(said)


def ended(main: Callable[[list[str]], int | None]) -> Any:
    former = signal.getsignal(signal.SIGINT)
    hook = sys.excepthook
    try:
        with pytest.raises(SystemExit) as caught:
            errors.run(main)
    finally:
        signal.signal(signal.SIGINT, former)
        sys.excepthook = hook
    return caught.value.code


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "tkagg", "no"])
def test_a_backend_of_a_notebook_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setenv("MPLBACKEND", backend)
    monkeypatch.setattr(sys, "argv", ["predict.py"])
    assert ended(lambda _: None) is None
    assert os.environ["MPLBACKEND"] == "Agg"


@pytest.mark.parametrize(
    ("backend", "left"),
    [
        ("module://no_such_package.backend_inline", "Agg"),
        ("module://", "Agg"),
        ("module://json.decoder", "module://json.decoder"),
        ("svg", "svg"),
    ],
)
def test_only_a_backend_that_is_not_here_is_left_out(
    monkeypatch: pytest.MonkeyPatch, backend: str, left: str
) -> None:
    monkeypatch.setenv("MPLBACKEND", backend)
    errors.leave_missing_backend()
    assert os.environ["MPLBACKEND"] == left


def test_a_command_begins_under_a_backend_of_a_notebook() -> None:
    words = [sys.executable, "-m", "data.prepare", "--help"]
    shell = os.environ | {"MPLBACKEND": "module://no_such_package.backend_inline"}
    assert subprocess.run(words, env=shell, cwd=PROJECT, stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "utf-8"])
def test_output_of_any_encoding_is_written(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "argv", ["predict.py"])
    assert ended(lambda _: errors.say("Gesund \u2013 狭窄 \x1b[2J")) is None
    out.flush()
    said = out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert said.startswith("Gesund ")
    assert said.endswith("\\x1b[2J\n")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_command_runs_where_the_shell_closed_a_stream(tmp_path: Path, closed: str) -> None:
    main = (
        "import errors, sys\n"
        "def main(words):\n"
        "    errors.say('out'), errors.note('err'), sys.stderr.write(''), sys.stdin.read()\n"
        "    kept = open(words[0], 'w')\n"
        "    kept.write(str(kept.fileno() > 2))\n"
        "errors.run(main)\n"
    )
    script = f'"{sys.executable}" -c "{main}" "{tmp_path / "kept"}" {closed}'
    ended = subprocess.run(script, shell=True, cwd=PROJECT, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0
    assert (tmp_path / "kept").read_text() == "True"  # what C code says goes into no file of ours


def test_a_word_of_the_command_line_that_is_no_text_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["predict.py", "--OUTPUT", os.fsdecode(b"\xff\xfe.png")])
    said = ended(lambda _: pytest.fail("was run"))
    assert said == r"got '\udcff\udcfe.png', wanted text in UTF-8; rename the file"


@pytest.mark.parametrize(
    "text", ["\x1b]0;owned\a", "\x9b31m", "a\rb", "\u202egnp.exe", "\x00", "\udcff"]
)
def test_what_steers_a_terminal_is_spelt_out(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    errors.say(text)
    errors.note(text)
    out, err = capsys.readouterr()
    assert out.strip().isprintable()
    assert err.strip().isprintable()
    assert err == f"note: {out}"


def test_a_training_waits_until_another_has_published_into_its_folder(
    folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published = folder.parent / "out" / "ViT.ckpt"
    published.parent.mkdir()
    monkeypatch.setattr(train, "write_report", lambda *_: None)
    monkeypatch.setattr(train, "WAIT_FOR_OTHERS", 0.1)
    words = command(folder, "out", "--epochs", "1")
    other = holding("held_beside", published)
    try:
        said = rf"ViT\.ckpt: is in use by process {other.pid} on "
        with pytest.raises(SystemExit, match=said):
            train.main(words)
        assert not published.exists()
    finally:
        other.kill()
        other.communicate()
    train.main(words)
    assert published.exists()
