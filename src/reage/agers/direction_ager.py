"""The ager of a direction: it moves codes in a straight line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from reage.agers.base import PreparedFace
from reage.agers.direction import Direction
from reage.agers.direction_scale import orient
from reage.agers.latent import CodeAger
from reage.compositing.change import Change
from reage.compositing.view import age_square
from reage.inversion.space import LatentSpace
from reage.models.files import fingerprint_of
from reage.models.pretrained import load_age_network

__all__ = ["DirectionAger"]


@dataclass(frozen=True, eq=False)
class DirectionAger(CodeAger):
    """Moves codes along a direction, one decade per unit of strength.

    The real number of years per unit differs between faces; the closed loop measures it.
    """

    direction: Direction
    latents: LatentSpace
    span = (0.0, 120.0)  # years; not known, so `reach` counts

    def __post_init__(self) -> None:
        """Raise LatentError if the direction belongs to another generator."""
        model, config = self.latents.model, self.latents.model.config.generator
        self.direction.check(model.generator_hash, config.num_ws, config.w_dim)

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.direction.name

    @property
    def colour(self) -> float:  # type: ignore[override]
        return self.direction.colour

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        tensors = {"vector": self.direction.vector}
        if self.direction.origin is not None:
            tensors["origin"] = self.direction.origin
        return fingerprint_of(
            "direction", self.latents.model.generator_hash, str(self.colour), tensors
        )

    @cached_property
    def older(self) -> Direction:
        """The direction with a known sign: + is older; LatentError if it is not of age.

        The sign of a foreign file is unknown, so it is measured on the average face.
        """
        return orient(self.direction, self.latents.average, self._ages_of)

    def reach(self, face: PreparedFace) -> tuple[float, float]:
        """Stay within the range of real faces' codes, or within the tested strengths."""
        low, high = self.older.strength_range(face.ws, face.own_age)
        return face.own_age + 10 * low, face.own_age + 10 * high

    def codes(self, face: PreparedFace, ages: Tensor) -> Tensor:
        return self._along(self.older, face, (ages - face.own_age) / 10)

    def move(self, face: PreparedFace, strengths: Tensor) -> Change:
        """Return the change by strengths `[N]` of the given direction, of age or not."""
        return self.show(face, self._along(self.direction, face, strengths))

    def _along(self, direction: Direction, face: PreparedFace, strengths: Tensor) -> Tensor:
        return direction.move_codes(face.ws, strengths.to(face.ws), face.own_age)

    @torch.no_grad()
    def _ages_of(self, ws: Tensor) -> Tensor:
        """Estimate ages `[N]`, years, in the pictures of codes `[N, num_ws, w_dim]`."""
        squares = age_square(self.latents.synthesize(ws), self.alignment)
        return load_age_network().to(self.latents.device).read(squares)[0]
