"""FRAN's U-Nets as ONNX graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reage.errors import ModelError
from reage.models.families.fran.pixel_network import PixelNetwork
from reage.models.graphs import Graph, import_onnx, open_graph
from reage.networks.agers.fran import FRAN_CHANNELS

__all__ = ["GRAPH", "load_graph"]

GRAPH = "FRAN as an ONNX graph"
SPAN = (10.0, 90.0)  # ages that may be asked: a graph does not say; as in face_reaging
LARGEST = 1 << 31  # bytes of a graph: protobuf reads no more
SMALLEST, TRIAL = 64, 20  # pixels and seconds of the run that tries it out
WORKED_AT = range(64, 2049)  # sensible sides of a graph that takes one size only


def load_graph(path: Path) -> PixelNetwork:
    """Check the inputs and outputs of a graph, then load it."""
    onnx = import_onnx()
    from google.protobuf.message import DecodeError  # onnx needs it, too

    try:
        if path.stat().st_size >= LARGEST:
            raise ModelError(f"{path} is larger than an ONNX graph can be")
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError) as error:
        raise ModelError(f"cannot read {path}: it is not an ONNX graph ({error})") from error
    stored = {item.name for item in model.graph.initializer}
    takes = [_describe(item) for item in model.graph.input if item.name not in stored]
    gives = [_describe(item) for item in model.graph.output]
    if not (
        len(takes) == len(gives) == 1 and _fits(takes[0], FRAN_CHANNELS) and _fits(gives[0], 3)
    ):
        found = f"takes {_list_tensors(takes)} and gives {_list_tensors(gives)}"
        raise ModelError(
            f"{path} {found}; an ager takes one float tensor [N,5,H,W] and gives one [N,3,H,W]"
        )
    side = _only_side(path, takes[0][1])
    # The re-implementations differ in how they double: by a transposed convolution, or resized.
    signed = any(node.op_type in ("Resize", "Upsample") for node in model.graph.node)
    run = _check_output(open_graph(path, "onnx"), path)
    # A graph can hold a loop that never ends, and numbers that are none.
    run(torch.full((1, FRAN_CHANNELS, *[side or SMALLEST] * 2), 0.5), seconds=TRIAL)
    return PixelNetwork(run, GRAPH, signed, SPAN, side)


Described = tuple[str, list[int | None], bool]  # name, shape (None: any), whether of float32


def _describe(item: Any) -> Described:
    kind = item.type.tensor_type
    shape = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
    return item.name, shape, kind.elem_type == 1


def _fits(item: Described, channels: int) -> bool:
    _, shape, plain = item
    return plain and len(shape) == 4 and shape[1] in (channels, None)


def _list_tensors(items: list[Described]) -> str:
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


def _check_output(graph: Graph, path: Path) -> Graph:
    """Run a graph on one picture at a time; ModelError if its output is no change of it."""

    def run(x: Tensor, **limit: float) -> Tensor:
        try:
            changes = torch.cat([graph(one, **limit) for one in x.float().split(1)])
        except Exception as error:  # the runtime's errors have no narrower class in common
            raise ModelError(f"{path} failed: {str(error).splitlines()[0][:160]}") from error
        if changes.shape != (len(x), 3, *x.shape[2:]):
            raise ModelError(f"{path} gave {list(changes.shape)} for {list(x.shape)}")
        if not changes.isfinite().all():
            raise ModelError(f"{path} gave values that are not finite; it is broken")
        return changes.to(x.device)

    return run
