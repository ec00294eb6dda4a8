"""Train the network that takes beards off, on pairs made of sharp heads.

    python training/skin_removal/beards.py frames.safetensors runs/beards --minutes 60

A pair is a woman's head, and the same with what the chin, jaw and upper lip of a bearded one have
beyond bare skin: a beard, stubble or its shadow. Bare skin is guessed from the rest of the bearded
face, by how shaven faces vary. Run it again to go on.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from train import KEPT_OUT, Head, Layers, head_at, smooth, train

from reage.agers.skin import read_embedded_bank
from reage.compositing.beard_removal import bare_region, beard_region
from reage.compositing.boxed_face import HALF
from reage.compositing.hair.regions import CHIN
from reage.compositing.skin_mask import LIPS, OVAL, fill_rings
from reage.models.pretrained import load_beard_removal
from reage.networks.agers.skin_removal import BeardRemovalNetwork

SHAVEN_TO = 55.0  # years: old skin is removed by another network
COMPONENTS, RIDGE, SHRINK = 16, 30.0, 4  # of how shaven faces vary, at a fourth of the size
SMOOTH = 3.0  # pixels there, standard deviation: what bare skin is guessed of is broad
NEAREST, TONES = 24, 14.0  # bearded heads of about the same tone, one of which is chosen; degrees
STRENGTHS, UNTOUCHED = (0.5, 1.25), 0.2  # of a beard; share of pairs without any
# Of the frame: a beard for certain. Logarithms by which chin and lip are darker than bare skin is
# guessed to be: a beard, and the shadow of a hat or a hand.
LEAST_SHARE, DARK, DARKEST = 0.012, 0.2, 0.7
SHADE = 0.15  # logarithm by which hair beside the face is darker, at least
NEAR, ABOVE = 5.0, 20.0  # pixels: beside the face, and above the chin's end
SURE = 0.35  # of the beard's share in each pixel, from which it counts beyond the face's mesh


class Beards:
    """Shaven heads with and without beards."""

    def __init__(self, frames: dict[str, Tensor]):
        count = len(frames["ages"])
        kept = np.random.default_rng(1).permutation(count)[:KEPT_OUT]
        canonical = read_embedded_bank().canonical
        self.region = torch.from_numpy(beard_region(canonical))[None]
        self.bare = torch.from_numpy(bare_region(canonical))[None]
        # To the end of the chin and the jaw, where the skin's own mask has faded.
        lips, oval = (fill_rings([canonical[ring]], 3.0) for ring in (LIPS, OVAL))
        self.face = F.avg_pool2d(torch.from_numpy(oval * (1 - lips))[None].float(), HALF)
        rows = torch.arange(self.face.shape[1])[None, :, None]
        chin = canonical[CHIN, 1] / HALF
        self.beside = (smooth((self.face > 0.02).float(), NEAR) > 0.1) * (rows < chin - ABOVE)
        self.frames = frames
        male, young = frames["male"], frames["ages"] < SHAVEN_TO
        learnt = torch.ones(count, dtype=torch.bool)
        learnt[torch.from_numpy(kept)] = False
        # Women alone: among shaven men there are too many shadows of beards.
        self.shaven = torch.nonzero(~male & young & learnt)[:, 0].tolist()
        self._fit()
        darker = torch.full((count,), torch.nan)
        for i in torch.nonzero(male & learnt)[:, 0].tolist():
            darker[i] = self._darkness(i)
        shares = self.shares = frames["layers"][:, 4].float().mean((1, 2)) / 255
        known = (shares > LEAST_SHARE) | (darker > DARK) & (darker < DARKEST)
        self.bearded = torch.nonzero(known & ~torch.isnan(darker))[:, 0].tolist()
        print(len(self.shaven), "shaven,", len(self.bearded), "bearded", flush=True)
        tones = frames["ita"][self.bearded].numpy()
        layers = [self._beard_of(i) for i in self.bearded]
        self.layers = Layers(layers, tones, NEAREST, TONES, STRENGTHS, UNTOUCHED)

    def head(self, index: int) -> Head:
        """Return a head whose skin is where nothing but skin is, above any beard."""
        head = head_at(self.frames, index)
        return Head(head.logs, head.skin * self.bare)

    def where(self, skin: Tensor) -> Tensor:
        """Return where the network's change counts: where beards grow."""
        return self.region

    def sample(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return a head's logarithms with a beard, its skin, and what takes the beard off."""
        chosen = int(rng.choice(self.shaven))
        return self.layers.lay_over(self.head(chosen), float(self.frames["ita"][chosen]), rng)

    def _small(self, head: Head) -> tuple[Tensor, Tensor]:
        """Return broad logarithms less those of the bare skin, and the bare skin, shrunk."""
        weight = F.avg_pool2d(head.skin, SHRINK)
        logs = F.avg_pool2d(head.logs, SHRINK)
        level = (logs * weight).sum((1, 2), keepdim=True) / weight.sum().clamp_min(1e-3)
        return smooth(logs - level, SMOOTH), weight

    def _fit(self) -> None:
        """Learn how the broad light and colours of shaven faces vary."""
        broad = torch.stack([self._small(self.head(i))[0] for i in self.shaven])
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
        system = axes.T @ axes + RIDGE * torch.eye(COMPONENTS)
        found = torch.linalg.solve(system, axes.T @ off)[:, 0] * self.spread
        guess = self.mean + (found @ self.axes).view_as(self.mean)
        small = F.avg_pool2d(head.logs * head.skin, SHRINK)
        level = small.sum((1, 2), keepdim=True) / weight.sum().clamp_min(1e-3)
        return F.interpolate((guess + level)[None], scale_factor=float(SHRINK), mode="bilinear")[0]

    def _beard_of(self, index: int) -> Tensor:
        """Return what a beard does to the logarithms of colours, `[3, h, w]`."""
        head, share = self.head(index), self.frames["layers"][index, 4:].float() / 255
        surely = smooth((share > SURE).float(), 4.0)
        found = head.logs - self._bare_skin(head)
        # Beside the mesh, what is darker and connected with the face: below the chin it is shade.
        darker = ((-found.mean(0, keepdim=True) - SHADE) / SHADE).clamp(0, 1)
        beside = self.beside * smooth(darker, 2.0) * (self.shares[index] > 2 * LEAST_SHARE)
        within = torch.stack([surely, self.face, beside]).amax(0)
        return (found * within * self.region).half()

    def _darkness(self, index: int) -> float:
        """Return by how much chin and lip are darker than bare skin is guessed to be."""
        head, where = self.head(index), self.region * self.face
        less = (self._bare_skin(head) - head.logs).mean(0)
        return float((less * where[0]).sum() / where.sum())


if __name__ == "__main__":
    train(__doc__, Beards, BeardRemovalNetwork, load_beard_removal)
