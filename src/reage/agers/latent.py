"""Agers of latent codes: reage's own network on codes, and SAM's on pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from reage.agers.base import Ager, PreparedFace
from reage.compositing.change import Change, limit_tone
from reage.inversion.encoding import downsample
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import Alignment
from reage.models.files import fingerprint_of
from reage.networks.agers.latent_ager import Ager as LatentNetwork
from reage.networks.encoders.style_encoder import StyleEncoder, with_age

__all__ = ["CodeAger", "LatentAger", "SamAger"]

BEYOND = 10.0  # years past the trained ages that may be asked of the network


class CodeAger(Ager):
    """An ager that moves latent codes, which its generator renders."""

    latents: LatentSpace
    colour: float = 1.0  # share of the change's colour that is shown; its light always is
    needs = "latent"
    edge = "the edge of what the generator has learnt"

    @property
    def alignment(self) -> Alignment:  # type: ignore[override]
        return self.latents.alignment

    def side(self, pixels: float, quality: str) -> int:
        return self.latents.resolution

    def codes(self, face: PreparedFace, ages: Tensor) -> Tensor:
        """Move the face's code to ages `[N]`: `[N, num_ws, w_dim]`."""
        raise NotImplementedError

    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        return self.show(face, self.codes(face, ages))

    def show(self, face: PreparedFace, codes: Tensor) -> Change:
        """Return the change from a face to the pictures of codes `[N, num_ws, w_dim]`."""
        base = face.base if face.shown is None else face.shown
        return self.between(base, (face.latents or self.latents).synthesize(codes))

    def between(self, base: Tensor, edited: Tensor) -> Change:
        """Return the change from pictures `[1 or N, 3, R, R]` to others `[N, 3, R, R]`."""
        return Change(limit_tone(base, edited, self.colour) - base)


@dataclass(frozen=True, eq=False)
class LatentAger(CodeAger):
    """A network that moves a code from the source age to the target age."""

    network: LatentNetwork  # frozen
    latents: LatentSpace
    name: str = "age"
    span: tuple[float, float] = (1.0, 82.0)  # years that it was trained for
    colour: float = 1.0

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        return fingerprint_of(
            "latent", self.latents.model.generator_hash, str(self.colour), self.network.state_dict()
        )

    def reach(self, face: PreparedFace) -> tuple[float, float]:
        """Extend slightly past the training ages."""
        low, high = self.span
        return min(low - BEYOND, face.own_age), max(high + BEYOND, face.own_age)

    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        """Return the change of the encoder's code, if it is added to a photo.

        The network was trained on the encoder's codes. An optimised code matches the photo better
        but ages worse (docs/reference/ageing.md).
        """
        added = face.paste == "delta" and face.searched and self.latents.encoder is not None
        return super().change(face.encoded if added else face, ages)

    @torch.no_grad()
    def codes(self, face: PreparedFace, ages: Tensor) -> Tensor:
        ages = ages.to(face.ws)
        codes = face.ws.expand(len(ages), -1, -1)
        return codes + self.network(codes, torch.full_like(ages, face.own_age), ages)


@dataclass(frozen=True, eq=False)
class SamAger(CodeAger):
    """SAM's ager: it offsets the code by the face's picture and the target age.

    A face at its source age stays unchanged: the change is the difference of the offsets at the
    two ages. Alaluf et al., "Only a Matter of Style" (2021).
    """

    network: StyleEncoder  # of four channels, frozen
    latents: LatentSpace
    name: str = "age"
    span: tuple[float, float] = (0.0, 100.0)  # years that it was trained for
    colour: float = 1.0

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        return fingerprint_of(
            "sam", self.latents.model.generator_hash, str(self.colour), self.network.state_dict()
        )

    @torch.no_grad()
    def codes(self, face: PreparedFace, ages: Tensor) -> Tensor:
        own = ages.new_tensor([face.own_age])
        offsets = self.offsets(face.photo, torch.cat([ages, own]).to(face.ws))
        return face.ws + (offsets[:-1] - offsets[-1:])

    @torch.no_grad()
    def own_codes(self, picture: Tensor, start: Tensor, ages: Tensor) -> Tensor:
        """Compute SAM's codes of a picture at ages `[N]` from pSp's code `[1, num_ws, w_dim]`.

        `encode` gives that code.
        """
        return start + self.offsets(picture, ages)

    def offsets(self, picture: Tensor, ages: Tensor) -> Tensor:
        """Return the network's offsets to the code of one picture `[1, 3, R, R]` at ages `[N]`."""
        seen = downsample(picture, self.network.config.resolution)
        return self.network(with_age(seen.expand(len(ages), -1, -1, -1), ages))
