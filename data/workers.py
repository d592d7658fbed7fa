"""Work on many images at once, in processes of all cores."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2
from tqdm import tqdm


def on_all_cores(
    work: Callable[[Any], Any], items: Sequence[Any], title: str, chunk: int, workers: int | None = None
) -> list[Any]:
    """What ``work`` gives for each item, in their order, under a progress bar; ``workers``: all cores by default."""
    spawn = multiprocessing.get_context("spawn")  # a fork of a process whose libraries have started threads can hang
    with ProcessPoolExecutor(workers or os.cpu_count(), spawn, _begin) as pool:
        done = pool.map(work, items, chunksize=chunk)
        return list(tqdm(done, title, len(items), unit=" images", mininterval=1))


def _begin() -> None:
    """One thread for each process, which leaves Ctrl-C to the one that started it."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
