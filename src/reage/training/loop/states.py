"""Save and restore the state of networks and optimisers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from reage.training.loop.optimisers import Optimizer

__all__ = ["restore", "state_of"]


def state_of(
    networks: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
) -> dict[str, Any]:
    """Each network's state by its name, and those of the optimisers under "optimizers"."""
    state: dict[str, Any] = {name: network.state_dict() for name, network in networks.items()}
    return state | {"optimizers": {name: o.adam.state_dict() for name, o in optimizers.items()}}


def restore(
    state: Mapping[str, Any],
    networks: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
) -> None:
    """Load what `state_of` gave; KeyError, RuntimeError or ValueError where it does not fit."""
    for name, network in networks.items():
        network.load_state_dict(state[name])
    for name, optimizer in optimizers.items():
        optimizer.adam.load_state_dict(state["optimizers"][name])
