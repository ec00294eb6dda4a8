"""Work shared out to processes of this machine; what comes out does not depend on their number."""

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
WAITING = 2  # items a process that are handed out at once
# Of a worker process; never set in the user's own: how its work is made, and what was made.
_make: Any = None
_work: Any = None


def in_processes(
    items: Sequence[Item],
    make: Callable[[], Callable[[Item], Made]],
    processes: int,
    option: str = "--workers",
) -> Iterator[Made]:
    """Do work with all items, in this process or in new ones; in the order they get ready.

    `make` is called once a process, before its first item, and gives what is called with items.
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
            "a process ended early, perhaps for want of memory: give the same command again, it "
            f"goes on, with fewer {option}"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start(make: Callable[[], Callable[[Any], Any]]) -> None:
    """Nothing is loaded before the first item comes: an error here would break the pool unsaid."""
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
    """A parent that is killed outright leaves its workers waiting for ever."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread of torch, as in the workers: sums come in the same order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _block_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from processes begun here: this one ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
