"""ZIP files as torch writes them: uncompressed, so that none unpacks to more than its own size."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from reage.errors import ModelError

__all__ = ["ZIP", "open_stored_zip", "read_entry"]

ZIP = b"PK\x03\x04"  # how such a file starts
DAMAGED = (
    *(zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, KeyError),
    *(RuntimeError, OverflowError, struct.error),
)


def open_stored_zip(file: Path | BinaryIO, size: int, source: str) -> zipfile.ZipFile:
    """Open a ZIP file of `size` bytes; ModelError where it is damaged or could unpack to more."""
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGED as error:
        raise ModelError(f"{source} is not a torch file: {error}") from error
    items = archive.infolist()
    # Entries may overlap too: then their sizes add up to more than the file has.
    stored = all(item.compress_type == zipfile.ZIP_STORED for item in items)
    if not stored or sum(item.file_size for item in items) > size:
        raise ModelError(f"{source} is compressed, which torch files are not")
    return archive


def read_entry(archive: zipfile.ZipFile, name: str, source: str) -> bytes:
    """One entry of such a file; ModelError where it is missing or damaged."""
    try:
        return archive.read(name)
    except DAMAGED as error:
        raise ModelError(f"{source} is damaged: its entry {name} cannot be read") from error
