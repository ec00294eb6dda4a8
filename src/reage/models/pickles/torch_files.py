"""Files of torch.save, read without torch's unpickler; tensors are loaded when asked for."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.files import read_bytes
from reage.models.pickles.archives import open_stored_zip, read_entry
from reage.models.pickles.interpreter import Interpreter, Record
from reage.models.pickles.tensors import (
    TENSOR_RULES,
    Storage,
    StoredTensor,
    find_storage,
    legacy_stream,
)

__all__ = [
    "TorchFile",
    "check_descriptions",
    "load_all",
    "read_torch_file",
    "refuse_code",
    "state_dict_of",
]

# Names that files of weights have a use for; none of them is imported.
SAFE_NAMES = (
    *("collections.OrderedDict", "argparse.Namespace", "torch.device", "torch.Size"),
    *("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"),
    *("torch._utils._rebuild_parameter", "_codecs.encode", "builtins.set"),
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype"),
    *("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath"),
)


@dataclass(eq=False, repr=False)
class ArchivedStorage(Storage):
    """A storage that stays in its file until it is asked for."""

    archive: zipfile.ZipFile | None = None
    member: str = ""
    source: str = ""

    def read(self) -> bytes:
        assert self.archive is not None
        return read_entry(self.archive, self.member, self.source)


@dataclass(frozen=True, eq=False)
class TorchFile:
    """What a file of torch.save holds: plain data, tensors as StoredTensor, all else as Record."""

    content: Any
    names: frozenset[str]  # all that the file would import
    size: int  # bytes


def read_torch_file(path: Path) -> TorchFile:
    """Read the structure of a file of torch.save, of today or before version 1.6; runs nothing.

    In today's format the tensors stay in the file until they are loaded.
    """
    interpreter = Interpreter(str(path))
    try:
        size = path.stat().st_size
        if zipfile.is_zipfile(path):
            archive = open_stored_zip(path, size, interpreter.source)
            content = _archive(archive, interpreter)
        else:
            content = legacy_stream(read_bytes(path), interpreter)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ModelError(f"{path} is a damaged torch file: {reason}") from error
    return TorchFile(content, frozenset(interpreter.names), size)


def refuse_code(file: TorchFile, source: str) -> None:
    """Raise ModelError when a file would import what no weights need."""
    for name in sorted(file.names):
        storage = name.startswith("torch.") and name.endswith("Storage")
        if name not in SAFE_NAMES and not storage:
            raise ModelError(f"{source} asks for {name}, which no weights need; it was not run")


def _archive(archive: zipfile.ZipFile, interpreter: Interpreter) -> Any:
    """Interpret the pickle of a zip file; its storages are other entries, read when needed."""
    source = interpreter.source
    entries = {item.filename: item for item in archive.infolist()}
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ModelError(f"{source} is a ZIP file, but not torch's: no data.pkl")
    folder = pickles[0].removesuffix("data.pkl")
    order = folder + "byteorder"
    if order in entries and read_entry(archive, order, source) != b"little":
        raise ModelError(f"{source} was written on a big-endian machine; write it anew")
    storages: dict[str, Storage] = {}

    def storage(identifier: Any) -> Storage | Record:
        found = find_storage(identifier, storages, sys.maxsize, ArchivedStorage)
        if isinstance(found, ArchivedStorage) and found.archive is None:
            member = f"{folder}data/{identifier[2]}"
            if member not in entries:
                raise ValueError(f"its entry {member} cannot be read")
            held = entries[member].file_size
            if held != found.count * found.dtype.itemsize:
                raise ValueError(f"a storage of another size: {found.count} values in {held} bytes")
            found.archive, found.member, found.source = archive, member, source
        return found

    content = read_entry(archive, pickles[0], source)
    return interpreter.run(io.BytesIO(content), TENSOR_RULES, storage)


def state_dict_of(file: TorchFile, source: str) -> dict[str, StoredTensor]:
    """The tensors of a state dict, or of one under "state_dict"; ModelError where there is none."""
    content = file.content
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise ModelError(f"{source} holds a {type(content).__name__}, not a state dict")
    return {str(k): v for k, v in content.items() if isinstance(v, StoredTensor)}


def check_descriptions(tensors: Mapping[str, StoredTensor], source: str) -> None:
    """Raise ModelError when a tensor is described by anything but whole numbers."""
    for stored in tensors.values():
        stored.nbytes(source)


def load_all(
    tensors: Mapping[str, StoredTensor], file: TorchFile, source: str
) -> dict[str, Tensor]:
    """Load tensors as float32; ModelError where they claim too much or are no numbers."""
    if sum(tensor.nbytes(source) for tensor in tensors.values()) > file.size:
        raise ModelError(f"{source} claims tensors larger than the file; it is damaged")
    loaded = {}
    for name, stored in tensors.items():
        if not stored.storage.dtype.is_floating_point:
            raise ModelError(f"{source}: {name} is a tensor of {stored.storage.dtype}")
        loaded[name] = stored.load(source).float()
        # aminmax lets NaN through and takes a fraction of the time of isfinite on all values.
        if stored.shape.count(0) == 0 and not torch.stack(loaded[name].aminmax()).isfinite().all():
            raise ModelError(f"{source}: {name} has values that are not finite; it is broken")
    return loaded
