"""locks.py: the old file or the new one, whatever happens, and one process in a folder."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import CONFIG
import data.prepare
import train
from errors import ending_in_one_line
from files import UNFINISHED, folder_written_whole, free_dated_name, remove_leftovers, written_whole
from locks import FolderInUse, held, held_beside, read_here
from tests.test_train import PROJECT
from vit import checkpoint

DISK = "what was kept before is whole"
LARGEST = 100_000  # bytes of a file while the disk is "full"


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file can grow beyond a size, which the system tells the same way as a full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, former[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, former)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_block_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ValueError, match=r"no"), written_whole(tmp_path / "a.txt") as beside:
        beside.write_text("half")
        raise ValueError("no")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_one_line_and_the_last_good_checkpoint_stays(
    tmp_path: Path, ckpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ckpt.read_bytes()
    words = rf"\A{ckpt}: File too large; what was kept before is whole"
    with pytest.raises(SystemExit, match=words), ending_in_one_line(disk=DISK):
        checkpoint.save({"state_dict": {"a": torch.zeros(LARGEST)}}, ckpt)
    assert ckpt.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["ViT.ckpt"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with (
        pytest.raises(SystemExit, match=r"out: File exists; what was kept"),
        ending_in_one_line(disk=DISK),
    ):
        checkpoint.save({}, tmp_path / "out" / "ViT.ckpt")


def test_an_error_of_the_program_stays_one(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"a bug"), ending_in_one_line(disk=DISK):
        raise RuntimeError("a bug")
    with pytest.raises(OSError, match=r"power cut"), ending_in_one_line(disk=DISK):
        raise OSError("power cut")


def test_a_lock_keeps_others_out_as_long_as_its_process_lives(tmp_path: Path) -> None:
    hold = (
        "from pathlib import Path; import locks, sys, time\n"
        "with locks.held(Path(sys.argv[1])): print(1, flush=True)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", f"{hold}; time.sleep(60)", str(tmp_path)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    other.stdout.readline()
    with (
        pytest.raises(FolderInUse, match=rf"{tmp_path}: is in use by process {other.pid} on "),
        held(tmp_path),
    ):
        pass
    other.kill()
    other.communicate()
    with held(tmp_path):
        assert (tmp_path / "lock_holder").read_text().startswith(f"process {os.getpid()} on ")


def test_only_what_dead_writers_left_is_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = {
        ".gitignore",
        f".backup.{dead.pid}.csv",
        "last.ckpt",
        f".unfinished-elsewhere-{dead.pid}-last.ckpt",
    }
    kept = mine | {f"{UNFINISHED}{os.getpid()}-last.ckpt"}
    for name in (*kept, f"{UNFINISHED}{dead.pid}-last.ckpt", f"{UNFINISHED}{dead.pid}-a.b"):
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_a_name_of_any_length_that_a_disk_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".csv")
    with written_whole(path) as beside:
        beside.write_text("whole")
    assert path.read_text() == "whole"


def test_two_former_files_of_one_second_are_both_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for word in ("one", "two", "three"):
        with written_whole(path, keep_former=True) as beside:
            beside.write_text(word)
        os.utime(path, (1e9, 1e9))
    assert sorted(kept.read_text() for kept in tmp_path.glob("a_*.txt")) == ["one", "two"]


def test_the_error_number_survives(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, written_whole(tmp_path / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "a"))


def test_a_folder_that_is_not_finished_is_gone(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="of the block"),
        folder_written_whole(tmp_path / "made") as made,
    ):
        made.mkdir()
        (made / "one").write_text("half")
        raise ValueError("of the block")
    assert not list(tmp_path.iterdir())


def test_a_folder_takes_its_name_when_it_is_finished(tmp_path: Path) -> None:
    with folder_written_whole(tmp_path / "made") as made:
        made.mkdir()
        (made / "one").write_text("whole")
        assert not (tmp_path / "made").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "one"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("times", [1, 30])
def test_ctrl_c_ends_a_command_and_its_processes_in_one_line(tmp_path: Path, times: int) -> None:
    command = [
        sys.executable,
        "-m",
        "phantoms.ct",
        "--OUTPUT",
        str(tmp_path / "new"),
        "--patients",
        "3000",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while (
        process.poll() is None
        and len(list(tmp_path.glob(f"{UNFINISHED}*-new.partial/images/*/*.png"))) < 20
    ):
        time.sleep(0.1)
    for _ in range(times):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.01)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == -signal.SIGINT
    assert said.endswith("\nstopped by Ctrl-C\n")
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_processes_of_a_killed_command_end_too(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "phantoms.ct",
        "--OUTPUT",
        str(tmp_path / "new"),
        "--patients",
        "3000",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    while (
        process.poll() is None
        and len(list(tmp_path.glob(f"{UNFINISHED}*-new.partial/images/*/*.png"))) < 20
    ):
        time.sleep(0.1)
    process.kill()
    process.wait()
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("processes of the group were left after 10 s")


def holding(way: str, path: Path) -> "subprocess.Popen[str]":
    """Another process that holds a path in a way of locks.py until it is killed."""
    code = (
        "from pathlib import Path; import locks, sys, time\n"
        "with getattr(locks, sys.argv[1])(Path(sys.argv[2])):\n"
        "    print(1, flush=True)\n    time.sleep(60)"
    )
    words = [sys.executable, "-c", code, way, str(path)]
    process = subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ("held_beside", held_beside, True),  # two preparations
        ("read_here", held_beside, True),  # a preparation during a training
        ("held_beside", read_here, True),  # a training during a preparation
        ("read_here", read_here, False),  # two trainings
    ],
)
def test_a_folder_that_is_read_or_made_is_not_made_at_once(
    tmp_path: Path, first: str, second: Any, refused: bool
) -> None:
    (tmp_path / "PF").mkdir()
    other = holding(first, tmp_path / "PF")
    try:
        if refused:
            said = rf"PF: is in use by process {other.pid} on \S+; wait for it, or stop it"
            with pytest.raises(FolderInUse, match=said), second(tmp_path / "PF"):
                pass
        else:
            with second(tmp_path / "PF"):
                pass
    finally:
        other.kill()
        other.communicate()
    with second(tmp_path / "PF"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["PF"]


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_one_path_by_two_names_is_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PF").mkdir()
    (tmp_path / "link").symlink_to("PF")
    monkeypatch.chdir(tmp_path / "PF")
    for name in (Path(), tmp_path / "link", Path("..") / "PF"):
        with pytest.raises(FolderInUse), held_beside(tmp_path / "PF"), read_here(name):
            pass


def test_who_waits_gets_a_path_when_it_is_free(tmp_path: Path) -> None:
    other = holding("held_beside", tmp_path / "ViT.ckpt")
    threading.Timer(0.5, other.kill).start()
    with held_beside(tmp_path / "ViT.ckpt", wait=30):
        assert other.wait(10)
    other.communicate()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_disk_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "PF").mkdir()
    tmp_path.chmod(0o500)
    with read_here(tmp_path / "PF"):
        pass
    tmp_path.chmod(0o700)


def test_a_reader_that_fails_leaves_no_lock(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder"), read_here(tmp_path / "PF"):
        raise ValueError("no such folder")
    assert not list(tmp_path.iterdir())


def test_a_folder_beside_nothing_is_read(tmp_path: Path) -> None:
    with read_here(tmp_path / "none" / "PF"):  # its loader says what is missing
        assert not list(tmp_path.iterdir())


def test_a_folder_that_a_dead_process_left_half_made_is_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    half = tmp_path / f"{UNFINISHED}{dead.pid}-made.partial"
    other = tmp_path / f"{UNFINISHED}{os.getppid()}-made.partial"  # of a process that runs
    for folder in (half, other):
        (folder / "train").mkdir(parents=True)
    with folder_written_whole(tmp_path / "made") as made:
        made.mkdir()
        assert not half.exists()
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "made", other])


def test_a_dated_name_of_a_folder_with_a_dot_is_that_of_the_whole_name(tmp_path: Path) -> None:
    (tmp_path / "set.v2").mkdir()
    os.utime(tmp_path / "set.v2", (1e9, 1e9))
    first = free_dated_name(tmp_path / "set.v2")
    first.mkdir()
    assert first.name.startswith("set.v2_2001-09-0")
    assert free_dated_name(tmp_path / "set.v2").name == f"{first.name}_2"


@pytest.mark.parametrize("command", ["train", "prepare"])
def test_a_command_on_a_folder_in_use_ends_in_one_line(tmp_path: Path, command: str) -> None:
    (tmp_path / "PF").mkdir()
    with held_beside(tmp_path / "PF"), pytest.raises(SystemExit, match=r"PF: is in use by proc"):
        if command == "train":
            CONFIG.write(CONFIG.Config(data_folder=str(tmp_path / "PF")), tmp_path / "c.yml")
            words = ["--Config", str(tmp_path / "c.yml"), "--OUTPUT", str(tmp_path / "out")]
            train.main([*words, "--device", "cpu"])
        else:
            data.prepare.main(["--Path", str(tmp_path), "--OUTPUT", str(tmp_path / "PF")])
