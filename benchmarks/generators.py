"""Time the generator beside other implementations of it, and beside the arithmetic it has to do.

    python benchmarks/generators.py --rosinality PATH --nvidia PATH --paddlegan PATH \
        --backends onnx openvino --json generators.json

PATH is a checkout of rosinality/stylegan2-pytorch, NVlabs/stylegan2-ada-pytorch or
PaddlePaddle/PaddleGAN; what is not given is left out. All run in one process with random weights of
the same shapes, in turns (A B C A B C), medians. The embedded model comes last. The memory that is
freed is kept for all alike (`keep_memory`); `--no-keep` measures without it.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from implementations import (
    Implementation,
    exported,
    generator_shapes,
    implementations,
    of_ours,
    our_generator,
)
from reage.models.registry import load
from reage.networks.stylegan2.generator import Generator
from timing import (
    NAMES,
    Row,
    bare_seconds,
    checkouts,
    clocked,
    in_turns,
    line,
    ours,
    parser,
    precisions,
    prepare,
    psnr,
    save,
)

FACE_SPREAD = 4.0  # a face's standard deviation is about a quarter of the range of pictures


def main() -> None:
    made = parser(__doc__)
    checkouts(made)
    made.add_argument("--sizes", type=int, nargs="*", default=[128, 256, 512, 1024])
    made.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    made.add_argument("--backends", nargs="+", default=[], choices=["onnx", "openvino"])
    options = made.parse_args()
    prepare(options)
    rows: list[Row] = []

    def measure(name: str, generator: Generator, runs: dict[str, Implementation]) -> None:
        for batch in options.batches:
            for gradients in (False, True):
                if gradients and batch > 1:
                    continue  # a projection has one face
                what = f"{name}, {batch} at once, forward{' and backward' * gradients}"
                rows.append(
                    row(what, generator, runs, batch, gradients, options.turns, options.seconds)
                )
                print(line(rows[-1]), flush=True)

    for size in options.sizes:
        generator = our_generator(size)
        measure(f"{size} px", generator, implementations(generator, options))
    embedded = load("faces128").generator.requires_grad_(False)
    runs = of_ours(embedded, precisions(options.precision))
    runs |= {layout: exported(embedded, layout) for layout in options.backends}
    measure("faces128", embedded, runs)
    save(rows, options.json)


def row(
    what: str,
    generator: Generator,
    runs: dict[str, Implementation],
    batch: int,
    gradients: bool,
    turns: int,
    budget: float,
) -> Row:
    """One row; the bound's backward pass to ws is one more, to weights it would be a third."""
    ws = codes(generator, batch)
    works = {}
    for name, run in runs.items():
        work = run.backward if gradients else run.forward
        if work is not None:
            works[name] = clocked(partial(work, ws))
    seconds, done = in_turns(works, turns, budget)
    shapes = list(generator_shapes(generator))
    dtypes = [dtype for dtype in NAMES if ours(dtype) in runs]
    passes = 2 if gradients else 1
    bound = {NAMES[d]: passes * bare_seconds(shapes, d, batch) for d in dtypes}
    return Row(what, seconds, done, bound, None if gradients else difference(runs, ws[:1]))


def codes(generator: Generator, batch: int) -> Tensor:
    """Codes of random people, or random numbers where the mapping has learnt nothing."""
    with torch.no_grad():
        return generator.map(torch.randn(batch, generator.config.z_dim)).contiguous()


def difference(runs: dict[str, Implementation], ws: Tensor) -> float | None:
    """dB between our two precisions; the peak of random pictures is set by their spread."""
    low = runs.get(ours(torch.bfloat16))
    if low is None:
        return None
    wanted = runs[ours(torch.float32)].forward(ws)
    return psnr(low.forward(ws), wanted, FACE_SPREAD * float(wanted.std()))


if __name__ == "__main__":
    main()
