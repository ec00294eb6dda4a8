"""Pairs of heads with and without old skin: young ones, and what old ones have beyond them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.agers.photo import shading
from reage.errors import UsageError
from reage.training.configs import RemovalTraining
from reage.training.kept_heads import kept_out
from reage.training.removal.frames import Frames, Head

__all__ = ["Layers", "Pair", "Pairs", "SkinPairs", "smooth"]

YOUNG, OLD = (17.0, 38.0), 56.0  # years
BROADEST = 20.0  # pixels, standard deviation: what is broader is the face's shape and its light


@dataclass(frozen=True, eq=False)
class Pair:
    """A head with something laid over it, and what takes it off."""

    logs: Tensor  # [3, h, w] logarithms of its colours
    skin: Tensor  # [1, h, w] 0..1
    wanted: Tensor  # [3, h, w] change of the logarithms


class Pairs(Protocol):
    """What makes pairs."""

    def sample(self, rng: np.random.Generator, *, kept_out: bool = False) -> Pair:
        """Draw a pair of heads that are learnt from, or of one that is `kept_out`."""
        ...

    def where(self, skin: Tensor) -> Tensor:
        """Return where the network's change of skin `[N, 1, h, w]` counts, as much."""
        ...


def smooth(layers: Tensor, sigma: float) -> Tensor:
    """Blur `[C, h, w]` by a Gaussian."""
    return shading(layers[:, None], sigma / layers.shape[-1])[:, 0]


def smooth_skin(logs: Tensor, skin: Tensor) -> Tensor:
    """Blur a head's logarithms broadly, within its skin; at a quarter of the size."""
    small = F.avg_pool2d(torch.cat([logs * skin, skin])[None], 4)[0]
    small = smooth(small, BROADEST / 4)
    means = (small[:3] / (small[3:] + 1e-3))[None]
    return F.interpolate(means, scale_factor=4.0, mode="bilinear", align_corners=False)[0]


def detail_of(head: Head) -> Tensor:
    """Return what a head's skin has beyond its broad light and colour, `[3, h, w]`."""
    return (head.logs - smooth_skin(head.logs, head.skin.clamp_min(1e-3))) * head.skin


@dataclass(frozen=True)
class Layers:
    """What is laid over heads, and how."""

    all: list[Tensor]  # of logarithms of colours, each [3, h, w]
    tones: np.ndarray  # of the heads that they are of, degrees
    config: RemovalTraining

    def lay_over(
        self, head: Head, tone: float, rng: np.random.Generator, *, within_skin: bool = False
    ) -> Pair:
        """Return a head of a `tone` in degrees with a layer of a head of about that tone."""
        config, logs, skin = self.config, head.logs, head.skin
        near = np.argsort(np.abs(self.tones - tone) + rng.uniform(0, config.tones, len(self.tones)))
        laid = self.all[near[rng.integers(min(config.nearest, len(near)))]].float()
        if rng.random() < 0.5:
            laid = laid.flip(-1)
        if rng.random() < 0.5:
            logs, skin = logs.flip(-1), skin.flip(-1)
        if within_skin:
            laid = laid * skin
        strength = rng.uniform(config.weakest, config.strongest)
        laid = laid * (0.0 if rng.random() < config.untouched else strength)
        logs, laid = varied(logs + laid, laid, rng)
        return Pair(logs, skin, -laid)


class SkinPairs:
    """Young heads with and without the skin of old ones."""

    def __init__(self, frames: Frames, config: RemovalTraining):
        self.frames, ages = frames, frames.ages.numpy()
        kept = kept_out(frames, config.kept_out)
        young = (ages >= YOUNG[0]) & (ages <= YOUNG[1])
        self.young, self.shown = (np.flatnonzero(young & part) for part in (~kept, kept))
        old = np.flatnonzero((ages >= OLD) & ~kept)
        if not len(self.young) or not len(old):
            raise UsageError(
                f"{len(self.young)} heads of {YOUNG[0]:g} to {YOUNG[1]:g} years and {len(old)} of "
                f"{OLD:g} years and more: some of both are needed"
            )
        usual = [self._mean_young(male) for male in (False, True)]
        layers = [self._beyond_young(int(i), usual) for i in old]
        self.layers = Layers(layers, frames.ita[torch.from_numpy(old)].numpy(), config)

    def where(self, skin: Tensor) -> Tensor:
        """Return where the network's change counts: on the skin."""
        return skin

    def sample(self, rng: np.random.Generator, *, kept_out: bool = False) -> Pair:
        """Return a young head with old skin, and what takes that off."""
        chosen = int(rng.choice(self.shown if kept_out and len(self.shown) else self.young))
        tone = float(self.frames.ita[chosen])
        return self.layers.lay_over(self.frames.head(chosen), tone, rng, within_skin=True)

    def _mean_young(self, male: bool) -> Tensor:
        young = self.young.tolist()
        chosen = [i for i in young if bool(self.frames.male[i]) == male]
        heads = [self.frames.head(i) for i in chosen or young]
        total = torch.stack([detail_of(head) for head in heads]).sum(0)
        return total / (torch.stack([head.skin for head in heads]).sum(0) + 3.0)

    def _beyond_young(self, index: int, usual: list[Tensor]) -> Tensor:
        head, mean = self.frames.head(index), usual[int(self.frames.male[index])]
        detail = detail_of(head)
        overlap = (mean.square() * head.skin).sum().clamp_min(1e-6)
        like = ((detail * mean * head.skin).sum() / overlap).clamp(0.3, 1.2)
        return ((detail - like * mean) * head.skin).half()


def varied(logs: Tensor, laid: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Vary exposure, contrast, sharpness, noise and colour as photos do.

    `logs` `[3, h, w]` hold what was `laid` over them.
    """
    contrast = float(np.exp(rng.normal(0, 0.12)))
    logs, laid = contrast * logs + rng.normal(0, 0.25), contrast * laid
    if rng.random() < 0.4:
        sigma = rng.uniform(0.4, 1.6)
        logs, laid = smooth(logs, sigma), smooth(laid, sigma)
    if rng.random() < 0.4:
        noise = torch.from_numpy(rng.standard_normal(logs.shape)).float()
        logs = logs + rng.uniform(0, 0.04) * noise
    if rng.random() < 0.25:
        share = rng.uniform(0, 0.6)
        logs, laid = (x.mean(0) + share * (x - x.mean(0)) for x in (logs, laid))
    return logs, laid
