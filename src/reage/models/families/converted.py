"""The result of every reader of a foreign format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reage.models.checkpoints import Part, build_generator
from reage.networks.encoders.hypernet import HyperNetwork
from reage.networks.generators import AnyGeneratorConfig

__all__ = ["ConvertedGenerator", "build_converted", "fir_kernel"]


@dataclass(frozen=True)
class ConvertedGenerator:
    """A foreign generator in our names and shapes, float32, with its other networks."""

    config: AnyGeneratorConfig
    state_dict: dict[str, Tensor]
    source_format: str  # "rosinality", "nvidia", "pSp", ...
    notes: list[str] = field(default_factory=list)  # what the user should know
    encoder: Part | None = None  # for inversion
    ager: Part | None = None  # an encoder that takes an age
    hypernet: HyperNetwork | None = None  # bends the generator to a face


def build_converted(
    config: AnyGeneratorConfig,
    state: Mapping[str, Tensor],
    *,
    source: str,
    source_format: str,
    notes: list[str],
) -> ConvertedGenerator:
    """Check names and shapes of float32 tensors; compute a missing `w_avg` and note it."""
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    has_w_avg = "mapping.w_avg" in tensors
    tensors.setdefault("mapping.w_avg", torch.zeros(config.w_dim))
    generator = build_generator(config, tensors, source=source)
    if not has_w_avg:
        tensors["mapping.w_avg"] = generator.mean_w()
        notes = [*notes, "the file has no mean latent: computed from 4096 samples"]
    return ConvertedGenerator(config, tensors, source_format, notes)


def fir_kernel(gain: float) -> Tensor:
    """The standard low-pass filter [1, 3, 3, 1], `[4, 4]`, summing to `gain`."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) * (gain / 64)
