"""Adam (Kingma and Ba, 2015, algorithm 1), for a handful of tensors.

`torch.optim` has it too, but making its first optimiser imports torch's compiler: a second at every
start of the command line, more than a fast inversion takes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Adam"]

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


class Adam:
    """Moves leaf tensors down their gradients."""

    def __init__(self, parameters: Sequence[Tensor]):
        self.parameters = list(parameters)
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = 0

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Move by one step of learning rate `lr`; gradients are used up."""
        self.steps += 1
        scale1, scale2 = 1 - BETA1**self.steps, 1 - BETA2**self.steps
        for parameter, first, second in zip(self.parameters, self.first, self.second, strict=True):
            gradient = parameter.grad
            assert gradient is not None
            first.lerp_(gradient, 1 - BETA1)
            second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            spread = (second / scale2).sqrt_().add_(EPS)
            parameter.addcdiv_(first, spread, value=-lr / scale1)
            parameter.grad = None
