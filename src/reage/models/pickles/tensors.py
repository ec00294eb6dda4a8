"""The tensors inside a pickle, read without torch's own unpickler.

Only what the file really holds is allocated: a tensor that claims more than its storage, or a
storage that claims more than the file, is a ModelError. torch.load(weights_only=True, mmap=True)
is not safe enough: a 400-byte file whose key is a tuple nested 80 times hangs it, and a 60-byte
file makes it allocate any amount of memory (tests/models/pickles/test_hostile.py has both).
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.pickles.archives import ZIP, Entry
from reage.models.pickles.interpreter import Global, Interpreter, Rules

__all__ = [
    "TENSOR_RULES",
    "Storage",
    "StoredTensor",
    "find_storage",
    "interpret_torch",
    "is_torch_file",
    "legacy_stream",
]


LEGACY_TORCH = bytes.fromhex("8a0a6cfc9c46f9206aa85019")  # torch.save's number before version 1.6

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # the first three values of torch.save before version 1.6
PROTOCOL_VERSION = 1001
MAX_DIMENSIONS = 8
STORAGE_DTYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
    "torch.ComplexFloatStorage": torch.complex64,  # known, so that an error can name them
    "torch.ComplexDoubleStorage": torch.complex128,
    **{f"torch.cuda.{k}Storage": v for k, v in (("Float", torch.float32), ("Half", torch.float16))},
}


@dataclass(eq=False, repr=False)
class Storage:
    """What tensors are views of: bytes that were read, or an entry of a ZIP file."""

    dtype: torch.dtype
    count: int  # of values
    data: bytearray | Entry = field(default_factory=bytearray)

    def read(self, source: str) -> bytearray | memoryview:
        """Its bytes, not copied."""
        return self.data.read(source) if isinstance(self.data, Entry) else self.data


@dataclass(eq=False, repr=False, frozen=True)
class StoredTensor:
    """A tensor as the file describes it; made on `load` only."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def dtype(self) -> torch.dtype:
        return self.storage.dtype

    def nbytes(self, source: str) -> int:
        """Return its size in memory; ModelError if its numbers make no sense."""
        numbers = (self.offset, *self.shape, *self.stride)
        plain = all(type(n) is int and n >= 0 for n in numbers)
        if not plain or len(self.shape) != len(self.stride) or len(self.shape) > MAX_DIMENSIONS:
            raise ModelError(f"{source} is damaged: a tensor of shape {self.shape!r:.80}")
        return math.prod(self.shape) * self.dtype.itemsize

    def load(
        self, source: str, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Tensor:
        """Copy the values from the file into a tensor, contiguous unless asked otherwise."""
        count = self.nbytes(source) // self.dtype.itemsize
        last = sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        data = self.storage.read(source)
        held = len(data) // self.dtype.itemsize
        damaged = f"{source} is damaged: a tensor of shape {list(self.shape)!r:.80}"
        if count > held or (count and self.offset + last >= held):
            raise ModelError(f"{damaged} in a storage of {held} values")
        try:
            if not count:
                return torch.zeros(self.shape, dtype=self.dtype)
            flat = torch.frombuffer(data, dtype=self.dtype)
            found = flat.as_strided(self.shape, self.stride, self.offset)
            return found.clone(memory_format=memory_format)
        except (RuntimeError, TypeError, OverflowError) as error:  # numbers beyond 64 bits
            raise ModelError(damaged) from error


def is_torch_file(start: bytes) -> bool:
    """Whether torch.save wrote a file, judged by its first bytes; old formats count."""
    return start[:4] == ZIP or start[2:14] == LEGACY_TORCH


def interpret_torch(data: bytes, interpreter: Interpreter) -> Any:
    """Interpret a plain pickle that may hold tensors, each with its storage as bytes."""
    rules = TENSOR_RULES | {
        "torch.storage._load_from_bytes": lambda inner: legacy_stream(inner, interpreter)
    }
    return interpreter.run(io.BytesIO(data), rules)


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Any:
    if not (isinstance(storage, Storage) and type(shape) is tuple and type(stride) is tuple):
        raise TypeError("a tensor that is not described as torch does")
    return StoredTensor(storage, offset, shape, stride)


TENSOR_RULES: dict[str, Any] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
}


def legacy_stream(data: Any, interpreter: Interpreter) -> Any:
    """Read the format of `torch.save` before version 1.6: five pickles, then the storages."""
    if not isinstance(data, bytes):
        raise TypeError("a storage that is not bytes")
    stream = io.BytesIO(data)
    storages: dict[str, Storage] = {}
    rules: Rules = TENSOR_RULES  # not _load_from_bytes: no stream within a stream
    header = [interpreter.run(stream, rules) for _ in range(3)]
    system = header[2] if isinstance(header[2], dict) else {}
    if header[:2] != [MAGIC_NUMBER, PROTOCOL_VERSION] or system.get("little_endian") is not True:
        raise ValueError("a storage in an unknown format")
    content = interpreter.run(
        stream, rules, lambda identifier: find_storage(identifier, storages, len(data))
    )
    keys = interpreter.run(stream, rules)
    for key in keys if isinstance(keys, list) else []:
        storage = storages[key]
        if int.from_bytes(stream.read(8), "little") != storage.count:
            raise ValueError("a storage of another size than it claims")
        storage.data = bytearray(stream.read(storage.count * storage.dtype.itemsize))
        if len(storage.data) != storage.count * storage.dtype.itemsize:
            raise ValueError("a storage that ends early")
    return content


def find_storage(identifier: Any, storages: dict[str, Storage], limit: int) -> Storage:
    """The storage that a persistent id names, described; at most `limit` bytes of it."""
    if not isinstance(identifier, tuple) or len(identifier) < 5 or identifier[0] != "storage":
        raise ValueError("a persistent id that is not a storage")
    kind, key, _, count = identifier[1:5]
    if len(identifier) > 5 and identifier[5] is not None:
        raise ValueError("a storage that is a view of another")
    dtype = STORAGE_DTYPES.get(kind.name) if isinstance(kind, Global) else None
    if dtype is None or not isinstance(key, str) or type(count) is not int:
        raise ValueError("a storage of unknown type")
    if not 0 <= count * dtype.itemsize <= limit:
        raise ValueError(f"a storage that claims {count} values in {limit} bytes")
    return storages.setdefault(key, Storage(dtype, count))
