"""Time the generator beside other implementations of it, and beside the arithmetic it has to do.

    python benchmarks/generators.py --rosinality PATH --nvidia PATH --backends onnx openvino \
        --json generators.json --plot generators.png

PATH is a checkout of rosinality/stylegan2-pytorch or NVlabs/stylegan2-ada-pytorch; what is not
given is left out. All run in one process with random weights of the same shapes, in turns (A B C
A B C), medians. The bound is the convolutions' operations over the rate that a plain 3x3
convolution of 64 channels to 64 at 512 px reaches here. The memory that is freed is kept for all
alike (`keep_memory`); `--no-keep` measures without it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as the command line does

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.memory import keep_memory
from reage.models.export import Part, SynthesisGraph, export_part
from reage.models.graphs import FILES, GraphFormat, open_graph
from reage.networks.generator import Generator, GeneratorConfig

CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}
OTHERS = ("rosinality", "nvidia", *FILES)
Run = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rosinality", type=Path)
    parser.add_argument("--nvidia", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512, 1024])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-keep", action="store_true")
    parser.add_argument("--backends", nargs="+", default=[], choices=["onnx", "openvino"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.no_keep:
        keep_memory()
    rate = convolution_rate()
    print(f"a plain convolution: {rate / 1e9:.0f} billion operations a second\n")
    rows = []
    for size in options.sizes:
        runs = implementations(size, options)
        for batch in options.batches:
            for gradients in (False, True):
                if gradients and batch > 1:
                    continue  # a projection has one face
                row = measure(runs, size, batch, gradients, options.turns)
                passes = 2 if gradients else 1  # backward to ws is one more, to weights a third
                row["bound"] = passes * batch * operations(size) / rate
                rows.append(row)
        print(table(rows[-len(options.batches) - 1 :]), flush=True)
    if options.plot:
        plot(rows, options.plot)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def implementations(size: int, options: argparse.Namespace) -> dict[str, Run]:
    """The generators at this size, each as ws to pictures."""
    channels = tuple(CHANNELS[side] for side in CHANNELS if side <= size)
    ours = Generator(GeneratorConfig(size, channels)).eval().requires_grad_(False)
    found: dict[str, Run] = {"reage": ours.synthesize}
    if options.rosinality:
        found["rosinality"] = rosinality(options.rosinality, size)
    if options.nvidia:
        found["nvidia"] = nvidia(options.nvidia, size)
    return found | {layout: exported(ours, layout) for layout in options.backends}


def rosinality(checkout: Path, size: int) -> Run:
    """Its generator; its CUDA extensions are compiled at import, so there they are left out."""
    import torch.utils.cpp_extension as extensions

    extensions.load = lambda *_, **__: None
    sys.path.insert(0, str(checkout))
    import model  # pyright: ignore[reportMissingImports]

    sys.path.remove(str(checkout))
    network = model.Generator(size, 512, 8).eval().requires_grad_(False)
    return lambda ws: network([ws], input_is_latent=True, randomize_noise=False)[0]


def nvidia(checkout: Path, size: int) -> Run:
    """Its reference path, which is the one that runs without its CUDA extensions."""
    sys.path.insert(0, str(checkout))
    from training.networks import Generator as Network  # pyright: ignore[reportMissingImports]

    sys.path.remove(str(checkout))
    network = Network(512, 0, 512, size, 3).eval().requires_grad_(False)
    return lambda ws: network.synthesis(ws, noise_mode="const", force_fp32=True)


def exported(ours: Generator, layout: GraphFormat) -> Run:
    """Our generator as a graph, run by onnxruntime or OpenVINO; it has no gradients."""
    shape = (ours.num_ws, ours.config.w_dim)
    part = Part("synthesis", SynthesisGraph(ours), {"ws": shape}, "images")
    with TemporaryDirectory() as folder:
        return open_graph(export_part(part, Path(folder), layout).path, layout)


def measure(
    runs: dict[str, Run], size: int, batch: int, gradients: bool, turns: int
) -> dict[str, float | int | str]:
    """Median seconds of each implementation, taken in turns."""
    levels = 2 * len([side for side in CHANNELS if side <= size])
    if gradients:
        runs = {name: run for name, run in runs.items() if name not in FILES}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns + 1):
        for name, run in runs.items():
            ws = torch.randn(batch, levels, 512, requires_grad=gradients)
            began = time.perf_counter()
            with torch.set_grad_enabled(gradients):
                images = run(ws)
                if gradients:
                    images.square().mean().backward()
            if turn:  # the first warms up
                times[name].append(time.perf_counter() - began)
    row: dict[str, float | int | str] = {"size": size, "batch": batch}
    row["what"] = "forward and backward" if gradients else "forward"
    return row | {name: statistics.median(values) for name, values in times.items()}


def shapes(size: int) -> Iterator[tuple[int, int, int, bool]]:
    """Inputs, outputs, side of the input and whether it doubles, of each 3x3 convolution."""
    sides = [side for side in CHANNELS if side <= size]
    for i, side in enumerate(sides):
        if i:
            yield CHANNELS[sides[i - 1]], CHANNELS[side], sides[i - 1], True
        yield CHANNELS[side], CHANNELS[side], side, False


def operations(size: int) -> float:
    """Multiplications and additions of the convolutions of one picture."""
    return sum(2 * 9 * inputs * outputs * side**2 for inputs, outputs, side, _ in shapes(size))


def convolution_rate() -> float:
    """Operations a second of one plain convolution, the best of eight."""
    x = torch.randn(1, 64, 512, 512).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3).contiguous(memory_format=torch.channels_last)
    best = float("inf")
    with torch.no_grad():
        for _ in range(8):
            began = time.perf_counter()
            F.conv2d(x, weight, padding=1)
            best = min(best, time.perf_counter() - began)
    return 2 * 9 * 64 * 64 * 512**2 / best


def table(rows: list[dict[str, float | int | str]]) -> str:
    """Rows of Markdown: seconds, and how many times ours."""
    lines = []
    for row in rows:
        ours = float(row["reage"])
        cells = [f"{row['size']} px, {row['batch']} at once, {row['what']}", f"reage {ours:.3f} s"]
        for name in (*OTHERS, "bound"):
            if name in row:
                cells.append(f"{name} {float(row[name]):.3f} s ({float(row[name]) / ours:.2f} x)")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(rows: list[dict[str, float | int | str]], path: Path) -> None:
    """Bars: how many times as long as ours each takes."""
    from matplotlib import pyplot

    names = [name for name in (*OTHERS, "bound") if any(name in row for row in rows)]
    figure, axes = pyplot.subplots(figsize=(9, 0.5 + 0.5 * len(rows)), layout="constrained")
    for i, name in enumerate(names):
        times = [float(row.get(name, 0)) / float(row["reage"]) for row in rows]
        places = [-(n + (i - len(names) / 2 + 0.5) * 0.8 / len(names)) for n in range(len(rows))]
        axes.barh(places, times, 0.8 / len(names), label=name)
    labels = [f"{row['size']} px, {row['batch']}, {row['what']}" for row in rows]
    axes.set_yticks([-n for n in range(len(rows))], labels)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("time over reage's")
    axes.legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
