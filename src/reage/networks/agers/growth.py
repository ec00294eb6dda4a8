"""How faces grow: where each place of an aligned face lies at each age, on average."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Growth", "GrowthConfig", "warp_images"]


@dataclass(frozen=True)
class GrowthConfig:
    """What shapes a growth has."""

    ages: tuple[float, ...]  # years, rising, at which shapes are known
    side: int = 40  # places a side
    margin: float = 0.3  # by which they reach beyond the face's square, of its side

    def __post_init__(self) -> None:
        if len(self.ages) < 2 or any(b <= a for a, b in pairwise(self.ages)):
            raise ValueError(f"the ages of a growth must rise, not {self.ages}")
        if self.side < 2 or not 0 <= self.margin <= 1:
            raise ValueError(f"a growth of {self.side} places and a margin of {self.margin}")


class Growth(nn.Module):
    """From the own and the wanted age to how the photo of a face is bent.

    Faces change their proportions with age: children have shorter noses, narrower jaws and wider
    eyes in the square that eyes and mouth span. A change of colours cannot move a nose.
    """

    shapes: Tensor

    def __init__(self, config: GrowthConfig):
        super().__init__()
        self.config = config
        self.register_buffer("shapes", torch.zeros(len(config.ages), 2, config.side, config.side))

    def forward(self, own: Tensor, wanted: Tensor) -> Tensor:
        """By how much each place moves right and down, in sides of the square.

        `[N, 2, S, S]` of ages `[N]` in years, over the square widened by `margin` on each side;
        0 at its border, and for the own age.
        """
        passed = self._progress(wanted) - self._progress(own)
        side = self.config.side
        steps = self.shapes[1:] - self.shapes[:-1]
        return (passed @ steps.flatten(1)).reshape(-1, 2, side, side)

    def _progress(self, ages: Tensor) -> Tensor:
        """How much of the way between known ages `[K]` has been gone at ages `[N]`: `[N, K - 1]`.

        So shapes are linear between those known, and stay the same beyond them.
        """
        known = self.shapes.new_tensor(self.config.ages)
        return ((ages.to(known)[:, None] - known[:-1]) / (known[1:] - known[:-1])).clamp(0, 1)


def warp_images(images: Tensor, bend: Tensor, margin: float, place: Tensor | None = None) -> Tensor:
    """Pictures `[1 or N, C, R, R]` with their places moved by `bend` `[N, 2, S, S]`.

    `bend` is what `Growth` gives, and `margin` its. `place` `[3, 2]` says which square the
    pictures show, in units of the face's: corner, way to the right, way down; None: the face's.
    Differentiable.
    """
    side = images.shape[-1]
    if place is None:
        place = bend.new_tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    steps = (torch.arange(side, device=bend.device, dtype=bend.dtype) + 0.5) / side
    down, right = torch.meshgrid(steps, steps, indexing="ij")
    own = torch.stack([right, down], 2)  # [R, R, 2] in units of the pictures
    axes = place[1:]  # [2, 2]
    places = place[0] + own @ axes
    seen = 2 * (places + margin) / (1 + 2 * margin) - 1
    seen = seen.expand(len(bend), -1, -1, -1)
    moved = F.grid_sample(bend, seen, "bicubic", "zeros", align_corners=False)
    # What is seen at a place came from where it was before it moved.
    fetched = own - moved.permute(0, 2, 3, 1) @ torch.linalg.inv(axes)
    images = images.expand(len(bend), -1, -1, -1).to(bend.dtype)
    return F.grid_sample(images, 2 * fetched - 1, "bicubic", "border", align_corners=False)
