"""Unfinished files beside their place, and which of them no living process owns."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows, where no file that is open can be renamed: nothing is swept there
    fcntl = None

__all__ = ["beside", "is_part", "new_part", "remove", "sweep_unowned"]

PART = re.compile(r"\.[0-9a-f]{32}\.part")  # names of what is not finished


def is_part(name: str) -> bool:
    """Return whether a file of this name is something unfinished."""
    return PART.fullmatch(name) is not None


def beside(place: Path) -> Path:
    """Return a new name for what will be `place`."""
    return place.with_name(f".{uuid4().hex}.part")  # short, however long the name is


@contextmanager
def new_part(place: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    """Make something unfinished beside its place, and own it until the end of the block.

    The owner holds a lock, which the system takes back however the process ends. What killed
    processes left beside the place is removed first.
    """
    sweep_unowned(place.parent)
    while True:
        part = beside(place)
        make(part)
        lock = _lock(part, wait=True)
        if part.exists():  # else another process swept it before it was locked
            break
        _unlock(lock)
    try:
        yield part
    finally:
        _unlock(lock)


@lru_cache(1024)
def sweep_unowned(folder: Path) -> None:
    """Remove what is unfinished in a folder and owned by no living process, once for each folder.

    Where the disk knows no locks nothing is removed.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        parts = [Path(entry.path) for entry in entries if is_part(entry.name)]
        for part in parts:
            lock = _lock(part, wait=False)
            if lock is not None:
                remove(part)
                _unlock(lock)


def remove(path: Path) -> None:
    """Remove a file or a whole folder, where that is possible."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _lock(path: Path, wait: bool) -> int | None:
    """Lock a file or folder; None where others hold it, or locks are unknown."""
    if fcntl is None:
        return None
    handle = None
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return handle
    _unlock(handle)
    return None


def _unlock(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)
