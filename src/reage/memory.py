"""How the process holds the memory that tensors come and go in."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from traceback import clear_frames
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

__all__ = ["do_and_return_memory", "held_bytes", "keep_memory", "return_memory"]

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


def held_bytes(root: object, shared: Iterable[object] = ()) -> int:
    """Return the bytes of memory that an object holds, with all that it refers to.

    Each array, tensor and text counts once, however many views there are. Networks, classes and
    `shared` objects belong to others. Safe while other threads add to what is measured.
    """
    known = {id(one): one for one in shared}  # the objects too: an id is reused after a death
    total, left = 0, [root]
    while left:
        one = left.pop()
        if id(one) in known or isinstance(one, type | ModuleType) or hasattr(one, "state_dict"):
            continue
        known[id(one)] = one
        total += _own_bytes(one)
        left += _parts(one)
    return total


def _own_bytes(one: Any) -> int:
    """Return what an object holds itself: memory that it only looks at is one of its parts."""
    if hasattr(one, "getbands"):  # a picture of Pillow's, whose pixels no Python object holds
        return one.width * one.height * len(one.getbands())
    if callable(getattr(one, "nbytes", None)):  # a tensor's storage
        return one.nbytes()
    return sys.getsizeof(one)


def _parts(one: Any) -> Iterator[object]:
    """Yield what an object refers to."""
    if isinstance(one, dict):
        yield from list(one)
        yield from list(one.values())
    elif isinstance(one, list | tuple | set | frozenset):
        yield from list(one)
    elif isinstance(one, FunctionType):
        yield from (cell.cell_contents for cell in one.__closure__ or ())
    elif isinstance(one, MethodType | partial):
        yield from (getattr(one, name, None) for name in ("__self__", "func", "args", "keywords"))
    elif hasattr(one, "untyped_storage"):
        yield one.untyped_storage()
    else:
        yield getattr(one, "base", None)  # of a view of an array
        yield from list(getattr(one, "__dict__", {}).values())
