"""How well data.prepare keeps views of one vessel together when nothing but their pixels tells.

Phantom rotations are written as plain JPGs into normal/ and abnormal/ without a manifest and
prepared. python -m benchmarks.grouping --patients 50 --views 4
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
from data.prepare import prepare
from phantoms.ct import phantom

JPEG_QUALITY = 90


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patients", type=int, default=50)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--image_size", type=int, default=256, help="edge of the JPGs in pixels")
    parser.add_argument("--seed", type=int, default=123)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for index in range(arguments.patients * arguments.views):
            made = phantom(arguments.seed, index, arguments.image_size, arguments.views)
            path = root / "raw" / made.label / f"{index:05d}_p{made.patient:04d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), made.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        with open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet):
            result = prepare(root / "raw", root / "out", CONFIG.Config(border=0.0))
    patient = {sample.source: sample.source.rsplit("_p", 1)[1] for sample in result.samples}
    pairs = list(itertools.combinations(result.samples, 2))
    same = [(a, b) for a, b in pairs if patient[a.source] == patient[b.source]]
    others = [(a, b) for a, b in pairs if patient[a.source] != patient[b.source]]
    print(
        f"{arguments.patients} patients x {arguments.views} views, JPG quality {JPEG_QUALITY}, no manifest"
    )
    print(
        f"same-vessel pairs in one group:          {sum(a.group == b.group for a, b in same)} of {len(same)}"
    )
    print(
        f"same-vessel pairs on one side of split:  {sum(a.split == b.split for a, b in same)} of {len(same)}"
    )
    print(
        f"pairs of two vessels in one group:       {sum(a.group == b.group for a, b in others)} of {len(others)}"
    )
    print(
        f"largest group: {max(Counter(sample.group for sample in result.samples).values())} images"
    )


if __name__ == "__main__":
    main()
