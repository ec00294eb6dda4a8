"""Optimisers and the update step; context managers that freeze or perturb weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reage.training.configs import AdamSettings
from reage.training.loop.parallel import World

__all__ = ["Optimizer", "adam", "freeze", "lay_out", "perturb_weights", "update"]


@dataclass(frozen=True, eq=False)
class Optimizer:
    """Adam on a network's trainable weights, with its settings."""

    adam: torch.optim.Optimizer
    settings: AdamSettings
    lazy: float = 1.0  # correction for lazy regularisation

    def set_rate(self, share: float) -> None:
        """Scale the learning rate of the settings."""
        for group in self.adam.param_groups:
            group["lr"] = self.settings.lr * self.lazy * share


def adam(network: nn.Module, settings: AdamSettings, lazy: float = 1.0) -> Optimizer:
    """Make Adam for the trainable weights; `lazy` corrects for lazy regularisation."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    betas = (settings.beta1**lazy, settings.beta2**lazy)
    found = torch.optim.Adam(parameters, lr=settings.lr * lazy, betas=betas, eps=1e-8, fused=True)
    return Optimizer(found, settings, lazy)


def lay_out(network: nn.Module) -> None:
    """Store the convolution weights channels last, which is faster on a CPU.

    In bfloat16 a discriminator takes half the time, a compiled generator a tenth less.
    """
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def update(loss: Tensor, optimizers: Iterable[Optimizer], world: World) -> None:
    """Backpropagate a loss and step the optimisers."""
    optimizers = list(optimizers)
    for optimizer in optimizers:
        optimizer.adam.zero_grad(set_to_none=True)
    loss.backward()
    for optimizer in optimizers:
        parameters = optimizer.adam.param_groups[0]["params"]
        world.average_gradients(parameters)
        if optimizer.settings.clip:
            nn.utils.clip_grad_norm_(parameters, optimizer.settings.clip)
        optimizer.adam.step()


@contextmanager
def freeze(network: nn.Module) -> Iterator[None]:
    """Freeze a network's weights; gradients still pass through it."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


@contextmanager
def perturb_weights(network: nn.Module, most: float, rng: torch.Generator) -> Iterator[None]:
    """Add noise of up to `most` of their size to a network's weights within a `with` block.

    A critic trained against a frozen network only learns that network's artefacts, which vanish
    once the network trains. If each step shows other faults, the critic learns what photos look
    like, and knows masks, hatching and odd colours before any network produces them.
    """
    strength = most * float(torch.rand([], generator=rng))
    weights = list(network.parameters()) if most else []
    kept = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                noise = torch.randn(weight.shape, generator=rng).to(weight)
                weight.add_(noise * (strength * weight.square().mean().sqrt()))
        yield
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)
