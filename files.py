"""Files and folders: written whole or not at all, kept where they were, locked while in use.

A reader meets the old file or the new one, never half of one.
"""

import filecmp
import os
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

import errors

try:
    import fcntl
except ImportError:  # not of POSIX
    fcntl = None  # type: ignore[assignment]

# begins the name of a file that is being written; the number of the process follows
UNFINISHED = f".unfinished-{socket.gethostname()[:60]}-"
LONGEST_NAME = 255  # bytes of a file name, on the usual disks
WAIT_FOR_WORKERS = 20.0  # seconds that loader workers of a killed process may hold its lock


class FolderInUse(errors.UserError):
    """Another process writes to a folder; the message says which one."""


@contextmanager
def written_whole(path: Path, keep_former: bool = False) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; it becomes ``path`` if the block succeeds.

    Missing parent folders are made. A file that is replaced hands on its mode, so that what was
    private stays so. If the block raises, ``path`` is as it was and the other name is gone.

    Args:
        path: the file.
        keep_former: for a file that users see: a different one that lies there when it is replaced
            stays under a dated name, and a line says so.
    """
    path = Path(path)
    beside = path.with_name(f"{UNFINISHED}{os.getpid()}-{path.stem[:40]}{path.suffix[:20]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            mode = stat.S_IMODE(path.stat().st_mode)
            os.close(os.open(beside, os.O_CREAT | os.O_WRONLY, mode | stat.S_IWUSR))
        yield beside
        _sync(beside)
        _replace(beside, path, keep_former)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _sync(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say for which file
        raise
    finally:
        if beside.exists():
            beside.unlink()


def _replace(beside: Path, path: Path, keep_former: bool) -> None:
    if path.is_file():
        beside.chmod(stat.S_IMODE(path.stat().st_mode))
        if keep_former and not filecmp.cmp(beside, path, shallow=False):
            errors.say(f"kept the former {path} as {_keep(path)}")
    os.replace(beside, path)


def _keep(path: Path) -> Path:
    """Give a file a second, dated name."""
    while True:
        former = free_dated_name(path)
        try:
            os.link(path, former)
        except FileExistsError:  # another process took the name
            continue
        except OSError:  # a disk without such links
            shutil.copy2(path, former)
        return former


@contextmanager
def folder_written_whole(output: Path) -> Iterator[Path]:
    """Yield the name of a folder beside ``output`` to make; it becomes ``output`` on success.

    The name is of this process alone. ``output`` must not exist when the block ends. If the block
    raises, the other folder is gone.
    """
    beside = output.with_name(f"{UNFINISHED}{os.getpid()}-{output.name[:40]}.partial")
    remove_leftovers(output.parent)
    try:
        yield beside
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    beside.rename(output)


def free_dated_name(path: Path) -> Path:
    """A name beside a file or folder that says when it was changed, and that nothing has yet."""
    date = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(path.stat().st_mtime))
    suffix = "" if path.is_dir() else path.suffix
    stem = path.name.removesuffix(suffix)
    while len(os.fsencode(stem + suffix)) > LONGEST_NAME - len(f"_{date}_9999"):
        stem = stem[:-1]
    tails = ("", *(f"_{number}" for number in range(2, 10_000)))
    names = (path.with_name(f"{stem}_{date}{tail}{suffix}") for tail in tails)
    return next(name for name in names if not os.path.lexists(name))


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
        with suppress(OSError):  # others may still read
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_lock(lock)
    finally:
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
    return real.parent / f".{real.name[:40]}.lock"


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
        if not here or _runs(int(words[1])):
            raise
        lock.acquire(timeout=WAIT_FOR_WORKERS)


def _told(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8").strip()
    except OSError:
        return "another process"


def remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine that were killed have left half written."""
    for path in folder.glob(f"{UNFINISHED}*"):
        process = path.name.removeprefix(UNFINISHED).split("-")[0]
        if not process.isdigit() or _runs(int(process)):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
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
