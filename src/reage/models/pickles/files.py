"""Pickled files, from torch.save or plain: the structure is read first, tensors on demand."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.files import open_file
from reage.models.files import read_bytes
from reage.models.pickles.archives import ZIP, stored_entries
from reage.models.pickles.interpreter import Interpreter
from reage.models.pickles.tensors import (
    TENSOR_RULES,
    Storage,
    StoredTensor,
    find_storage,
    interpret_torch,
    is_torch_file,
    legacy_stream,
)

__all__ = [
    "Held",
    "PickledFile",
    "check_descriptions",
    "load_all",
    "read_pickled",
    "read_start",
    "read_torch_file",
    "refuse_code",
    "state_dict_of",
]

Held = StoredTensor | Tensor  # in a pickle; of any other file they are loaded at once

# Names that weight files may contain. They are never imported.
SAFE_NAMES = (
    *("collections.OrderedDict", "collections.Counter", "argparse.Namespace", "builtins.set"),
    *("torch.device", "torch.Size", "torch.nn.parameter.Parameter", "_codecs.encode"),
    *("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"),
    *("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"),
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype"),
    *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    *("numpy.ndarray", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath"),
)
LARGEST = 2 << 30  # bytes of a network's tensors
DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError)


@dataclass(frozen=True, eq=False)
class PickledFile:
    """The content of a file: plain data, tensors as StoredTensor, everything else as Record."""

    content: Any
    names: frozenset[str]  # all that the file would import
    size: int  # bytes


def read_start(path: Path) -> bytes:
    """Read the first bytes of a file, which tell its kind."""
    try:
        with open_file(path) as file:
            return file.read(16)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error


def read_torch_file(path: Path) -> PickledFile:
    """Read a torch file; ModelError if it is not one."""
    if not is_torch_file(read_start(path)):
        raise ModelError(f"{path} is not a torch file")
    return read_pickled(path)


def read_pickled(path: Path) -> PickledFile:
    """Read the structure of a pickle or torch file of any version without running it.

    The tensors of torch's ZIP files (since version 1.6) are memory-mapped and read on demand.
    """
    start, interpreter = read_start(path), Interpreter(str(path))
    try:
        if start[:4] == ZIP:
            content, size = _archive(path, interpreter), path.stat().st_size
        else:
            data = read_bytes(path)
            read = legacy_stream if is_torch_file(start) else interpret_torch
            content, size = read(data, interpreter), len(data)
    except DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ModelError(f"{path} is damaged: {reason}") from error
    return PickledFile(content, frozenset(interpreter.names), size)


def refuse_code(file: PickledFile, source: str) -> None:
    """Raise ModelError if a file would import anything that weights do not need."""
    for name in sorted(file.names):
        storage = name.startswith("torch.") and name.endswith("Storage")
        dtype = isinstance(getattr(torch, name.removeprefix("torch."), None), torch.dtype)
        if name not in SAFE_NAMES and not storage and not dtype:
            raise ModelError(f"{source} asks for {name}, which no weights need; it was not run")


def _archive(path: Path, interpreter: Interpreter) -> Any:
    """Interpret the pickle in a ZIP file, whose storages are other entries."""
    source, entries = str(path), stored_entries(path)
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ModelError(f"{source} is a ZIP file, but not torch's: no data.pkl")
    folder = pickles[0].removesuffix("data.pkl")
    order = folder + "byteorder"
    if order in entries and entries[order].read(source) != b"little":
        raise ModelError(
            f"{source} was written on a big-endian machine; save it again on another one"
        )
    storages: dict[str, Storage] = {}

    def storage(identifier: Any) -> Storage:
        found = find_storage(identifier, storages, sys.maxsize)
        member = f"{folder}data/{identifier[2]}"
        if member not in entries:
            raise ValueError(f"its entry {member} cannot be read")
        held = len(entries[member].data)
        if held != found.count * found.dtype.itemsize:
            raise ValueError(f"a storage of another size: {found.count} values in {held} bytes")
        found.data = entries[member]
        return found

    return interpreter.run(io.BytesIO(entries[pickles[0]].read(source)), TENSOR_RULES, storage)


def state_dict_of(file: PickledFile, source: str) -> dict[str, StoredTensor]:
    """Return a state dict's tensors, also those under "state_dict"; ModelError if it is not one."""
    content = file.content
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise ModelError(f"{source} holds a {type(content).__name__}, not a state dict")
    return {str(k): v for k, v in content.items() if isinstance(v, StoredTensor)}


def check_descriptions(tensors: Mapping[str, StoredTensor], source: str) -> None:
    """Raise ModelError if a tensor is described by anything but whole numbers."""
    for stored in tensors.values():
        stored.nbytes(source)


def load_all(tensors: Mapping[str, Held], file: PickledFile, source: str) -> dict[str, Tensor]:
    """Load tensors as float32; ModelError if they exceed the file or are not finite floats."""
    claimed = sum(_nbytes(held, source) for held in tensors.values())
    if claimed > file.size:
        raise ModelError(f"{source} claims tensors larger than the file; it is damaged")
    if claimed > LARGEST:
        raise ModelError(f"{source} holds {claimed >> 20} MB of tensors; no network is that large")
    loaded = {}
    for name, held in tensors.items():
        if not held.dtype.is_floating_point:
            raise ModelError(f"{source}: {name} is a tensor of {held.dtype}")
        tensor = held if isinstance(held, Tensor) else held.load(source)
        loaded[name] = tensor.float().contiguous()
        # aminmax lets NaN through and takes a fraction of the time of isfinite on all values.
        if tensor.numel() and not torch.stack(loaded[name].aminmax()).isfinite().all():
            raise ModelError(f"{source}: {name} has values that are not finite; it is broken")
    return loaded


def _nbytes(held: Held, source: str) -> int:
    return held.nbytes if isinstance(held, Tensor) else held.nbytes(source)
