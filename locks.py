"""Locks: of several processes one works in a folder, or many read it."""

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

import errors
from files import process_runs

try:
    import fcntl
except ImportError:  # not of POSIX
    fcntl = None  # type: ignore[assignment]

LONGEST = 40  # characters of a name that its lock is called after as it is
WAIT_FOR_WORKERS = 20.0  # seconds that loader workers of a killed process may hold its lock


class FolderInUse(errors.UserError):
    """Another process writes to a folder; the message says which one."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep every other process that asks for it out of a folder.

    The lock is the system's: it goes with the process, however that ends. Loader workers can
    outlive a killed process by seconds and hold its lock, so that one is waited for.

    Raises:
        FolderInUse: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, folder / "lock"):
        yield


@contextmanager
def held_beside(path: Path, wait: float = 0) -> Iterator[None]:
    """Keep every other process away from a path, which may be replaced; nothing is left behind.

    Args:
        path: a file or folder, there or not.
        wait: seconds that another process is waited for.

    Raises:
        FolderInUse: another process replaces or reads it.
    """
    lock = _lock_beside(path)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path, lock, wait):
        try:
            yield
        finally:
            _remove_lock(lock)


@contextmanager
def read_here(path: Path) -> Iterator[None]:
    """Keep a folder from being replaced while this process reads it; others may read it too.

    A disk that cannot be written, or has no such locks, is read all the same.

    Raises:
        FolderInUse: another process is about to replace it.
    """
    lock = _lock_beside(path)
    number = _shared(lock, path)
    if number is None:
        yield
        return
    try:
        with suppress(OSError):  # of another user, who is named then
            _sign(lock)
        yield
    finally:
        with suppress(OSError):  # others may still read
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_lock(lock)
        fcntl.flock(number, fcntl.LOCK_UN)  # loader workers may have it open too
        os.close(number)


def _shared(lock: Path, path: Path) -> int | None:
    """The open file of a lock that is shared with other readers; None: none can be had."""
    if fcntl is None:
        return None
    while True:
        try:
            number = os.open(lock, os.O_RDONLY | os.O_CREAT, 0o644)
        except OSError:
            return None
        try:
            fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            os.close(number)
            if isinstance(error, BlockingIOError):
                raise FolderInUse(_in_use(path, lock)) from None
            return None
        if os.fstat(number).st_nlink:
            return number
        os.close(number)  # it was removed in between


def _lock_beside(path: Path) -> Path:
    real = path.resolve()
    name = real.name
    if len(name) > LONGEST:  # a disk may take no longer name than this one
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()
        name = f"{name[:LONGEST]}_{digest[:16]}"
    return real.parent / f".{name}.lock"


def _remove_lock(lock: Path) -> None:
    """Remove a lock that is held: who waits for it sees that it is gone, and makes a new one."""
    _holder(lock).unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere an open file stays
        lock.unlink(missing_ok=True)


def _holder(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}_holder")


def _sign(lock: Path) -> None:
    words = f"process {os.getpid()} on {socket.gethostname()}\n"
    _holder(lock).write_text(words, encoding="utf-8")


def _in_use(path: Path, lock: Path) -> str:
    return f"{path}: is in use by {_told(_holder(lock))}; wait for it, or stop it"


@contextmanager
def _locked(path: Path, place: Path, wait: float = 0) -> Iterator[None]:
    lock = FileLock(place)
    try:
        _acquire(lock, _holder(place), wait)
    except Timeout:
        raise FolderInUse(_in_use(path, place)) from None
    try:
        _sign(place)
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, holder: Path, wait: float) -> None:
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        words = _told(holder).split()
        here = len(words) == 4 and words[3] == socket.gethostname() and words[1].isdigit()
        if not here or process_runs(int(words[1])):
            raise
        lock.acquire(timeout=WAIT_FOR_WORKERS)


def _told(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8").strip()
    except OSError:
        return "another process"
