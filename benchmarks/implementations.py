"""The same generator by several programs: ours, rosinality's, NVIDIA's, PaddleGAN's, and graphs.

All have random weights of the published channel counts. A checkout that is not given is left out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from reage.models.export import Part, SynthesisGraph, export_part
from reage.models.graphs import GraphFormat, open_graph
from reage.networks.stylegan2.generator import Generator, GeneratorConfig
from timing import Convolution, ours, precisions

CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}
Run = Callable[[Tensor], Any]  # ws [N, num_ws, 512] to pictures


@dataclass(frozen=True)
class Implementation:
    """How a program makes pictures, and how it gets the gradient of ws of their mean square."""

    forward: Run
    backward: Run | None = None  # None: it has no gradients


def implementations(generator: Generator, options: argparse.Namespace) -> dict[str, Implementation]:
    """Generators of the size of ours, which comes first, in float32."""
    found = of_ours(generator, precisions(options.precision))
    found |= {name: make(generator.config.resolution) for name, make in others(options).items()}
    for layout in getattr(options, "backends", []):
        found[layout] = exported(generator, layout)
    return found


def others(options: argparse.Namespace) -> dict[str, Callable[[int], Implementation]]:
    """How to make each of those whose checkouts are given, by size."""
    known = {
        "rosinality": (options.rosinality, of_rosinality),
        "nvidia": (options.nvidia, of_nvidia),
        "paddlegan": (options.paddlegan, partial(of_paddlegan, threads=options.threads)),
    }
    found = {name: partial(make, place) for name, (place, make) in known.items() if place}
    if "paddlegan" in found and importlib.util.find_spec("paddle") is None:
        print("PaddleGAN is left out: pip install paddlepaddle", file=sys.stderr)
        del found["paddlegan"]
    return found


def our_generator(size: int) -> Generator:
    """Ours, with fixed random weights."""
    channels = tuple(CHANNELS[side] for side in CHANNELS if side <= size)
    return Generator(GeneratorConfig(size, channels)).eval().requires_grad_(False)


def of_ours(generator: Generator, dtypes: list[torch.dtype]) -> dict[str, Implementation]:
    """A generator of ours in each precision."""

    def run(dtype: torch.dtype) -> Run:
        return lambda ws: generator.synthesize(ws, dtype=dtype)

    return {ours(dtype): of_torch(run(dtype)) for dtype in dtypes}


def of_torch(run: Run) -> Implementation:
    def forward(ws: Tensor) -> Tensor:
        with torch.no_grad():
            return run(ws)

    def backward(ws: Tensor) -> Tensor:
        free = ws.clone().requires_grad_()
        run(free).square().mean().backward()
        assert free.grad is not None
        return free.grad

    return Implementation(forward, backward)


def generator_shapes(generator: Generator) -> Iterator[Convolution]:
    """Its 3x3 convolutions; one that doubles multiplies once for each place of its input."""
    config = generator.config
    previous = 0
    for side, channels in zip(config.block_resolutions, config.channels, strict=True):
        if previous:
            yield Convolution(previous, channels, side // 2)
        yield Convolution(channels, channels, side)
        previous = channels


def rosinality(checkout: Path, size: int) -> nn.Module:
    """Its generator; its CUDA extensions are compiled at import, so there they are left out."""
    import torch.utils.cpp_extension as extensions

    extensions.load = lambda *_, **__: None
    with import_from(checkout):
        model = importlib.import_module("model")
    return model.Generator(size, 512, 8).eval()


def of_rosinality(checkout: Path, size: int) -> Implementation:
    network = rosinality(checkout, size).requires_grad_(False)
    return of_torch(lambda ws: network([ws], input_is_latent=True, randomize_noise=False)[0])


def of_nvidia(checkout: Path, size: int) -> Implementation:
    """Its reference path, which is the one that runs without its CUDA extensions."""
    with import_from(checkout):
        networks = importlib.import_module("training.networks")
    network = networks.Generator(512, 0, 512, size, 3).eval().requires_grad_(False)
    return of_torch(lambda ws: network.synthesis(ws, noise_mode="const", force_fp32=True))


def of_paddlegan(checkout: Path, size: int, *, threads: int) -> Implementation:
    """Its generator; its packages import all of its networks, so they are left empty."""
    # Read when Paddle is imported; its threads else wait busily while others have their turn.
    os.environ |= {"OMP_NUM_THREADS": str(threads), "KMP_BLOCKTIME": "1"}
    import paddle  # pyright: ignore[reportMissingImports]

    paddle.set_device("cpu")
    names = ("ppgan", "ppgan.models", "ppgan.models.generators", "ppgan.modules", "ppgan.utils")
    empty = {name: ModuleType(name) for name in names}
    for name, module in empty.items():
        module.__path__ = [str(checkout.joinpath(*name.split(".")))]
    with import_from(checkout, empty):
        theirs = importlib.import_module("ppgan.models.generators.generator_styleganv2")
    network = theirs.StyleGANv2Generator(size, 512, 8)
    network.eval()
    for parameter in network.parameters():
        parameter.stop_gradient = True

    def run(ws: Any) -> Any:
        return network([ws], input_is_latent=True, randomize_noise=False)[0]

    def forward(ws: Tensor) -> Any:
        with paddle.no_grad():
            return run(paddle.to_tensor(ws.numpy())).numpy()

    def backward(ws: Tensor) -> Any:
        free = paddle.to_tensor(ws.numpy(), stop_gradient=False)
        run(free).square().mean().backward()
        return free.grad.numpy()

    return Implementation(forward, backward)


def exported(generator: Generator, layout: GraphFormat) -> Implementation:
    """Our generator as a graph, run by onnxruntime or OpenVINO."""
    shape = (generator.num_ws, generator.config.w_dim)
    part = Part("synthesis", SynthesisGraph(generator), {"ws": shape}, "images")
    with TemporaryDirectory() as folder:
        return Implementation(open_graph(export_part(part, Path(folder), layout).path, layout))


@contextmanager
def import_from(
    checkout: Path, stand_ins: Mapping[str, ModuleType] | None = None
) -> Iterator[None]:
    """Import from a checkout, some modules being replaced meanwhile."""
    replaced = {name: sys.modules.get(name) for name in stand_ins or {}}
    sys.path.insert(0, str(checkout))
    sys.modules.update(stand_ins or {})
    try:
        yield
    finally:
        sys.path.remove(str(checkout))
        for name, module in replaced.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
