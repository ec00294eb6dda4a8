"""Time the encoders: the embedded model's, and pSp's network on an IR-SE50 (random weights).

    python benchmarks/encoding.py --backends onnx openvino --json encoding.json

reage runs them in float32; "autocast" is what bfloat16 would give. The bound is the bare
convolutions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from reage.models.encoders import load_encoder
from reage.models.export import EncoderGraph, export_part, parts_of
from reage.models.graphs import open_graph
from reage.models.registry import load
from reage.networks.encoders.encoder import Encoder
from reage.networks.encoders.style_encoder import StyleEncoder, StyleEncoderConfig
from timing import (
    NAMES,
    Row,
    bare_seconds,
    clocked,
    convolutions,
    in_turns,
    line,
    parser,
    precisions,
    prepare,
    save,
)

Work = Callable[[], object]


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    made.add_argument("--backends", nargs="+", default=[], choices=["onnx", "openvino"])
    options = made.parse_args()
    prepare(options)
    rows = []
    with torch.no_grad():
        for batch in options.batches:
            for make in (embedded, psp):
                rows.append(make(batch, options))
                print(line(rows[-1]), flush=True)
    save(rows, options.json)


def embedded(batch: int, options: argparse.Namespace) -> Row:
    """The encoder of faces128."""
    model = load("faces128")
    encoder = load_encoder(model)
    assert isinstance(encoder, Encoder)
    side, average = model.config.generator.resolution, model.generator.mapping.w_avg
    images, mask = torch.rand(batch, 3, side, side) * 2 - 1, torch.ones(batch, 1, side, side)
    works: dict[str, Work] = {"reage": partial(encoder, images, mask, average)}
    for layout in options.backends:
        part = next(p for p in parts_of(model, encoder) if p.name == "encoder")
        assert isinstance(part.network, EncoderGraph)
        with TemporaryDirectory() as folder:
            graph = open_graph(export_part(part, Path(folder), layout).path, layout)
        works[layout] = partial(graph, images, mask)
    return measured(f"faces128's encoder, {batch} at once", encoder, works, batch, options)


def psp(batch: int, options: argparse.Namespace) -> Row:
    """pSp's network for a generator of 1024 px, as reage runs it."""
    encoder = StyleEncoder(StyleEncoderConfig(num_ws=18)).eval().requires_grad_(False)
    side = encoder.config.resolution
    images: Tensor = torch.rand(batch, 3, side, side) * 2 - 1
    works: dict[str, Work] = {"reage": partial(encoder, images)}
    return measured(f"pSp's encoder, {batch} at once", encoder, works, batch, options)


def measured(
    what: str,
    encoder: torch.nn.Module,
    works: dict[str, Work],
    batch: int,
    options: argparse.Namespace,
) -> Row:
    ours_alone = works["reage"]
    for dtype in precisions(options.precision)[1:]:
        works[f"autocast {NAMES[dtype]}"] = partial(lowered, ours_alone, dtype)
    shapes = convolutions(encoder, ours_alone)
    runs = {name: clocked(work) for name, work in works.items()}
    seconds, done = in_turns(runs, options.turns, options.seconds)
    dtypes = precisions(options.precision)
    bound = {NAMES[d]: bare_seconds(shapes, d, batch) for d in dtypes}
    return Row(what, seconds, done, bound)


def lowered(work: Work, dtype: torch.dtype) -> object:
    with torch.autocast("cpu", dtype):
        return work()


if __name__ == "__main__":
    main()
