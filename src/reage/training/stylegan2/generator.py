"""Training a generator, with an encoder in the loop or without.

Three recipes in one loop: StyleGAN2 as published, projected features, and either of them with a
part of every batch that reconstructs real faces through an encoder which is trained along.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.errors import UsageError
from reage.networks.encoders.encoder import Encoder
from reage.networks.judges.efficientnet import EfficientNetLite0
from reage.networks.judges.perceptual import feature_distance, masked_mse
from reage.networks.stylegan2.generator import Generator
from reage.networks.stylegan2.ops import lower_precision
from reage.training.configs import GeneratorTraining
from reage.training.loop.data import BatchSource, FaceBatch
from reage.training.loop.draws import Draws, make_rng
from reage.training.loop.ema import ema_beta, update_average
from reage.training.loop.optimisers import Optimizer, adam, lay_out, perturb_weights, update
from reage.training.loop.parallel import World
from reage.training.loop.states import restore, state_of
from reage.training.stylegan2.adversaries import Adversary, Described
from reage.training.stylegan2.batch_kinds import PATTERN, arrange, count_kinds, mix_codes
from reage.training.stylegan2.losses import path_lengths
from reage.training.stylegan2.mapping import set_mapping

__all__ = ["GeneratorTrainer"]

W_AVG_BETA = 0.998  # a step, of 32 pictures; as published
PATH_DECAY = 0.01  # of the running mean path length
REMEMBERED = 1024  # codes of real faces that the mapping draws like
MAPPING_EVERY = 32  # steps after which it is set again
GRID = 32  # pictures of each kind on a sample grid


@dataclass(frozen=True, eq=False)
class _Fakes:
    """The generated pictures of a step and their codes."""

    ws: Tensor  # [N, num_ws, w_dim]
    images: Tensor  # [N, 3, r, r]
    offsets: Tensor | None  # the encoder's, of the reconstructed part
    held: Tensor | None  # what the others are held to, [N - rebuilt, 3, anchor_side, anchor_side]


class GeneratorTrainer:
    """Train a generator, its adversary and optionally an encoder."""

    name = "generator"
    rate_share = 1.0

    def __init__(
        self,
        config: GeneratorTraining,
        generator: Generator,
        encoder: Encoder | None,
        adversary: Adversary,
        features: EfficientNetLite0,
        source: BatchSource,
        *,
        world: World,
        device: torch.device,
        dtype: torch.dtype,
        begun_kimg: float = 0.0,
    ):
        assert (encoder is not None) == (config.encoder_share > 0), "an encoder for its share"
        if config.encoder_share and len(world.part(config.batch)) % min(PATTERN, config.batch):
            raise UsageError(
                f"a batch of {config.batch} for {world.size} processes: with an encoder in the "
                f"loop each part has to be a multiple of {PATTERN}"
            )
        if config.anchor_weight and config.stages:
            raise UsageError("anchor_weight compares whole pictures: leave the stages out")
        self.config, self.source, self.world = config, source, world
        self.device, self.dtype = device, dtype
        self.begun_kimg = begun_kimg  # pictures of earlier trainings
        self.adversary, self.features = adversary, features
        self.generator = generator.train().requires_grad_(True).to(device)
        learns = not config.keeps_codes
        self.encoder = encoder and encoder.train().requires_grad_(learns).to(device)
        adversary.network.train().to(device)
        for network in (self.generator, adversary.network):
            lay_out(network)
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.begun = copy.deepcopy(self.average) if config.anchor_weight else None
        self.average_encoder = copy.deepcopy(self.encoder)
        if self.average_encoder is not None:
            self.average_encoder.eval().requires_grad_(False)
        self.mean_path = torch.zeros([], device=device)
        lazy = _lazy(config.path_weight, config)
        self.codes = torch.zeros(0, self.generator.config.w_dim, device=device)  # of real faces
        drawn = self.generator if self.encoder is None else self.generator.synthesis
        self.on_generator = adam(drawn, config.generator, lazy)
        self.on_adversary = self.on_encoder = None
        if any(True for _ in adversary.network.parameters()):
            self.on_adversary = adam(adversary.network, config.discriminator)
        if self.encoder is not None and learns:
            self.on_encoder = adam(self.encoder, config.encoder)
        self.synthesis: Any = self.generator.synthesis
        self.begun_synthesis: Any = None  # compiled; else `synthesize` has a fast form of its own
        if config.compile:
            self.synthesis = torch.compile(self.generator.synthesis, dynamic=False)
            if self.begun is not None:
                self.begun_synthesis = torch.compile(self.begun.synthesis, dynamic=False)

    @property
    def batch(self) -> int:
        return self.config.batch

    @property
    def optimizers(self) -> dict[str, Optimizer]:
        """Those that there are, by the names of the settings."""
        found = {
            "generator": self.on_generator,
            "discriminator": self.on_adversary,
            "encoder": self.on_encoder,
        }
        return {name: optimizer for name, optimizer in found.items() if optimizer is not None}

    def step(self, index: int) -> dict[str, Tensor]:
        """Do one step on all networks; returns figures, averaged over this process's pictures."""
        batch = arrange(self.config, self.source.at(index))
        side = self._side(index)
        if index % MAPPING_EVERY == 0 and len(self.codes) == REMEMBERED:
            set_mapping(self.generator.mapping, self.codes)
        images = batch.images.to(self.device)
        reals = _downsample(images, side)
        with torch.no_grad():
            wanted = self._describe(index, batch, reals)
        figures: dict[str, Tensor] = {}

        self._set_rates(index)
        learns = self._learns(index)
        noise = 0.0 if learns else self.config.head_start_noise
        rng = make_rng(self.config.seed, index, "disturbance")
        with torch.set_grad_enabled(learns), perturb_weights(self.generator.synthesis, noise, rng):
            fakes = self._fakes(index, batch, images, side)
            described = self._describe(index, batch, fakes.images)
            loss = self._generator_loss(index, fakes, reals, described, wanted, figures)
        if learns:
            learning = (self.on_generator, self.on_encoder)
            update(loss, [optimizer for optimizer in learning if optimizer], self.world)
            self._regularize_path(index, batch, figures)

        if self.on_adversary is not None:
            self._teach_adversary(self.on_adversary, index, wanted, described.detach(), figures)
        self._average(index)
        return {name: value.detach() for name, value in figures.items()}

    def _teach_adversary(
        self,
        optimizer: Optimizer,
        index: int,
        real: Described,
        fake: Described,
        figures: dict[str, Tensor],
    ) -> None:
        on_real, on_fake = self.adversary.losses(real, fake)
        figures |= {"d_real": on_real.mean(), "d_fake": on_fake.mean()}
        loss = on_real.mean() + on_fake.mean()
        penalty = self.adversary.regularization(real, index)
        if penalty is not None:
            figures["r1"] = penalty.mean()
            loss = loss + penalty.mean()
        update(loss, [optimizer], self.world)
        self.adversary.adapt(index, self.config.batch, self.world)

    def _fakes(self, index: int, batch: FaceBatch, images: Tensor, side: int) -> _Fakes:
        """Make this step's pictures: reconstructions first, then mixtures, then samples of z."""
        count = len(images)
        draws = Draws(self.config.seed, index, batch.places, device=self.device)
        period = min(PATTERN, count)
        rebuilt, mixed = (n * count // period for n in count_kinds(self.config, period))
        parts, offsets = [], None
        if self.encoder is not None:
            mask = torch.ones_like(images[:rebuilt, :1])
            shift, offsets = self.encoder.changes(images[:rebuilt], mask, dtype=self.dtype)
            w = self.generator.mapping.w_avg + shift
            # Some go without their offsets, so that w alone learns to say who somebody is.
            kept = draws.part(0, rebuilt).uniform() >= self.config.offset_dropout
            parts.append(w + offsets * kept[:, None, None])
            if not self.config.keeps_codes:
                self._remember(w[:, 0].detach())
            part = draws.part(rebuilt, rebuilt + mixed)
            parts.append(mix_codes(w.detach()[:mixed], offsets.detach()[:mixed], part))
        if rebuilt + mixed < count:
            sampled = self._sample_codes(draws.part(rebuilt + mixed, count))
            # Beside an encoder the mapping follows its codes: through the adversary it would
            # sooner find the one face that passes than all the others.
            parts.append(sampled if self.encoder is None else sampled.detach())
        ws = torch.cat(parts)
        noise = self._noise(draws, side)
        images = self.synthesis(ws, noise, self.dtype, side)
        held = None
        if self.begun is not None and self._learns(index) and rebuilt < count:
            held = self._anchors(self.begun, ws[rebuilt:], [maps[rebuilt:] for maps in noise])
        return _Fakes(ws, images, offsets, held)

    @torch.no_grad()
    def _anchors(self, begun: Generator, ws: Tensor, noise: list[Tensor]) -> Tensor:
        """Render codes with the run's first generator, as small pictures."""
        if self.begun_synthesis is not None:
            made = self.begun_synthesis(ws, noise, self.dtype)
        else:
            made = begun.synthesize(ws, noise=noise, dtype=self.dtype)
        return _downsample(made, self.config.anchor_side)

    def _remember(self, codes: Tensor) -> None:
        """Keep the newest codes of real faces."""
        self.codes = torch.cat([self.codes, self.world.gather(codes)])[-REMEMBERED:]

    def _sample_codes(self, draws: Draws) -> Tensor:
        """Sample codes from z, some with a second z from a random level on (style mixing)."""
        z = draws.normal(2, self.generator.config.z_dim)
        crossover = draws.integers(1, self.generator.num_ws)
        never = draws.uniform() >= self.config.mixing
        first = self.generator.mapping(z[:, 0])
        if self.encoder is None:  # else it is what the encoder's codes are counted from
            beta = W_AVG_BETA ** (self.config.batch / 32)
            mean = self.world.mean(first.detach().mean(0))
            self.generator.mapping.w_avg.copy_(mean.lerp(self.generator.mapping.w_avg, beta))
        second = self.generator.mapping(z[:, 1])
        levels = torch.arange(self.generator.num_ws, device=self.device)
        keep = (levels < crossover[:, None]) | never[:, None]
        return torch.where(keep[:, :, None], first[:, None], second[:, None])

    def _noise(self, draws: Draws, side: int) -> list[Tensor]:
        sides = [layer.noise_const.shape[-1] for layer in self.generator.synthesis.noise_layers]
        return [draws.normal(1, r, r) if r <= side else draws.normal(0) for r in sides]

    def _describe(self, index: int, batch: FaceBatch, images: Tensor) -> Described:
        # A reconstruction and the face it is compared with are augmented alike.
        draws = Draws(self.config.seed, index, batch.places, purpose="augment", device=self.device)
        return self.adversary.describe(self.adversary.augment(images, draws))

    def _generator_loss(
        self,
        index: int,
        fakes: _Fakes,
        reals: Tensor,
        described: Described,
        wanted: Described,
        figures: dict[str, Tensor],
    ) -> Tensor:
        config = self.config
        fooling = self.adversary.generator_loss(described)
        rebuilt = 0 if fakes.offsets is None else len(fakes.offsets)
        weights = torch.ones_like(fooling)
        weights[:rebuilt] = config.adversarial_weight
        if rebuilt < len(fooling):
            figures["g"] = fooling[rebuilt:].mean()
        loss = (weights * fooling).mean()
        if fakes.held is not None:
            seen = _downsample(fakes.images[rebuilt:], config.anchor_side)
            figures["held"] = (seen - fakes.held).square().mean()
            loss = loss + config.anchor_weight * (1 - rebuilt / len(fooling)) * figures["held"]
        if fakes.offsets is None:
            return loss
        mask = torch.ones_like(reals[:rebuilt, :1])
        mse = masked_mse(fakes.images[:rebuilt], reals[:rebuilt], mask).mean()
        if described.features is None or wanted.features is None:
            with lower_precision(reals, self.dtype):
                seen = self.features(fakes.images[:rebuilt])
                with torch.no_grad():
                    target = self.features(reals[:rebuilt])
        else:
            seen = [f[:rebuilt] for f in described.features]
            target = [f[:rebuilt] for f in wanted.features]
        distance = feature_distance(seen, target, mask).mean()
        offsets = fakes.offsets.square().mean()
        figures |= {
            "g_rebuilt": fooling[:rebuilt].mean(),
            "mse": mse,
            "perceptual": distance,
            "offsets": offsets,
        }
        rebuilding = config.mse_weight * mse + config.perceptual_weight * distance
        share = rebuilt / len(fooling)
        return loss + share * (rebuilding + config.offset_weight * offsets)

    def _regularize_path(self, index: int, batch: FaceBatch, figures: dict[str, Tensor]) -> None:
        """Path length regularisation, now and then on half a batch (Karras et al. 2020)."""
        config = self.config
        if config.adversary != "stylegan2" or not config.path_weight or index % config.path_every:
            return
        draws = Draws(config.seed, index, batch.places[::2], purpose="path", device=self.device)
        ws = self._sample_codes(draws)
        noise = self._noise(draws, self.generator.config.resolution)
        images = self.generator.synthesis(ws, noise, self.dtype)  # compiled, it has no 2nd backward
        lengths = path_lengths(images, ws, draws.normal(*images.shape[1:]))
        mean = self.mean_path.lerp(self.world.mean(lengths.detach().mean()), PATH_DECAY)
        self.mean_path.copy_(mean)
        penalty = (lengths - mean).square().mean()
        figures["path"] = penalty
        loss = penalty * config.path_weight * config.path_every
        update(loss, [self.on_generator], self.world)

    def _set_rates(self, index: int) -> None:
        # Adam's first steps are as large as any, in directions that are mostly noise: an encoder
        # that meets a trained generator would throw both off.
        head_start = self.config.head_start_kimg
        for optimizer in self.optimizers.values():
            begin, rise = head_start, self.config.warmup_kimg
            if optimizer is self.on_adversary:
                begin, rise = 0.0, min(rise, head_start or rise)
            seen = max(self._kimg(index + 1) - begin, 0)
            optimizer.set_rate(min(seen / max(rise, 1e-9), 1) * self.rate_share)

    def _average(self, index: int) -> None:
        config, seen = self.config, self.begun_kimg + self._kimg(index + 1)
        beta = ema_beta(config.batch, config.ema_kimg, seen, config.ema_rampup)
        update_average(self.average, self.generator, beta)
        if self.encoder is not None and self.average_encoder is not None:
            update_average(self.average_encoder, self.encoder, beta)

    def _learns(self, index: int) -> bool:
        """Whether generator and encoder learn in this step: not in the adversary's head start."""
        return self._kimg(index) >= self.config.head_start_kimg

    def _kimg(self, index: int) -> float:
        """Thousands of pictures seen before a step."""
        return index * self.config.batch / 1000

    def _side(self, index: int) -> int:
        """Pixels of the pictures that this step trains on."""
        kimg = self._kimg(index)
        for until, side in self.config.stages:
            if kimg < until:
                return side
        return self.generator.config.resolution

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a step changes."""
        state = state_of(self._networks(), self.optimizers)
        state["mean_path"], state["codes"] = self.mean_path, self.codes
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(state, self._networks(), self.optimizers)
        self.mean_path.copy_(state["mean_path"])
        self.codes = state["codes"].to(self.device)

    def _networks(self) -> dict[str, nn.Module]:
        found = {
            "generator": self.generator,
            "average": self.average,
            "begun": self.begun,
            "discriminator": self.adversary.network,
            "encoder": self.encoder,
            "average_encoder": self.average_encoder,
        }
        return {name: network for name, network in found.items() if network is not None}

    @torch.no_grad()
    def pictures(self, index: int) -> dict[str, Tensor]:
        """Sample grids `[N, 3, R, R]` of the averaged weights: the same z and faces each time."""
        side = self._side(index)
        z = torch.randn(
            GRID, self.average.config.z_dim, generator=make_rng(self.config.seed, "grid")
        )
        ws = self.average.map(z.to(self.device))
        found = {"samples": self._show(ws, side)}
        if self.average_encoder is not None:
            images = self.source.fixed_faces(GRID // 2).to(self.device)
            mask = torch.ones_like(images[:, :1])
            ws = self.average_encoder(images, mask, self.average.mapping.w_avg)
            pairs = torch.stack([_downsample(images, side), self._show(ws, side)], 1)
            found["reconstructions"] = pairs.flatten(0, 1)
        return found

    def _show(self, ws: Tensor, side: int) -> Tensor:
        layers = self.average.synthesis.noise_layers
        maps: list[Tensor | None] = [layer.noise_const[None, None] for layer in layers]
        return self.average.synthesis(ws, maps, self.dtype, side)


def _lazy(weight: float, config: GeneratorTraining) -> float:
    """Correction of Adam for lazy regularisation (Karras et al. 2020, appendix B)."""
    lazy = config.adversary == "stylegan2" and weight > 0
    return config.path_every / (config.path_every + 1) if lazy else 1.0


def _downsample(images: Tensor, side: int) -> Tensor:
    factor = images.shape[-1] // side
    return F.avg_pool2d(images, factor) if factor > 1 else images
