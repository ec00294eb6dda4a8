"""Train an ager on a frozen generator and encoder: real faces get random target ages."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.agers.files import StoredAger
from reage.compositing.change import limit_tone
from reage.compositing.masks import oval_mask
from reage.networks.agers.latent_ager import Ager
from reage.networks.encoders.encoder import Encoder
from reage.networks.generators import AnyGenerator
from reage.training.agers.critics import AgeCritics
from reage.training.agers.face_networks import FaceNetworks
from reage.training.configs import AgerTraining
from reage.training.loop.data import BatchSource, FaceBatch
from reage.training.loop.draws import Draws
from reage.training.loop.ema import ema_beta, update_average
from reage.training.loop.loss_weights import Losses, total_of, values_of
from reage.training.loop.optimisers import adam, update
from reage.training.loop.parallel import World
from reage.training.loop.states import restore, state_of

__all__ = ["AgerTrainer"]

SHOWN_AGES = (5.0, 20.0, 35.0, 50.0, 65.0, 80.0)  # a row of eight pictures
SHOWN_FACES = 8


@dataclass(frozen=True, eq=False)
class _Faces:
    """Real faces of a step, with their codes, source ages and target ages."""

    images: Tensor  # [N, 3, R, R]
    ws: Tensor  # [N, num_ws, w_dim]
    base: Tensor  # [N, 3, R, R] what the codes show
    own: Tensor  # [N] years
    wanted: Tensor  # [N] years


class AgerTrainer:
    """Train an ager and its adversary."""

    name = "ager"
    rate_share = 1.0

    def __init__(
        self,
        config: AgerTraining,
        ager: Ager,
        begun: StoredAger | None,  # whose network `ager` was; what is stored beside it is kept
        generator: AnyGenerator,
        encoder: Encoder,
        networks: FaceNetworks,
        critics: AgeCritics,
        source: BatchSource,
        *,
        world: World,
        device: torch.device,
        dtype: torch.dtype,
    ):
        self.config, self.networks, self.source, self.world = config, networks, source, world
        self.device, self.dtype, self.critics, self.begun = device, dtype, critics, begun
        self.ager = ager.train().requires_grad_(True).to(device)
        self.average = copy.deepcopy(self.ager).eval().requires_grad_(False)
        self.optimizer = adam(self.ager, config.ager)
        self.optimizers = {"ager": self.optimizer} | critics.optimizers
        self.generator, self.encoder = generator, encoder  # frozen
        self.mask = oval_mask(generator.config.resolution).to(device)

    @property
    def batch(self) -> int:
        return self.config.batch

    def step(self, index: int) -> dict[str, Tensor]:
        """Do one step on the ager and its adversary; returns figures."""
        for optimizer in self.optimizers.values():
            optimizer.set_rate(self.rate_share)
        if index == 0:
            self.critics.teach_judge()
        batch = self.source.at(index)
        faces = self._faces(index, batch)
        change = self.ager(faces.ws, faces.own, faces.wanted)
        aged = self._show(faces.ws + change)
        pasted = self._paste(faces, aged)
        # The adversary sees what is pasted. What the generator makes it would tell from photos by
        # the generator's own faults, whatever its age, and of patches in photos it would not know.
        described = self.critics.describe(index, batch, pasted)
        with torch.no_grad():
            real = self.critics.describe(index, batch, faces.images)

        losses = self._losses(faces, change, aged, pasted)
        losses = {**losses, **self.critics.losses(described, faces.wanted)}
        update(total_of(losses), [self.optimizer], self.world)

        bins = batch.bins.to(self.device)
        learnt = self.critics.learn(real, described, faces.own, faces.wanted, bins)
        seen = (index + 1) * self.config.batch / 1000
        beta = ema_beta(self.config.batch, self.config.ema_kimg, seen, self.config.ema_rampup)
        update_average(self.average, self.ager, beta)
        return {name: value.detach() for name, value in (values_of(losses) | learnt).items()}

    @torch.no_grad()
    def _faces(self, index: int, batch: FaceBatch) -> _Faces:
        images = batch.images.to(self.device)
        ws = self._encode(images)
        draws = Draws(self.config.seed, index, batch.places, device=self.device)
        wanted = draws.uniform(low=self.config.youngest, high=self.config.oldest)
        # The editor's codes are optimised from the encoder's on: they lie around them.
        amount = draws.uniform()[:, None, None] * self.config.code_noise
        ws = ws + amount * self.ager.scale * draws.normal(*ws.shape[1:])
        own = self.networks.own_ages(images, batch.bins)
        return _Faces(images, ws, self._show(ws), own, wanted)

    def _paste(self, faces: _Faces, aged: Tensor) -> Tensor:
        """The photos with the change pasted, as the editor's `delta` does it."""
        toning = limit_tone(faces.base, aged, self.config.colour) - faces.base
        return (faces.images + toning * self.mask).clamp(-1, 1)

    def _losses(self, faces: _Faces, change: Tensor, aged: Tensor, pasted: Tensor) -> Losses:
        """Compute all losses except the adversary's, each a mean over the batch."""
        networks, config = self.networks, self.config
        difference = aged - faces.base
        off = [(networks.read(shown) - faces.wanted).abs() for shown in (aged, pasted)]
        with torch.no_grad():
            before = networks.describe(faces.base)
            male = networks.gender(faces.base)
        unlike = 1 - networks.likeness(networks.describe(aged), before)
        gap = (faces.wanted - faces.own).abs()
        tolerance = 0.5 ** (gap / config.identity_gap)
        scale = self.ager.scale
        back = self.ager(faces.ws + change, faces.wanted, faces.own)
        light = F.avg_pool2d(difference, aged.shape[-1] // 8)
        coloured = difference - difference.mean(1, keepdim=True)
        return {
            "age": (torch.stack(off).mean() / 10, config.age_weight),
            "identity": ((unlike * tolerance).mean(), config.identity_weight),
            "gender": ((networks.gender(aged) - male).abs().mean(), config.gender_weight),
            "light": (light.square().mean(), config.light_weight),
            "hue": (coloured.square().mean(), config.hue_weight),
            "outside": ((difference * (1 - self.mask)).square().mean(), config.outside_weight),
            "cycle": (((back + change) / scale).square().mean(), config.cycle_weight),
            "size": ((change / scale).square().mean(), config.size_weight),
        }

    @torch.no_grad()
    def calibrate(self, faces: int = 512) -> None:
        """Set the ager's mean and spread of codes."""
        images = self.source.fixed_faces(faces)
        ws = torch.cat([self._encode(part.to(self.device)) for part in images.split(32)])
        for ager in (self.ager, self.average):
            ager.mean.copy_(ws.mean(0))
            ager.scale.copy_(ws.std(0).square().mean(1, keepdim=True).sqrt())

    def _encode(self, images: Tensor) -> Tensor:
        w_avg = self.generator.mapping.w_avg
        return self.encoder(images, torch.ones_like(images[:, :1]), w_avg)

    def _show(self, ws: Tensor) -> Tensor:
        return self.generator.synthesize(ws, dtype=self.dtype)[:, :3]

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a step changes."""
        return state_of(self._trained_networks(), self.optimizers)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(state, self._trained_networks(), self.optimizers)

    def _trained_networks(self) -> dict[str, nn.Module]:
        found: dict[str, nn.Module] = {"ager": self.ager, "average": self.average}
        return found | self.critics.networks

    @torch.no_grad()
    def pictures(self, index: int) -> dict[str, Tensor]:
        """Rows of a face, what its code shows, and that at six ages, made and pasted."""
        images = self.source.fixed_faces(SHOWN_FACES).to(self.device)
        ws = self._encode(images)
        base, own = self._show(ws), self.networks.read(images)
        rows = {"aged": [images, base], "pasted": [images, base]}
        for age in SHOWN_AGES:
            wanted = torch.full_like(own, age)
            aged = self._show(ws + self.average(ws, own, wanted))
            rows["aged"].append(aged)
            rows["pasted"].append(self._paste(_Faces(images, ws, base, own, wanted), aged))
        return {name: torch.stack(columns, 1).flatten(0, 1) for name, columns in rows.items()}
