"""NumPy's .npy and .npz files of plain numbers, read strictly.

np.load evaluates a header as Python and allocates what it claims; here a header is a pattern, and
an array is as large as the bytes that are there.
"""

from __future__ import annotations

import io
import lzma
import math
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from reage.errors import LatentError
from reage.models.files import read_bytes

__all__ = ["MAX_BYTES", "is_pickled", "read_npy", "read_npz"]

MAGIC = b"\x93NUMPY"
MAX_BYTES = 400_000_000  # a file that unpacks to more holds no codes
HEADER = re.compile(
    r"\s*\{\s*'descr':\s*'([^']{1,20})',\s*'fortran_order':\s*(True|False),"
    r"\s*'shape':\s*\(([0-9, ]{0,100})\),?\s*\}\s*"
)
NUMBERS = re.compile(r"[<>|=]?[fiu][1248]")
OBJECTS = ("|O", "O", "|O8")
# What a damaged ZIP, or one that is made to exhaust, raises.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, KeyError),
    *(RuntimeError, NotImplementedError, OverflowError, IndexError),
)


def is_pickled(path: Path) -> bool:
    """Whether a .npy file holds Python objects instead of numbers."""
    data = read_bytes(path, MAX_BYTES)
    header = _header(data)
    return header is not None and header[0] in OBJECTS


def read_npy(path: Path) -> np.ndarray:
    """Read a .npy file; LatentError if it holds anything but plain numbers."""
    found = _array(read_bytes(path, MAX_BYTES))
    if found is None:
        raise LatentError(f"{path} is not a NumPy file of plain numbers, or it is damaged")
    return found


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of plain numbers in a .npz file by name; others are left out."""
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path, MAX_BYTES))) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
            if unpacked > MAX_BYTES:
                raise LatentError(f"{path} unpacks to {unpacked} bytes: no latent code")
            held = {name: archive.read(name) for name in archive.namelist()}
    except DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise LatentError(f"{path} cannot be read: {reason}") from error
    arrays = {name.removesuffix(".npy"): _array(data) for name, data in held.items()}
    return {name: array for name, array in arrays.items() if array is not None}


def _header(data: bytes) -> tuple[str, str, str, int] | None:
    """Return type, order and shape as they are written, and where the values begin."""
    if data[:6] != MAGIC or data[6:7] not in (b"\x01", b"\x02", b"\x03"):
        return None
    width = 2 if data[6] == 1 else 4
    end = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    match = HEADER.fullmatch(data[8 + width : end].decode("latin-1"))
    return None if match is None or end > len(data) else (match[1], match[2], match[3], end)


def _array(data: bytes) -> np.ndarray | None:
    header = _header(data)
    if header is None or not NUMBERS.fullmatch(header[0]):
        return None
    kind, order, written, begin = header
    parts = [part.strip() for part in written.split(",")]
    if not all(
        part.isdecimal() or (not part and n) for n, part in enumerate(parts) if parts != [""]
    ):
        return None
    try:
        dtype = np.dtype(kind)
    except TypeError:  # a float of one byte
        return None
    shape = tuple(int(part) for part in parts if part)
    count = math.prod(shape)
    if len(shape) > 8 or count * dtype.itemsize != len(data) - begin:
        return None
    flat = np.frombuffer(data, dtype, count, begin)
    return flat.reshape(shape, order="F" if order == "True" else "C")
