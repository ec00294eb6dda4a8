"""Training an ager on a frozen generator and encoder: real faces are sent to random ages."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.latents.faces import age_square, toned
from reage.latents.guided import oval_mask
from reage.models.checkpoints import Alignment
from reage.networks.age import AgeNetwork
from reage.networks.age_judge import AgeJudge
from reage.networks.ager import Ager
from reage.networks.encoder import Encoder
from reage.networks.gender import GenderNetwork
from reage.networks.generators import AnyGenerator
from reage.networks.identity import FeatureLikeness
from reage.networks.ops import lowered
from reage.training.adversaries import ProjectedAdversary, at_side
from reage.training.averaging import averaging_beta, update_average
from reage.training.configs import AgerTraining
from reage.training.data import AGE_BINS, BIN_MIDDLES, BatchSource, FaceBatch
from reage.training.draws import Draws
from reage.training.parallel import World
from reage.training.states import restore, state_of
from reage.training.updating import adam, update

__all__ = ["AgerNetworks", "AgerTrainer"]

LIKENESS_SIDE = 128
SHOWN_AGES = (5.0, 20.0, 35.0, 50.0, 65.0, 80.0)  # a row of eight pictures
SHOWN_FACES = 8
JUDGED = (BIN_MIDDLES[0], BIN_MIDDLES[-1])  # years that the judge can tell
OLDEST_LABEL = 90.0  # the last bin has no end of its own


@dataclass(frozen=True, eq=False)
class AgerNetworks:
    """The frozen networks that an ager works on and is judged by."""

    generator: AnyGenerator
    encoder: Encoder
    age: AgeNetwork
    gender: GenderNetwork
    likeness: FeatureLikeness
    alignment: Alignment  # of the crops
    dtype: torch.dtype = torch.float32  # of the likeness's convolutions

    def read(self, images: Tensor) -> Tensor:
        """Apparent ages of crops `[N, 3, R, R]` in years, `[N]`."""
        return self.age.read(age_square(images, self.alignment))[0]

    def describe(self, images: Tensor) -> list[Tensor]:
        """What the likeness compares of crops."""
        with lowered(images, self.dtype):
            return self.likeness.describe(at_side(images, LIKENESS_SIDE))


@dataclass(frozen=True, eq=False)
class _Faces:
    """Real faces of a step, with their codes, ages and the ages they are sent to."""

    images: Tensor  # [N, 3, R, R]
    ws: Tensor  # [N, num_ws, w_dim]
    base: Tensor  # [N, 3, R, R] what the codes show
    own: Tensor  # [N] years
    wanted: Tensor  # [N] years


class AgerTrainer:
    """An ager, its adversary, and how one step changes them."""

    name = "ager"

    def __init__(
        self,
        config: AgerTraining,
        ager: Ager,
        networks: AgerNetworks,
        adversary: ProjectedAdversary,
        judge: AgeJudge,
        source: BatchSource,
        labelled: BatchSource,  # that the judge learns from beforehand
        *,
        world: World,
        device: torch.device,
        dtype: torch.dtype,
    ):
        self.config, self.networks, self.source, self.world = config, networks, source, world
        self.device, self.dtype, self.adversary = device, dtype, adversary
        self.ager = ager.train().requires_grad_(True).to(device)
        adversary.network.train().to(device)
        self.labelled = labelled
        self.judge = judge.train().to(device)
        self.average = copy.deepcopy(self.ager).eval().requires_grad_(False)
        self.optimizers = {
            "ager": adam(self.ager, config.ager),
            "discriminator": adam(adversary.network, config.discriminator),
            "judge": adam(self.judge, config.judge),
        }
        self.mask = oval_mask(networks.generator.config.resolution).to(device)

    @property
    def batch(self) -> int:
        return self.config.batch

    def step(self, index: int) -> dict[str, Tensor]:
        """Do one step on the ager and its adversary; returns figures."""
        if index == 0:
            self._teach_judge()
        batch = self.source.at(index)
        faces = self._faces(index, batch)
        change = self.ager(faces.ws, faces.own, faces.wanted)
        aged = self._show(faces.ws + change)
        pasted = self._paste(faces, aged)
        # The adversary sees what is pasted. What the generator makes it would tell from photos by
        # the generator's own faults, whatever its age, and of patches in photos it would not know.
        described = self.adversary.describe(self._augment(index, batch, pasted))
        with torch.no_grad():
            real = self.adversary.describe(self._augment(index, batch, faces.images))
        classes = (age_classes(faces.own), age_classes(faces.wanted))

        losses = self._losses(faces, change, aged, pasted)
        assert described.features is not None and real.features is not None
        told = self.judge.read(described.features)
        losses["judge"] = (told - faces.wanted.clamp(*JUDGED)).abs().mean() / 10
        losses["fooling"] = self.adversary.generator_loss(described, classes[1]).mean()
        weights = vars(self.config) | {"fooling_weight": self.config.adversarial_weight}
        self._update(
            "ager", torch.stack([v * weights[f"{k}_weight"] for k, v in losses.items()]).sum()
        )

        on_real, on_fake = self.adversary.losses(real, described.detach(), classes)
        self._update("discriminator", on_real.mean() + on_fake.mean())
        judging = self._judging(real.features, batch.bins.to(self.device))
        self._update("judge", judging)
        seen = (index + 1) * self.config.batch / 1000
        beta = averaging_beta(self.config.batch, self.config.ema_kimg, seen, self.config.ema_rampup)
        update_average(self.average, self.ager, beta)
        figures = losses | {"d_real": on_real.mean(), "d_fake": on_fake.mean()}
        figures["judging"] = judging
        return {name: value.detach() for name, value in figures.items()}

    @torch.no_grad()
    def _faces(self, index: int, batch: FaceBatch) -> _Faces:
        images = batch.images.to(self.device)
        ws = self._encode(images)
        draws = Draws(self.config.seed, index, batch.places, device=self.device)
        wanted = draws.uniform(low=self.config.youngest, high=self.config.oldest)
        # The editor's codes are optimised from the encoder's on: they lie around them.
        amount = draws.uniform()[:, None, None] * self.config.code_noise
        ws = ws + amount * self.ager.scale * draws.normal(*ws.shape[1:])
        return _Faces(images, ws, self._show(ws), self._own_ages(images, batch.bins), wanted)

    def _own_ages(self, images: Tensor, bins: Tensor) -> Tensor:
        """What the age network reads, held within the label's bin."""
        read = self.networks.read(images)
        begins = read.new_tensor(AGE_BINS)
        ends = torch.cat([begins[1:], begins.new_tensor([OLDEST_LABEL])])
        bins = bins.to(self.device)
        held = read.clamp(begins[bins], ends[bins])
        return torch.where(bins >= 0, held, read)

    def _paste(self, faces: _Faces, aged: Tensor) -> Tensor:
        """The photos with the change pasted, as the editor's `delta` does it."""
        toning = toned(faces.base, aged, self.config.colour) - faces.base
        return (faces.images + toning * self.mask).clamp(-1, 1)

    def _losses(
        self, faces: _Faces, change: Tensor, aged: Tensor, pasted: Tensor
    ) -> dict[str, Tensor]:
        """The losses but for the adversary's, each a mean over the batch."""
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
        return {
            "age": torch.stack(off).mean() / 10,
            "identity": (unlike * tolerance).mean(),
            "gender": (networks.gender(aged) - male).abs().mean(),
            "light": light.square().mean(),
            "hue": (difference - difference.mean(1, keepdim=True)).square().mean(),
            "outside": (difference * (1 - self.mask)).square().mean(),
            "cycle": ((back + change) / scale).square().mean(),
            "size": (change / scale).square().mean(),
        }

    def _judging(self, features: list[Tensor], bins: Tensor) -> Tensor:
        """Cross-entropy of the judge on real faces with labels."""
        known = bins >= 0
        logits = self.judge([f.detach()[known] for f in features])
        return F.cross_entropy(logits, bins[known], reduction="sum") / known.sum().clamp_min(1)

    def _teach_judge(self) -> None:
        """Let the judge learn from labelled faces before it is asked."""
        for index in range(int(self.config.judge_kimg * 1000 / self.labelled.batch)):
            batch = self.labelled.at(index)
            with torch.no_grad():
                images = self._augment(index, batch, batch.images.to(self.device))
                features = self.adversary.describe(images).features
            assert features is not None
            self._update("judge", self._judging(features, batch.bins.to(self.device)))

    @torch.no_grad()
    def calibrate(self, faces: int = 512) -> None:
        """Tell a new ager where codes lie and how far they spread."""
        images = self.source.fixed(faces)
        ws = torch.cat([self._encode(part.to(self.device)) for part in images.split(32)])
        for ager in (self.ager, self.average):
            ager.mean.copy_(ws.mean(0))
            ager.scale.copy_(ws.std(0).square().mean(1, keepdim=True).sqrt())

    def _encode(self, images: Tensor) -> Tensor:
        w_avg = self.networks.generator.mapping.w_avg
        return self.networks.encoder(images, torch.ones_like(images[:, :1]), w_avg)

    def _show(self, ws: Tensor) -> Tensor:
        return self.networks.generator.synthesize(ws, dtype=self.dtype)[:, :3]

    def _augment(self, index: int, batch: FaceBatch, images: Tensor) -> Tensor:
        draws = Draws(self.config.seed, index, batch.places, purpose="augment", device=self.device)
        return self.adversary.augment(images, draws)

    def _update(self, name: str, loss: Tensor) -> None:
        update(loss, {name: self.optimizers[name]}, vars(self.config), self.world)

    def state_dict(self) -> dict[str, Any]:
        """All that a step changes."""
        return state_of(self._trained(), self.optimizers)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        restore(state, self._trained(), self.optimizers)

    def _trained(self) -> dict[str, nn.Module]:
        found: dict[str, nn.Module] = {"ager": self.ager, "average": self.average}
        return found | {"discriminator": self.adversary.network, "judge": self.judge}

    @torch.no_grad()
    def pictures(self, index: int) -> dict[str, Tensor]:
        """Rows of a face, what its code shows, and that at six ages, made and pasted."""
        images = self.source.fixed(SHOWN_FACES).to(self.device)
        ws = self._encode(images)
        base, own = self._show(ws), self.networks.read(images)
        rows = {"aged": [images, base], "pasted": [images, base]}
        for age in SHOWN_AGES:
            wanted = torch.full_like(own, age)
            aged = self._show(ws + self.average(ws, own, wanted))
            rows["aged"].append(aged)
            rows["pasted"].append(self._paste(_Faces(images, ws, base, own, wanted), aged))
        return {name: torch.stack(columns, 1).flatten(0, 1) for name, columns in rows.items()}


def age_classes(ages: Tensor) -> Tensor:
    """Index of the bin that each age falls into, `[N]`."""
    begins = ages.new_tensor(AGE_BINS)
    return (ages[:, None] >= begins).sum(1) - 1
