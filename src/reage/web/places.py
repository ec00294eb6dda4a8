"""Where a server keeps files: a folder that ends with it, or is swept by a later start."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["ServerFolder", "sweep_folders"]

PREFIX = "reage-server-"
LOCK = "lock"
YOUNG = 60.0  # seconds in which a folder may still be without its lock


class ServerFolder:
    """The folder of one server, held by a lock that the system gives up when the process dies."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.lock = (self.path / LOCK).open("wb")
        if not _try_lock(self.lock):
            raise AssertionError(f"{self.path} is new, and held by another")

    def new_folder(self) -> Path:
        """Make a folder in it."""
        return Path(tempfile.mkdtemp(dir=self.path))

    def close(self) -> None:
        """Remove it with all that is in it."""
        self.lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


def sweep_folders() -> int:
    """Remove the folders of servers that were killed; returns how many."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # of another user, or another start is faster
            if not folder.is_symlink() and _is_left_behind(folder):
                shutil.rmtree(folder)
                removed += 1
    return removed


def _is_left_behind(folder: Path) -> bool:
    if not (folder / LOCK).exists():
        return time.time() - folder.stat().st_mtime > YOUNG
    with (folder / LOCK).open("r+b") as lock:
        return _try_lock(lock)


def _try_lock(file: IO[bytes]) -> bool:
    """Lock an open file for this process; False where another holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
