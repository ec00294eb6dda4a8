"""Training a refiner on a frozen generator, encoder and ager: real faces are sent to random ages,
and what is pasted is judged."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.latents.agers import NeuralAger
from reage.latents.faces import toned
from reage.latents.guided import oval_mask
from reage.networks.refiner import Refiner
from reage.training.ageing import AgeingNetworks, weighted
from reage.training.ager import SHOWN_AGES, SHOWN_FACES
from reage.training.averaging import averaging_beta, update_average
from reage.training.configs import RefinerTraining
from reage.training.critics import AgeCritics
from reage.training.data import BatchSource, FaceBatch
from reage.training.draws import Draws
from reage.training.parallel import World
from reage.training.states import restore, state_of
from reage.training.updating import adam, update

__all__ = ["RefinerTrainer"]


@dataclass(frozen=True, eq=False)
class _Changes:
    """Real faces of a step and what the ager would add to them."""

    photos: Tensor  # [N, 3, R, R]
    base: Tensor  # [N, 3, R, R] what their codes show
    change: Tensor  # [N, 3, R, R]
    own: Tensor  # [N] years
    wanted: Tensor  # [N] years


class RefinerTrainer:
    """A refiner, its critics, and how one step changes them."""

    name = "refiner"

    def __init__(
        self,
        config: RefinerTraining,
        refiner: Refiner,
        ager: NeuralAger,
        networks: AgeingNetworks,
        critics: AgeCritics,
        source: BatchSource,
        *,
        world: World,
        device: torch.device,
        dtype: torch.dtype,
    ):
        self.config, self.networks, self.source, self.world = config, networks, source, world
        self.device, self.dtype, self.critics, self.ager = device, dtype, critics, ager
        self.refiner = refiner.train().requires_grad_(True).to(device)
        self.average = copy.deepcopy(self.refiner).eval().requires_grad_(False)
        self.optimizers = {"refiner": adam(self.refiner, config.refiner)} | critics.optimizers
        self.mask = oval_mask(networks.generator.config.resolution).to(device)

    @property
    def batch(self) -> int:
        return self.config.batch

    def step(self, index: int) -> dict[str, Tensor]:
        """Do one step on the refiner and its critics; returns figures."""
        if index == 0:
            self.critics.teach_judge()
        batch = self.source.at(index)
        bins = batch.bins.to(self.device)
        found = self._changes(index, batch, bins)
        pasted = self._pasted(self.refiner, found)
        described = self.critics.describe(index, batch, pasted)
        with torch.no_grad():
            real = self.critics.describe(index, batch, found.photos)

        losses = self._losses(found, pasted) | self.critics.losses(described, found.wanted)
        total = weighted(losses, self.config)
        update(total, {"refiner": self.optimizers["refiner"]}, vars(self.config), self.world)

        learnt = self.critics.learn(real, described, found.own, found.wanted, bins)
        seen = (index + 1) * self.config.batch / 1000
        beta = averaging_beta(self.config.batch, self.config.ema_kimg, seen, self.config.ema_rampup)
        update_average(self.average, self.refiner, beta)
        return {name: value.detach() for name, value in (losses | learnt).items()}

    @torch.no_grad()
    def _changes(self, index: int, batch: FaceBatch, bins: Tensor) -> _Changes:
        photos = batch.images.to(self.device)
        draws = Draws(self.config.seed, index, batch.places, device=self.device)
        wanted = draws.uniform(low=self.config.youngest, high=self.config.oldest)
        own = self.networks.own_ages(photos, bins)
        ws = self.networks.encode(photos)
        base = self.networks.show(ws)
        return _Changes(photos, base, self._toned(ws, base, own, wanted), own, wanted)

    def _toned(self, ws: Tensor, base: Tensor, own: Tensor, wanted: Tensor) -> Tensor:
        """What the ager changes in the pictures of codes, as it would be pasted unrefined."""
        aged = self.networks.show(ws + self.ager.network(ws, own, wanted))
        return toned(base, aged, self.ager.colour) - base

    def _pasted(self, refiner: Refiner, found: _Changes) -> Tensor:
        """The photos with the refined change."""
        ages = (found.own, found.wanted)
        change = refiner(found.photos, found.base, found.change, *ages, dtype=self.dtype)
        return (found.photos + change * self.mask).clamp(-1, 1)

    def _losses(self, found: _Changes, pasted: Tensor) -> dict[str, Tensor]:
        """The losses but for the critics', each a mean over the batch."""
        networks = self.networks
        change = pasted - found.photos
        with torch.no_grad():
            before = networks.describe(found.photos)
            male = networks.gender(found.photos)
        like = networks.likeness(networks.describe(pasted), before)
        light = F.avg_pool2d(change, change.shape[-1] // 8)
        return {
            "age": (networks.read(pasted) - found.wanted).abs().mean() / 10,
            "identity": F.relu(self.config.least_likeness - like).mean(),
            "gender": (networks.gender(pasted) - male).abs().mean(),
            "light": light.square().mean(),
            "hue": (change - change.mean(1, keepdim=True)).square().mean(),
            "size": change.square().mean(),
        }

    def state_dict(self) -> dict[str, Any]:
        """All that a step changes."""
        return state_of(self._trained(), self.optimizers)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(state, self._trained(), self.optimizers)

    def _trained(self) -> dict[str, nn.Module]:
        found: dict[str, nn.Module] = {"refiner": self.refiner, "average": self.average}
        return found | self.critics.networks

    @torch.no_grad()
    def pictures(self, index: int) -> dict[str, Tensor]:
        """Rows of a face, what its code shows, and that at six ages, as pasted and unrefined."""
        photos = self.source.fixed(SHOWN_FACES).to(self.device)
        ws, own = self.networks.encode(photos), self.networks.read(photos)
        base = self.networks.show(ws)
        rows = {"pasted": [photos, base], "unrefined": [photos, base]}
        for age in SHOWN_AGES:
            wanted = torch.full_like(own, age)
            found = _Changes(photos, base, self._toned(ws, base, own, wanted), own, wanted)
            rows["pasted"].append(self._pasted(self.average, found))
            rows["unrefined"].append((photos + found.change * self.mask).clamp(-1, 1))
        return {name: torch.stack(columns, 1).flatten(0, 1) for name, columns in rows.items()}
