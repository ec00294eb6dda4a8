"""Train a photo ager: real faces get random target ages, and critics rate the pasted faces."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.agers.files import StoredAger
from reage.agers.photo import (
    SPINS,
    add_photo_change,
    changes_under_shifts,
    photo_mask,
    shading,
)
from reage.compositing.change import luma
from reage.compositing.view import age_square, usual_points
from reage.faces.squares import eye_mask
from reage.models.checkpoints import Alignment
from reage.networks.agers.growth import Growth, warp_images
from reage.networks.agers.photo_ager import PhotoAger
from reage.training.agers.critics import AgeCritics
from reage.training.agers.detailed_heads import LaidDetail
from reage.training.agers.face_networks import FaceNetworks
from reage.training.agers.latent_ager import SHOWN_AGES, SHOWN_FACES
from reage.training.agers.paint import BesideDetail, bands, shake, years_off
from reage.training.configs import PhotoAgerTraining
from reage.training.loop.data import BatchSource
from reage.training.loop.draws import Draws, make_rng
from reage.training.loop.ema import ema_beta, update_average
from reage.training.loop.loss_weights import Losses, total_of, values_of
from reage.training.loop.optimisers import adam, perturb_weights, update
from reage.training.loop.parallel import World
from reage.training.loop.states import restore, state_of
from reage.training.stylegan2.augment import sharpen_detail

__all__ = ["PhotoAgerTrainer"]

PEAK = 0.15  # by which light changes freely, of -1..1: lines and folds; spots and paint are more


class PhotoAgerTrainer:
    """Train a photo ager and its critics."""

    name = "photo-ager"
    rate_share = 1.0

    def __init__(
        self,
        config: PhotoAgerTraining,
        ager: PhotoAger,
        beside: StoredAger,  # the ager of codes that it is stored with
        growth: Growth | None,
        fit_growth: Callable[[], Tensor],  # its shapes, looked for before the first step
        networks: FaceNetworks,
        critics: AgeCritics,
        source: BatchSource,
        beside_detail: BesideDetail | None = None,
        *,
        world: World,
        device: torch.device,
        dtype: torch.dtype,
        begun_kimg: float = 0.0,
    ):
        self.begun_kimg = begun_kimg  # pictures of earlier trainings
        self.config, self.networks, self.source, self.world = config, networks, source, world
        self.device, self.dtype, self.critics, self.beside = device, dtype, critics, beside
        self.beside_detail = beside_detail
        self.growth = growth and growth.to(device)
        self.fit_growth = fit_growth
        self.ager = ager.train().requires_grad_(True).to(device)
        self.average = copy.deepcopy(self.ager).eval().requires_grad_(False)
        self.optimizer = adam(self.ager, config.ager)
        self.optimizers = {"ager": self.optimizer} | critics.optimizers
        eyes = _usual_eyes(networks.alignment, ager.config.resolution)
        self.mask = photo_mask(eyes).to(device)

    @property
    def batch(self) -> int:
        return self.config.batch

    def step(self, index: int) -> dict[str, Tensor]:
        """Do one step on the ager and its critics; returns figures."""
        for optimizer in self.optimizers.values():
            optimizer.set_rate(self.rate_share)
        if index == 0:
            self.critics.teach_judge()
            if self.growth is not None:
                self.growth.shapes.copy_(self.fit_growth())
        batch = self.source.at(index)
        bins = batch.bins.to(self.device)
        draws = Draws(self.config.seed, index, batch.places, device=self.device)
        wanted = draws.uniform(low=self.config.youngest, high=self.config.oldest)
        amounts = draws.uniform(low=self.config.blurriest, high=self.config.sharpest)
        photos = sharpen_detail(batch.images.to(self.device), amounts)
        with torch.no_grad():
            own = self.networks.own_ages(photos, bins)
            real = self.critics.describe(index, batch, photos)
        begun = index * self.config.batch / 1000 >= self.config.head_start_kimg
        noise = 0.0 if begun else self.config.head_start_noise
        rng = make_rng(self.config.seed, index, "disturbance")
        with torch.set_grad_enabled(begun), perturb_weights(self.ager, noise, rng):
            pasted, change, uneven = self._paste(self.ager, photos, own, wanted, index)
            described = self.critics.describe(index, batch, pasted)
            older = (wanted > own)[:, None, None, None]
            losses = {
                **self._losses(photos, pasted, change, wanted, older),
                **self.critics.losses(described, wanted),
                "grid": (uneven.square().mean(), self.config.grid_weight),
            }
        if begun:
            losses |= self._losses_beside_detail(index)
            update(total_of(losses), [self.optimizer], self.world)

        learnt = self.critics.learn(real, described, own, wanted, bins)
        seen = self.begun_kimg + (index + 1) * self.config.batch / 1000
        beta = ema_beta(self.config.batch, self.config.ema_kimg, seen, self.config.ema_rampup)
        update_average(self.average, self.ager, beta)
        return {name: value.detach() for name, value in (values_of(losses) | learnt).items()}

    def _paste(
        self,
        ager: PhotoAger,
        photos: Tensor,
        own: Tensor,
        wanted: Tensor,
        index: int = 0,
        detail: LaidDetail | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The photos with the change, pasted and bent as `delta` does, and the change.

        With `detail` the ager sees and paints what an edit at full size leaves to it.

        Also how the light under each shift differs from that of their mean, `[S * N, 1, R, R]`.
        """
        # Half of the shifts that the editor takes, in turns: what none of them shows, both learn.
        shifts = SPINS[index % len(SPINS)]
        seen = photos if detail is None else detail.before(photos)
        asked, mask = (wanted, self.mask) if detail is None else (detail.asked, detail.mask)
        found = changes_under_shifts(ager, seen, own, asked, shifts, dtype=self.dtype) * mask
        change = add_photo_change(seen, found.mean(0), wanted > own)
        uneven = luma((found - found.mean(0)).flatten(0, 1))
        pasted = seen + change
        pasted = (pasted if detail is None else detail.over(pasted)).clamp(-1, 1)
        if self.growth is None:
            return pasted, change, uneven
        moves = self.growth(own, wanted)
        return warp_images(pasted, moves, self.growth.config.margin).clamp(-1, 1), change, uneven

    def _losses(
        self, photos: Tensor, pasted: Tensor, change: Tensor, wanted: Tensor, older: Tensor
    ) -> Losses:
        """Compute all losses except the critics', each a mean over the batch."""
        config = self.config
        off = (self.networks.read(pasted) - wanted).abs().mean() / 10
        return {
            "age": (off, config.age_weight),
            "shading": ((shading(luma(change)) * older).square().mean(), config.shading_weight),
            **self._losses_of_likeness(photos, pasted, change),
        }

    def _losses_beside_detail(self, index: int) -> Losses:
        """Compute the losses on sharp heads whose skin detail ages, too; none without heads.

        Two readers judge them, and what is painted is bounded instead of criticised.
        """
        if self.beside_detail is None:
            return {}
        beside, config = self.beside_detail, self.config
        draws = Draws(
            config.seed,
            index,
            self.world.part(config.heads_batch),
            purpose="heads",
            device=self.device,
        )
        heads = beside.heads.take(draws.integers(0, len(beside.heads)).cpu()).to(self.device)
        wanted = beside.ages(draws, config)
        photos, own = heads.photos, heads.ages
        pasted, change, uneven = self._paste(
            self.ager, photos, own, wanted, index, heads.lay(wanted)
        )
        before, after = shake([photos, pasted], draws)
        read = beside.reader.read_each(age_square(after, self.networks.alignment))
        parts = bands(luma(change))
        sizes = torch.stack([part.abs().mean() for part in parts])
        losses = {
            "age": (years_off(read - wanted), config.age_weight),
            "excess": (beside.bounds.excess(parts, own, wanted), config.excess_weight),
            "sparse": (sizes.sum(), config.sparse_weight),
            "grid": (uneven.square().mean(), config.grid_weight),
            **self._losses_of_likeness(before, after, change),
        }
        return {f"heads_{name}": loss for name, loss in losses.items()}

    def _losses_of_likeness(self, photos: Tensor, pasted: Tensor, change: Tensor) -> Losses:
        """Compare faces before and after, and bound a change."""
        networks, config = self.networks, self.config
        with torch.no_grad():
            before = networks.describe(photos)
            male = networks.gender(photos)
        like = networks.likeness(networks.describe(pasted), before)
        light = F.avg_pool2d(change, change.shape[-1] // 8)
        return {
            "identity": (F.relu(config.least_likeness - like).mean(), config.identity_weight),
            "gender": ((networks.gender(pasted) - male).abs().mean(), config.gender_weight),
            "light": (light.square().mean(), config.light_weight),
            "size": (change.square().mean(), config.size_weight),
            "peak": (F.relu(luma(change).abs() - PEAK).square().mean(), config.peak_weight),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a step changes."""
        return state_of(self._trained_networks(), self.optimizers)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(state, self._trained_networks(), self.optimizers)

    def _trained_networks(self) -> dict[str, nn.Module]:
        found: dict[str, nn.Module] = {"ager": self.ager, "average": self.average}
        if self.growth is not None:
            found["growth"] = self.growth
        return found | self.critics.networks

    @torch.no_grad()
    def pictures(self, index: int) -> dict[str, Tensor]:
        """Rows of a face, and that at six ages."""
        photos = self.source.fixed_faces(SHOWN_FACES).to(self.device)
        own = self.networks.read(photos)
        columns = [photos]
        for age in SHOWN_AGES:
            columns.append(self._paste(self.average, photos, own, torch.full_like(own, age))[0])
        return {"pasted": torch.stack(columns, 1).flatten(0, 1)} | self._heads_shown()

    def _heads_shown(self) -> dict[str, Tensor]:
        """Show the same of sharp heads, beside their detail; nothing without heads."""
        if self.beside_detail is None:
            return {}
        heads = self.beside_detail.shown.to(self.device)
        columns = [heads.photos]
        for age in SHOWN_AGES:
            wanted = torch.full_like(heads.ages, age)
            detail = heads.lay(wanted)
            columns.append(
                self._paste(self.average, heads.photos, heads.ages, wanted, 0, detail)[0]
            )
        return {"heads": torch.stack(columns, 1).flatten(0, 1)}


def _usual_eyes(alignment: Alignment, side: int) -> Tensor:
    """Where the eyes are in a typical crop, `[R, R]`."""
    edge = side - 0.5
    quad = np.array([[-0.5, -0.5], [-0.5, edge], [edge, edge], [edge, -0.5]])
    return torch.from_numpy(eye_mask(usual_points(alignment, side), quad, side))
