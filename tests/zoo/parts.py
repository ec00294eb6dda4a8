"""What several kinds of the zoo are made with."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ground import Ground, rewrite
from runner import Case

__all__ = [
    "DEEP",
    "HUGE",
    "LONG",
    "ODD",
    "edit_of",
    "file_case",
    "latent_of",
    "metadata_case",
    "npy_header",
    "npy_of",
    "npz_of",
    "torch_of",
    "zip_of",
]

LONG = "9" * 5000
DEEP = "[" * 100_000
NESTED = json.loads("[" * 900 + "]" * 900)
HUGE = 10**400
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    2**70,
    HUGE,
    1e308,
    float("nan"),
    float("inf"),
    "x",
    "",
    [],
    {},
    [[]],
    ["1"],
    NESTED,
    "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
]


def file_case(
    kind: str,
    name: str,
    file: str,
    data: bytes | Callable[[], bytes],
    *argv: str,
    expect: str = "refused",
) -> Case:
    def make(folder: Path) -> None:
        (folder / file).write_bytes(data() if callable(data) else data)

    return Case(kind, name, argv or ("models", "inspect", file), make, expect)  # type: ignore[arg-type]


def edit_of(ground: Ground, *options: str) -> tuple[str, ...]:
    return (
        "edit",
        str(ground.photo),
        "--to=60",
        "-o",
        "out",
        f"--model={ground.model}",
        "--quality=fast",
        *options,
    )


def latent_of(ground: Ground, file: str) -> tuple[str, ...]:
    return ("edit", f"--latent={file}", "--to=60", "-o", "out", f"--model={ground.model}")


def zip_of(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def torch_of(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def npy_header(shape: tuple[int, ...], text: str | None = None) -> bytes:
    header = (text or f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def npy_of(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz_of(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def metadata_case(
    kind: str,
    name: str,
    ground: Ground,
    source: Path,
    key: str,
    file: str,
    change: Any,
    expect: str = "refused",
    tensors: Any = None,
) -> Case:
    def make(folder: Path) -> None:
        rewrite(source, folder / file, key, change, tensors)

    return Case(kind, name, edit_of(ground, f"--direction={file}"), make, expect)  # type: ignore[arg-type]
