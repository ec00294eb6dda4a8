"""Pairs of heads with and without beards.

What the chin, jaw and upper lip of a bearded head have beyond bare skin is laid over a woman's: a
beard, stubble or its shadow. Bare skin is guessed from the rest of the bearded face, by how shaven
faces vary.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.compositing.beard_removal import bare_region, beard_region
from reage.compositing.boxed_face import HALF
from reage.compositing.hair.regions import CHIN
from reage.compositing.skin_mask import LIPS, OVAL, fill_rings
from reage.errors import UsageError
from reage.training.configs import BeardRemovalTraining
from reage.training.kept_heads import kept_out
from reage.training.removal.frames import Frames, Head
from reage.training.removal.pairs import Layers, Pair, smooth

__all__ = ["BeardPairs"]

SHAVEN_TO = 55.0  # years: old skin is removed by another network
COMPONENTS, RIDGE, SHRINK = 16, 30.0, 4  # of how shaven faces vary, at a fourth of the size
SMOOTH = 3.0  # pixels there, standard deviation: what bare skin is guessed of is broad
# Of the frame: a beard for certain. Logarithms by which chin and lip are darker than bare skin is
# guessed to be: a beard, and the shadow of a hat or a hand.
LEAST_SHARE, DARK, DARKEST = 0.012, 0.2, 0.7
SHADE = 0.15  # logarithm by which hair beside the face is darker, at least
NEAR, ABOVE = 5.0, 20.0  # pixels: beside the face, and above the chin's end
SURE = 0.35  # of the beard's share in each pixel, from which it counts beyond the face's mesh


class BeardPairs:
    """Shaven heads with and without beards."""

    def __init__(self, frames: Frames, canonical: np.ndarray, config: BeardRemovalTraining):
        self.frames = frames
        self.region = torch.from_numpy(beard_region(canonical))[None]
        self.bare = torch.from_numpy(bare_region(canonical))[None]
        # To the end of the chin and the jaw, where the skin's own mask has faded.
        lips, oval = (fill_rings([canonical[ring]], 3.0) for ring in (LIPS, OVAL))
        self.face = F.avg_pool2d(torch.from_numpy(oval * (1 - lips))[None].float(), HALF)
        rows = torch.arange(self.face.shape[1])[None, :, None]
        chin = canonical[CHIN, 1] / HALF
        self.beside = (smooth((self.face > 0.02).float(), NEAR) > 0.1) * (rows < chin - ABOVE)
        kept = torch.from_numpy(kept_out(frames, config.kept_out))
        # Women alone: among shaven men there are too many shadows of beards.
        bare = ~frames.male & (frames.ages < SHAVEN_TO)
        self.shaven, self.shown = (
            torch.nonzero(bare & part)[:, 0].tolist() for part in (~kept, kept)
        )
        if not self.shaven:
            raise UsageError(f"no heads of women below {SHAVEN_TO:g} years, whose skin is bare")
        self._fit()
        darker = torch.full((len(frames),), torch.nan)
        for i in torch.nonzero(frames.male & ~kept)[:, 0].tolist():
            darker[i] = self._darkness(i)
        self.shares = frames.layers[:, 4].float().mean((1, 2)) / 255
        known = (self.shares > LEAST_SHARE) | (darker > DARK) & (darker < DARKEST)
        bearded = torch.nonzero(known & ~torch.isnan(darker))[:, 0].tolist()
        if not bearded:
            raise UsageError("no heads of men with a beard or its shadow")
        layers = [self._beard_of(i) for i in bearded]
        self.layers = Layers(layers, frames.ita[bearded].numpy(), config)

    def where(self, skin: Tensor) -> Tensor:
        """Return where the network's change counts: where beards grow."""
        return self.region

    def sample(self, rng: np.random.Generator, *, kept_out: bool = False) -> Pair:
        """Return a shaven head with a beard, and what takes that off."""
        chosen = int(rng.choice(self.shown if kept_out and self.shown else self.shaven))
        return self.layers.lay_over(self._head(chosen), float(self.frames.ita[chosen]), rng)

    def _head(self, index: int) -> Head:
        """Return a head whose skin is where nothing but skin is, above any beard."""
        head = self.frames.head(index)
        return Head(head.logs, head.skin * self.bare)

    def _small(self, head: Head) -> tuple[Tensor, Tensor]:
        """Return broad logarithms less those of the bare skin, and the bare skin, shrunk."""
        weight = F.avg_pool2d(head.skin, SHRINK)
        logs = F.avg_pool2d(head.logs, SHRINK)
        level = (logs * weight).sum((1, 2), keepdim=True) / weight.sum().clamp_min(1e-3)
        return smooth(logs - level, SMOOTH), weight

    def _fit(self) -> None:
        """Learn how the broad light and colours of shaven faces vary."""
        broad = torch.stack([self._small(self._head(i))[0] for i in self.shaven])
        self.mean = broad.median(0).values
        where = F.avg_pool2d(torch.maximum(self.region, self.bare), SHRINK)
        flat = ((broad - self.mean).clamp(-0.7, 0.7) * where).flatten(1)
        _, spread, axes = torch.linalg.svd(flat, full_matrices=False)
        self.axes = axes[:COMPONENTS]
        self.spread = spread[:COMPONENTS] / len(self.shaven) ** 0.5

    def _bare_skin(self, head: Head) -> Tensor:
        """Guess the logarithms `[3, h, w]` that a bearded face has without its beard."""
        broad, weight = self._small(head)
        known = weight.expand_as(broad).flatten()
        off = ((broad - self.mean).flatten() * known)[:, None]
        axes = (self.axes * known).T * self.spread
        system = axes.T @ axes + RIDGE * torch.eye(len(self.axes))
        found = torch.linalg.solve(system, axes.T @ off)[:, 0] * self.spread
        guess = self.mean + (found @ self.axes).view_as(self.mean)
        small = F.avg_pool2d(head.logs * head.skin, SHRINK)
        level = small.sum((1, 2), keepdim=True) / weight.sum().clamp_min(1e-3)
        return F.interpolate((guess + level)[None], scale_factor=float(SHRINK), mode="bilinear")[0]

    def _beard_of(self, index: int) -> Tensor:
        """Return what a beard does to the logarithms of colours, `[3, h, w]`."""
        head, share = self._head(index), self.frames.layers[index, 4:].float() / 255
        surely = smooth((share > SURE).float(), 4.0)
        found = head.logs - self._bare_skin(head)
        # Beside the mesh, what is darker and connected with the face: below the chin it is shade.
        darker = ((-found.mean(0, keepdim=True) - SHADE) / SHADE).clamp(0, 1)
        beside = self.beside * smooth(darker, 2.0) * (self.shares[index] > 2 * LEAST_SHARE)
        within = torch.stack([surely, self.face, beside]).amax(0)
        return (found * within * self.region).half()

    def _darkness(self, index: int) -> float:
        """Return by how much chin and lip are darker than bare skin is guessed to be."""
        head, where = self._head(index), self.region * self.face
        less = (self._bare_skin(head) - head.logs).mean(0)
        return float((less * where[0]).sum() / where.sum())
