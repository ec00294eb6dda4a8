"""Train the network that finds what covers a face, on things drawn before bare faces."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.networks.judges.efficientnet import EfficientNetLite0
from reage.networks.occlusion import LEVELS, OcclusionDecoder
from reage.networks.stylegan2.ops import lower_precision
from reage.training.configs import OcclusionTraining
from reage.training.kept_heads import kept_out
from reage.training.loop.loss_weights import Losses
from reage.training.loop.one_network import OneNetworkTrainer
from reage.training.loop.parallel import World
from reage.training.occlusion.bare_faces import BareFaces, CoveredFace

__all__ = ["OcclusionTrainer"]

SOME = 20  # places that are covered, at least, of a face that the Dice loss looks at
SHOWN = 12  # faces of kept-out heads in the pictures
RED = (1.0, -1.0, -1.0)


class OcclusionTrainer(OneNetworkTrainer[OcclusionTraining, OcclusionDecoder]):
    """Train the decoder; the features stay as they are."""

    def __init__(
        self,
        name: str,
        config: OcclusionTraining,
        network: OcclusionDecoder,
        features: EfficientNetLite0,
        faces: BareFaces,
        *,
        world: World,
        device: torch.device,
        dtype: torch.dtype,
    ):
        super().__init__(name, config, network, world=world, device=device, dtype=dtype)
        self.features, self.faces = features.to(device), faces
        kept = kept_out(faces, config.kept_out)
        self.learnt = np.flatnonzero(~kept)
        self.shown = np.flatnonzero(kept if kept.any() else ~kept)

    def losses(self, index: int) -> tuple[Losses, dict[str, Tensor]]:
        """Compare within the faces; `overlap`: intersection over union of the whole step."""
        places = self.world.part(self.config.batch)
        rngs = [np.random.default_rng([self.config.seed, index, place]) for place in places]
        images, covered, face = self._stacked([self._draw(self.learnt, rng) for rng in rngs])
        logits = self._find(self.network, images)
        entropy = F.binary_cross_entropy_with_logits(logits, covered, reduction="none")
        losses = {
            "entropy": ((entropy * face).sum() / face.sum(), 1.0),
            "dice": (_dice(torch.sigmoid(logits) * face, covered * face), self.config.dice_weight),
        }
        return losses, {"overlap": overlap_of(logits, covered, face)}

    @torch.no_grad()
    def pictures(self, index: int) -> dict[str, Tensor]:
        """Heads that are not learnt from: covered, with what is found in red, and what is there."""
        rng = np.random.default_rng(self.config.seed)
        images, covered, face = self._stacked([self._draw(self.shown, rng) for _ in range(SHOWN)])
        found = torch.sigmoid(self._find(self.average, images)) * face
        red = images.new_tensor(RED).view(1, 3, 1, 1)
        rows = [images]
        for layer in (found, covered * face):
            share = 0.7 * F.interpolate(layer, images.shape[-2:], mode="bilinear")
            rows.append(images * (1 - share) + red * share)
        return {"occlusion": torch.stack(rows, 1).flatten(0, 1).cpu()}

    def _draw(self, heads: np.ndarray, rng: np.random.Generator) -> CoveredFace:
        return self.faces.cover(int(rng.choice(heads)), rng, self.config.covered)

    def _stacked(self, drawn: list[CoveredFace]) -> tuple[Tensor, Tensor, Tensor]:
        parts = zip(*((one.image, one.covered, one.face) for one in drawn), strict=True)
        images, covered, face = (torch.stack(part).to(self.device) for part in parts)
        return images, covered, face

    def _find(self, network: OcclusionDecoder, images: Tensor) -> Tensor:
        with lower_precision(images, self.dtype):
            return network(images, self.features.first(images, LEVELS)).float()


def overlap_of(logits: Tensor, covered: Tensor, face: Tensor) -> Tensor:
    """Return the intersection over union of what is found and what is there, within the faces."""
    within = face > 0.5
    found, there = (logits > 0) & within, (covered > 0.5) & within
    return (found & there).sum() / (found | there).sum().clamp_min(1)


def _dice(found: Tensor, there: Tensor) -> Tensor:
    """Return the mean of 1 - Dice over the faces `[N, 1, h, w]` of which something is covered."""
    some = (there.sum((1, 2, 3)) > SOME).to(found)
    both, each = ((a).sum((1, 2, 3)) for a in (found * there, found + there))
    return (some * (1 - (2 * both + 1) / (each + 1))).sum() / some.sum().clamp_min(1)
