"""Files and folders: written whole or not at all, kept where they were, locked while in use.

A reader meets the old file or the new one, never half of one.
"""

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from errors import UserError

# begins the name of a file that is being written; the number of the process follows
UNFINISHED = f".unfinished-{socket.gethostname()[:60]}-"
WAIT_FOR_WORKERS = 20.0  # seconds that loader workers of a killed process may hold its lock


class FolderInUse(UserError):
    """Another process writes to a folder; the message says which one."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; it becomes ``path`` if the block succeeds.

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
    """Yield the name of a folder beside ``output`` to make; it becomes ``output`` on success.

    ``output`` must not exist when the block ends. If the block raises, the other folder is gone.
    """
    beside = output.with_name(f".{output.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        yield beside
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    beside.rename(output)


@contextmanager
def keeping_former(path: Path) -> Iterator[None]:
    """Keep the file at ``path`` under a dated name, and say so.

    Nothing is kept where the block leaves the same file there.
    """
    if not path.exists():
        yield
        return
    former = _free_dated_name(path)
    with written_whole(former) as beside:
        shutil.copy2(path, beside)
    try:
        yield
    finally:
        if former.read_bytes() == path.read_bytes():
            former.unlink()
        else:
            print(f"kept the former {path} as {former}")


def _free_dated_name(path: Path) -> Path:
    date = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(path.stat().st_mtime))
    tails = ("", *(f"_{number}" for number in range(2, 99)))
    names = (path.with_name(f"{path.stem}_{date}{tail}{path.suffix}") for tail in tails)
    return next(name for name in names if not name.exists())


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep every other process that asks for it out of a folder.

    The lock is the system's: it goes with the process, however that ends. Loader workers can
    outlive a killed process by seconds and hold its lock, so that one is waited for.

    Raises:
        FolderInUse: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    holder = folder / "lock_holder"
    try:
        _acquire(lock, holder)
    except Timeout:
        raise FolderInUse(
            f"{folder}: is in use by {_told(holder)}; wait for it, or stop it"
        ) from None
    try:
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, holder: Path) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        words = _told(holder).split()
        here = len(words) == 4 and words[3] == socket.gethostname() and words[1].isdigit()
        if not here or _runs(int(words[1])):
            raise
        lock.acquire(timeout=WAIT_FOR_WORKERS)


def _told(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8").strip()
    except OSError:
        return "another process"


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


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)
