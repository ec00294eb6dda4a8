"""Families of checkpoints, and the file that they detect and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from reage.models.families.converted import ConvertedGenerator
from reage.models.files import load_tensors
from reage.models.pickles.files import PickledFile, read_pickled, read_start
from reage.models.pickles.tensors import is_torch_file
from reage.models.summaries import Inspection
from reage.networks.stylegan2.generator import GeneratorConfig

__all__ = ["Family", "ForeignFile", "Kind", "open_foreign"]

Kind = Literal["torch", "pickle", "safetensors", "onnx", "other"]


@dataclass(frozen=True, eq=False)
class ForeignFile(PickledFile):
    """A file of another program, its structure read once for all families; nothing was run.

    `content` holds tensors as StoredTensor, of safetensors loaded; None of an ONNX graph and of any
    other kind of file.
    """

    path: Path
    kind: Kind


@dataclass(frozen=True)
class Family:
    """How the files of a program, or of a group of programs, are detected, read and written."""

    name: str  # what --layout calls it
    detect: Callable[[ForeignFile], bool]  # never raises; `read` reports what is wrong
    read: Callable[
        [ForeignFile], ConvertedGenerator
    ]  # raises ModelError, also if the file has no generator
    write: Callable[[GeneratorConfig, Mapping[str, Tensor], Path], None] | None = None
    describe: Callable[[ForeignFile], Inspection] | None = None  # default: what `read` finds


def open_foreign(path: Path) -> ForeignFile:
    """Read a file's structure; ModelError if it is damaged."""
    start, size, nothing = read_start(path), path.stat().st_size, frozenset[str]()
    if path.suffix.lower() == ".onnx":
        return ForeignFile(None, nothing, size, path, "onnx")
    if start[8:9] == b"{":
        return ForeignFile(load_tensors(path)[0], nothing, size, path, "safetensors")
    torch = is_torch_file(start)
    if not torch and start[:1] != b"\x80":
        return ForeignFile(None, nothing, size, path, "other")
    file = read_pickled(path)
    return ForeignFile(file.content, file.names, file.size, path, "torch" if torch else "pickle")
