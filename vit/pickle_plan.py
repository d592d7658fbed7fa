"""The pickle in a checkpoint, followed by the standard library alone; nothing of it is run.

A pickle is a plan: steps that push values on a stack and build tensors from them. Here each step is
followed as far as the sizes of its tensors and the keys of its dictionaries can be told. None of
the names in it is looked up.
"""

import pickletools
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
NAMES = {TENSOR, ORDERED, *STORAGES}
MOST_DIMENSIONS = 8
MOST_TENSORS = 100_000
MOST_STEPS = 4_000_000
MOST_CONTAINERS = 200_000  # an empty one takes a byte of the file and 200 of memory
LARGEST_KEY = 1 << 31
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
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
FILLED = object()  # stands for a list or a tensor


class _Nested(tuple[Any, ...]):
    """A tuple that holds tuples."""


class _Ordered(set[Any]):
    """The keys of an ordered dictionary, which may bring its ``_metadata`` once.

    The keys of a plain dictionary are in a set.
    """

    built = False


def follow(plan: bytes, sizes: dict[str, int]) -> None:
    """Go through a pickle, step by step.

    Args:
        plan: the pickle.
        sizes: of each part of the archive, by name [bytes].

    Raises:
        ValueError, LookupError, TypeError, AttributeError: it does anything that ``torch.save``
            does not do with plain types, or it says that a tensor, or its storage, is larger than
            what is there.
    """
    follower = _Follower(sizes)
    for number, (step, argument, _) in enumerate(pickletools.genops(plan)):
        if number > MOST_STEPS:
            raise ValueError("steps without end")
        follower.take(step.name, argument)


class _Follower:
    """The stack of a pickle, and what its steps do to it."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[Any, Any] = {}
        self.tensors = 0
        self.containers = 0

    def take(self, name: str, argument: Any) -> None:
        """Follow one step."""
        if name in VALUES or (name == "GLOBAL" and argument in NAMES):
            self.stack.append(argument)
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name == "EMPTY_DICT":
            self._push_container(set())
        elif name == "EMPTY_LIST":
            self._push_container(FILLED)
        elif name in TUPLES:
            self._push_tuple(self._popped(TUPLES[name]))
        elif name == "TUPLE":
            self._push_tuple(self._popped_to_mark())
        elif name in ("BINPUT", "LONG_BINPUT") and argument == len(self.memo):
            self.memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "BINPERSID":
            self._push_storage()
        elif name == "REDUCE":
            self._call()
        elif name == "SETITEM":
            self._set_items(self._popped(2))
        elif name == "SETITEMS":
            self._set_items(self._popped_to_mark())
        elif name == "BUILD":
            self._set_metadata()
        elif name == "APPEND":
            self._popped(1)
        elif name == "APPENDS":
            self._popped_to_mark()
        elif not (name == "STOP" or (name == "PROTO" and argument == 2)):
            raise ValueError(f"the step {name}")

    def _popped(self, count: int) -> tuple[Any, ...]:
        start = len(self.stack) - count
        items = tuple(self.stack[start:])
        if len(items) != count:
            raise ValueError("an empty stack")
        del self.stack[start:]
        return items

    def _popped_to_mark(self) -> tuple[Any, ...]:
        return self._popped(len(self.stack) - self.marks.pop())

    def _push_container(self, container: Any) -> None:
        self.containers += 1
        if self.containers > MOST_CONTAINERS:
            raise ValueError("containers without end")
        self.stack.append(container)

    def _push_tuple(self, items: tuple[Any, ...]) -> None:
        if any(isinstance(item, _Nested) for item in items):
            raise ValueError("tuples so deep that hashing them may end the process")
        holds_tuples = any(isinstance(item, tuple) for item in items)
        self._push_container(_Nested(items) if holds_tuples else items)

    def _push_storage(self) -> None:
        kind, storage, key, _, count = self.stack.pop()
        is_storage = kind == "storage" and type(count) is int
        if not is_storage or STORAGES[storage] * count != self.sizes[f"data/{key}"]:
            raise ValueError("a storage of another size than its part")
        self.stack.append(count)
        self._count_tensor()

    def _call(self) -> None:
        what, given = self._popped(2)
        if (what, given) == (ORDERED, ()):
            self._push_container(_Ordered())
        elif what == TENSOR:
            _check_within(*given)
            self.stack.append(FILLED)
            self._count_tensor()
        else:
            raise ValueError("a call")

    def _set_items(self, items: tuple[Any, ...]) -> None:
        keys = items[::2]
        if not all(_is_plain(key) for key in keys):
            raise ValueError("a key that is no plain value, or one made to collide with others")
        self.stack[-1].update(keys)

    def _set_metadata(self) -> None:
        (state,) = self._popped(1)
        target = self.stack[-1]
        if type(target) is not _Ordered or target.built or state != {"_metadata"}:
            raise ValueError("attributes")
        target.built = True

    def _count_tensor(self) -> None:
        self.tensors += 1
        if self.tensors > MOST_TENSORS:
            raise ValueError("tensors without end")


def _is_plain(key: Any) -> bool:
    return isinstance(key, str | None) or (isinstance(key, int) and abs(key) < LARGEST_KEY)


def _check_within(
    count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> None:
    """Raise ValueError if a tensor does not lie within the ``count`` numbers of its storage."""
    if len(shape) > MOST_DIMENSIONS:
        raise ValueError("a tensor of many dimensions")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if min(offset, *shape, *strides, 0) < 0 or (0 not in shape and last >= count):
        raise ValueError("a tensor that is larger than its storage")
