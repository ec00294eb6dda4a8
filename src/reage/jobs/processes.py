"""Distribute work to local processes; the results do not depend on how many there are."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from typing import Any, TypeVar

from reage.errors import ReageError
from reage.memory import keep_memory

__all__ = ["in_processes"]

Item = TypeVar("Item")
Made = TypeVar("Made")
WAITING = 2  # items queued per process
# Set only in worker processes: the function that makes the work, and the work itself.
_make: Any = None
_work: Any = None


def in_processes(
    items: Sequence[Item],
    make: Callable[[], Callable[[Item], Made]],
    processes: int,
    option: str = "--workers",
) -> Iterator[Made]:
    """Process all items, in this process or in new ones; yields results as they finish.

    Each process calls `make` once, before its first item; the result is called with each item.
    `option` is the command line's name for `processes`.
    """
    processes = min(processes, len(items))
    if processes > 1:
        yield from _in_new_processes(items, make, processes, option)
    elif items:
        with _one_thread():
            yield from map(make(), items)


def _in_new_processes(
    items: Sequence[Item],
    make: Callable[[], Callable[[Item], Made]],
    processes: int,
    option: str,
) -> Iterator[Made]:
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, (make,))
    todo = iter(items)
    running: set[Future[Made]] = set()
    try:
        while True:
            for item in islice(todo, WAITING * processes - len(running)):
                with _block_interrupts():  # a new process begins with this one's mask
                    running.add(pool.submit(_do, item))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise ReageError(
            "a process ended early, perhaps out of memory: give the same command again with "
            f"fewer {option}; it resumes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(make: Callable[[], Callable[[Any], Any]]) -> None:
    """Prepare a worker. It loads nothing yet: an error here would break the pool silently."""
    global _make
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded
    keep_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _make = make


def _do(item: Any) -> Any:
    global _work
    if _work is None:
        import torch

        torch.set_num_threads(1)
        _work = _make()
    return _work(item)


def _end_with_parent() -> None:
    """Exit when the parent ends: after a kill, workers would otherwise wait for ever."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread, as in the workers, so that sums keep their order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _block_interrupts() -> Iterator[None]:
    """Block Ctrl-C in processes started here; this process ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
