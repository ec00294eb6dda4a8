"""Pictures examined by several processes; what comes out does not depend on their number."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context

from reage.errors import ReageError
from reage.preparing.options import PrepareOptions
from reage.preparing.records import Examined
from reage.preparing.sources import Picture
from reage.workers import end_with_parent, interrupts_blocked, keep_memory, one_thread

__all__ = ["default_processes", "examine_all"]

WAITING = 4  # pictures a process that are handed out at once
_examiner = None  # of a worker process; never set in the user's own


def default_processes() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def examine_all(
    pictures: list[Picture], options: PrepareOptions, processes: int
) -> Iterator[Examined]:
    """Examine pictures, in this process or in several new ones; in the order they get ready."""
    processes = min(processes, len(pictures))
    if processes > 1:
        yield from _in_processes(pictures, options, processes)
    elif pictures:
        from reage.preparing.examining import Examiner

        with one_thread():
            examiner = Examiner(options)
            for picture in pictures:
                yield examiner.examine(picture)


def _in_processes(
    pictures: Iterable[Picture], options: PrepareOptions, processes: int
) -> Iterator[Examined]:
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start_worker, (options,))
    todo = iter(pictures)
    running: set[Future[Examined]] = set()
    try:
        while True:
            for picture in islice(todo, WAITING * processes - len(running)):
                with interrupts_blocked():  # a new process begins with this one's mask
                    running.add(pool.submit(_examine, picture))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise ReageError(
            "a process ended early, perhaps for want of memory: give the same command again, it "
            "goes on, with fewer --processes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(options: PrepareOptions) -> None:
    global _examiner
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded
    keep_memory()
    threading.Thread(target=end_with_parent, daemon=True).start()
    import torch

    from reage.preparing.examining import Examiner

    torch.set_num_threads(1)
    _examiner = Examiner(options)


def _examine(picture: Picture) -> Examined:
    assert _examiner is not None
    return _examiner.examine(picture)
