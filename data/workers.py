"""Work on many images at once, in a process for each core.

Ctrl-C stops the processes after the images that they are at.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import cv2
from tqdm import tqdm

_stopped = False  # in a worker: Ctrl-C was pressed, or the work has failed elsewhere


def on_all_cores(
    work: Callable[[Any], Any],
    items: Sequence[Any],
    title: str,
    chunk: int,
    workers: int | None = None,
) -> list[Any]:
    """What ``work`` gives for each item, in their order, under a progress bar.

    Args:
        work: is sent to other processes, so that it has to be picklable.
        items: one argument of ``work`` each.
        title: stands before the progress bar.
        chunk: items that are sent to a process at once.
        workers: processes; None: as many as cores.
    """
    # a fork of a process whose libraries have started threads can hang
    spawn = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers or os.cpu_count(), spawn, _begin) as pool:
        try:
            with _ctrl_c_later():  # the processes begin here, and inherit it until they can take it
                done = pool.map(partial(_unless_stopped, work), items, chunksize=chunk)
            return list(tqdm(done, title, len(items), unit=" images", mininterval=1))
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                os.kill(process.pid or 0, signal.SIGINT)
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Inside this context Ctrl-C is not heard; it comes when the context ends."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _begin() -> None:
    cv2.setNumThreads(1)  # several of each process would fight for the same cores
    signal.signal(signal.SIGINT, _stop)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _stop(*_: Any) -> None:
    global _stopped
    _stopped = True  # no more: a second signal can come while this one is heard


def _end_with_parent() -> None:
    """End this worker when its parent has ended: it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _unless_stopped(work: Callable[[Any], Any], item: Any) -> Any:
    return None if _stopped else work(item)
