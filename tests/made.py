"""Small things that many tests make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from reage.compositing.warp import Warp, warp_in_place
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

__all__ = ["SMALL", "Command", "bent_photo", "make_generator", "random", "within"]

Command = Callable[..., tuple[int, str, str]]  # exit status, output, errors
Value = TypeVar("Value")

SMALL = GeneratorConfig(
    resolution=32, channels=(16, 16, 16, 8), z_dim=32, w_dim=32, mapping_layers=2
)


def make_generator(config: GeneratorConfig, seed: int = 1000) -> Generator:
    """A generator as it would be after some training: noise counts, w_avg is the mean."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = Generator(config)
        for layer in generator.synthesis.noise_layers:
            torch.nn.init.constant_(layer.noise_strength, 0.1)
            torch.nn.init.normal_(layer.bias, 0, 0.1)
    generator.eval().requires_grad_(False)
    generator.mapping.w_avg.copy_(generator.mean_w(1000))
    return generator


def bent_photo(photo: np.ndarray, bend: Warp, quad: np.ndarray) -> np.ndarray:
    """A bent copy of a photo `[H, W, 3 or 4]`; a fourth channel stays."""
    out = photo.copy()
    warp_in_place(out[..., :3], bend, quad)
    return out


def random(*shape: int, seed: int = 0) -> Tensor:
    """Normal random numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def within(named: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    """What has names that begin so, without that beginning."""
    return {name.removeprefix(prefix): named[name] for name in named if name.startswith(prefix)}
