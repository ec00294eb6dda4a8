"""The two adversaries behind one set of calls: augment, describe, then the losses of each side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.discriminator import Discriminator, FeatureHeads
from reage.networks.efficientnet import EfficientNetLite0
from reage.networks.ops import lowered
from reage.training.augment import ada_augment, diff_augment
from reage.training.draws import Draws
from reage.training.losses import (
    hinge_fake,
    hinge_generator,
    hinge_real,
    logistic_fake,
    logistic_generator,
    logistic_real,
    r1_penalty,
)
from reage.training.parallel import World
from reage.training.updating import held

__all__ = [
    "Adversary",
    "Described",
    "NoAdversary",
    "ProjectedAdversary",
    "StyleganAdversary",
    "at_side",
]


@dataclass(frozen=True, eq=False)
class Described:
    """Pictures, and their features where the adversary looks at features."""

    images: Tensor  # [N, 3, R, R]
    features: list[Tensor] | None = None  # of EfficientNet-Lite0, finest first

    def part(self, begin: int, end: int | None = None) -> Described:
        """Some of the pictures."""
        features = self.features and [f[begin:end] for f in self.features]
        return Described(self.images[begin:end], features)

    def detach(self) -> Described:
        """The same without a way back."""
        return Described(
            self.images.detach(), self.features and [f.detach() for f in self.features]
        )


class Adversary(Protocol):
    """What a training loop needs of an adversary."""

    @property
    def network(self) -> nn.Module: ...  # what is trained

    def augment(self, images: Tensor, draws: Draws) -> Tensor: ...

    def describe(self, images: Tensor) -> Described: ...

    def generator_loss(self, fake: Described, classes: Tensor | None = None) -> Tensor: ...

    def losses(
        self, real: Described, fake: Described, classes: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]: ...

    def regularization(self, real: Described, step: int) -> Tensor | None: ...

    def adapt(self, step: int, batch: int, world: World) -> None: ...


class NoAdversary:
    """Nobody to fool: a plain autoencoder, the fast start of a generator with an encoder."""

    def __init__(self, features: EfficientNetLite0, *, side: int = 128):
        self.features, self.side = features, side
        self.network = nn.Module()

    def augment(self, images: Tensor, draws: Draws) -> Tensor:
        return images

    def describe(self, images: Tensor) -> Described:
        return Described(images, self.features(at_side(images, self.side)))

    def generator_loss(self, fake: Described, classes: Tensor | None = None) -> Tensor:
        return fake.images.new_zeros(len(fake.images))

    def losses(
        self, real: Described, fake: Described, classes: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        return real.images.new_zeros(len(real.images)), fake.images.new_zeros(len(fake.images))

    def regularization(self, real: Described, step: int) -> Tensor | None:
        return None

    def adapt(self, step: int, batch: int, world: World) -> None:
        pass


class ProjectedAdversary:
    """Hinge loss on projected features and on the colours of a tiny view."""

    def __init__(
        self,
        features: EfficientNetLite0,
        heads: FeatureHeads,
        *,
        colour_weight: float,
        side: int = 128,
        dtype: torch.dtype = torch.float32,
    ):
        self.features, self.network, self.side = features, heads, side
        self.colour_weight, self.dtype = colour_weight, dtype

    def augment(self, images: Tensor, draws: Draws) -> Tensor:
        return diff_augment(images, draws)

    def describe(self, images: Tensor) -> Described:
        with lowered(images, self.dtype):
            return Described(images, self.features(at_side(images, self.side)))

    def generator_loss(self, fake: Described, classes: Tensor | None = None) -> Tensor:
        """Loss of each picture, `[N]`; the heads take no gradient."""
        with held(self.network):
            logits, colours = self._logits(fake, classes)
        loss = hinge_generator(logits).mean(1)
        return loss if colours is None else loss + self._colour_loss(hinge_generator(colours))

    def losses(
        self, real: Described, fake: Described, classes: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Loss on each real and each made picture, both `[N]`."""
        found = []
        pairs = ((hinge_real, real), (hinge_fake, fake))
        for (loss, pictures), labels in zip(pairs, classes or (None, None), strict=True):
            logits, colours = self._logits(pictures.detach(), labels)
            value = loss(logits).mean(1)
            found.append(value if colours is None else value + self._colour_loss(loss(colours)))
        return found[0], found[1]

    def regularization(self, real: Described, step: int) -> Tensor | None:
        return None  # spectral norm does it

    def adapt(self, step: int, batch: int, world: World) -> None:
        pass

    def _colour_loss(self, losses: Tensor) -> Tensor:
        return self.colour_weight * losses.mean(1)

    def _logits(self, described: Described, classes: Tensor | None) -> tuple[Tensor, Tensor | None]:
        assert described.features is not None
        with lowered(described.images, self.dtype):
            projected = self.network.project(described.features)
            logits, colours = self.network(projected, self.network.view(described.images), classes)
        return logits.float(), None if colours is None else colours.float()


class StyleganAdversary:
    """The non-saturating logistic loss with lazy R1, and ADA."""

    def __init__(
        self,
        network: Discriminator,
        *,
        r1_gamma: float,
        r1_every: int,
        ada_target: float,
        ada_kimg: float,
        ada_every: int = 4,
    ):
        self.network = network
        self.r1_gamma, self.r1_every = r1_gamma, r1_every
        self.ada_target, self.ada_kimg, self.ada_every = ada_target, ada_kimg, ada_every
        # Part of the state: kept with the network, so that a resumed run goes on from it.
        network.register_buffer("ada_p", torch.zeros([]))
        network.register_buffer("ada_sign", torch.zeros([]))

    def augment(self, images: Tensor, draws: Draws) -> Tensor:
        return ada_augment(images, draws, float(self.p)) if self.ada_target else images

    def describe(self, images: Tensor) -> Described:
        return Described(images)

    def generator_loss(self, fake: Described, classes: Tensor | None = None) -> Tensor:
        """Loss of each picture, `[N]`; the discriminator takes no gradient."""
        with held(self.network):
            return logistic_generator(self.network(fake.images))

    def losses(
        self, real: Described, fake: Described, classes: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Loss on each real and each made picture, both `[N]`."""
        logits = self.network(real.images.detach())
        self._sign.add_(logits.detach().sign().mean() / self.ada_every)
        return logistic_real(logits), logistic_fake(self.network(fake.images.detach()))

    def regularization(self, real: Described, step: int) -> Tensor | None:
        """R1 on the pictures as the discriminator sees them, weighted for its laziness."""
        if not self.r1_gamma or step % self.r1_every:
            return None
        images = real.images.detach().requires_grad_()
        penalty = r1_penalty(self.network(images), images)
        return penalty * (self.r1_gamma / 2 * self.r1_every)

    def adapt(self, step: int, batch: int, world: World) -> None:
        """Move p so that the sign of D on real pictures comes to its target (ADA, section 3.1)."""
        if not self.ada_target or (step + 1) % self.ada_every:
            return
        sign = world.mean(self._sign)
        change = batch * self.ada_every / (self.ada_kimg * 1000)
        self.p.copy_((self.p + change * torch.sign(sign - self.ada_target)).clamp(0, 1))
        self._sign.zero_()

    @property
    def p(self) -> Tensor:
        """Probability of each augmentation."""
        return self.network.get_buffer("ada_p")

    @property
    def _sign(self) -> Tensor:
        return self.network.get_buffer("ada_sign")


def at_side(images: Tensor, side: int) -> Tensor:
    """Pictures at the size that the feature network is to see."""
    if images.shape[-1] < side:
        return F.interpolate(images, size=side, mode="bilinear", align_corners=False)
    factor = images.shape[-1] // side
    return F.avg_pool2d(images, factor) if factor > 1 else images
