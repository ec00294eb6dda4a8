"""Networks of other projects that judge faces: identity and apparent age."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TypeVar

from torch import nn

from reage.errors import ModelError
from reage.models.families.converted import ConvertedGenerator
from reage.models.families.family import ForeignFile
from reage.models.families.sizes import OLD_COUNTER, Group, infer_backbone, side_of
from reage.models.loading import build_empty, check_shapes, load_strictly
from reage.models.pickles.files import (
    PickledFile,
    check_descriptions,
    load_all,
    read_torch_file,
    refuse_code,
    state_dict_of,
)
from reage.models.summaries import Inspection
from reage.networks.encoders.irse import ArcFace
from reage.networks.judges.dex_age import DEX_LAYERS, DexAge

__all__ = ["describe", "detect", "load_arcface", "load_dex_age", "read"]

Network = TypeVar("Network", bound=nn.Module)
ARCFACE = ("IR-SE face recogniser", "reage evaluate --identity FILE")  # name, and use
DEX = ("DEX age network", "reage evaluate --second-age FILE")


def detect(file: ForeignFile) -> bool:
    """Whether a torch file holds one of these networks."""
    return _name_and_use(file) is not None


def read(file: ForeignFile) -> ConvertedGenerator:
    """Raise ModelError, since the file has no generator."""
    name, use = _name_and_use(file) or DEX
    raise ModelError(
        f"{file.path} is a file of the {name} and has no generator; use it with: {use}"
    )


def describe(file: ForeignFile) -> Inspection:
    """Say which network a file holds and what it is for."""
    name, use = _name_and_use(file) or DEX
    refuse_code(file, str(file.path))
    return Inspection(file.path, name, (("generator", "none"), ("use", f"use it with: {use}")))


def _name_and_use(file: ForeignFile) -> tuple[str, str] | None:
    if file.kind != "torch" or not isinstance(file.content, dict):
        return None
    names = state_dict_of(file, str(file.path)).keys()
    if {"input_layer.0.weight", "output_layer.3.weight"} <= names:
        return ARCFACE
    return DEX if {"fc8-101.weight", "fc8_101.weight"} & names else None


def load_arcface(path: Path) -> ArcFace:
    """Load the recogniser IR-SE50 from its file (model_ir_se50.pth); strict, frozen."""
    file, tensors = _state(path)
    source = f"{path} (as an IR-SE recogniser)"
    backbone = infer_backbone(tensors, source)
    descriptor = side_of(tensors, "output_layer.3.weight", 0, source)
    network = build_empty(partial(ArcFace, backbone, descriptor), source=source)
    return _fill(network, tensors, file, source)


def load_dex_age(path: Path) -> DexAge:
    """Load DEX's age network from its file (dex_age_classifier.pth); strict, frozen."""
    file, tensors = _state(path)
    tensors = {name.replace("-", "_"): tensor for name, tensor in tensors.items()}
    source = f"{path} (as the age network DEX)"
    blocks = range(1, len(DEX_LAYERS) + 1)
    widths = [side_of(tensors, f"conv{i}_1.weight", 0, source) for i in blocks]
    hidden = side_of(tensors, "fc7.weight", 0, source)
    network = build_empty(partial(DexAge, widths, hidden), source=source)
    return _fill(network, tensors, file, source)


def _state(path: Path) -> tuple[PickledFile, Group]:
    """The tensors of a torch file: a state dict, or one under "state_dict"."""
    file = read_torch_file(path)
    refuse_code(file, str(path))
    tensors = state_dict_of(file, str(path))
    check_descriptions(tensors, str(path))
    return file, {k: v for k, v in tensors.items() if not k.endswith(OLD_COUNTER)}


def _fill(network: Network, tensors: Group, file: PickledFile, source: str) -> Network:
    check_shapes(network, tensors, source=source)
    load_strictly(network, load_all(tensors, file, source), source=source)
    return network.eval().requires_grad_(False)
