"""Agers that work on pixels: FRAN's U-Nets, from torch files and as ONNX graphs."""

from __future__ import annotations

from pathlib import Path

import torch

from reage.errors import ModelError
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.family import ForeignFile, open_foreign
from reage.models.families.fran.graph import GRAPH, load_graph
from reage.models.families.fran.pixel_network import PixelNetwork
from reage.models.families.fran.torch_file import load_network, name_network, read_state
from reage.models.summaries import Inspection

__all__ = ["PixelNetwork", "describe", "detect", "is_pixel_ager", "load_pixel_network", "read"]


def detect(file: ForeignFile) -> bool:
    """Whether a file is to be read as such an ager: any ONNX file, and FRAN's torch files."""
    return _name(file) is not None


def is_pixel_ager(path: Path) -> bool:
    """Whether a path is such an ager; errors appear on loading."""
    try:
        return detect(open_foreign(path))
    except ModelError:
        return False


def read(file: ForeignFile) -> ConvertedGenerator:
    """Raise ModelError, since the file has no generator."""
    raise ModelError(
        f"{file.path} is an ager that works on pixels ({_name(file)}), without a generator; use it "
        f"with: reage edit PHOTO --to AGE --model {file.path}"
    )


def load_pixel_network(path: Path, device: torch.device, dtype: torch.dtype) -> PixelNetwork:
    """Load an ager, strict and frozen; ModelError if the file is damaged or another network."""
    return _load(open_foreign(path), device, dtype)


def describe(file: ForeignFile) -> Inspection:
    """Load an ager and describe its sizes and its use."""
    network = _load(file, torch.device("cpu"), torch.float32)
    size = f"squares of {network.side} px" if network.side else "any size"
    colours = "[-1, 1]" if network.signed else "[0, 1]"
    lines = (
        ("generator", "none"),
        ("takes", f"{size}, colours in {colours}, both ages / 100"),
        ("gives", "what is added to the colours"),
        ("ages", f"{network.span[0]:g} to {network.span[1]:g} years"),
        ("use", f"reage edit PHOTO --to AGE --model {file.path}"),
    )
    return Inspection(file.path, network.family, lines)


def _load(file: ForeignFile, device: torch.device, dtype: torch.dtype) -> PixelNetwork:
    if file.kind == "onnx":
        return load_graph(file.path)
    return load_network(file, str(file.path), device, dtype)


def _name(file: ForeignFile) -> str | None:
    if file.kind == "onnx":
        return GRAPH
    if file.kind != "torch" or not isinstance(file.content, dict):
        return None
    return name_network(read_state(file, str(file.path)))
