"""Train a network that takes something off heads, on pairs with and without it."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.compositing.skin_mask import LOG_OFFSET
from reage.networks.agers.skin_removal import SkinRemovalNetwork
from reage.training.configs import RemovalTraining
from reage.training.loop.loss_weights import Losses
from reage.training.loop.one_network import OneNetworkTrainer
from reage.training.loop.parallel import World
from reage.training.removal.pairs import Pair, Pairs

__all__ = ["RemovalTrainer"]

CERTAIN = 0.8  # of the skin, whose mean colour is taken away
AREA = 4  # pixels a side
SHOWN = 6  # pairs of kept-out heads in the pictures


class RemovalTrainer(OneNetworkTrainer[RemovalTraining, SkinRemovalNetwork]):
    """Train a network to take off what lies over the heads of pairs."""

    def __init__(
        self,
        name: str,
        config: RemovalTraining,
        network: SkinRemovalNetwork,
        pairs: Pairs,
        *,
        world: World,
        device: torch.device,
        dtype: torch.dtype,
    ):
        super().__init__(name, config, network, world=world, device=device, dtype=dtype)
        self.pairs = pairs

    def losses(self, index: int) -> tuple[Losses, dict[str, Tensor]]:
        """Compare with what was laid over; `left`: of the squared change, what is not found."""
        logs, skin, wanted = self._batch(index)
        found = self._find(self.network, logs, skin)
        left = (found - wanted).square().mean() / wanted.square().mean().clamp_min(1e-6)
        return self._losses(found, wanted), {"left": left}

    @torch.no_grad()
    def pictures(self, index: int) -> dict[str, Tensor]:
        """Heads that are not learnt from: with something over them, without by the network, bare.

        `[N, 3, h, w]` in -1..1.
        """
        rng = np.random.default_rng(self.config.seed)
        pairs = [self.pairs.sample(rng, kept_out=True) for _ in range(SHOWN)]
        logs, skin, wanted = self._stacked(pairs)
        found = self._find(self.average, logs, skin)
        shown = torch.stack([logs, logs + found, logs + wanted], 1).flatten(0, 1)
        return {"removal": ((shown.exp() - LOG_OFFSET) * 2 - 1).clamp(-1, 1).cpu()}

    def _batch(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        places = self.world.part(self.config.batch)
        rngs = [np.random.default_rng([self.config.seed, index, place]) for place in places]
        return self._stacked([self.pairs.sample(rng) for rng in rngs])

    def _stacked(self, pairs: list[Pair]) -> tuple[Tensor, Tensor, Tensor]:
        parts = zip(*((pair.logs, pair.skin, pair.wanted) for pair in pairs), strict=True)
        logs, skin, wanted = (torch.stack(part).to(self.device) for part in parts)
        return logs, skin, wanted

    def _find(self, network: SkinRemovalNetwork, logs: Tensor, skin: Tensor) -> Tensor:
        found = network(_centred(logs, skin), skin, dtype=self.dtype)
        return found * self.pairs.where(skin).to(self.device)

    def _losses(self, found: Tensor, wanted: Tensor) -> Losses:
        """Compare changes `[N, 3, h, w]`: by pixels, by areas, and by slopes."""
        config, error = self.config, found - wanted
        slopes = error.diff(dim=3).abs().mean() + error.diff(dim=2).abs().mean()
        return {
            "pixels": ((error.square() + 1e-4).sqrt().mean(), 1.0),
            # By absolute errors alone it pays to leave a deep fold that may be the face's own.
            "squares": (error.square().mean(), config.squares_weight),
            "areas": (F.avg_pool2d(error, AREA).abs().mean(), config.areas_weight),
            "slopes": (slopes, config.slopes_weight),
        }


def _centred(logs: Tensor, skin: Tensor) -> Tensor:
    """Subtract the mean of the certain skin from logarithms `[N, 3, H, W]`."""
    certain = (skin > CERTAIN).to(logs)
    total = certain.sum((2, 3), keepdim=True).clamp_min(1)
    return logs - (logs * certain).sum((2, 3), keepdim=True) / total
