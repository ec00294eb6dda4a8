"""Agers that work on pixels: FRAN's U-Nets, from torch files and as ONNX graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.families.psp.encoder_sizes import OLD_COUNTER, Group, side_of
from reage.models.graphs import open_graph
from reage.models.loading import build_empty, check_shapes, load_strictly
from reage.models.pickles.tensors import is_torch_file
from reage.models.pickles.torch_files import (
    TorchFile,
    check_descriptions,
    load_all,
    read_torch_file,
    refuse_code,
    state_dict_of,
)
from reage.networks.agers.fran import FRAN_CHANNELS, FranConfig, FranNormed, FranPlain

__all__ = ["PixelNetwork", "is_pixel_ager", "load_pixel_network", "pixel_ager_family"]

PLAIN, NORMED = "FRAN as in face_reaging", "FRAN as in pytorch-face-reaging-network"
GRAPH = "FRAN as an ONNX graph"
SPANS = {PLAIN: (10.0, 90.0), NORMED: (18.0, 83.0)}  # ages that their programs offer, trained for
LEVELS = 5  # sizes at which the U-Net works
GENERATOR = "generator."  # in files of a training
LARGEST = 1 << 31  # bytes of a graph: protobuf reads no more
WORKED_AT = range(64, 2049)  # sensible sides of a graph that takes one size only


@dataclass(frozen=True, eq=False)
class PixelNetwork:
    """Something that takes `[N, 5, H, W]`, colours and ages, and gives changes `[N, 3, H, W]`."""

    run: Callable[[Tensor], Tensor]
    family: str
    signed: bool  # colours and changes are in the range of [-1, 1], else of [0, 1]
    span: tuple[float, float]  # years that may be asked
    side: int | None = None  # of the only square that it takes, pixels; None: any multiple of 16


def is_pixel_ager(path: Path) -> bool:
    """Whether a file is to be read as such an ager: any ONNX file, and FRAN's torch files."""
    return pixel_ager_family(path) is not None


def pixel_ager_family(path: Path) -> str | None:
    """Which of them a file is; None when it is none. What is wrong with it is said on loading."""
    if path.suffix.lower() == ".onnx" and path.is_file():
        return GRAPH
    try:
        with path.open("rb") as file:
            start = file.read(16)
        return _family(_state(path)[1]) if is_torch_file(start) else None
    except (OSError, ModelError):
        return None


def load_pixel_network(path: Path, device: torch.device, dtype: torch.dtype) -> PixelNetwork:
    """Load one; strict, frozen. Raises ModelError where the file is none or damaged."""
    if path.suffix.lower() == ".onnx":
        return _load_graph(path)
    file, tensors = _state(path)
    refuse_code(file, str(path))
    check_descriptions(tensors, str(path))
    family = _family(tensors)
    if family is None:
        first = ", ".join(list(tensors)[:3]) or "nothing"
        raise ModelError(f"{path} is no FRAN U-Net: it has {first}")
    source = f"{path} ({family})"
    make, config = _network_of(family, tensors, source)
    network = build_empty(partial(make, config), source=source)
    check_shapes(network, tensors, source=source)
    load_strictly(network, load_all(tensors, file, source), source=source)
    network = network.eval().requires_grad_(False)
    network = network.to(device=device, dtype=dtype)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(x: Tensor) -> Tensor:
        x = x.to(device=device, dtype=dtype, memory_format=torch.channels_last)
        return network(x).float()

    return PixelNetwork(run, family, make.signed, SPANS[family])


def _network_of(
    family: str, tensors: Group, source: str
) -> tuple[type[FranPlain] | type[FranNormed], FranConfig]:
    """The class, and the widths as the tensors have them."""
    first, name, make = "init_conv.0.weight", "down{}.layer.2.weight", FranPlain
    if family == NORMED:
        first, name, make = "conv1.weight", "downlayer{}.conv1.weight", FranNormed
    names = [first, *(name.format(i) for i in range(1, LEVELS))]
    return make, FranConfig(tuple(side_of(tensors, one, 0, source) for one in names))


def _family(tensors: Group) -> str | None:
    if {"init_conv.0.weight", "down1.layer.2.weight", "final_conv.weight"} <= tensors.keys():
        return PLAIN
    if {"batchnorm1.weight", "downlayer1.conv1.weight", "conv3.weight"} <= tensors.keys():
        return NORMED
    return None


def _state(path: Path) -> tuple[TorchFile, Group]:
    """The tensors of a torch file: a state dict, one under "state_dict", or its generator."""
    file = read_torch_file(path)
    tensors = state_dict_of(file, str(path))
    if any(name.startswith(GENERATOR) for name in tensors):
        tensors = {
            name.removeprefix(GENERATOR): tensor
            for name, tensor in tensors.items()
            if name.startswith(GENERATOR)
        }
    return file, {k: v for k, v in tensors.items() if not k.endswith(OLD_COUNTER)}


def _load_graph(path: Path) -> PixelNetwork:
    """Check what a graph takes and gives before a runtime loads it."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        if path.stat().st_size >= LARGEST:
            raise ModelError(f"{path} is larger than an ONNX graph can be")
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError) as error:
        raise ModelError(f"cannot read {path}: it is no ONNX graph ({error})") from error
    stored = {item.name for item in model.graph.initializer}
    takes = [_described(item) for item in model.graph.input if item.name not in stored]
    gives = [_described(item) for item in model.graph.output]
    if not (
        len(takes) == len(gives) == 1 and _fits(takes[0], FRAN_CHANNELS) and _fits(gives[0], 3)
    ):
        found = f"takes {_listed(takes)} and gives {_listed(gives)}"
        raise ModelError(
            f"{path} {found}; an ager takes one float tensor [N,5,H,W] and gives one [N,3,H,W]"
        )
    side = _only_side(path, takes[0][1])
    # The re-implementations differ in how they double: by a transposed convolution, or resized.
    signed = any(node.op_type in ("Resize", "Upsample") for node in model.graph.node)
    graph = open_graph(path, "onnx")
    return PixelNetwork(_checked(graph, path), GRAPH, signed, SPANS[PLAIN], side)


Described = tuple[str, list[int | None], bool]  # name, shape (None: any), whether of float32


def _described(item: Any) -> Described:
    kind = item.type.tensor_type
    shape = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
    return item.name, shape, kind.elem_type == 1


def _fits(item: Described, channels: int) -> bool:
    _, shape, plain = item
    return plain and len(shape) == 4 and shape[1] in (channels, None)


def _listed(items: list[Described]) -> str:
    texts = [f"{name} [{','.join(str(n or '?') for n in shape)}]" for name, shape, _ in items]
    return ", ".join(texts[:4]) or "nothing"


def _only_side(path: Path, shape: list[int | None]) -> int | None:
    height, width = shape[2:]
    if height is None and width is None:
        return None
    if height != width or height not in WORKED_AT or shape[0] not in (1, None):
        size = "x".join(str(n or "?") for n in shape)
        raise ModelError(
            f"{path} takes {size} only; export it with a free size, or with 1x5x512x512"
        )
    return height


def _checked(graph: Callable[[Tensor], Tensor], path: Path) -> Callable[[Tensor], Tensor]:
    """The graph, one picture at a time; ModelError where it gives something else than it says."""

    def run(x: Tensor) -> Tensor:
        try:
            changes = torch.cat([graph(one) for one in x.float().split(1)])
        except Exception as error:  # the runtime's errors have no narrower class in common
            raise ModelError(f"{path} failed: {str(error).splitlines()[0][:160]}") from error
        if changes.shape != (len(x), 3, *x.shape[2:]):
            raise ModelError(f"{path} gave {list(changes.shape)} for {list(x.shape)}")
        return changes.to(x.device)

    return run
