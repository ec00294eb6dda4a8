"""Write a file or a folder whole: after a kill or on a full disk, the old one is still there.

What is written lies on the disk (fsync) before its name points to it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from reage.errors import ImageError, ReageError
from reage.parts import beside, is_part, new_part, remove

__all__ = [
    "UNTOUCHED",
    "Writer",
    "absence",
    "check_folder",
    "check_place",
    "name_errors",
    "new_file",
    "new_folder",
    "open_file",
    "place_for_files",
    "publish",
    "read_file",
    "real_path",
    "sweep",
    "write_file",
    "write_together",
]

Kind = type[ReageError]
# Said of the file that an error names; others of the same command may be written already.
UNTOUCHED = "it was left as it was"


class Writer(Protocol):
    """How files are written: `write_file`, or all of a block together."""

    def __call__(self, path: Path, data: bytes, *, overwrite: bool = True) -> None: ...


def open_file(path: Path, *, newline: str | None = None, encoding: str | None = None) -> IO[Any]:
    """Open a file to read, as text with an encoding; OSError for a device or pipe.

    Those may have no end, or no beginning.
    """
    mode = "rb" if encoding is None else "r"
    return open(path, mode, newline=newline, encoding=encoding, opener=_open_regular)


def read_file(path: Path) -> bytes:
    """Read a whole file; OSError for a device or pipe."""
    with open_file(path) as file:
        return file.read()


def _open_regular(name: str, flags: int) -> int:
    handle = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return handle
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    raise OSError(errno.EINVAL, "it is a device or pipe: copy it to a file first", name)


def absence(path: Path) -> str:
    """Say why there is no file to read under a name."""
    if os.path.isdir(path):  # which, unlike a Path's, raises for no name
        return "is a folder"
    if os.path.exists(path):
        return "is a device or pipe"
    return "is a link that leads nowhere" if os.path.lexists(path) else "does not exist"


def check_place(target: Path, overwrite: bool) -> None:
    """Raise ImageError where a file could not be written, before any work."""
    with name_errors(target):
        _resolve(target)
        if target.is_dir():
            raise ImageError(f"{target} is a folder: name a file in it")
        if target.exists() and not target.is_file():
            raise ImageError(f"{target} is a device or pipe: name a file")
        if not target.parent.is_dir():
            raise ImageError(f"the folder {target.parent} does not exist: create it first")
        _refuse_existing(target, overwrite)
        _refuse_unwritable(_resolve(target).parent)


def check_folder(folder: Path) -> None:
    """Raise ImageError where no files could be written into a folder, before any work."""
    with name_errors(folder):
        place = _resolve(folder)
        there = next(part for part in (place, *place.parents) if part.exists())
        if not there.is_dir():
            raise ImageError(f"{there} is a file: name a folder")
        _refuse_unwritable(there)


def write_file(path: Path, data: bytes, *, overwrite: bool = True, kind: Kind = ImageError) -> None:
    """Write a file in one piece; raises `kind` where that is impossible."""
    with name_errors(path, kind), new_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)


@contextmanager
def write_together(kept: str = UNTOUCHED) -> Iterator[Writer]:
    """Yield a `write_file` whose files appear all at the end of the block, or none of them.

    The one that is written first appears last. Errors end with `kept`.
    """
    with ExitStack() as stack:

        def write(path: Path, data: bytes, *, overwrite: bool = True) -> None:
            with name_errors(path, kept=kept):
                temporary = stack.enter_context(new_file(path, overwrite=overwrite))
                temporary.write_bytes(data)
                _sync(temporary)  # a disk that is full says so before the first one appears

        yield write


@contextmanager
def new_file(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield the name of an empty file to write; at the end of the block it gets the name `path`.

    After an error in the block `path` is as it was. A link stays, the file behind it is replaced.
    Raises OSError; FileExistsError if, without `overwrite`, the file is there by then.
    """
    place = _resolve(path)
    with new_part(place, _create) as temporary:
        try:
            yield temporary
            _sync(temporary)
            if place.exists():
                temporary.chmod(stat.S_IMODE(place.stat().st_mode))
            _refuse_existing(path, overwrite)
            os.replace(temporary, place)
        except BaseException:  # an interrupt leaves nothing behind either
            remove(temporary)
            raise
    _sync_folder(place.parent)


@contextmanager
def new_folder(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield an empty folder to fill; at the end of the block it takes the place of `path`.

    Readers see the old folder or the new one, each complete. Raises OSError; FileExistsError if,
    without `overwrite`, the folder is there by then.
    """
    place = _resolve(path)
    with new_part(place, lambda part: part.mkdir(parents=True)) as temporary:
        try:
            yield temporary
            for file in temporary.rglob("*"):
                (_sync_folder if file.is_dir() else _sync)(file)
            _sync_folder(temporary)
            _refuse_existing(path, overwrite)
            _swap(temporary, place)
        finally:
            remove(temporary)
    _sync_folder(place.parent)


@contextmanager
def place_for_files(folder: Path) -> Iterator[None]:
    """Make a folder if it is missing; after an error in the block, an empty one goes again.

    Raises ImageError where it cannot be made.
    """
    missing = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a name"
        raise ImageError(
            f"cannot make the folder {folder}: {reason}; choose another place"
        ) from error
    try:
        yield
    except BaseException:
        for place in missing:
            with suppress(OSError):
                place.rmdir()
        raise


def publish(file: Path, place: Path) -> Path:
    """Give a finished file of the same disk its place, which is returned."""
    _sync(file)
    os.replace(file, place)
    _sync_folder(place.parent)
    return place


def sweep(folder: Path) -> None:
    """Remove what a killed process left unfinished in a tree; no other may be writing there."""
    for part in sorted(folder.rglob(".*.part")):
        if is_part(part.name):
            remove(part)


@contextmanager
def name_errors(path: Path, kind: Kind = ImageError, kept: str = UNTOUCHED) -> Iterator[None]:
    """Turn the system's errors while `path` is written into one line, which ends with `kept`.

    In a `new_folder` they are left to whoever knows the name that it gets.
    """
    if any(is_part(part.name) for part in path.parents):
        yield
        return
    try:
        yield
    except FileExistsError as error:
        raise kind(f"{path} exists already: choose another name, or use --overwrite") from error
    except PermissionError as error:
        raise kind(f"{path} may not be written: choose another folder") from error
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise kind(f"{path} cannot be written ({reason}): {kept}") from error


def real_path(path: Path) -> Path:
    """The place behind links, also where they run in a circle."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):  # a null byte
        return path.absolute()


def _resolve(path: Path) -> Path:
    """The place behind links; OSError where the name leads nowhere."""
    try:
        place = path.resolve()
    except ValueError as error:  # a null byte
        raise OSError(errno.EINVAL, "not a file name") from error
    except RuntimeError as error:  # links in a circle, up to Python 3.12
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
    if place.is_symlink():  # the same, from Python 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return place


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _refuse_unwritable(folder: Path) -> None:
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _create(path: Path) -> None:
    path.open("xb").close()


def _swap(made: Path, place: Path) -> None:
    """Put a folder in its place; what was there may be left under the name `made`."""
    if not place.exists():
        os.rename(made, place)
    elif not _exchange(made, place):
        old = beside(place)
        os.rename(place, old)
        try:
            os.rename(made, place)
        except OSError:
            os.rename(old, place)
            raise
        remove(old)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step, as Linux can; False where the system cannot."""
    at_cwd, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return renameat2(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange) == 0


def _sync(file: Path) -> None:
    with file.open("rb+") as opened:  # Windows syncs only what may be written
        os.fsync(opened.fileno())


def _sync_folder(folder: Path) -> None:
    """Make names last; not every system can open a folder, and not every disk syncs one."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
