"""How many threads a piece of work may take: a worker process has one, and keeps to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["cores", "share_out", "threads"]

Item = TypeVar("Item")
Done = TypeVar("Done")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads that numpy's work may be shared out to: as many as torch takes.

    Without loading torch: OMP_NUM_THREADS is what torch would start with, else the cores.
    """
    of_torch = getattr(sys.modules.get("torch"), "get_num_threads", None)
    if of_torch is not None:
        return of_torch()
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # a list is for nested loops
    return int(given) if given.isascii() and given.isdigit() and int(given) else cores()


def share_out(work: Callable[[Item], Done], items: Iterable[Item]) -> list[Done]:
    """Do something with each item, in `threads()` threads; a single one starts no other."""
    if threads() == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads()) as pool:
        return list(pool.map(work, items))
