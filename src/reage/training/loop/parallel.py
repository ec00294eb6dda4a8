"""Train in several processes as in one: gradients and figures are averaged."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from reage.errors import UsageError

__all__ = ["World", "join_world"]


@dataclass(frozen=True)
class World:
    """This process among all of a run."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def part(self, batch: int) -> range:
        """The places of the global batch that this process works on.

        They are contiguous, so what works on neighbours (minibatch standard deviation, mixing)
        sees the same ones however many processes there are, as long as a part is a multiple of 4.
        """
        if batch % self.size or (self.size > 1 and batch // self.size % 4):
            raise UsageError(
                f"a batch of {batch} cannot be shared by {self.size} processes: each part has to "
                "be the same multiple of 4"
            )
        count = batch // self.size
        return range(self.rank * count, (self.rank + 1) * count)

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace the gradients by their mean over all processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:  # the same in all processes: this step does not train them
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, part in zip(
            gradients, flat.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))

    def mean(self, value: Tensor) -> Tensor:
        """Mean over all processes of a figure that each took on its own part."""
        if self.size == 1:
            return value
        value = value.detach().clone()
        dist.all_reduce(value)
        return value / self.size

    def gather(self, value: Tensor) -> Tensor:
        """Gather and concatenate the rows `[N, ...]` of all processes."""
        if self.size == 1:
            return value
        parts = [torch.empty_like(value) for _ in range(self.size)]
        dist.all_gather(parts, value.contiguous())
        return torch.cat(parts)

    def any(self, flag: bool) -> bool:
        """Return whether any process passes True: all have to stop at the same step."""
        if self.size == 1:
            return flag
        value = torch.tensor(float(flag))
        dist.all_reduce(value)
        return bool(value > 0)


def join_world(device: torch.device) -> World:
    """Join the processes started by torchrun; without it, run alone."""
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return World()
    if not dist.is_initialized():
        # Its functions have the group of the day as their default. Imported later (torch._dynamo
        # does so), they keep the group alive when it is destroyed.
        import torch.distributed.nn.functional  # noqa: F401

        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        # The group's threads end with it. At the end of the interpreter, one that lets go of a
        # tensor aborts a process that has done all its work ("terminate called without an active
        # exception").
        atexit.register(dist.destroy_process_group)
    return World(dist.get_rank(), dist.get_world_size())
