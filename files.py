"""Writing files so that a reader meets the old one or the new one, never half of one; and Ctrl-C in
one line.
"""

import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

# begins the name of what is being written; a process follows
UNFINISHED = f".unfinished-{socket.gethostname()[:60]}-"


class FolderInUse(ValueError):
    """Another process writes to a folder, with who it is in one line."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; it is synced and renamed to ``path`` if the block
    succeeds.

    Missing parent folders are made. If the block raises, ``path`` is as it was and the other name
    is gone.
    """
    path = Path(path)
    beside = path.with_name(f"{UNFINISHED}{os.getpid()}-{path.stem[:80]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        _sync(beside)
        os.replace(beside, path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _sync(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say for which file
        raise
    finally:
        if beside.exists():
            beside.unlink()


@contextmanager
def folder_written_whole(output: Path) -> Iterator[Path]:
    """Yield the name of a folder beside ``output`` to make; it takes that name if the block
    succeeds, or is gone.

    ``output`` must not exist when the block ends.
    """
    beside = output.with_name(f".{output.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        yield beside
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    beside.rename(output)


def end_ctrl_c_in_one_line() -> None:
    """Whatever this process does from now on, Ctrl-C ends it without a traceback; its status is
    that of the signal.

    Only the first is heard: a second would interrupt what the first leaves to be done, such as
    removing half a folder.
    """
    usual = sys.excepthook

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print("\nstopped by Ctrl-C", file=sys.stderr)
        else:
            usual(kind, error, trace)

    def first(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    sys.excepthook = say
    signal.signal(signal.SIGINT, first)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep every other process that asks for it out of a folder.

    The lock is the kernel's, of this process alone: it goes with the process however that ends, and
    loader workers that outlive it for a moment do not hold it.

    Raises:
        FolderInUse: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":  # has no such lock
        yield
        return
    import fcntl

    with open(folder / "lock", "a+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            raise FolderInUse(
                f"{folder}: is in use by {file.read().strip()}; wait for it, or stop it"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def remove_leftovers(folder: Path) -> None:
    """Remove what ``written_whole`` could not, in processes of this machine that were killed."""
    for path in folder.glob(f"{UNFINISHED}*"):
        process = path.name.removeprefix(UNFINISHED).split("-")[0]
        if process.isdigit() and not _runs(int(process)):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name != "posix":  # elsewhere os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as another user
        pass
    return True


@contextmanager
def keeping_former(path: Path) -> Iterator[None]:
    """Keep the file at ``path`` under a dated name, and say so, unless the block leaves the same
    file there.
    """
    if not path.exists():
        yield
        return
    date = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(path.stat().st_mtime))
    tails = ("", *(f"_{number}" for number in range(2, 99)))
    names = [path.with_name(f"{path.stem}_{date}{tail}{path.suffix}") for tail in tails]
    former = next(name for name in names if not name.exists())
    with written_whole(former) as beside:
        shutil.copy2(path, beside)
    try:
        yield
    finally:
        if former.read_bytes() == path.read_bytes():
            former.unlink()
        else:
            print(f"kept the former {path} as {former}")
