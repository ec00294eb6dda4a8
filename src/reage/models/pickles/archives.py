"""Uncompressed ZIP files, as torch writes them, read in place."""

from __future__ import annotations

import mmap
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from reage.errors import ModelError
from reage.files import open_file

__all__ = ["ZIP", "Entry", "stored_entries"]

ZIP = b"PK\x03\x04"  # how such a file starts
LOCAL_HEADER = 30  # bytes before an entry's name; the lengths of name and extra field end it
DAMAGED = (
    *(zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, KeyError),
    *(RuntimeError, OverflowError, struct.error),
)


@dataclass(eq=False, repr=False)
class Entry:
    """The memory-mapped bytes of an entry; the first read verifies the checksum."""

    name: str
    data: memoryview
    checksum: int
    checked: bool = False

    def read(self, source: str) -> memoryview:
        """Return the bytes without a copy; ModelError if they are damaged."""
        if not self.checked and zlib.crc32(self.data) != self.checksum:
            raise ModelError(f"{source} is damaged: its entry {self.name} cannot be read")
        self.checked = True
        return self.data


def stored_entries(path: Path) -> dict[str, Entry]:
    """Map a ZIP file; ModelError if it is damaged, compressed or larger when unpacked."""
    try:
        with open_file(path) as file:
            # Copy on write, since torch wants writable buffers.
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            items = zipfile.ZipFile(file).infolist()
        # Overlapping entries add up to more than the file.
        stored = all(item.compress_type == zipfile.ZIP_STORED for item in items)
        if not stored or sum(item.file_size for item in items) > len(mapped):
            raise ModelError(f"{path} is compressed, which torch files are not")
        view = memoryview(mapped)
        return {item.filename: _entry(item, view) for item in items}
    except DAMAGED as error:
        raise ModelError(f"{path} is not a torch file: {error}") from error


def _entry(item: zipfile.ZipInfo, view: memoryview) -> Entry:
    name, extra = struct.unpack_from("<HH", view, item.header_offset + LOCAL_HEADER - 4)
    start = item.header_offset + LOCAL_HEADER + name + extra
    return Entry(item.filename, view[start : start + item.file_size], item.CRC)
