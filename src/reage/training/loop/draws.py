"""Random numbers that belong to one picture of one step.

Each picture of the global batch has its own generator, seeded by (seed, step, place in the
batch). So a run resumes exactly without saved state, and several processes together draw the
same numbers as one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Draws", "make_rng"]


def make_rng(*key: int | str) -> torch.Generator:
    """Make a random number generator seeded by a key."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


class Draws:
    """Random numbers for some pictures of a batch."""

    def __init__(
        self,
        seed: int,
        step: int,
        places: Sequence[int],
        *,
        purpose: str = "",
        device: torch.device | None = None,
    ):
        self.generators = [make_rng(seed, step, place, purpose) for place in places]
        self.device = device

    def __len__(self) -> int:
        return len(self.generators)

    def part(self, begin: int, end: int) -> Draws:
        """Select some of the pictures; their generators are shared with the whole."""
        part = Draws(0, 0, (), device=self.device)
        part.generators = self.generators[begin:end]
        return part

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, `[N, *shape]`."""
        drawn = [torch.randn(shape, generator=rng) for rng in self.generators]
        return torch.stack(drawn).to(self.device) if drawn else torch.empty(0, *shape)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform numbers from low to high, `[N, *shape]`."""
        drawn = [torch.rand(shape, generator=rng) for rng in self.generators]
        if not drawn:
            return torch.empty(0, *shape)
        return torch.stack(drawn).to(self.device) * (high - low) + low

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers from low to high - 1, `[N, *shape]`."""
        return (self.uniform(*shape) * (high - low)).long().clamp_max(high - low - 1) + low
