"""How a checkpoint is made that nobody should read; tests.attacks makes one of each kind."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import torch

from tests.conftest import contents
from vit.checkpoint_gate import Plain

MARK = "code_ran.txt"  # in the working folder, if anything of a file is run
WEIGHT = "model.norm.weight"


class Runs:
    """Pickled, it runs code where it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"open({MARK!r}, 'w').close()",)


def saved(what: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(what, file, **options)
    return file.getvalue()


def rezipped(
    change: Callable[[str, bytes], bytes] = lambda _, content: content,
    extra: tuple[tuple[str, bytes], ...] = (),
    packing: int = zipfile.ZIP_STORED,
    source: bytes = b"",
) -> bytes:
    """A good checkpoint with changed or further parts."""
    file = io.BytesIO()
    good = io.BytesIO(source or saved(contents()))
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(file, "w", packing) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, content in extra:
            new.writestr(name, content)
    return file.getvalue()


def with_plan(plan: bytes) -> bytes:
    """A checkpoint with that pickle."""
    return rezipped(lambda name, content: plan if name.endswith("data.pkl") else content)


def calls(name: str, argument: int) -> bytes:
    """One whose pickle calls what torch.load(weights_only=True) allows, with a huge number."""
    called = "\n".join(name.rsplit(".", 1))  # module and name
    arguments = pickle.dumps((argument,), 2)[2:-1]
    return with_plan(b"\x80\x02c" + f"{called}\n".encode() + arguments + b"R.")


def with_weight(value: torch.Tensor) -> bytes:
    return saved(contents(state_dict=contents()["state_dict"] | {WEIGHT: value}))


def with_preprocessing(**changes: Any) -> Plain:
    return {"preprocessing": contents()["preprocessing"] | changes}


def with_config(**changes: Any) -> bytes:
    return saved(contents(config=contents()["config"] | changes))


def declares(size: int) -> bytes:
    """One whose directory says that a part is so large."""
    content = bytearray(rezipped())
    place = content.rfind(b"PK\x01\x02")
    content[place + 20 : place + 28] = struct.pack("<II", size, size)
    return bytes(content)


def zip64() -> bytes:
    """The same with a number of 64 bits."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w") as new,
        new.open("archive/data.pkl", "w", force_zip64=True) as part,
    ):
        part.write(b"\x80\x02}.")
    return file.getvalue().replace(struct.pack("<QQ", 4, 4), struct.pack("<QQ", 1 << 62, 1 << 62))


def overlapping() -> bytes:
    """A thousand names for one part of a megabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as new:
        new.writestr("archive/data/0", bytes(1 << 20))
        for _ in range(1000):
            new.filelist.append(new.filelist[0])
        new._didModify = True  # type: ignore[attr-defined]
    return file.getvalue()


def nested(depth: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    return deep


def shared(width: int) -> list[Any]:
    row = dict.fromkeys(map(str, range(width)), 1.0)
    return [[row] * width] * width


def script() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), file)
    return file.getvalue()
