"""Time 100 steps of `project`, beside rosinality's projector where its checkout is given.

    python benchmarks/projecting.py --rosinality PATH --json projecting.json

Random weights of the published channel counts. "alike" is the same work for both: codes in W+ and
the noise maps move, and the loss is LPIPS of VGG16 (random weights too) at 256 px. rosinality's
loop is run as it is in its `projector.py`, with its own functions: its generator's weights get
gradients, its loss looks at the target anew at each step. "as it comes" is reage's own loss, and
only codes move. The figure is 100 times the median step; the first one is left out. The bound is
the bare convolutions of generator and loss, forward and backward.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from implementations import generator_shapes, import_from, our_generator, rosinality
from reage.inversion.projection import ProjectConfig, project
from reage.models.pretrained import load_efficientnet
from reage.networks.judges.perceptual import EfficientNetDistance, VGGDistance
from reage.networks.stylegan2.generator import Generator
from timing import (
    NAMES,
    Row,
    bare_seconds,
    checkouts,
    convolutions,
    in_turns,
    line,
    ours,
    parser,
    precisions,
    prepare,
    save,
)

STEPS = 100  # that the figure is of
LOSS_SIDE = 256
Distance = EfficientNetDistance | VGGDistance
Loop = Callable[[int, Callable[[], None]], None]  # runs so many steps and calls after each


def main() -> None:
    made = parser(__doc__)
    checkouts(made)
    made.add_argument("--sizes", type=int, nargs="+", default=[256, 1024])
    made.add_argument("--steps", type=int, default=2, help="measured steps of each turn")
    options = made.parse_args()
    prepare(options)
    rows = []
    for size in options.sizes:
        for alike in (True, False):
            rows.append(row(our_generator(size), alike, options))
            print(line(rows[-1]), flush=True)
    save(rows, options.json)


def row(generator: Generator, alike: bool, options: argparse.Namespace) -> Row:
    size = generator.config.resolution
    distance = vgg() if alike else EfficientNetDistance(load_efficientnet())
    target = torch.rand(1, 3, size, size) * 2 - 1
    dtypes = precisions(options.precision)
    loops: dict[str, Loop] = {
        ours(dtype): partial(our_steps, generator, target, distance, alike, dtype)
        for dtype in dtypes
    }
    if options.rosinality and alike:
        loops["rosinality"] = rosinality_loop(options.rosinality, target, vgg())
    works = {name: partial(seconds_of, loop, options.steps) for name, loop in loops.items()}
    seconds, done = in_turns(works, options.turns, options.seconds)
    what = f"{size} px, {STEPS} steps of a projection, {'alike' if alike else 'as it comes'}"
    return Row(what, seconds, done, bounds(generator, distance, dtypes))


def seconds_of(loop: Loop, steps: int) -> float:
    """Seconds of 100 steps, from the median step; the first describes the target besides."""
    marks: list[float] = []
    loop(steps + 1, lambda: marks.append(time.perf_counter()))
    return STEPS * statistics.median(b - a for a, b in pairwise(marks))


def our_steps(
    generator: Generator,
    target: Tensor,
    distance: Distance,
    alike: bool,
    dtype: torch.dtype,
    steps: int,
    tick: Callable[[], None],
) -> None:
    """`project`, with all codes at the average's; nothing stops it early."""
    project(
        generator,
        target,
        torch.ones_like(target[:, :1]),
        torch.zeros(1, generator.num_ws, generator.config.w_dim),
        distance,
        ProjectConfig(step=steps, plateau=0, optimize_noise=alike, loss_resolution=LOSS_SIDE),
        dtype=dtype,
        on_step=lambda _: tick(),
    )


def rosinality_loop(checkout: Path, target: Tensor, distance: VGGDistance) -> Loop:
    """Its projector's loop, W+ and noise; VGG16 is ours, as its weights would be downloaded."""
    network: Any = rosinality(checkout, target.shape[-1])
    theirs = projector(checkout)
    wanted = reduced(target)

    def run(steps: int, tick: Callable[[], None]) -> None:
        noises = [noise.requires_grad_() for noise in network.make_noise()]
        code = torch.zeros(1, network.n_latent, 512, requires_grad=True)
        adam = torch.optim.Adam([code, *noises], lr=0.1)
        for step in range(steps):
            adam.param_groups[0]["lr"] = theirs.get_lr(step / STEPS, 0.1)
            near = theirs.latent_noise(code, 0.05)
            seen = reduced(network([near], input_is_latent=True, noise=noises)[0])
            # A new tensor, so that the target's features are not kept: its loss does not either.
            loss = distance(seen, wanted.clone(), torch.ones_like(seen[:, :1])).sum()
            loss = loss + 1e5 * theirs.noise_regularize(noises)
            adam.zero_grad()
            loss.backward()
            adam.step()
            theirs.noise_normalize_(noises)
            tick()

    return run


def projector(checkout: Path) -> Any:
    """Its `projector.py`; what its main program alone needs is left empty."""
    empty = {name: ModuleType(name) for name in ("torchvision", "lpips")}
    vars(empty["torchvision"])["transforms"] = None
    with import_from(checkout, empty):
        return importlib.import_module("projector")


def vgg() -> VGGDistance:
    """LPIPS with random weights."""
    distance = VGGDistance()
    for weight in distance.linear:
        torch.nn.init.constant_(weight, 0.1)
    return distance.eval().requires_grad_(False)


def reduced(images: Tensor) -> Tensor:
    """At the size of the loss, by means, as both projectors do."""
    factor = images.shape[-1] // LOSS_SIDE
    return torch.nn.functional.avg_pool2d(images, factor) if factor > 1 else images


def bounds(generator: Generator, distance: Distance, dtypes: list[torch.dtype]) -> dict[str, float]:
    """Of 100 steps; the loss is in float32."""
    seen = torch.zeros(1, 3, *[min(generator.config.resolution, LOSS_SIDE)] * 2)
    shapes = convolutions(distance, lambda: distance.features(seen))
    of_loss = bare_seconds(shapes, torch.float32)
    inner = list(generator_shapes(generator))
    return {NAMES[d]: STEPS * 2 * (bare_seconds(inner, d) + of_loss) for d in dtypes}


if __name__ == "__main__":
    main()
