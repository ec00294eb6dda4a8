"""What an ager is: given a prepared face and ages, it says how the photo has to change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from reage.compositing.change import Change, PasteMode
from reage.compositing.render import FaceLayer
from reage.compositing.view import FaceView
from reage.images import to_tensor
from reage.inversion.projection import Inversion
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import Alignment

__all__ = ["Ager", "PreparedFace", "StillAger"]

SIDES = {"fast": (64, 256), "normal": (64, 512), "best": (64, 1024)}


@dataclass(frozen=True, eq=False)
class PreparedFace:
    """One face of one photo, ready to be aged in one way of pasting.

    A face without a latent code is aged from the photo's own crop.
    """

    view: FaceView
    paste: PasteMode
    base: Tensor  # [1, 3, R, R] the face as it is: the photo's crop, or what its code shows
    latents: LatentSpace | None = None  # whose code the face has
    inversion: Inversion | None = None  # how that code was found
    code: Tensor | None = None  # [1, num_ws, w_dim] perhaps mixed or varied since
    shown: Tensor | None = None  # [1, 3, R, R] what a mixed code shows; None: the base
    pixels: np.ndarray | None = None  # [H, W, 3] the photo; None: only the crop is known
    notes: dict[str, Any] = field(default_factory=dict, repr=False)  # what agers keep of the face

    @property
    def own_age(self) -> float:
        """The age that is read in the photo, years."""
        return self.view.reading.age

    @property
    def ws(self) -> Tensor:
        """The latent code `[1, num_ws, w_dim]` of a face that has one."""
        assert self.code is not None, "a face without a code"
        return self.code

    @cached_property
    def photo(self) -> Tensor:
        """The photo's crop `[1, 3, R, R]`, of -1..1."""
        return to_tensor(self.view.crop.image).to(self.base)

    @property
    def picture(self) -> Tensor:
        """What an ager of photos looks at, `[1, 3, R, R]`.

        What is added to a photo (`delta`) depends on the photo alone, whatever its code; else the
        face is a made one.
        """
        if self.paste == "delta":
            return self.photo
        return self.base if self.shown is None else self.shown

    @cached_property
    def encoded(self) -> PreparedFace:
        """The same face with the encoder's own code, whatever was done to its code since."""
        assert self.latents is not None, "a face without a latent space"
        ws = self.latents.encode([self.view.crop])
        if self.shown is None and torch.equal(ws, self.ws):
            return self
        return replace(self, code=ws, base=self.latents.synthesize(ws), shown=None)

    @property
    def searched(self) -> bool:
        """Whether a code was searched for; one from a file is nobody's inversion."""
        return self.inversion is not None and self.inversion.perceptual != "none"

    def with_code(self, ws: Tensor) -> PreparedFace:
        """The same face with another code `[1, num_ws, w_dim]`: mixed, or varied."""
        assert self.latents is not None, "a face without a latent space"
        return replace(self, code=ws, shown=self.latents.synthesize(ws))

    def with_view(self, view: FaceView, pixels: np.ndarray) -> PreparedFace:
        """The same face in another, say smaller, copy of the photo `[H, W, 3]`."""
        return replace(self, view=view, pixels=pixels, notes={})

    def complete(self, change: Change) -> Change:
        """The change with what a mixed code adds to it, whatever the age."""
        if self.shown is None or self.paste != "delta":
            return change
        return replace(change, added=change.added + (self.shown - self.base))

    def layer(self, change: Change) -> FaceLayer:
        """A change at one age, and where it goes in the photo."""
        view = self.view
        picture = self.picture if self.paste == "replace" else None
        return FaceLayer(view.crop.quad, view.mask, view.skin, change, picture)


@runtime_checkable
class Ager(Protocol):
    """What changes faces along age. Subclass it: only the attributes without a value are needed.

    An ager holds no photo, and is used by several threads.
    """

    name: str
    span: tuple[float, float]  # target ages in years that it can show
    alignment: Alignment  # of the square around the face that it works on
    needs: Literal["photo", "latent"]  # "latent": every face is inverted first
    fingerprint: str  # SHA-256 over every tensor that paints: resumed work compares it
    greys_hair: bool = False  # whether grey hair is added to what it does, at full size
    looks: int = 6  # looks on either side of the own age: fewer where each is costly
    edge: str = "the edge of what the ager has learnt"  # why it goes no further

    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        """How a face has to change to look as at ages `[N]`, years; at its own age not at all."""
        ...

    def reach(self, face: PreparedFace) -> tuple[float, float]:
        """The youngest and the oldest age that may be asked for a face, years."""
        return min(self.span[0], face.own_age), max(self.span[1], face.own_age)

    def side(self, pixels: float, quality: str) -> int:
        """How many pixels a side the square is worked on, where it has `pixels` in the photo."""
        low, high = SIDES[quality]
        return int(np.clip(16 * round(pixels / 16), low, high))


class StillAger(Ager):
    """Changes nothing: for faces that are shown with the codes that they have."""

    name = "none"
    span = (0.0, 0.0)
    alignment = Alignment()
    needs = "latent"
    fingerprint = "none"

    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        return Change(torch.zeros_like(face.base).expand(len(ages), -1, -1, -1))
