"""kill -9 at any moment, the same command again: does it end as if nothing had been?

python -m benchmarks.kills --OUTPUT folder

A tiny model learns made-up images on the CPU, once without interruption, then again and again while
it is killed: at its start, anywhere, while last.ckpt is written, right after, during validation,
while ViT.ckpt is published. Every such run must end with the same weights, metrics.csv and
validation.csv, bit for bit. Meanwhile another process reads the checkpoints all the time.
"""

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import errors
from benchmarks.processes import LONGEST, MOMENTS, Training, kill, modified, other_ranks, wait_for
from CONFIG import Config, write
from errors import UserError

SHAPE = Config(
    image_size=32,
    patch_size=8,
    embedding_size=32,
    num_heads=2,
    num_hidden_layers=2,
    batch_size=8,
    num_workers=1,
    hidden_dropout_prob=0.1,
    patch_dropout=0.2,
    keep_seconds=0.5,
    lr=3e-4,
)
IMAGES = {"train": 400, "val": 100}  # of each class
STEPS = 2 * IMAGES["train"] // SHAPE.batch_size  # in an epoch


def make_images(folder: Path) -> None:
    """Write noise as a ProcessedFolder; one class has a bright square."""
    rng = np.random.default_rng(0)
    for split, count in IMAGES.items():
        for label in (0, 1):
            here = folder / split / str(label)
            here.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                image = rng.normal(100, 30, (32, 32))
                y, x = rng.integers(4, 22, 2)
                image[y : y + 6, x : x + 6] += 60 * label
                np.save(here / f"{i:03d}.npy", image.clip(0, 255).astype(np.uint8))


def read_all_the_time(output: Path, counts: Any) -> None:
    """Count how many checkpoints were opened, and how many could not be."""
    while True:
        runs = [*output.glob("runs/*/last.ckpt"), *output.glob("runs/*/best.ckpt")]
        for path in (output / "ViT.ckpt", *runs):
            if path.exists():
                try:
                    torch.load(path, weights_only=True)
                    counts[0] += 1
                except Exception as error:
                    counts[1] += 1
                    print(f"unreadable: {path}: {error}", file=sys.stderr)
        time.sleep(0.02)


def differences(run: Path, whole: Path) -> list[str]:
    """What of a run is not bit for bit as in the uninterrupted one."""
    tables = ("metrics.csv", "validation.csv")
    unlike = [name for name in tables if (run / name).read_bytes() != (whole / name).read_bytes()]
    for name in ("best.ckpt", "last.ckpt"):
        a = torch.load(run / name, weights_only=True)["state_dict"]
        b = torch.load(whole / name, weights_only=True)["state_dict"]
        unlike += [f"{name}: {key}" for key in a if not torch.equal(a[key], b[key])]
    return unlike


class Kill(NamedTuple):
    """What a kill met: processes, and seconds since a kept state and until all were gone."""

    targets: int
    processes: int
    since: float
    waited: float


def interrupt(
    process: Training, run: Path, moment: str, several: bool, rng: random.Random
) -> Kill | None:
    """Kill a training at the moment; None: it has ended before. ``several``: it has processes."""
    at = time.time()
    wait_for(moment, run, STEPS, process, rng)
    if process.poll() is not None:
        return None
    own = process.pid
    others = other_ranks(own) if several else []
    targets = rng.choice([[own], others or [own], [own, *others]])
    kept = modified(run / "last.ckpt")
    since = time.time() - kept if kept > at and moment != "publishing" else 0.0
    return Kill(len(targets), 1 + len(others), since, kill(process, targets))


def judge(start: Callable[[], Training], output: Path, wanted: int, several: bool) -> bool:
    """Train without interruption, then with so many kills; whether all is as it should be."""
    begun = time.monotonic()
    if start().wait():
        raise UserError("the uninterrupted run failed; see log.txt")
    (whole,) = (output / "runs").iterdir()
    print(f"uninterrupted: {time.monotonic() - begun:.0f} s", flush=True)
    counts = multiprocessing.Array("q", 2)
    reader = multiprocessing.Process(target=read_all_the_time, args=(output, counts), daemon=True)
    reader.start()
    rng = random.Random(0)
    kills: list[Kill] = []
    runs = 0
    alike = 0
    while len(kills) < wanted:
        runs += 1
        run = output / "runs" / f"{whole.name.rsplit('-', 1)[0]}-{runs + 1}"
        for moment in MOMENTS[: wanted - len(kills)]:
            process = start()
            each = interrupt(process, run, moment, several, rng)
            if each is None:
                print(f"  {moment}: the run had ended, status {process.returncode}", flush=True)
                continue
            kills.append(each)
            print(
                f"  kill {len(kills)}, {moment}, {each.targets} of {each.processes} processes, "
                f"{each.since:.2f} s after a kept state, all gone after {each.waited:.1f} s",
                flush=True,
            )
        if not (run / "finished.json").exists() and (status := start().wait()):
            raise UserError(f"run {runs + 1} does not go on: status {status}; see log.txt")
        unlike = differences(run, whole)
        leftovers = [path.name for folder in (output, run) for path in folder.glob(".*")]
        alike += not unlike
        said = unlike or "as the uninterrupted one"
        print(f"run {runs + 1}: {said}; left over: {leftovers}", flush=True)
    longest = max(each.waited for each in kills)
    print(
        f"{len(kills)} kills; {alike} of {runs} killed runs end bit for bit as the uninterrupted "
        f"one; longest since a kept state {max(each.since for each in kills):.2f} s; longest until "
        f"all processes were gone {longest:.1f} s; checkpoints opened meanwhile: {counts[0]}, "
        f"unreadable: {counts[1]}"
    )
    return not counts[1] and alike == runs and longest <= LONGEST


def main(argv: list[str]) -> int:
    """Kill as often as asked; the status is 1 if any run does not end as the uninterrupted one."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.kills",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--OUTPUT", "--output", "-o", type=Path, required=True, help="folder that is not there yet"
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--processes", type=int, default=1, help="of a run; 2: by ddp and gloo")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args(argv)
    folder = options.OUTPUT
    make_images(folder / "images")
    config = replace(SHAPE, data_folder=str(folder / "images"), epochs=options.epochs)
    write(config, folder / "config.yml")
    places = ["--Config", str(folder / "config.yml"), "--OUTPUT", str(folder / "out")]
    command = [sys.executable, "train.py", "--device", "cpu", *places]
    if options.processes > 1:
        command += ["--devices", str(options.processes), "--strategy", "ddp"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with errors.ending_in_one_line(), (folder / "log.txt").open("a") as log:

        def start() -> Training:
            return Training(command, stdout=log, stderr=log, env=environment)

        good = judge(start, folder / "out", options.kills, options.processes > 1)
    return int(not good)


if __name__ == "__main__":
    errors.run(main)
