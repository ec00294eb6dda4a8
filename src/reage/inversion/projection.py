"""Inversion by optimisation in W+: find the `ws` whose picture is the given face.

The losses are one number a face, averaged over the pixels that were really in the photo, and
every face has its own best code and its own stop: a face's result does not depend on what else
is in the batch, nor on what lies under the mask.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.inversion.adam import Adam
from reage.networks.generators import AnyGenerator
from reage.networks.judges.perceptual import PerceptualDistance, masked_mse
from reage.networks.stylegan2.style_generator import NoiseMode

__all__ = ["Inversion", "ProjectConfig", "ProjectStep", "learning_rate", "masked_psnr", "project"]


@dataclass(frozen=True)
class ProjectConfig:
    """Options of `project`."""

    step: int = 100  # steps of Adam
    start_lr: float = 0.1  # learning rate of the first step
    final_lr: float = 0.025  # and what it decays to
    latent_level: tuple[int, ...] | None = None  # the levels of ws that move; None = all
    mse_weight: float = 5.0  # loss = perceptual + mse_weight * MSE (pictures in [-1, 1])
    loss_resolution: int = 256  # larger pictures are reduced to this by box averaging
    plateau: int = 25  # stop a face after so many steps without `min_gain`; 0 = never
    min_gain: float = 2e-3  # relative gain of the loss that counts
    time_budget: float | None = None  # seconds for the whole call
    optimize_noise: bool = False  # move the noise maps too, each kept at its mean and variance
    noise_weight: float = 1e3  # weight of the noise maps' autocorrelation
    noise_mode: NoiseMode = "const"
    seed: int = 0  # of the random noise, where noise_mode is random


@dataclass(frozen=True)
class ProjectStep:
    """The progress passed to `on_step` after each step."""

    index: int  # 0 is the first
    ws: Tensor  # [N, num_ws, w_dim] as it stood when the losses were taken
    images: Tensor  # [N, C, R, R]
    losses: Tensor  # [N]
    psnr: Tensor  # [N] dB


@dataclass(frozen=True)
class Inversion:
    """Codes that `project` found, the best of all steps for each face."""

    ws: Tensor  # [N, num_ws, w_dim]
    losses: Tensor  # [N] of the best step
    psnr: Tensor  # [N] dB under the mask, of the best step
    steps: int  # how many were run
    stopped: str  # "steps", "plateau", "time" or "interrupted"
    seconds: float
    perceptual: str  # which feature distance was used
    noise: list[Tensor] | None = None  # the maps found with `optimize_noise`


def learning_rate(config: ProjectConfig, step: int) -> float:
    """Learning rate of a step: geometric from `start_lr` towards `final_lr`."""
    return config.start_lr * (config.final_lr / config.start_lr) ** (step / max(config.step, 1))


def masked_psnr(mse: Tensor) -> Tensor:
    """PSNR in dB of mean squared differences of pictures in [-1, 1] (peak 2)."""
    return 10 * torch.log10(4 / mse.clamp_min(1e-10))


def project(
    generator: AnyGenerator,
    targets: Tensor,
    mask: Tensor,
    start: Tensor,
    perceptual: PerceptualDistance,
    config: ProjectConfig | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    on_step: Callable[[ProjectStep], None] | None = None,
) -> Inversion:
    """Optimise `ws` from `start` until the generator shows `targets` under `mask`.

    `targets` `[N, C, R, R]` in [-1, 1] at the generator's resolution, `mask` `[N, 1, R, R]` in
    0..1, `start` `[N, num_ws, w_dim]`. Ctrl-C ends it with the best so far.
    """
    config = config or ProjectConfig()
    search = _Search(generator, targets, mask, start, perceptual, config, dtype)
    began, stopped, step = time.monotonic(), "steps", -1
    try:
        for step in range(config.step):
            seen = search.step(step)
            if on_step is not None:
                on_step(seen)
            if bool(search.finished.all()):
                stopped = "plateau"
                break
            if config.time_budget and time.monotonic() - began > config.time_budget:
                stopped = "time"
                break
    except KeyboardInterrupt:
        stopped = "interrupted"
    return Inversion(
        ws=search.best_ws,
        losses=search.best_loss,
        psnr=search.best_psnr,
        steps=step + 1,
        stopped=stopped,
        seconds=time.monotonic() - began,
        perceptual=perceptual.name,
        noise=search.best_noise,
    )


class _Search:
    """The variables of one inversion and the best result of each face."""

    def __init__(
        self,
        generator: AnyGenerator,
        targets: Tensor,
        mask: Tensor,
        start: Tensor,
        perceptual: PerceptualDistance,
        config: ProjectConfig,
        dtype: torch.dtype,
    ):
        count, side = len(targets), generator.config.resolution
        assert targets.shape[1:] == (generator.config.image_channels, side, side)
        assert mask.shape == (count, 1, side, side), f"mask is {tuple(mask.shape)}"
        assert start.shape == (count, generator.num_ws, generator.config.w_dim)
        self.generator, self.perceptual, self.config = generator, perceptual, config
        self.dtype = dtype
        self.targets = _downsample(targets, config.loss_resolution)
        self.rgb = self.targets[:, :3]  # one object: the perceptual loss describes it only once
        self.mask = _downsample(mask, config.loss_resolution)
        self.levels = _levels(generator.num_ws, config.latent_level, start.device)
        self.start = start.detach()
        self.free = self.start[:, self.levels].clone().requires_grad_()
        self.noise = _noise_variables(generator, count) if config.optimize_noise else None
        self.optimizer = Adam([self.free, *(self.noise or [])])
        self.best_ws = self.start.clone()
        self.best_noise = [noise.detach().clone() for noise in self.noise or []] or None
        self.best_loss = torch.full((count,), torch.inf)
        self.best_psnr = torch.full((count,), -torch.inf)
        self.milestone = torch.full((count,), torch.inf)  # loss that the plateau is counted from
        self.waited = torch.zeros(count, dtype=torch.int64)
        self.finished = torch.zeros(count, dtype=torch.bool)
        self.rng = torch.Generator(start.device).manual_seed(config.seed)

    def step(self, index: int) -> ProjectStep:
        """Compute the losses at the current codes, then update the codes."""
        ws = self.start.index_copy(1, self.levels, self.free)
        images = self.generator.synthesize(
            ws,
            noise_mode=self.config.noise_mode,
            noise=self._step_noise(),
            dtype=self.dtype,
        )
        seen = _downsample(images, self.config.loss_resolution)
        mse = masked_mse(seen, self.targets, self.mask)
        distance = self.perceptual(seen[:, :3], self.rgb, self.mask)
        losses = distance + self.config.mse_weight * mse
        total = losses.sum()  # a sum, not a mean: each face's gradient is its own
        if self.noise is not None:
            dependence = noise_autocorrelation(self._standard(self.noise))
            total = total + self.config.noise_weight * dependence
        total.backward()
        report = ProjectStep(
            index, ws.detach(), images.detach(), losses.detach(), masked_psnr(mse.detach())
        )
        self._remember(report)
        self._move(learning_rate(self.config, index))
        return report

    def _step_noise(self) -> list[Tensor] | None:
        """Noise maps of one step; new ones are shared, so that no face's depend on the batch."""
        if self.noise is not None or self.config.noise_mode != "random":
            return self.noise
        return [part[None] for part in self.generator.draw_noise(self.rng, self.start.device)]

    def _remember(self, seen: ProjectStep) -> None:
        losses, psnr = seen.losses.cpu(), seen.psnr.cpu()
        better = (losses < self.best_loss) & ~self.finished
        self.best_loss = torch.where(better, losses, self.best_loss)
        self.best_psnr = torch.where(better, psnr, self.best_psnr)
        chosen = better.to(self.best_ws.device)
        self.best_ws[chosen] = seen.ws[chosen]
        for best, noise in zip(self.best_noise or [], self.noise or [], strict=True):
            best[chosen] = noise.detach()[chosen]
        gained = losses < self.milestone * (1 - self.config.min_gain)
        self.milestone = torch.where(gained, losses, self.milestone)
        self.waited = torch.where(gained, 0, self.waited + 1)
        if self.config.plateau:
            self.finished |= self.waited >= self.config.plateau

    def _move(self, lr: float) -> None:
        kept = self.free.detach().clone()
        self.optimizer.step(lr)
        with torch.no_grad():
            # A finished face stands still, as if it had been alone and its run had ended.
            still = self.finished.to(self.free.device)
            self.free[still] = kept[still]
            for noise in self.noise or []:
                noise -= noise.mean((1, 2, 3), keepdim=True)
                noise *= torch.rsqrt(noise.square().mean((1, 2, 3), keepdim=True) + 1e-8)
                noise *= self.generator.noise_deviation
                noise += self.generator.noise_mean

    def _standard(self, maps: list[Tensor]) -> list[Tensor]:
        """Noise maps at mean 0 and unit variance, whatever the generator's have."""
        mean, deviation = self.generator.noise_mean, self.generator.noise_deviation
        return [(noise - mean) / deviation for noise in maps]


def noise_autocorrelation(maps: list[Tensor]) -> Tensor:
    """How much the noise maps carry of the picture (Karras et al. 2020, appendix D)."""
    total = maps[0].new_zeros(())
    for noise in maps:
        while True:
            for axis in (2, 3):
                shifted = (noise * noise.roll(1, axis)).mean((1, 2, 3))
                total = total + shifted.square().sum()
            if noise.shape[-1] <= 8:
                break
            noise = F.avg_pool2d(noise, 2)
    return total


def _noise_variables(generator: AnyGenerator, count: int) -> list[Tensor]:
    return [
        noise.detach().expand(count, -1, -1, -1).clone().requires_grad_()
        for noise in generator.stored_noise()
    ]


def _levels(num_ws: int, chosen: tuple[int, ...] | None, device: torch.device) -> Tensor:
    levels = tuple(range(num_ws)) if chosen is None else chosen
    if not levels or min(levels) < 0 or max(levels) >= num_ws or len(set(levels)) < len(levels):
        raise ValueError(f"latent_level {levels} is not a choice of the levels 0 to {num_ws - 1}")
    return torch.tensor(sorted(levels), device=device)


def _downsample(images: Tensor, resolution: int) -> Tensor:
    factor = images.shape[-1] // resolution
    return F.avg_pool2d(images, factor) if factor > 1 else images
