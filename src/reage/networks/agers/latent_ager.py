"""A neural ager: the change of a code in W+ from one age to another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AGE_NUMBERS", "Ager", "AgerConfig", "embed_age"]

CENTRES = 11  # of the age embedding: 0, 10, ... 100 years
WIDTH = 10.0  # standard deviation of each, years
AGE_NUMBERS = CENTRES + 1  # that an age becomes


@dataclass(frozen=True)
class AgerConfig:
    """What shapes an ager has."""

    num_ws: int
    w_dim: int = 512
    projection: int = 64  # numbers that are seen of each level
    hidden: int = 384
    layers: int = 3
    rank: int = 128  # dimensions of all changes together, over all levels


class Ager(nn.Module):
    """ws `[N, num_ws, w_dim]`, own and wanted ages in years `[N]` to a change of ws.

    The change is path(ws, wanted) - path(ws, own): nothing at the own age by construction, and
    going on from one age to the next adds up.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: AgerConfig):
        super().__init__()
        self.config = config
        # Of the codes that it works on, so that the layers see numbers of about unit variance.
        self.register_buffer("mean", torch.zeros(config.num_ws, config.w_dim))
        self.register_buffer("scale", torch.ones(config.num_ws, 1))
        weight = torch.randn(config.num_ws, config.w_dim, config.projection)
        self.project = nn.Parameter(weight / config.w_dim**0.5)
        self.first = nn.Linear(config.num_ws * config.projection, config.hidden)
        self.layers = nn.ModuleList(
            nn.Linear(config.hidden, config.hidden) for _ in range(config.layers)
        )
        # Each layer is scaled and shifted by the age (Perez et al., "FiLM", 2018).
        self.conditions = nn.ModuleList(
            nn.Linear(AGE_NUMBERS, 2 * config.hidden) for _ in range(config.layers)
        )
        self.rank = nn.Linear(config.hidden, config.rank)
        self.out = nn.Linear(config.rank, config.num_ws * config.w_dim, bias=False)
        nn.init.normal_(self.out.weight, std=0.2 / config.rank**0.5)

    def forward(self, ws: Tensor, own: Tensor, wanted: Tensor) -> Tensor:
        assert ws.shape[1:] == (self.config.num_ws, self.config.w_dim), f"ws is {tuple(ws.shape)}"
        seen = self._embed_code(ws)
        path = self._path(torch.cat([seen, seen]), torch.cat([wanted, own]))
        there, here = path[: ws.shape[0]], path[ws.shape[0] :]
        return self.out(there - here).view_as(ws) * self.scale

    def _embed_code(self, ws: Tensor) -> Tensor:
        levels = torch.einsum("nlw,lwp->nlp", (ws - self.mean) / self.scale, self.project)
        return F.silu(self.first(levels.flatten(1)))

    def _path(self, x: Tensor, ages: Tensor) -> Tensor:
        condition = embed_age(ages)
        for layer, film in zip(self.layers, self.conditions, strict=True):
            gain, shift = film(condition).chunk(2, 1)
            x = x + F.silu(layer(x) * (1 + gain) + shift)
        return self.rank(x)


def embed_age(ages: Tensor) -> Tensor:
    """Ages in years `[N]` as bumps around 0, 10, ... 100 and their plain value, `[N, 12]`."""
    centres = torch.arange(CENTRES, device=ages.device) * WIDTH
    bumps = torch.exp(-0.5 * ((ages[:, None] - centres) / WIDTH).square())
    return torch.cat([bumps, ages[:, None] / 50 - 1], 1)
