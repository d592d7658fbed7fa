"""How long the search for changed copies takes.

python -m benchmarks.copies_cost --count 20000

Half of the images are CT phantoms of as many patients at 256 px. The others are one changed copy of
each, by the ten kinds of benchmarks/copies.py in turn. Making them is not timed. Seconds of the
processor are also told, for they depend less on what else the machine does.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

import errors
from benchmarks.copies import EDGE, TEN
from data.copies import same_pictures
from data.sketch import sketch
from data.workers import on_all_cores
from phantoms.ct import phantom


def original(index: int) -> NDArray:
    """(EDGE, EDGE) uint8 of one patient."""
    return phantom(5, index, EDGE, 1).image


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the context took."""
    start = time.monotonic()
    before = _processor()
    yield
    seconds = time.monotonic() - start
    print(f"{what}: {seconds:.0f} s, of the processor {_processor() - before:.0f} s", flush=True)


def _processor() -> float:
    """Seconds of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def main(argv: list[str]) -> None:
    """Print the time of the sketches and of the search."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.copies_cost",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=20_000, help="images, at least 4")
    half = parser.parse_args(argv).count // 2
    with errors.ending_in_one_line():
        images = on_all_cores(original, range(half), "phantoms", 16)
        rng = np.random.default_rng(1)
        images += [TEN[i % len(TEN)](image, rng) for i, image in enumerate(images)]
        with timed(f"{len(images)} sketches"):
            sketches = on_all_cores(sketch, images, "sketches", 16)
        with timed(f"search among {len(images)}"):
            pairs = same_pictures(sketches)
        right = int((pairs[:, 1] - pairs[:, 0] == half).sum())
        print(f"copies found: {right} of {half}; other pairs: {len(pairs) - right}")


if __name__ == "__main__":
    errors.run(main)
