"""How well data.prepare keeps views of one vessel together when only their pixels tell.

python -m benchmarks.grouping --patients 50 --views 4

Phantom rotations are written as plain JPGs into normal/ and abnormal/, without a manifest, and
prepared.
"""

import argparse
import contextlib
import itertools
import os
import tempfile
from collections import Counter
from pathlib import Path

import cv2

import CONFIG
import errors
from data.prepare import prepare
from data.processed import Sample
from phantoms.ct import phantom

JPEG_QUALITY = 90


def patient_of(sample: Sample) -> str:
    """The number that ``write_views`` put into the file's name."""
    return sample.source.rsplit("_p", 1)[1]


def write_views(folder: Path, given: argparse.Namespace) -> None:
    """Write a JPG of every view of every patient."""
    for index in range(given.patients * given.views):
        made = phantom(given.seed, index, given.image_size, given.views)
        path = folder / made.label / f"{index:05d}_p{made.patient:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), made.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def main(argv: list[str]) -> None:
    """Print how many pairs of views stay together, and how many others are tied."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.grouping",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--patients", type=int, default=50)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--image_size", type=int, default=256, help="edge of the JPGs in pixels")
    parser.add_argument("--seed", type=int, default=123)
    given = parser.parse_args(argv)
    with errors.ending_in_one_line(), tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_views(root / "raw", given)
        with open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet):
            samples = prepare(root / "raw", root / "out", CONFIG.Config(border=0.0)).samples
    pairs = list(itertools.combinations(samples, 2))
    same = [(a, b) for a, b in pairs if patient_of(a) == patient_of(b)]
    others = [(a, b) for a, b in pairs if patient_of(a) != patient_of(b)]
    grouped = sum(a.group == b.group for a, b in same)
    one_side = sum(a.split == b.split for a, b in same)
    tied = sum(a.group == b.group for a, b in others)
    largest = max(Counter(sample.group for sample in samples).values())
    print(
        f"{given.patients} patients x {given.views} views, JPG quality {JPEG_QUALITY}, no manifest"
    )
    print(f"same-vessel pairs in one group:          {grouped} of {len(same)}")
    print(f"same-vessel pairs on one side of split:  {one_side} of {len(same)}")
    print(f"pairs of two vessels in one group:       {tied} of {len(others)}")
    print(f"largest group: {largest} images")


if __name__ == "__main__":
    errors.run(main)
