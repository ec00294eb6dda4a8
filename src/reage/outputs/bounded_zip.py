"""Open ZIP files of strangers: a table of contents is read only up to a size."""

from __future__ import annotations

import zipfile
from typing import IO, Any, cast

from reage.errors import ImageError

__all__ = ["open_zip"]


def open_zip(file: IO[bytes], most_listed: int) -> zipfile.ZipFile:
    """Open a ZIP whose table of contents has at most so many bytes; ImageError where it has more.

    Python makes an object of each entry: 300,000 of them, in 14 MB, take six seconds.
    """
    reader = _Reader(file, most_listed)
    archive = zipfile.ZipFile(cast(IO[bytes], reader))
    reader.most = None  # members may be large
    return archive


class _Reader:
    """A file that refuses to read much at once."""

    def __init__(self, file: IO[bytes], most: int):
        self.file = file
        self.most: int | None = most

    def read(self, size: int = -1) -> bytes:
        if self.most is not None and size > self.most:
            raise ImageError("the ZIP lists too many files; split it")
        return self.file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
