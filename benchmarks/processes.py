"""The processes of a training, the moments at which they are killed, and their end (Linux).

For benchmarks.kills.
"""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import torch

MOMENTS = ("start", "anywhere", "writing", "after", "validation", "publishing")
LONGEST = 60.0  # seconds that any process may outlive a killed one
Training = subprocess.Popen[bytes]


def family(process: int) -> list[int]:
    """A process and all that it started."""
    try:
        words = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(other for child in words for other in family(int(child)))]


def other_ranks(process: int) -> list[int]:
    """The further processes of a training on several devices."""
    ranks = []
    for other in family(process)[1:]:
        parent = Path(f"/proc/{other}/stat").read_text().split()[3]
        environment = Path(f"/proc/{other}/environ").read_bytes()
        if parent == str(process) and b"LOCAL_RANK=1" in environment:
            ranks.append(other)
    return ranks


def wait_for(moment: str, run: Path, steps: int, process: Training, rng: random.Random) -> None:
    """Return at the moment, or when the process has ended.

    Args:
        moment: one of MOMENTS.
        run: folder of the run.
        steps: of an epoch.
        process: of the training.
        rng: for how long after the moment this returns.
    """
    last = run / "last.ckpt"
    begun = time.time()
    end = time.monotonic() + rng.uniform(0, 15) if moment == "start" else None
    seen: float | None = None  # when last.ckpt was last written, since the process began

    def now() -> bool:
        nonlocal end, seen
        if end is not None:
            return time.monotonic() >= end
        if moment == "publishing":
            if (run / "validation.csv").exists():
                end = time.monotonic() + rng.uniform(0, 1.5)
            return False
        kept = modified(last)
        if kept < begun:
            return False
        if moment == "anywhere":
            end = time.monotonic() + rng.uniform(0, 6)
        elif moment == "writing":
            return any(run.glob(".unfinished-*-last.ckpt"))
        elif kept != seen:
            is_first = seen is None
            seen = kept
            if moment == "after":
                return not is_first and rng.random() < 0.5
            _, step = torch.load(last, weights_only=True)["CoronaryData"]["start"]
            if not is_first and step == steps:  # the epoch is over, and validation begins
                end = time.monotonic() + rng.uniform(0, 0.1)
        return False

    while process.poll() is None and not now():
        time.sleep(0.001)


def modified(path: Path) -> float:
    """When a file was last written, 0 if it is not there."""
    return path.stat().st_mtime if path.exists() else 0.0


def kill(process: Training, targets: list[int]) -> float:
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
