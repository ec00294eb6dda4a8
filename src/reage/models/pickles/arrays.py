"""Arrays and tensors in pickled files of latent codes, read without running anything."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.files import read_bytes
from reage.models.pickles.files import (
    PickledFile,
    read_pickled,
    read_start,
    read_torch_file,
    refuse_code,
)
from reage.models.pickles.interpreter import Global, Interpreter, Record
from reage.models.pickles.tensors import StoredTensor, interpret_torch, is_torch_file

__all__ = ["arrays_in", "read_pickled_arrays", "read_torch_content"]

NUMPY_HEADER = b"\x93NUMPY"
RECONSTRUCT = {
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
}
FROM_BUFFER = {"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"}  # protocol 5
DTYPES = {"numpy.dtype"}
MAX_PARTS = 2_000_000  # of ReStyle's codes of a whole data set there are some 400 thousand
MAX_DEPTH = 32
MAX_GROWTH = 4  # bytes of arrays by bytes of the file: float16 becomes float32


def read_pickled_arrays(path: Path) -> Any:
    """Read a .pt, .pd, .pdparams or pickled .npy file: arrays in dictionaries and lists.

    What is neither array, number nor text is left out. Raises ModelError when it is damaged.
    """
    start, source = read_start(path), str(path)
    if start.startswith(NUMPY_HEADER):
        data = read_bytes(path)
        content = interpret_torch(data[_header_length(data, source) :], Interpreter(source))
        return _Plain(source, len(data)).of(content)
    file = read_pickled(path)
    if is_torch_file(start):
        refuse_code(file, source)
    return arrays_in(file, source)


def arrays_in(file: PickledFile, source: str) -> Any:
    """Return the arrays in an opened file; `source` is named in errors."""
    return _Plain(source, file.size).of(file.content)


def read_torch_content(path: Path) -> Any:
    """Read a torch file of dictionaries, lists, numbers, text and tensors, of their own types.

    Tuples become lists; what is anything else becomes None. Raises ModelError.
    """
    file, source = read_torch_file(path), str(path)
    refuse_code(file, source)
    return _Tensors(source, file.size).of(file.content)


def _header_length(data: bytes, source: str) -> int:
    """Return the length in bytes of the header of a .npy file (format version 1 to 3)."""
    width = 2 if data[6:7] == b"\x01" else 4
    length = int.from_bytes(data[8 : 8 + width], "little")
    if 8 + width + length >= len(data):
        raise ModelError(f"{source} is a damaged NumPy file: it ends in its header")
    return 8 + width + length


class _Plain:
    """Turns recorded calls into arrays, dictionaries and lists.

    A file may name the same part many times, so parts, depth and bytes are limited.
    """

    def __init__(self, source: str, size: int):
        self.source = source
        self.parts = MAX_PARTS
        self.bytes = MAX_GROWTH * size

    def of(self, value: Any, depth: int = 0) -> Any:
        self.parts -= 1
        if self.parts < 0 or depth > MAX_DEPTH:
            raise ModelError(f"{self.source} is damaged: its contents have no end")
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(item, depth + 1) for item in value]
        if isinstance(value, Record):
            return self._array(value, depth)
        if isinstance(value, StoredTensor):
            self._take(value.nbytes(self.source))
            return self._loaded(value)
        return value if isinstance(value, str | int | float) else None

    def _loaded(self, stored: StoredTensor) -> Any:
        return stored.load(self.source).float().numpy()

    def _array(self, record: Record, depth: int) -> Any:
        if record.name in FROM_BUFFER and len(record.args) == 4:
            content, dtype, shape, order = record.args
            return self._count(_values(shape, dtype, order == "F", content, self.source))
        if record.name not in RECONSTRUCT:
            return None
        state = record.state  # version, shape, dtype, fortran, bytes or items
        if not isinstance(state, tuple) or len(state) != 5:
            raise ModelError(f"{self.source} is damaged: an array without contents")
        _, shape, dtype, fortran, content = state
        if isinstance(content, list):  # an object array: a dictionary or list that was wrapped
            return self.of(content[0] if shape == () and content else content, depth + 1)
        return self._count(_values(shape, dtype, bool(fortran), content, self.source))

    def _count(self, array: np.ndarray) -> np.ndarray:
        self._take(array.nbytes)
        return array

    def _take(self, count: int) -> None:
        self.bytes -= count
        if self.bytes < 0:
            raise ModelError(f"{self.source} claims arrays larger than the file; it is damaged")


class _Tensors(_Plain):
    """Leaves tensors as they are, their order in memory too: sums depend on it."""

    def _loaded(self, stored: StoredTensor) -> Tensor:
        return stored.load(self.source, torch.preserve_format)


def _values(shape: Any, dtype: Any, fortran: bool, content: Any, source: str) -> np.ndarray:
    """Build an array from its description and bytes in a pickle."""
    kind = _dtype(dtype, source)
    whole = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    if not whole or not isinstance(content, bytes | bytearray):
        raise ModelError(f"{source} is damaged: an array of shape {shape!r:.80}")
    if math.prod(shape) * kind.itemsize != len(content):
        raise ModelError(f"{source} is damaged: {len(content)} bytes for an array of {shape}")
    return np.frombuffer(content, kind).reshape(shape, order="F" if fortran else "C")


def _dtype(record: Any, source: str) -> np.dtype:
    named = isinstance(record, Record) and isinstance(record.function, Global)
    code = record.args[0] if named and record.name in DTYPES and record.args else None
    if not isinstance(code, str) or code[:1] not in "fiu" or not code[1:].isdigit():
        raise ModelError(f"{source} holds an array of an unknown type")
    order = record.state[1] if isinstance(record.state, tuple) and len(record.state) > 1 else "="
    if order not in ("<", ">", "=", "|"):
        order = "="
    native = "<" if sys.byteorder == "little" else ">"
    return np.dtype((native if order == "=" else order) + code)
