"""Atomic file writing, and safetensors whose errors are ModelErrors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from io import BufferedReader
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor

from reage.errors import ModelError
from reage.files import name_errors, new_file, open_file, read_file
from reage.numbers import read_json

__all__ = [
    "file_sha256",
    "fingerprint_of",
    "is_file",
    "load_tensors",
    "read_bytes",
    "save_tensors",
    "tensor_hash",
    "write_file",
]

# Bytes of a file that is read as a whole. In memory it is up to three times as large, as tensors
# and their float32; torch's own files, which may be larger, are mapped.
LARGEST_FILE = 1 << 30


def write_file(path: Path, data: bytes) -> None:
    """Write a file atomically; create its folder if needed."""
    with name_errors(path, ModelError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as temporary:
            temporary.write_bytes(data)


def is_file(path: Path) -> bool:
    """Whether there is such a file; False too for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, a null byte
        return False


def read_bytes(path: Path, limit: int = LARGEST_FILE) -> bytes:
    """Read a whole file; ModelError if it cannot be read or is larger than `limit` bytes."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise ModelError(
                f"{path} has {size >> 20} MB; files of up to {limit >> 20} MB are read"
            )
        return read_file(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    try:
        with open_file(path) as file:
            return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error


def save_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    write: Callable[[Path, bytes], None] = write_file,
) -> None:
    """Write a safetensors file in one piece; the same content makes the same bytes."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write(path, _in_order(to_safetensors(plain, dict(metadata) if metadata else None)))


def _in_order(data: bytes) -> bytes:
    """Sort the metadata of a safetensors file, which come in an order of chance."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + data[start:]


def load_tensors(
    path: Path, *, sha256: str | None = None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a safetensors file. `sha256` is the expected hash.

    Raises ModelError if the file cannot be read, is not safetensors or has another hash.
    """
    data = read_bytes(path)
    if sha256 is not None:
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise ModelError(
                f"{path} has SHA-256 {found[:12]}..., its folder's config.json says "
                f"{sha256[:12]}...; it was changed or damaged, so fetch the model again"
            )
    try:
        header = read_json(data[8 : 8 + int.from_bytes(data[:8], "little")])
        tensors = parse_safetensors(data)
    except (SafetensorError, ValueError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[0][:160]
        raise ModelError(f"{path} is not a safetensors file that can be read: {reason}") from error
    complex_ones = [name for name, tensor in tensors.items() if tensor.is_complex()]
    if complex_ones:
        raise ModelError(f"{path}: {complex_ones[0]} holds complex numbers; no network has any")
    return tensors, header.get("__metadata__") or {}


def tensor_hash(tensors: Mapping[str, Tensor]) -> str:
    """Compute a SHA-256 over sorted names, shapes and float32 values, independent of the layout.

    A generator stored as float16 hashes its rounded values, so it is the same before and after
    it is converted to float32.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name} {list(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()


def fingerprint_of(*parts: str | Mapping[str, Tensor]) -> str:
    """SHA-256 over texts and tensors, in this order: another part anywhere gives another one."""
    digest = hashlib.sha256()
    for part in parts:
        text = part if isinstance(part, str) else tensor_hash(part)
        digest.update(f"{len(text)} {text}\n".encode())
    return digest.hexdigest()
