"""Directions in latent space, and the generator that they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from reage.errors import LatentError, UsageError
from reage.networks.generators import AnyGenerator

__all__ = [
    "Direction",
    "factorize",
    "move",
    "sefa_direction",
]

SPACES = ("W", "W+")
UNKNOWN_REACH = 10.0
SHORTEST, LONGEST = 1e-9, 1e6  # largest value of a vector


@dataclass(frozen=True)
class Direction:
    """A step in W+ for one generator; adding `strength * vector` to ws moves along it."""

    name: str  # "age", ...
    vector: Tensor  # [num_ws, w_dim]
    space: str = "W+"  # "W": the same row at every level
    sign: str = "+"  # what a positive strength means, in words or "+"
    generator_hash: str | None = None  # None: unknown, taken on trust
    span: tuple[float, float] | None = None  # where real faces' codes lie along it, in strengths
    reach: float | None = None  # how far from a face's own place it was tried, in strengths
    colour: float = 1.0  # share of the change's colour that is pasted; its light always is
    origin: Tensor | None = None  # [num_ws, w_dim] the code from which the span is counted
    report: dict[str, Any] = field(default_factory=dict)  # how it was made, how good it is

    @property
    def norm(self) -> float:
        """Euclidean length of the whole vector."""
        return float(self.vector.norm())

    def position(self, ws: Tensor) -> Tensor:
        """Locate codes `[N, num_ws, w_dim]` along the direction, in strengths `[N]`."""
        offset = ws if self.origin is None else ws - self.origin.to(ws)
        flat = self.vector.to(ws).flatten()
        return offset.flatten(1) @ flat / flat.square().sum()

    def move_codes(self, ws: Tensor, strengths: Tensor, own: float) -> Tensor:
        """Move one code `[1, num_ws, w_dim]` by strengths `[N]`; the face's age is not used."""
        return move(ws.expand(len(strengths), -1, -1), self, strengths)

    def strength_range(self, ws: Tensor, own: float) -> tuple[float, float]:
        """Return the lowest and highest strength for one code `[1, num_ws, w_dim]`.

        Stays within the range of real faces, or within the tested strengths. If neither is
        known, the range is wide.
        """
        if self.reach is not None:
            return -self.reach, self.reach
        if self.span is None:
            return -UNKNOWN_REACH, UNKNOWN_REACH
        position = float(self.position(ws)[0])
        return self.span[0] - position, self.span[1] - position

    def check(self, generator_hash: str, num_ws: int, w_dim: int) -> None:
        """Raise LatentError unless the direction belongs to that generator."""
        shape = tuple(self.vector.shape)
        if shape != (num_ws, w_dim):
            raise LatentError(
                f"the direction {self.name} is {list(shape)}, this model takes "
                f"{[num_ws, w_dim]}; choose the model it was made for"
            )
        if self.origin is not None and tuple(self.origin.shape) not in (shape, (1, w_dim)):
            raise LatentError(
                f"the direction {self.name} counts from a code {list(self.origin.shape)}, this "
                f"model's are {[num_ws, w_dim]}; it is damaged"
            )
        if self.generator_hash is not None and self.generator_hash != generator_hash:
            raise LatentError(
                f"the direction {self.name} belongs to the generator {self.generator_hash[:12]}, "
                f"this one is {generator_hash[:12]}; fit a new one with: reage fit MODEL"
            )


def check_vector(vector: Tensor, source: str) -> Tensor:
    """Return a direction's vector as float32; LatentError unless it is one that can be added."""
    found = vector.float() if vector.is_floating_point() else vector
    fits = found.ndim == 2 and found.numel() and found.is_floating_point()
    most = float(found.abs().max()) if fits else 0.0  # NaN where there is one
    if not SHORTEST <= most <= LONGEST:
        raise LatentError(
            f"{source} holds no direction: {str(vector.dtype).removeprefix('torch.')} "
            f"{list(vector.shape)}, which is zero or not finite (largest value {most:g})"
        )
    return found


def move(ws: Tensor, direction: Direction, strength: Tensor | float) -> Tensor:
    """Move ws `[N, num_ws, w_dim]` by a strength, one for all or `[N]`."""
    strength = torch.as_tensor(strength, dtype=ws.dtype, device=ws.device)
    return ws + strength.reshape(-1, 1, 1) * direction.vector.to(ws)


def for_generator(direction: Direction, num_ws: int) -> Direction:
    """Repeat a W direction over the levels of a generator, or over the levels that it names."""
    if len(direction.vector) != 1 or direction.space != "W":
        return direction
    vector = direction.vector.repeat(num_ws, 1)
    levels = direction.report.get("levels")
    if levels is not None:
        vector[: levels[0]] = 0
        vector[levels[1] + 1 :] = 0
    return replace(direction, vector=vector)


def factorize(generator: AnyGenerator, levels: tuple[int, ...] | None = None) -> Tensor:
    """Closed-form semantic directions of a generator, strongest first, `[w_dim, w_dim]`.

    Shen and Zhou, "Closed-Form Factorization of Latent Semantics in GANs" (2021), equation 6: the
    eigenvectors of A^T A, where A stacks the style weights of the chosen levels.
    """
    chosen = range(generator.num_ws) if levels is None else levels
    weights = [weight for level in chosen for weight in generator.style_weights(level)]
    if not weights:
        raise LatentError(f"no convolution takes its style from the levels {levels}")
    stacked = torch.cat([w / w.norm(dim=1, keepdim=True).clamp_min(1e-8) for w in weights])
    return torch.linalg.svd(stacked, full_matrices=True).Vh


def sefa_direction(generator: AnyGenerator, generator_hash: str, text: str) -> Direction:
    """Make a direction from "sefa:N" or "sefa:N:A-B": factor N (1 is the strongest) at some levels.

    Raises UsageError if the text is not understood, LatentError if there is no such factor.
    """
    match = re.fullmatch(r"sefa:([0-9]{1,9})(?::([0-9]{1,9})-([0-9]{1,9}))?", text)
    if match is None:
        raise UsageError(
            f"{text!r:.60} is not understood; give sefa:N or sefa:N:A-B, such as sefa:1:0-3"
        )
    number, low, high = (None if part is None else int(part) for part in match.groups())
    last = generator.num_ws - 1
    levels = range(low or 0, (last if high is None else high) + 1)
    factors = factorize(generator, tuple(levels))
    assert number is not None
    if not 1 <= number <= len(factors) or levels.stop > generator.num_ws:
        raise LatentError(
            f"{text!r}: this generator has factors 1 to {len(factors)} and levels 0 to {last}"
        )
    vector = torch.zeros(generator.num_ws, generator.config.w_dim)
    vector[list(levels)] = factors[number - 1].cpu()
    return Direction(text, vector, sign="none", generator_hash=generator_hash)
