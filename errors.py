"""Errors that are the user's, and how every command ends: in one line, with a status."""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import TracebackType
from typing import Any

# words of torch; an error that a worker itself raised has "DataLoader worker process" in it
FULL_SHARED_MEMORY = (
    "shared memory object",
    "shared memory(shm)",
    "unable to write to file </torch",
)
LOST_PROCESS = ("DataLoader worker (pid", "process pool was terminated")
WROTE_LESS = "requested and"  # numpy's words for a file that it could not write whole
MODULE = "module://"  # begins the name of a backend of matplotlib that is a module


def leave_missing_backend() -> None:
    """Take a notebook's backend that is not here out of the way: it would stop matplotlib itself.

    It has to be gone before matplotlib is imported, so this runs when this file is.
    """
    backend = os.environ.get("MPLBACKEND", "")
    package = backend.removeprefix(MODULE).split(".")[0]
    if backend.startswith(MODULE) and not (package and find_spec(package)):
        os.environ["MPLBACKEND"] = "Agg"


leave_missing_backend()


class UserError(ValueError):
    """The root of all errors that the user can correct: what was got and wanted, and what to do."""


class EndedEarly(Exception):
    """A command that has to end before its work is done, for a reason that is no mistake.

    Args:
        reason: one line for the terminal.
        status: that the process ends with.
    """

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


@contextmanager
def ending_in_one_line(memory: str = "", disk: str = "") -> Iterator[None]:
    """Whatever the user can mend ends the block as one line and a status, never as a traceback.

    Args:
        memory: what to do where memory is short, such as "lower batch_size".
        disk: what to say after a file that could not be read or written.

    Raises:
        SystemExit: in place of UserError, EndedEarly, OSError, and of short memory.
    """
    try:
        yield
    except UserError as error:
        sys.exit(printable(str(error)))
    except EndedEarly as end:
        print(f"\n{printable(str(end))}", file=sys.stderr)
        sys.exit(end.status)
    except OSError as error:
        if error.errno is None and WROTE_LESS not in str(error):
            raise  # a library's way to say something else
        sys.exit(printable("; ".join(filter(None, [_of_file(error), disk]))))
    except (MemoryError, RuntimeError) as error:
        if lost := _lost_helper(error):
            sys.exit(": ".join(filter(None, [lost, memory])))
        if not is_short_memory(error):
            raise
        sys.exit(": ".join(filter(None, ["out of memory", memory])))


def is_short_memory(error: BaseException) -> bool:
    """Whether an error says that the machine, or its GPU, has no room left."""
    of_torch = type(error).__name__ == "OutOfMemoryError"  # torch may not be imported yet
    return isinstance(error, MemoryError) or of_torch or "can't allocate memory" in str(error)


def _lost_helper(error: BaseException) -> str:
    """What to say of a process that loaded images and is gone; empty for another error."""
    said = str(error)
    if any(words in said for words in FULL_SHARED_MEMORY):
        return "shared memory (/dev/shm) is full; set num_workers: 0, or give it more room"
    if any(words in said for words in LOST_PROCESS):
        return "a process that works on images was killed; set num_workers: 0, or free memory"
    return ""


def printable(text: str) -> str:
    """A text for the terminal: what could steer it, or turn its reading around, is spelt out.

    Lines stay lines.
    """
    return "".join(c if c in "\n\t" or c.isprintable() else repr(c)[1:-1] for c in text)


def one_line(name: str) -> str:
    """A file's name within a text for the terminal: line ends and tabs are spelt out too."""
    return printable(name).replace("\n", r"\n").replace("\t", r"\t")


def say(text: str) -> None:
    """Tell the user on stdout what was done."""
    print(printable(text))


def note(text: str) -> None:
    """Tell the user on stderr what does not stop the work."""
    print(f"note: {printable(text)}", file=sys.stderr)


def _of_file(error: OSError) -> str:
    said = error.strerror or " ".join(str(error).split()) or type(error).__name__
    if WROTE_LESS in said:
        said = f"not written whole ({said}); is the disk full?"
    return f"{error.filename}: {said}" if error.filename else said


def run(main: Callable[[list[str]], int | None], quiet_pipe: bool = False) -> None:
    """Run a command's main with the words of its command line, and end the process.

    Args:
        main: takes the words after the program's name; gives a status, None for success.
        quiet_pipe: end without a word where the reader of the output has gone, as ``head`` does.
    """
    end_ctrl_c_in_one_line()
    os.environ["MPLBACKEND"] = "Agg"  # a notebook's backend may not be here, and none is needed
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a log need not be UTF-8
    if quiet_pipe and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    words = sys.argv[1:]
    with ending_in_one_line():
        check_text(words)
    sys.exit(main(words))


def open_closed_streams() -> None:
    """Put a stream that leads nowhere in place of each that the shell has closed.

    Libraries write to sys.stderr without a look whether there is one. Each gets its own number, in
    order, else a file that is opened later would have it, and take what C code says.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  it stays


def check_text(words: list[str]) -> None:
    """Raise UserError for a word of the command line, such as a file's name, that is no text.

    One with a line end or a tab would break every message; an empty one, as a variable that is not
    set leaves it, would mean the current folder.
    """
    for option, word in zip(["the command line", *words], words, strict=False):
        if not word or (word.startswith("--") and word.endswith("=")):
            raise UserError(
                f"{word[:-1] or option}: got nothing, wanted a word; is a variable of your shell "
                "not set?"
            )
        if one_line(word) != printable(word):
            raise UserError(f"got {word!a}, wanted a name in one line; rename the file")
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UserError(f"got {word!a}, wanted text in UTF-8; rename the file") from None


def end_ctrl_c_in_one_line() -> None:
    """Ctrl-C ends this process without a traceback; its status is that of the signal.

    Only the first Ctrl-C is heard. A second one would interrupt what the first leaves to be done,
    such as removing half a folder.
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
