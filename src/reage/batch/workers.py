"""Photos edited by several processes, one thread each: their number changes no byte."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from reage.batch.task import BatchTask, Done, Item
from reage.errors import ReageError
from reage.workers import end_with_parent, interrupts_blocked, keep_memory, one_thread

__all__ = ["do_all"]

WAITING = 2  # photos a process that are handed out at once
_worker = None  # of a worker process; never set in the user's own


def do_all(items: Sequence[Item], task: BatchTask, output: Path, workers: int) -> Iterator[Done]:
    """Do a task with all photos, in this process or in new ones; in the order they get ready."""
    workers = min(workers, len(items))
    if workers > 1:
        yield from _in_processes(items, task, output, workers)
    elif items:
        from reage.batch.work import Worker

        with one_thread():
            worker = Worker(task, output)
            for item in items:
                yield worker.do(item)


def _in_processes(
    items: Sequence[Item], task: BatchTask, output: Path, workers: int
) -> Iterator[Done]:
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (task, output))
    todo = iter(items)
    running: set[Future[Done]] = set()
    try:
        while True:
            for item in islice(todo, WAITING * workers - len(running)):
                with interrupts_blocked():  # a new process begins with this one's mask
                    running.add(pool.submit(_do, item))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise ReageError(
            "a process ended early, perhaps for want of memory: give the same command again, it "
            "goes on, with fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(task: BatchTask, output: Path) -> None:
    """Load the editor when the first photo comes: an error here would break the pool unsaid."""
    global _worker
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded
    keep_memory()
    threading.Thread(target=end_with_parent, daemon=True).start()
    _worker = (task, output)


def _do(item: Item) -> Done:
    global _worker
    if isinstance(_worker, tuple):
        import torch

        from reage.batch.work import Worker

        torch.set_num_threads(1)
        _worker = Worker(*_worker)
    assert _worker is not None
    return _worker.do(item)
