"""What processes that compute need, those of the command line and of both pools of workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, parent_process

__all__ = ["end_with_parent", "interrupts_blocked", "keep_memory", "one_thread"]


def end_with_parent() -> None:
    """A parent that is killed outright leaves its workers waiting for ever."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of torch, as in the workers: sums come in the same order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Keep Ctrl-C from processes begun here: this one ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def keep_memory() -> bool:
    """Let glibc keep the memory that large tensors give back, for the next ones.

    By default it returns large blocks to the system, which zeroes them anew each time: that took
    half of the time of a picture of 1024 px, and of a training step. The most memory that a
    process ever has stays its own until it ends. False on another system.
    """
    import ctypes

    trim_threshold, mmap_threshold = -1, -3  # malloc.h
    try:
        libc = ctypes.CDLL("libc.so.6")
        return bool(
            libc.mallopt(mmap_threshold, 1 << 30) and libc.mallopt(trim_threshold, 2**31 - 1)
        )
    except (OSError, AttributeError):
        return False
