"""The two adversaries behind one set of calls: augment, describe, then the losses of each side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.judges.efficientnet import EfficientNetLite0
from reage.networks.stylegan2.discriminator import Discriminator, FeatureHeads, TextureCritic
from reage.networks.stylegan2.ops import lower_precision
from reage.training.loop.draws import Draws
from reage.training.loop.parallel import World
from reage.training.loop.updating import held
from reage.training.stylegan2.augment import ada_augment, diff_augment
from reage.training.stylegan2.losses import (
    hinge_fake,
    hinge_generator,
    hinge_real,
    logistic_fake,
    logistic_generator,
    logistic_real,
    r1_penalty,
)

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
    """Hinge loss on projected features, the colours of a tiny view, and perhaps small patches.

    ImageNet features look at 128 pixels for what is shown, and hardly at how it is painted: a
    critic of patches sees smears and hatching that they let pass.
    """

    def __init__(
        self,
        features: EfficientNetLite0,
        heads: FeatureHeads,
        texture: TextureCritic | None = None,
        *,
        colour_weight: float,
        texture_weight: float = 0.0,
        side: int = 128,
        dtype: torch.dtype = torch.float32,
    ):
        self.features, self.heads, self.texture, self.side = features, heads, texture, side
        self.colour_weight, self.texture_weight, self.dtype = colour_weight, texture_weight, dtype
        self.network: nn.Module = heads
        if texture is not None:
            self.network = nn.ModuleDict({"heads": heads, "texture": texture})

    def augment(self, images: Tensor, draws: Draws) -> Tensor:
        return diff_augment(images, draws)

    def describe(self, images: Tensor) -> Described:
        with lower_precision(images, self.dtype):
            return Described(images, self.features(at_side(images, self.side)))

    def generator_loss(self, fake: Described, classes: Tensor | None = None) -> Tensor:
        """Loss of each picture, `[N]`; the heads take no gradient."""
        with held(self.network):
            return self._weighed(hinge_generator, fake, classes)

    def losses(
        self, real: Described, fake: Described, classes: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Loss on each real and each made picture, both `[N]`."""
        on_real, on_fake = classes or (None, None)
        return (
            self._weighed(hinge_real, real.detach(), on_real),
            self._weighed(hinge_fake, fake.detach(), on_fake),
        )

    def regularization(self, real: Described, step: int) -> Tensor | None:
        return None  # spectral norm does it

    def adapt(self, step: int, batch: int, world: World) -> None:
        pass

    def _weighed(
        self, loss: Callable[[Tensor], Tensor], described: Described, classes: Tensor | None
    ) -> Tensor:
        """The hinge of all heads, weighed, of each picture `[N]`."""
        assert described.features is not None
        texture = None
        with lower_precision(described.images, self.dtype):
            projected = self.heads.project(described.features)
            logits, colours = self.heads(projected, self.heads.view(described.images), classes)
            if self.texture is not None:
                texture = self.texture(described.images, classes)
        total = loss(logits.float()).mean(1)
        if colours is not None:
            total = total + self.colour_weight * loss(colours.float()).mean(1)
        if texture is not None:
            total = total + self.texture_weight * loss(texture.float()).mean(1)
        return total


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
        dtype: torch.dtype = torch.float32,
    ):
        self.network = network
        self.dtype = dtype
        self.r1_gamma, self.r1_every = r1_gamma, r1_every
        self.ada_target, self.ada_kimg, self.ada_every = ada_target, ada_kimg, ada_every

    def augment(self, images: Tensor, draws: Draws) -> Tensor:
        p = float(self.network.ada_p)
        return ada_augment(images, draws, p) if p else images

    def describe(self, images: Tensor) -> Described:
        return Described(images)

    def generator_loss(self, fake: Described, classes: Tensor | None = None) -> Tensor:
        """Loss of each picture, `[N]`; the discriminator takes no gradient."""
        with held(self.network):
            return logistic_generator(self._judge(fake.images))

    def losses(
        self, real: Described, fake: Described, classes: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Loss on each real and each made picture, both `[N]`."""
        logits = self._judge(real.images.detach())
        self.network.ada_sign.add_(logits.detach().sign().mean() / self.ada_every)
        return logistic_real(logits), logistic_fake(self._judge(fake.images.detach()))

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
        sign = world.mean(self.network.ada_sign)
        change = batch * self.ada_every / (self.ada_kimg * 1000)
        p = self.network.ada_p
        p.copy_((p + change * torch.sign(sign - self.ada_target)).clamp(0, 1))
        self.network.ada_sign.zero_()

    def _judge(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        with lower_precision(images, self.dtype):
            return self.network(images).float()


def at_side(images: Tensor, side: int) -> Tensor:
    """Pictures at the size that the feature network is to see."""
    if images.shape[-1] < side:
        return F.interpolate(images, size=side, mode="bilinear", align_corners=False)
    factor = images.shape[-1] // side
    return F.avg_pool2d(images, factor) if factor > 1 else images
