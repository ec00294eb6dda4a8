"""The optimisers, and how a loss changes what they train."""

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
    """Adam on what a network trains, and its settings."""

    adam: torch.optim.Optimizer
    settings: AdamSettings
    lazy: float = 1.0  # correction for a regularisation done now and then

    def set_rate(self, share: float) -> None:
        """Set the learning rate to a share of what the settings say."""
        for group in self.adam.param_groups:
            group["lr"] = self.settings.lr * self.lazy * share


def adam(network: nn.Module, settings: AdamSettings, lazy: float = 1.0) -> Optimizer:
    """Adam on what the network trains; `lazy` corrects for a regularisation done now and then."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    betas = (settings.beta1**lazy, settings.beta2**lazy)
    found = torch.optim.Adam(parameters, lr=settings.lr * lazy, betas=betas, eps=1e-8, fused=True)
    return Optimizer(found, settings, lazy)


def lay_out(network: nn.Module) -> None:
    """Lay the weights out as the convolutions of a processor want their maps, channels last.

    In bfloat16 a discriminator takes half of the time, a compiled generator a tenth less.
    """
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def update(loss: Tensor, optimizers: Iterable[Optimizer], world: World) -> None:
    """Do one step of some optimisers on a loss."""
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
    """Let gradients pass through a network, and none into its weights."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


@contextmanager
def perturb_weights(network: nn.Module, most: float, rng: torch.Generator) -> Iterator[None]:
    """Move a network's weights by noise of up to `most` of their size while a `with` block runs.

    What judges one fixed network learns marks of its own, which that is rid of as soon as it may
    learn. Where every step shows the faults of another one, the judge has to find out what photos
    look like, and knows masks, hatching and odd colours before any network tries them.
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
