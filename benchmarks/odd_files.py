"""Files changed at random, and configurations made of odd values; for benchmarks.fuzz."""

from pathlib import Path
from typing import Any

import numpy as np

import CONFIG

PROJECT = Path(__file__).resolve().parents[1]
EXTREMES = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\1\0\0\0",
    b"\0\0\0\1",
)
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    -(2**63),
    10**6,
    10**9,
    10**400,
    0.5,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    "1e-2",
    "a" * 5000,
    "\x1b[2J",
    "é\u202e\ud800",
    [],
    [1, 2],
    [[]],
    {},
    {"a": 1},
    {1: 2},
    b"bytes",
    3j,
]
BILLIONS = (  # of values, by aliases of aliases
    "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
    "lr: [*b,*b,*b,*b,*b,*b,*b,*b,*b]"
)
YAML = (
    BILLIONS,
    "[" * 3000,
    "{a: " * 3000,
    "lr: 1\nlr: 2",
    "\tlr: 1",
    "lr:\t1",
    "seed: " + "9" * 6000,
    "seed: 0x" + "f" * 6000,
    "? [1]\n: 2",
    "lr: 2001-99-99",
    "lr: !!int x",
    "lr: !!bool x",
    "lr: !!timestamp x",
    "lr: !!python/object/apply:os.getpid []",
    "<<: {lr: 1}",
    "lr: 0b",
    "lr: 190:20:30",
    "lr: .inf",
    "--- 1\n--- 2",
    "%YAML 9.9\n---\nlr: 1",
    "? ",
    "0x" + "f" * 6000 + ": 1",
)


def changed(rng: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """One to eight changes of a file.

    They are bits, a header's number, a cut, a deletion, a piece of another file, or another at its
    end.
    """
    for _ in range(rng.integers(1, 9)):
        data = bytearray(content)
        size = max(1, len(content))
        at = int(rng.integers(min(size, 512) if rng.random() < 0.7 else size))
        kind = rng.integers(7)
        length = int(rng.integers(1, 65))
        if kind <= 1 and data:
            data[min(at, len(data) - 1)] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            data[at : at + 4] = EXTREMES[rng.integers(len(EXTREMES))]
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = other[at : at + length]
        elif kind == 5 and rng.random() < 0.3:
            del data[at:]
        elif kind == 6 and rng.random() < 0.3:
            data += other
        content = bytes(data)
    return content


def odd_file(rng: np.random.Generator, seeds: list[bytes]) -> bytes:
    """One of the files, changed with pieces of another."""
    content = seeds[rng.integers(len(seeds))]
    return changed(rng, content, seeds[rng.integers(len(seeds))])


def odd_configuration(rng: np.random.Generator, _: list[bytes]) -> bytes:
    """A changed file, or keys with odd values."""
    if rng.random() < 0.3:
        text = YAML[rng.integers(len(YAML))].encode()
        return changed(rng, text, (PROJECT / "config.yml").read_bytes())
    if rng.random() < 0.3:
        text = (PROJECT / "config.yml").read_bytes()
        return changed(rng, text, YAML[rng.integers(len(YAML))].encode())
    keys = [*CONFIG.FIELDS, *CONFIG.FORMER_NAMES, "x", "", "1", "é"]
    lines = []
    for _number in range(rng.integers(1, 6)):
        value = ODD[rng.integers(len(ODD))]
        is_huge = isinstance(value, int) and value > 10**100  # too long for repr
        shown = f"0x{value:x}" if is_huge else repr(value)
        lines.append(f"{keys[rng.integers(len(keys))]}: {shown}")
    return "\n".join(lines).encode(errors="surrogatepass")
