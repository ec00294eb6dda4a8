"""What the trainings of both kinds of agers have in common: the frozen networks that judge."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reage.compositing.view import age_square
from reage.models.checkpoints import Alignment
from reage.networks.judges.age import AgeNetwork
from reage.networks.judges.gender import GenderNetwork
from reage.networks.judges.likeness import FeatureLikeness
from reage.networks.stylegan2.ops import lower_precision
from reage.training.loop.data import AGE_BINS
from reage.training.parts import LIKENESS_SIDE
from reage.training.stylegan2.adversaries import at_side

__all__ = ["FaceNetworks"]

OLDEST_LABEL = 90.0  # the last bin has no end of its own


@dataclass(frozen=True, eq=False)
class FaceNetworks:
    """What is known of faces: their age, gender and likeness. Frozen."""

    age: AgeNetwork
    gender: GenderNetwork
    likeness: FeatureLikeness
    alignment: Alignment  # of the crops
    dtype: torch.dtype = torch.float32  # of the likeness's convolutions

    def read(self, images: Tensor) -> Tensor:
        """Apparent ages of crops `[N, 3, R, R]` in years, `[N]`."""
        return self.age.read(age_square(images, self.alignment))[0]

    def own_ages(self, images: Tensor, bins: Tensor) -> Tensor:
        """What the age network reads, held within the label's bin (-1: none), years `[N]`."""
        read = self.read(images)
        begins = read.new_tensor(AGE_BINS)
        ends = torch.cat([begins[1:], begins.new_tensor([OLDEST_LABEL])])
        bins = bins.to(read.device)
        held = read.clamp(begins[bins], ends[bins])
        return torch.where(bins >= 0, held, read)

    def describe(self, images: Tensor) -> list[Tensor]:
        """What the likeness compares of crops."""
        with lower_precision(images, self.dtype):
            return self.likeness.describe(at_side(images, LIKENESS_SIDE))
