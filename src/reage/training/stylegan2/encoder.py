"""Train an encoder for a generator, which is frozen or fine-tuned."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from reage.networks.encoders.encoder import Encoder
from reage.networks.generators import AnyGenerator
from reage.networks.judges.efficientnet import EfficientNetLite0
from reage.networks.judges.likeness import FeatureLikeness
from reage.networks.judges.perceptual import feature_distance, masked_mse
from reage.training.configs import EncoderTraining
from reage.training.loop.data import BatchSource
from reage.training.loop.draws import Draws
from reage.training.loop.ema import ema_beta, update_average
from reage.training.loop.loss_weights import Losses, total_of, values_of
from reage.training.loop.optimisers import Optimizer, adam, update
from reage.training.loop.parallel import World
from reage.training.loop.states import restore, state_of
from reage.training.parts import LIKENESS_SIDE
from reage.training.stylegan2.adversaries import at_side

__all__ = ["EncoderTrainer", "random_masks"]

MASKED_SHARE = 0.25  # of the faces that are trained with a strip missing
STRIP = 0.3  # its largest width, of the side
SHOWN_FACES = 16


class EncoderTrainer:
    """Train an encoder, and optionally its generator."""

    name = "encoder"
    rate_share = 1.0

    def __init__(
        self,
        config: EncoderTraining,
        encoder: Encoder,
        generator: AnyGenerator,
        features: EfficientNetLite0,
        likeness: FeatureLikeness,
        source: BatchSource,
        *,
        world: World,
        device: torch.device,
        dtype: torch.dtype,
    ):
        self.config, self.source, self.world = config, source, world
        self.device, self.dtype = device, dtype
        self.features, self.likeness = features, likeness
        self.encoder = encoder.train().requires_grad_(True).to(device)
        tuned = config.generator.lr > 0
        self.generator = generator.to(device).requires_grad_(False)
        self.generator.synthesis.requires_grad_(tuned)
        self.average = copy.deepcopy(self.encoder).eval().requires_grad_(False)
        self.average_generator = copy.deepcopy(generator).eval().requires_grad_(False)
        self.optimizers: dict[str, Optimizer] = {"encoder": adam(self.encoder, config.encoder)}
        if tuned:
            self.optimizers["generator"] = adam(self.generator, config.generator)

    @property
    def batch(self) -> int:
        return self.config.batch

    def step(self, index: int) -> dict[str, Tensor]:
        """Do one step; returns figures."""
        for optimizer in self.optimizers.values():
            optimizer.set_rate(self.rate_share)
        batch = self.source.at(index)
        count = len(batch.places)
        draws = Draws(self.config.seed, index, batch.places, device=self.device)
        samples = round(count * self.config.sample_share)
        targets = batch.images.to(self.device).clone()
        known = self._sample(draws.part(0, samples))
        with torch.no_grad():
            targets[:samples] = self._show(self.generator, known)
        mask = random_masks(draws, targets.shape[-1])
        w_avg = self.generator.mapping.w_avg
        shift, offsets = self.encoder.changes(targets, mask, dtype=self.dtype)
        ws = w_avg + shift + offsets
        shown = self._show(self.generator, ws)
        losses = {
            **self._losses(shown, targets, mask),
            "offset": (offsets.square().mean(), self.config.offset_weight),
        }
        if samples:
            losses["code"] = ((ws[:samples] - known).square().mean(), self.config.code_weight)
        update(total_of(losses), self.optimizers.values(), self.world)
        seen = (index + 1) * self.config.batch / 1000
        beta = ema_beta(self.config.batch, self.config.ema_kimg, seen, self.config.ema_rampup)
        update_average(self.average, self.encoder, beta)
        update_average(self.average_generator, self.generator, beta)
        return {name: value.detach() for name, value in values_of(losses).items()}

    def _losses(self, shown: Tensor, targets: Tensor, mask: Tensor) -> Losses:
        config = self.config
        # What is not valid takes no part: there the target is set to what was made.
        seen = self.features(shown * mask)
        with torch.no_grad():
            wanted = self.features(targets * mask)
        losses = {
            "mse": (masked_mse(shown, targets, mask).mean(), config.mse_weight),
            "perceptual": (feature_distance(seen, wanted, mask).mean(), config.perceptual_weight),
        }
        if config.identity_weight:
            with torch.no_grad():
                described = self.likeness.describe(at_side(targets * mask, LIKENESS_SIDE))
            seen = self.likeness.describe(at_side(shown * mask, LIKENESS_SIDE))
            alike = self.likeness(seen, described)
            losses["identity"] = ((1 - alike).mean(), config.identity_weight)
        return losses

    @torch.no_grad()
    def _sample(self, draws: Draws) -> Tensor:
        z = draws.normal(self.generator.config.z_dim)
        return self.generator.map(z.to(self.device), truncation_psi=0.8)

    def _show(self, generator: AnyGenerator, ws: Tensor) -> Tensor:
        return generator.synthesize(ws, dtype=self.dtype)[:, :3]

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a step changes."""
        return state_of(self._trained_networks(), self.optimizers)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(state, self._trained_networks(), self.optimizers)

    def _trained_networks(self) -> dict[str, nn.Module]:
        return {
            "encoder": self.encoder,
            "average": self.average,
            "generator": self.generator,
            "average_generator": self.average_generator,
        }

    @torch.no_grad()
    def pictures(self, index: int) -> dict[str, Tensor]:
        """Faces beside what their codes show, `[N, 3, R, R]`."""
        images = self.source.fixed_faces(SHOWN_FACES).to(self.device)
        w_avg = self.average_generator.mapping.w_avg
        ws = self.average(images, torch.ones_like(images[:, :1]), w_avg)
        pairs = torch.stack([images, self._show(self.average_generator, ws)], 1)
        return {"reconstructions": pairs.flatten(0, 1)}


def random_masks(draws: Draws, side: int) -> Tensor:
    """Validity masks `[N, 1, R, R]`: most are whole, some lack a strip, as at a photo's edge."""
    masks = torch.ones(len(draws), 1, side, side)
    chosen = draws.uniform().cpu() < MASKED_SHARE
    widths = (draws.uniform().cpu() * STRIP * side).long()
    turns = draws.integers(0, 4).cpu()
    for i in chosen.nonzero().flatten().tolist():
        masks[i, :, : int(widths[i])] = 0
        masks[i] = torch.rot90(masks[i], int(turns[i]), (1, 2))
    return masks.to(draws.device)
