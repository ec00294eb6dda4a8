"""How the process holds the memory that tensors come and go in."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from traceback import clear_frames
from typing import Any, TypeVar

__all__ = ["do_and_return_memory", "keep_memory", "return_memory"]

Answer = TypeVar("Answer")


def keep_memory() -> bool:
    """Let glibc keep the memory that large tensors give back, for the next ones.

    By default it returns large blocks to the system, which zeroes them anew each time: that took
    half of the time of a picture of 1024 px, and of a training step. The most memory that a
    process ever has stays its own, unless `return_memory` is called. False on another system.
    """
    trim_threshold, mmap_threshold = -1, -3  # malloc.h
    try:
        libc = ctypes.CDLL("libc.so.6")
        return bool(
            libc.mallopt(mmap_threshold, 1 << 30) and libc.mallopt(trim_threshold, 2**31 - 1)
        )
    except (OSError, AttributeError):
        return False


def return_memory() -> bool:
    """Give back to the system what is free, once; milliseconds. False on another system."""
    try:
        return bool(ctypes.CDLL("libc.so.6").malloc_trim(0))
    except (OSError, AttributeError):
        return False


def do_and_return_memory(work: Callable[..., Answer], *args: Any) -> Answer:
    """Do something with large pictures and give back their memory at once."""
    try:
        return work(*args)
    except BaseException as error:
        clear_frames(error.__traceback__)  # they hold the pictures as long as the error is kept
        raise
    finally:
        return_memory()
