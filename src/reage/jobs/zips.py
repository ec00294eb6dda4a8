"""Open ZIP files of strangers: the table of contents is bounded, and one odd name in it no end."""

from __future__ import annotations

import zipfile
from typing import IO, Any, cast

from reage.errors import ImageError

__all__ = ["open_zip"]

ENTRY, LENGTH = b"PK\1\2", 46  # of the table of contents: how it begins, bytes before its name
UTF8 = 0x08  # in the second byte of its flags: the name is UTF-8


def open_zip(file: IO[bytes], most_listed: int | None = None) -> zipfile.ZipFile:
    """Open a ZIP whose table of contents has at most so many bytes; ImageError where it has more.

    Python makes an object of each entry: 300,000 of them, in 14 MB, take six seconds. It also
    gives up all of them for one name that is called UTF-8 and is not: here that name is empty.
    """
    reader = _Reader(file, most_listed)
    archive = zipfile.ZipFile(cast(IO[bytes], reader))
    reader.is_listing = False  # members may be large
    return archive


class _Reader:
    """A file whose table of contents is read within bounds, and without names that are not text."""

    def __init__(self, file: IO[bytes], most: int | None):
        self.file, self.most, self.is_listing = file, most, True

    def read(self, size: int = -1) -> bytes:
        if self.is_listing and self.most is not None and size > self.most:
            raise ImageError("the ZIP lists too many files; split it")
        data = self.file.read(size)
        return _drop_odd_names(data) if self.is_listing and data.startswith(ENTRY) else data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _drop_odd_names(listed: bytes) -> bytes:
    """Fill the names of a table of contents that are not UTF-8, but called so, with zeros."""
    mended, at = bytearray(listed), 0
    while listed.startswith(ENTRY, at) and at + LENGTH <= len(listed):
        name, extra, comment = (
            int.from_bytes(listed[at + i : at + i + 2], "little") for i in (28, 30, 32)
        )
        if listed[at + 9] & UTF8 and not _is_text(listed[at + LENGTH : at + LENGTH + name]):
            mended[at + LENGTH : at + LENGTH + name] = bytes(name)
        at += LENGTH + name + extra + comment
    return bytes(mended)


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
