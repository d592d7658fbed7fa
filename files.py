"""Files and folders: written whole or not at all, and the former ones kept.

A reader meets the old file or the new one, never half of one.
"""

import argparse
import filecmp
import os
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import errors

# begins the name of a file that is being written; the number of the process follows
UNFINISHED = f".unfinished-{socket.gethostname()[:60]}-"
LONGEST_NAME = 255  # bytes of a file name, on the usual disks
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def other_kind(path: Path) -> str:
    """What lies at a path that is no plain file; empty for a plain file, and for nothing."""
    try:
        return KINDS.get(stat.S_IFMT(path.stat().st_mode), "")
    except (OSError, ValueError):  # not there, out of reach, or no name
        return ""


def folder_to_make(word: str) -> Path:
    """The folder that an option names, for argparse, with a name of its own: no dots at its end.

    Raises:
        ArgumentTypeError: the process stands in it, so that a new one cannot take its place.
    """
    path = _with_own_name(Path(word))
    if path.exists() and path.samefile(Path()):
        raise argparse.ArgumentTypeError(
            f"{word} is the folder that you are in, wanted a folder to make, such as "
            "ProcessedFolder"
        )
    return path


def _with_own_name(path: Path) -> Path:
    return path.resolve() if path.name in ("", "..") else path


def refuse_other_kinds(*paths: Path) -> None:
    """Raise UserError if a folder, a pipe or a device lies where a file will be written."""
    for path in paths:
        if kind := other_kind(path):
            raise errors.UserError(
                f"{path}: is {kind}, wanted a file to write; move it, or name another output"
            )


@contextmanager
def written_whole(path: Path, keep_former: bool = False) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; it becomes ``path`` if the block succeeds.

    Missing parent folders are made. A file that is replaced hands on its mode, so that what was
    private stays so. If the block raises, ``path`` is as it was and the other name is gone.

    Args:
        path: the file.
        keep_former: for a file that users see: a different one that lies there when it is replaced
            stays under a dated name, and a line says so.

    Raises:
        UserError: a folder has that name.
    """
    path = Path(path)
    refuse_other_kinds(path)
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
    output = _with_own_name(output)
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


def remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine that were killed have left half written."""
    for path in folder.glob(f"{UNFINISHED}*"):
        process = path.name.removeprefix(UNFINISHED).split("-")[0]
        if not process.isdigit() or process_runs(int(process)):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def process_runs(process: int) -> bool:
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
