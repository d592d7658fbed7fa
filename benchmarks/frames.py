"""How near the chosen frame of a made-up run comes to the one whose vessels are most filled.

python -m benchmarks.frames
python -m benchmarks.frames --first 1000 --OUTPUT runs    # on which data/frames.py was chosen

Runs are those of phantoms/runs.py, whose filling is known. The middle frame stands beside it.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import binomtest

import errors
from data.frames import best_frame, reduced
from phantoms.runs import contact_sheet, run

NEAR = 2  # frames


def main(argv: list[str]) -> None:
    """Print a line for each run, and the share of runs in which each rule comes near."""
    parser = argparse.ArgumentParser("python -m benchmarks.frames", description=__doc__)
    parser.add_argument("--count", type=int, default=40, help="runs (default 40)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one (default 0)")
    parser.add_argument("--image_size", type=int, default=512)
    parser.add_argument("--OUTPUT", type=Path, help="a folder for a picture of each run")
    given = parser.parse_args(argv)
    off: dict[str, list[int]] = {"best": [], "middle": []}
    for seed in range(given.first, given.first + given.count):
        made = run(seed, given.image_size)
        count = len(made.frames)
        wanted = int(made.filling.argmax())
        chosen = best_frame([reduced(frame) for frame in made.frames])
        found = {"best": count // 2 if chosen is None else chosen, "middle": count // 2}
        for name, frame in found.items():
            off[name].append(frame - wanted)
        errors.say(
            f"run {seed}: {count} frames, most filled {wanted}, best {found['best']} with "
            f"{made.filling[found['best']] / made.filling.max():.0%} of its filling"
            + (", said to be even" if chosen is None else "")
        )
        if given.OUTPUT:
            given.OUTPUT.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(given.OUTPUT / f"run{seed}.png"), contact_sheet(made))
    for name, all_off in off.items():
        distance = np.abs(all_off)
        near = int((distance <= NEAR).sum())
        low, high = binomtest(near, given.count).proportion_ci(method="wilson")
        errors.say(
            f"{name}: within {NEAR} frames in {near} of {given.count} runs "
            f"({low:.0%} to {high:.0%}), mean distance {distance.mean():.2f} frames, "
            f"farthest {distance.max()}"
        )


if __name__ == "__main__":
    errors.run(main)
