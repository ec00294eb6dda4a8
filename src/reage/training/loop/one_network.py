"""A trainer's step for a single network, whose weights are averaged."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from reage.training.configs import HeadTraining
from reage.training.loop.ema import ema_beta, update_average
from reage.training.loop.loss_weights import Losses, total_of, values_of
from reage.training.loop.optimisers import adam, update
from reage.training.loop.parallel import World
from reage.training.loop.states import restore, state_of

__all__ = ["OneNetworkTrainer"]

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=HeadTraining)


class OneNetworkTrainer(ABC, Generic[Config, Network]):
    """Train a network by losses that depend on its weights and the step's number alone."""

    rate_share = 1.0

    def __init__(
        self,
        name: str,
        config: Config,
        network: Network,
        *,
        world: World,
        device: torch.device,
        dtype: torch.dtype,
    ):
        self.name, self.config, self.world = name, config, world
        self.device, self.dtype = device, dtype
        self.network = copy.deepcopy(network).train().requires_grad_(True).to(device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizers = {"network": adam(self.network, config.network)}

    @abstractmethod
    def losses(self, index: int) -> tuple[Losses, dict[str, Tensor]]:
        """Return the losses of a step, and further figures for the log."""

    @abstractmethod
    def pictures(self, index: int) -> dict[str, Tensor]:
        """Return grids by name, `[N, 3, h, w]` in -1..1, of heads that are not learnt from."""

    @property
    def batch(self) -> int:
        return self.config.batch

    def step(self, index: int) -> dict[str, Tensor]:
        """Do one step; returns figures."""
        config = self.config
        seen = (index + 1) * config.batch / 1000
        warm = min(1.0, seen / max(config.warmup_kimg, 1e-6))
        self.optimizers["network"].set_rate(self.rate_share * warm)
        losses, more = self.losses(index)
        update(total_of(losses), self.optimizers.values(), self.world)
        beta = ema_beta(config.batch, config.ema_kimg, seen, config.ema_rampup)
        update_average(self.average, self.network, beta)
        return {name: value.detach() for name, value in (values_of(losses) | more).items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a step changes."""
        return state_of(self._networks(), self.optimizers)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(state, self._networks(), self.optimizers)

    def _networks(self) -> dict[str, nn.Module]:
        return {"network": self.network, "average": self.average}
