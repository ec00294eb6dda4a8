"""Critics of pasted faces: adversaries on faces and skin of each age, and an age classifier
trained on the labels. They train along with the ager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.networks.judges.age_head import AgeJudge
from reage.networks.stylegan2.discriminator import TextureCritic
from reage.training.configs import AdamSettings
from reage.training.loop.data import AGE_BINS, BIN_MIDDLES, BatchSource, FaceBatch
from reage.training.loop.draws import Draws
from reage.training.loop.loss_weights import Losses
from reage.training.loop.optimisers import adam, freeze, update
from reage.training.loop.parallel import World
from reage.training.stylegan2.adversaries import Described, ProjectedAdversary
from reage.training.stylegan2.losses import hinge_fake, hinge_generator, hinge_real

__all__ = ["AgeCritics", "CriticSettings", "SkinCritic", "age_classes"]

JUDGED = (BIN_MIDDLES[0], BIN_MIDDLES[-1])  # years, the range of the age classifier


class CriticSettings(Protocol):
    """The settings of the critics."""

    @property
    def seed(self) -> int: ...

    @property
    def discriminator(self) -> AdamSettings: ...

    @property
    def judge(self) -> AdamSettings: ...

    @property
    def judge_kimg(self) -> float: ...

    @property
    def judge_weight(self) -> float: ...

    @property
    def adversarial_weight(self) -> float: ...


@dataclass(frozen=True, eq=False)
class SkinCritic:
    """An optional patch critic with its settings."""

    network: TextureCritic
    settings: AdamSettings
    weight: float  # of its loss


class AgeCritics:
    """The adversary and the age classifier: their losses on pictures, and their training."""

    def __init__(
        self,
        config: CriticSettings,
        adversary: ProjectedAdversary,
        judge: AgeJudge,
        labelled: BatchSource,  # that the judge learns from beforehand
        skin: SkinCritic | None = None,
        *,
        world: World,
        device: torch.device,
    ):
        self.config, self.adversary, self.labelled = config, adversary, labelled
        self.world, self.device = world, device
        adversary.network.train().to(device)
        self.judge = judge.train().to(device)
        self.networks: dict[str, nn.Module] = {
            "discriminator": adversary.network,
            "judge": self.judge,
        }
        self.optimizers = {
            "discriminator": adam(adversary.network, config.discriminator),
            "judge": adam(self.judge, config.judge),
        }
        self.skin = skin
        if skin is not None:
            self.networks["texture"] = skin.network.train().to(device)
            self.optimizers["texture"] = adam(skin.network, skin.settings)

    def describe(self, index: int, batch: FaceBatch, images: Tensor) -> Described:
        """Compute the inputs of both critics, with equal augmentation."""
        draws = Draws(self.config.seed, index, batch.places, purpose="augment", device=self.device)
        return self.adversary.describe(self.adversary.augment(images, draws))

    def losses(self, described: Described, wanted: Tensor) -> Losses:
        """Compute mean losses for the ages `wanted`, `[N]`; the critics are frozen."""
        assert described.features is not None
        told = self.judge.read(described.features)
        fooling = self.adversary.generator_loss(described, age_classes(wanted))
        off = (told - wanted.clamp(*JUDGED)).abs().mean() / 10
        losses = {
            "judge": (off, self.config.judge_weight),
            "fooling": (fooling.mean(), self.config.adversarial_weight),
        }
        if self.skin is not None:
            with freeze(self.skin.network):
                logits = self.skin.network(described.images, age_classes(wanted))
            losses["texture"] = (hinge_generator(logits).mean(), self.skin.weight)
        return losses

    def learn(
        self, real: Described, fake: Described, own: Tensor, wanted: Tensor, bins: Tensor
    ) -> dict[str, Tensor]:
        """Train all critics one step on real faces (ages `own`) and made ones; returns figures."""
        assert real.features is not None
        classes = (age_classes(own), age_classes(wanted))
        on_real, on_fake = self.adversary.losses(real, fake.detach(), classes)
        self._update("discriminator", on_real.mean() + on_fake.mean())
        judging = self._judge_loss(real.features, bins)
        self._update("judge", judging)
        figures = {"d_real": on_real.mean(), "d_fake": on_fake.mean(), "judging": judging}
        if self.skin is not None:
            critic = self.skin.network
            on_skin = hinge_real(critic(real.images, classes[0])).mean()
            on_paint = hinge_fake(critic(fake.images.detach(), classes[1])).mean()
            self._update("texture", on_skin + on_paint)
            figures |= {"t_real": on_skin, "t_fake": on_paint}
        return figures

    def teach_judge(self) -> None:
        """Pretrain the age classifier on labelled faces."""
        for index in range(int(self.config.judge_kimg * 1000 / self.labelled.batch)):
            batch = self.labelled.at(index)
            with torch.no_grad():
                features = self.describe(index, batch, batch.images.to(self.device)).features
            assert features is not None
            self._update("judge", self._judge_loss(features, batch.bins.to(self.device)))

    def _judge_loss(self, features: list[Tensor], bins: Tensor) -> Tensor:
        """Return the age classifier's cross-entropy on labelled real faces."""
        known = bins >= 0
        logits = self.judge([f.detach()[known] for f in features])
        return F.cross_entropy(logits, bins[known], reduction="sum") / known.sum().clamp_min(1)

    def _update(self, name: str, loss: Tensor) -> None:
        update(loss, [self.optimizers[name]], self.world)


def age_classes(ages: Tensor) -> Tensor:
    """Index of the bin that each age falls into, `[N]`."""
    begins = ages.new_tensor(AGE_BINS)
    return (ages[:, None] >= begins).sum(1) - 1
