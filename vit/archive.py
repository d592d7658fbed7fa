"""What a checkpoint's file holds, checked by the standard library alone: nothing here imports
torch.

So a hostile file is refused within a moment and in little memory, before the program that it was
made for is there.
"""

import io
import pickletools
import zipfile
from pathlib import Path
from typing import Any

BYTES = {
    "Float": 4,
    "Double": 8,
    "Half": 2,
    "BFloat16": 2,
    "Long": 8,
    "Int": 4,
    "Short": 2,
    "Char": 1,
    "Byte": 1,
    "Bool": 1,
}
STORAGES = {f"torch {kind}Storage": size for kind, size in BYTES.items()}
TENSOR = "torch._utils _rebuild_tensor_v2"
ORDERED = "collections OrderedDict"
MOST_DIMENSIONS = 8
MOST_TENSORS = 100_000
VALUES = {
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINFLOAT",
    "BINUNICODE",
    "NONE",
    "NEWTRUE",
    "NEWFALSE",
}
FILLED = object()  # stands for a list or a tensor


class _Nested(tuple[Any, ...]):
    """A tuple that holds tuples."""


class _Ordered(set[Any]):
    """The keys of an ordered dictionary, which may bring its ``_metadata`` once; a plain one's are
    in a set.
    """

    built = False


class CheckpointError(ValueError):
    """A checkpoint that cannot be used, with the reason in one line."""


def screened(path: Path) -> io.BytesIO:
    """A copy of the archive in memory whose parts are whole and whose plan holds plain types and
    tensors alone.

    zipfile reads each part and checks its sum; the plan is followed step by step, and none of its
    names is looked up.

    Raises:
        CheckpointError: missing, damaged, no checkpoint, or holding more than that.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such file; python train.py --Config config.yml makes one"
        )
    checked = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(checked, "w") as copy:
            parts = archive.infolist()
            names = archive.namelist()
            folders = {name.partition("/")[0] for name in names}
            spellings = {name.lower() for name in names}
            if len(folders) != 1 or len(spellings) < len(names):
                raise ValueError("no folder or several, or a part that is there twice")
            sizes = {part.filename.partition("/")[2]: part.file_size for part in parts}
            if not {"data.pkl", "version"} <= sizes.keys() or "constants.pkl" in sizes:
                raise ValueError("other parts than torch.save writes")
            if (
                any(part.compress_type for part in parts)
                or sum(part.file_size for part in parts) > path.stat().st_size
            ):
                raise ValueError("packed parts, or such that are larger than the file")
            for part in parts:
                content = archive.read(part)  # raises if its checksum differs
                if part.filename.lower().endswith("data.pkl"):
                    _follow(content, sizes)
                copy.writestr(part.filename, content)
    except PermissionError:
        raise CheckpointError(f"{path}: may not be read by you; wanted read permission") from None
    except Exception:  # zipfile and pickletools raise many kinds for a damaged or hostile file
        raise CheckpointError(
            f"{path}: is damaged, or no checkpoint, or holds more than plain types, which could run code; none was run"
        ) from None
    checked.seek(0)
    return checked


def _follow(plan: bytes, sizes: dict[str, int]) -> None:
    """Go through a pickle as far as its tensors and the keys of its dictionaries can be told;
    ``sizes`` in bytes.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: it does anything that ``torch.save``
            does not do with plain types, or it says that a tensor, or its storage, is larger than
            what is there.
    """
    stack = list[Any]()
    marks = list[int]()
    memo = dict[Any, Any]()
    tensors = 0

    def taken(count: int) -> tuple[Any, ...]:
        items = tuple(stack[len(stack) - count :])
        if len(items) != count:
            raise ValueError("an empty stack")
        del stack[len(stack) - count :]
        return items

    for step, said, _ in pickletools.genops(plan):
        name = step.name
        if name in VALUES or (name == "GLOBAL" and said in {TENSOR, ORDERED, *STORAGES}):
            stack.append(said)
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append(set() if name == "EMPTY_DICT" else FILLED)
        elif name in ("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
            items = taken(
                len(stack) - marks.pop()
                if name == "TUPLE"
                else int(name[-1])
                if name[-1].isdigit()
                else 0
            )
            if any(isinstance(item, _Nested) for item in items):
                raise ValueError("tuples so deep that hashing them may end the process")
            stack.append(
                _Nested(items) if any(isinstance(item, tuple) for item in items) else items
            )
        elif name in ("BINPUT", "LONG_BINPUT") and said == len(memo):
            memo[said] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[said])
        elif name == "BINPERSID":
            kind, storage, key, _, count = stack.pop()
            if (
                kind != "storage"
                or type(count) is not int
                or STORAGES[storage] * count != sizes[f"data/{key}"]
            ):
                raise ValueError("a storage of another size than its part")
            stack.append(count)
            tensors += 1
        elif name == "REDUCE":
            what, given = taken(2)
            if (what, given) == (ORDERED, ()):
                stack.append(_Ordered())
            elif what == TENSOR:
                _within(*given)
                stack.append(FILLED)
                tensors += 1
            else:
                raise ValueError("a call")
        elif name in ("SETITEM", "SETITEMS"):
            keys = taken(len(stack) - marks.pop() if name == "SETITEMS" else 2)[::2]
            if not all(
                isinstance(key, str | None) or (isinstance(key, int) and abs(key) < 1 << 31)
                for key in keys
            ):
                raise ValueError(
                    "a key that is no plain value, or one of many that could be made to collide"
                )
            stack[-1].update(keys)
        elif name == "BUILD":
            (state,) = taken(1)
            if type(stack[-1]) is not _Ordered or stack[-1].built or state != {"_metadata"}:
                raise ValueError("attributes")
            stack[-1].built = True
        elif name in ("APPENDS", "APPEND"):
            taken(len(stack) - marks.pop() if name == "APPENDS" else 1)
        elif not (name == "STOP" or (name == "PROTO" and said == 2)):
            raise ValueError(f"the step {name}")
        if tensors > MOST_TENSORS:
            raise ValueError("tensors without end")


def _within(
    count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> None:
    """Raise ValueError if a tensor does not lie within the ``count`` numbers of its storage."""
    if len(shape) > MOST_DIMENSIONS:
        raise ValueError("a tensor of many dimensions")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if min(offset, *shape, *strides, 0) < 0 or (0 not in shape and last >= count):
        raise ValueError("a tensor that is larger than its storage")
