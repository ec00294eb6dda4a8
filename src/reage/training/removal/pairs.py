"""Train the network that makes old skin look young, on pairs made of sharp heads.

    python training/skin_removal/train.py frames.safetensors runs/removal --minutes 60 --embedded

A pair is a young head, and the same with what an old head's skin has beyond the mean young one:
folds, bags, wrinkles, spots and gleams, in all colours. The network learns to take it off, so what
it restores is real skin. Run it again to go on.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from reage.agers.photo import shading
from reage.compositing.skin_mask import LOG_OFFSET
from reage.files import new_file
from reage.models.files import save_tensors
from reage.models.pretrained import load_skin_removal
from reage.networks.agers.skin_removal import SkinRemovalNetwork
from reage.training.loop.ema import update_average

BATCH, RATE, HALVED_EVERY, WARM_UP = 6, 4e-4, 1500, 100
KEPT_OUT, LOG_EVERY, SAVE_EVERY = 60, 50, 100
YOUNG, OLD = (17.0, 38.0), 56.0  # years
BROADEST = 20.0  # pixels, standard deviation: what is broader is the face's shape and its light
NEAREST, TONES = 40, 12.0  # old heads of about the same tone, one of which is chosen; degrees
SQUARES = 4.0  # weight of squared errors
STRENGTHS, UNTOUCHED = (0.5, 1.8), 0.15  # of an old head's skin; share of pairs without any


@dataclass(frozen=True, eq=False)
class Head:
    """A head on the canonical face."""

    logs: Tensor  # [3, h, w] logarithms of its colours
    skin: Tensor  # [1, h, w] 0..1


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


def centred(logs: Tensor, skin: Tensor) -> Tensor:
    """Subtract the mean of the skin from logarithms `[N, 3, h, w]`."""
    certain = (skin > 0.8).to(logs)
    total = certain.sum((2, 3), keepdim=True).clamp_min(1)
    return logs - (logs * certain).sum((2, 3), keepdim=True) / total


def head_at(frames: dict[str, Tensor], index: int) -> Head:
    """Return one of the heads that were laid out."""
    layers = frames["layers"][index].float() / 255
    return Head(torch.log(layers[:3] + LOG_OFFSET), layers[3:4])


@dataclass(frozen=True)
class Layers:
    """What is laid over heads, and how."""

    all: list[Tensor]  # of logarithms of colours, each [3, h, w]
    tones: np.ndarray  # of the heads that they are of, degrees
    nearest: int  # of those of about a head's tone, one of which is chosen
    spread: float  # degrees by which tones are taken to differ by chance
    strengths: tuple[float, float]
    untouched: float  # share of heads that get none

    def lay_over(
        self, head: Head, tone: float, rng: np.random.Generator, *, within_skin: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return a head's logarithms with a layer, its skin, and what takes the layer off."""
        near = np.argsort(np.abs(self.tones - tone) + rng.uniform(0, self.spread, len(self.tones)))
        laid, logs, skin = self.all[near[rng.integers(self.nearest)]].float(), head.logs, head.skin
        if rng.random() < 0.5:
            laid = laid.flip(-1)
        if rng.random() < 0.5:
            logs, skin = logs.flip(-1), skin.flip(-1)
        if within_skin:
            laid = laid * skin
        laid = laid * (0.0 if rng.random() < self.untouched else rng.uniform(*self.strengths))
        logs, laid = varied(logs + laid, laid, rng)
        return logs, skin, -laid


class Pairs:
    """Young heads with and without the skin of old ones."""

    def __init__(self, frames: dict[str, Tensor]):
        kept = np.random.default_rng(1).permutation(len(frames["ages"]))[:KEPT_OUT]
        learnt = np.setdiff1d(np.arange(len(frames["ages"])), kept)
        self.frames = {name: values[torch.from_numpy(learnt)] for name, values in frames.items()}
        ages = self.frames["ages"]
        self.young = np.flatnonzero((ages >= YOUNG[0]) & (ages <= YOUNG[1]))
        self.old = np.flatnonzero(ages >= OLD)
        self.usual = [self._mean_young(male) for male in (False, True)]
        tones = self.frames["ita"][torch.from_numpy(self.old)].numpy()
        layers = [self._beyond_young(int(i)) for i in self.old]
        self.layers = Layers(layers, tones, NEAREST, TONES, STRENGTHS, UNTOUCHED)

    def where(self, skin: Tensor) -> Tensor:
        """Return where the network's change counts: on the skin."""
        return skin

    def _mean_young(self, male: bool) -> Tensor:
        heads = [
            head_at(self.frames, int(i)) for i in self.young if bool(self.frames["male"][i]) == male
        ]
        total = torch.stack([detail_of(head) for head in heads]).sum(0)
        return total / (torch.stack([head.skin for head in heads]).sum(0) + 3.0)

    def _beyond_young(self, index: int) -> Tensor:
        head, usual = head_at(self.frames, index), self.usual[int(self.frames["male"][index])]
        detail = detail_of(head)
        overlap = (usual.square() * head.skin).sum()
        like = ((detail * usual * head.skin).sum() / overlap).clamp(0.3, 1.2)
        return ((detail - like * usual) * head.skin).half()

    def sample(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return a head's logarithms with old skin, its skin, and what takes the old skin off."""
        young = int(rng.choice(self.young))
        head, tone = head_at(self.frames, young), float(self.frames["ita"][young])
        return self.layers.lay_over(head, tone, rng, within_skin=True)


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


def loss_of(found: Tensor, wanted: Tensor) -> Tensor:
    """Compare changes `[N, 3, h, w]`: by pixels, by areas of four, and by slopes."""
    error = found - wanted
    # Squares too: by absolute errors alone it pays to leave a deep fold that may be the face's own.
    squares = SQUARES * error.square().mean()
    slopes = error.diff(dim=3).abs().mean() + error.diff(dim=2).abs().mean()
    areas = F.avg_pool2d(error, 4).abs().mean()
    return (error.square() + 1e-4).sqrt().mean() + squares + 2 * areas + 0.5 * slopes


class Sampler(Protocol):
    """What makes pairs."""

    def sample(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return logarithms `[3, h, w]`, skin `[1, h, w]`, and what is wanted of them."""
        ...

    def where(self, skin: Tensor) -> Tensor:
        """Return where what the network finds of skin `[N, 1, h, w]` counts, as much."""
        ...


class Trainer:
    """The network, its running mean, and one step of its training."""

    def __init__(self, pairs: Sampler, network: SkinRemovalNetwork):
        self.pairs, self.network, self.steps = pairs, network, 0
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.network.parameters(), RATE, (0.9, 0.99))

    def step(self) -> float:
        """Return the share of the squared change that is not found."""
        rng = np.random.default_rng(self.steps)
        rate = RATE * min(1.0, (self.steps + 1) / WARM_UP) * 0.5 ** (self.steps / HALVED_EVERY)
        self.optimizer.param_groups[0]["lr"] = max(rate, RATE / 10)
        logs, skin, wanted = map(
            torch.stack, zip(*(self.pairs.sample(rng) for _ in range(BATCH)), strict=True)
        )
        found = self.network(centred(logs, skin), skin, dtype=torch.bfloat16) * self.pairs.where(
            skin
        )
        self.optimizer.zero_grad()
        loss_of(found, wanted).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1
        with torch.no_grad():
            share = min(0.998, (1 + self.steps) / (10 + self.steps))
            update_average(self.average, self.network, share)
            left = (found - wanted).square().mean() / wanted.square().mean().clamp_min(1e-6)
        return float(left)

    def save(self, run: Path) -> None:
        run.mkdir(parents=True, exist_ok=True)
        state = {name: getattr(self, name).state_dict() for name in ("network", "average")}
        state |= {"optimizer": self.optimizer.state_dict(), "steps": self.steps}
        with new_file(run / "state.pt") as file:
            torch.save(state, file)
        weights = {name: value.half() for name, value in self.average.state_dict().items()}
        save_tensors(run / "removal.safetensors", weights)

    def resume(self, run: Path) -> None:
        state = torch.load(run / "state.pt", weights_only=False)
        for name in ("network", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.steps = state["steps"]


def train(
    what: str | None,
    make: Callable[[dict[str, Tensor]], Sampler],
    new: Callable[[], SkinRemovalNetwork],
    embedded: Callable[[], SkinRemovalNetwork],
) -> None:
    """Train on the pairs that are made of the frames as the command line, described, says."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("frames", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--embedded", action="store_true", help="begin with the embedded weights")
    options = parser.parse_args()
    network = (embedded if options.embedded else new)().requires_grad_(True).train()
    trainer = Trainer(make(load_file(options.frames)), network)
    if (options.run / "state.pt").exists():
        trainer.resume(options.run)
    began, left = time.monotonic(), []
    while time.monotonic() - began < 60 * options.minutes:
        left.append(trainer.step())
        if trainer.steps % LOG_EVERY == 0:
            print(trainer.steps, f"{np.mean(left):.3f} of the change is not found", flush=True)
            left = []
        if trainer.steps % SAVE_EVERY == 0:
            trainer.save(options.run)
    trainer.save(options.run)


if __name__ == "__main__":
    train(__doc__, Pairs, SkinRemovalNetwork, load_skin_removal)
