"""Time the generator's training: pictures a second of each recipe, from faces128, with its data.

    python benchmarks/training.py ../shared/data --json build/bench/training.json

A turn is one step of each, taken A B C A B C ...; a step of StyleGAN2's discriminator in sixteen
has R1, so give at least as many turns. What is compiled, compiles in the first turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import torch

from reage.training.configs import PRESETS, GeneratorTraining
from reage.training.settings import RunSettings
from reage.training.start import Machine, start
from timing import NAMES, Row, clocked, in_turns, line, parser, precisions, prepare, save

NARROW = (256, 256, 192, 96, 48)  # at 4 to 64 px


def main() -> None:
    made = parser(__doc__)
    made.add_argument("data", type=Path, help="a dataset of 128 px (`reage prepare`)")
    made.set_defaults(turns=16, seconds=600)
    options = made.parse_args()
    prepare(options)
    stylegan2 = PRESETS["stylegan2+encoder"]
    recipes = {
        "stylegan2+encoder, narrow discriminator": replace(
            stylegan2, discriminator_channels=NARROW
        ),
        "stylegan2+encoder": stylegan2,
        "projected+encoder": PRESETS["projected+encoder"],
        "projected": PRESETS["projected"],
    }
    dtype = precisions(options.precision)[-1]
    steps = {name: steps_of(config, options.data, dtype) for name, config in recipes.items()}
    seconds, done = in_turns(steps, options.turns, options.seconds)
    row = Row(f"a step of {stylegan2.batch} pictures, {NAMES[dtype]}", seconds, done)
    print(line(row))
    for name, spent in seconds.items():
        print(f"{name}: {recipes[name].batch / spent:.1f} pictures a second")
    save([row], options.json)


def steps_of(config: GeneratorTraining, data: Path, dtype: torch.dtype) -> Callable[[], float]:
    """One step after the other of a training, timed."""
    settings = RunSettings("generator", replace(config, compile=True), str(data), model="faces128")
    trainer = start(settings, Machine(torch.device("cpu"), dtype))
    indices = count()
    return clocked(lambda: trainer.step(next(indices)))


if __name__ == "__main__":
    main()
