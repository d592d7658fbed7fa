"""kill -9 at any moment, the same command again: does it end as if nothing had been? python -m
benchmarks.kills

A tiny model learns made-up images on the CPU, once without interruption, then again and again while
it is killed: at its start, anywhere, while last.ckpt is written, right after, during validation,
while ViT.ckpt is published. Every such run must end with the same weights, metrics.csv and
validation.csv, bit for bit. Meanwhile another process reads the checkpoints all the time.
"""

import argparse
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

SHAPE = """{image_size: 32, patch_size: 8, embedding_size: 32, num_heads: 2, num_hidden_layers: 2, batch_size: 8,
num_workers: 1, hidden_dropout_prob: 0.1, patch_dropout: 0.2, keep_seconds: 0.5, lr: 3e-4}"""
IMAGES = {"train": 400, "val": 100}  # of each class
MOMENTS = ("start", "anywhere", "writing", "after", "validation", "publishing")
LONGEST = 60.0  # seconds that any process may outlive a killed one


def make_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in IMAGES.items():
        for label in (0, 1):
            (folder / split / str(label)).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                image = rng.normal(100, 30, (32, 32))
                y, x = rng.integers(4, 22, 2)
                image[y : y + 6, x : x + 6] += 60 * label
                np.save(
                    folder / split / str(label) / f"{i:03d}.npy",
                    image.clip(0, 255).astype(np.uint8),
                )


def read_all_the_time(output: Path, counts: Any) -> None:
    """Count how many checkpoints were opened, and how many could not be."""
    while True:
        for path in (
            output / "ViT.ckpt",
            *output.glob("runs/*/last.ckpt"),
            *output.glob("runs/*/best.ckpt"),
        ):
            if path.exists():
                try:
                    torch.load(path, weights_only=True)
                    counts[0] += 1
                except Exception as error:
                    counts[1] += 1
                    print(f"unreadable: {path}: {error}", file=sys.stderr)
        time.sleep(0.02)


def family(process: int) -> list[int]:
    """A process and all that it started."""
    try:
        children = [
            int(child)
            for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    except OSError:
        return []
    return [process, *(other for child in children for other in family(child))]


def other_ranks(process: int) -> list[int]:
    own = family(process)[1:]
    return [
        p
        for p in own
        if Path(f"/proc/{p}/stat").read_text().split()[3] == str(process)
        and b"LOCAL_RANK=1" in Path(f"/proc/{p}/environ").read_bytes()
    ]


def wait_for(moment: str, run: Path, process: "subprocess.Popen[Any]", rng: random.Random) -> None:
    """Return at the moment, or when the process has ended."""
    last = run / "last.ckpt"
    begun = time.time()
    epoch_length = sum([IMAGES["train"]] * 2) // 8
    end = time.monotonic() + rng.uniform(0, 15) if moment == "start" else None
    seen: float | None = None

    def now() -> bool:
        nonlocal end, seen
        if end is not None:
            return time.monotonic() >= end
        if moment == "publishing":
            if (run / "validation.csv").exists():
                end = time.monotonic() + rng.uniform(0, 1.5)
            return False
        kept = last.stat().st_mtime if last.exists() else 0.0
        if kept < begun:
            return False
        if moment == "anywhere":
            end = time.monotonic() + rng.uniform(0, 6)
        elif moment == "writing":
            return any(run.glob(".unfinished-*-last.ckpt"))
        elif kept != seen:
            first = seen is None
            seen = kept
            if moment == "after":
                return not first and rng.random() < 0.5
            start = torch.load(last, weights_only=True)["CoronaryData"]["start"]
            if not first and start[1] == epoch_length:
                end = time.monotonic() + rng.uniform(0, 0.1)
        return False

    while process.poll() is None and not now():
        time.sleep(0.001)


def end(process: "subprocess.Popen[Any]", targets: list[int]) -> float:
    """kill -9; seconds until the last process of the run is gone."""
    everyone = family(process.pid)
    begun = time.monotonic()
    for target in targets:
        os.kill(target, signal.SIGKILL)
    while process.poll() is None or any(Path(f"/proc/{p}").exists() for p in everyone):
        if time.monotonic() - begun > LONGEST:
            for p in everyone:
                if Path(f"/proc/{p}").exists():
                    os.kill(p, signal.SIGKILL)
            process.wait()
            break
        time.sleep(0.05)
    return time.monotonic() - begun


def differences(run: Path, whole: Path) -> list[str]:
    """What of a run is not bit for bit as in the uninterrupted one."""
    unlike = [
        n
        for n in ("metrics.csv", "validation.csv")
        if (run / n).read_bytes() != (whole / n).read_bytes()
    ]
    for name in ("best.ckpt", "last.ckpt"):
        a, b = (
            torch.load(folder / name, weights_only=True)["state_dict"] for folder in (run, whole)
        )
        unlike += [f"{name}: {key}" for key in a if not torch.equal(a[key], b[key])]
    return unlike


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument(
        "--OUTPUT", "--output", "-o", type=Path, required=True, help="folder that is not there yet"
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--processes", type=int, default=1, help="of a run; 2: by ddp and gloo")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    output = options.OUTPUT / "out"
    rng = random.Random(0)
    make_images(options.OUTPUT / "images")
    (options.OUTPUT / "config.yml").write_text(SHAPE)
    command = [
        sys.executable,
        "train.py",
        "--Config",
        str(options.OUTPUT / "config.yml"),
        "--device",
        "cpu",
        "--data_folder",
        str(options.OUTPUT / "images"),
        "--OUTPUT",
        str(output),
        "--epochs",
        str(options.epochs),
    ]
    if options.processes > 1:
        command += ["--devices", str(options.processes), "--strategy", "ddp"]
    log = open(options.OUTPUT / "log.txt", "a")  # noqa: SIM115  for the processes, to the end

    def start() -> "subprocess.Popen[Any]":
        return subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )

    begun = time.monotonic()
    if start().wait():
        sys.exit(f"the uninterrupted run failed; see {log.name}")
    (whole,) = (output / "runs").iterdir()
    print(f"uninterrupted: {time.monotonic() - begun:.0f} s", flush=True)
    counts = multiprocessing.Array("q", 2)
    reader = multiprocessing.Process(target=read_all_the_time, args=(output, counts), daemon=True)
    reader.start()
    kills = 0
    runs = 1
    alike = 0
    lost = [0.0]
    waits = [0.0]
    while kills < options.kills:
        runs += 1
        run = output / "runs" / f"{whole.name.rsplit('-', 1)[0]}-{runs}"
        for moment in MOMENTS[: options.kills - kills]:
            process = start()
            at = time.time()
            wait_for(moment, run, process, rng)
            if process.poll() is not None:
                print(f"  {moment}: the run had ended, status {process.returncode}", flush=True)
                continue
            others = other_ranks(process.pid) if options.processes > 1 else []
            targets = rng.choice([[process.pid], others or [process.pid], [process.pid, *others]])
            kept = (run / "last.ckpt").stat().st_mtime if (run / "last.ckpt").exists() else 0.0
            since = time.time() - kept if kept > at and moment != "publishing" else 0.0
            lost.append(since)
            waits.append(end(process, targets))
            kills += 1
            print(
                f"  kill {kills}, {moment}, {len(targets)} of {1 + len(others)} processes, {since:.2f} s after a "
                f"kept state, all gone after {waits[-1]:.1f} s",
                flush=True,
            )
        if not (run / "finished.json").exists() and (status := start().wait()):
            sys.exit(f"run {runs} does not go on: status {status}; see {log.name}")
        unlike = differences(run, whole)
        leftovers = [path.name for folder in (output, run) for path in folder.glob(".*")]
        alike += not unlike
        print(
            f"run {runs}: {unlike or 'as the uninterrupted one'}; left over: {leftovers}",
            flush=True,
        )
    print(
        f"{kills} kills; {alike} of {runs - 1} killed runs end bit for bit as the uninterrupted one; "
        f"longest since a kept state {max(lost):.2f} s; longest until all processes were gone {max(waits):.1f} s; "
        f"checkpoints opened meanwhile: {counts[0]}, unreadable: {counts[1]}"
    )
    sys.exit(bool(counts[1]) or alike < runs - 1 or max(waits) > LONGEST)


if __name__ == "__main__":
    main()
