"""Most memory of a process that makes one picture, or one with the gradient of its code.

    python benchmarks/memory.py --rosinality PATH --nvidia PATH --paddlegan PATH --json memory.json

Each in a process of its own; Python, PyTorch (or Paddle) and the weights are in the figure.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator

import torch

from implementations import of_ours, others, our_generator
from timing import (
    Row,
    checkouts,
    line,
    ours,
    parser,
    peak_megabytes,
    precisions,
    prepare,
    save,
)


def main() -> None:
    made = parser(__doc__)
    checkouts(made)
    made.add_argument("--sizes", type=int, nargs="+", default=[256, 1024])
    made.add_argument("--alone", help=argparse.SUPPRESS)  # what the processes are started with
    made.add_argument("--gradients", action="store_true", help=argparse.SUPPRESS)
    options = made.parse_args()
    prepare(options)
    if options.alone:
        print(alone(options.alone, options.sizes[0], options))
        return
    rows = []
    for size in options.sizes:
        for gradients in (False, True):
            rows.append(row(size, gradients, options))
            print(line(rows[-1]), flush=True)
    save(rows, options.json)


def row(size: int, gradients: bool, options: argparse.Namespace) -> Row:
    found = {}
    for name in [*map(ours, precisions(options.precision)), *others(options)]:
        command = [sys.executable, __file__, "--alone", name, "--sizes", str(size)]
        command += ["--gradients"] * gradients + list(passed_on(options))
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[name] = float(done.stdout.splitlines()[-1])
    what = f"{size} px, 1 at once, forward{' and backward' * gradients}"
    return Row(what, {}, 1, megabytes=found)


def passed_on(options: argparse.Namespace) -> Iterator[str]:
    yield from ("--threads", str(options.threads))
    yield from ["--no-keep"] * options.no_keep
    for name in ("rosinality", "nvidia", "paddlegan"):
        if place := getattr(options, name):
            yield from (f"--{name}", str(place))


def alone(name: str, size: int, options: argparse.Namespace) -> float:
    """Make one picture and say what that took at most."""
    levels = our_levels(size)
    made = others(options).get(name)
    if made is None:
        dtype = next(d for d in (torch.float32, torch.bfloat16) if ours(d) == name)
        run = of_ours(our_generator(size), [dtype])[name]
    else:
        run = made(size)
    work = run.backward if options.gradients else run.forward
    assert work is not None
    work(torch.randn(1, levels, 512))
    return peak_megabytes()


def our_levels(size: int) -> int:
    """Codes of a generator: two for each size from 4 px on."""
    return 2 * (size.bit_length() - 2)


if __name__ == "__main__":
    main()
