"""The protocol of agers: from a prepared face and ages to the change of the photo."""

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
from reage.errors import ModelError
from reage.images import to_tensor
from reage.inversion.projection import Inversion
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import Alignment

__all__ = ["Ager", "PreparedFace", "StillAger"]

SIDES = {"fast": (64, 256), "normal": (64, 512), "best": (64, 1024)}


@dataclass(frozen=True, eq=False)
class PreparedFace:
    """One face of one photo, prepared for ageing in one paste mode.

    Without a latent code, the photo's own crop is aged.
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
        """The estimated age in the photo, years."""
        return self.view.reading.age

    @property
    def ws(self) -> Tensor:
        """The latent code `[1, num_ws, w_dim]`, if the face has one."""
        assert self.code is not None, "a face without a code"
        return self.code

    @cached_property
    def photo(self) -> Tensor:
        """The photo's crop `[1, 3, R, R]` in -1..1."""
        return to_tensor(self.view.crop.image).to(self.base)

    @property
    def picture(self) -> Tensor:
        """The input of an ager of photos, `[1, 3, R, R]`.

        In `delta` it is the photo, whatever the code; otherwise it is the generated face.
        """
        if self.paste == "delta":
            return self.photo
        return self.base if self.shown is None else self.shown

    @cached_property
    def encoded(self) -> PreparedFace:
        """The same face with the encoder's original code."""
        assert self.latents is not None, "a face without a latent space"
        ws = self.latents.encode([self.view.crop])
        if self.shown is None and torch.equal(ws, self.ws):
            return self
        return replace(self, code=ws, base=self.latents.synthesize(ws), shown=None)

    @property
    def searched(self) -> bool:
        """Whether the code is the result of an inversion, not of a file."""
        return self.inversion is not None and self.inversion.perceptual != "none"

    def with_code(self, ws: Tensor) -> PreparedFace:
        """Return the same face with another code `[1, num_ws, w_dim]`: mixed, or varied."""
        assert self.latents is not None, "a face without a latent space"
        return replace(self, code=ws, shown=self.latents.synthesize(ws))

    def with_view(self, view: FaceView, pixels: np.ndarray) -> PreparedFace:
        """Return the same face in another copy of the photo `[H, W, 3]`, such as a smaller one."""
        return replace(self, view=view, pixels=pixels, notes={})

    def complete(self, change: Change) -> Change:
        """Add what a mixed code adds at every age, and hold still what covers the face.

        Raises ModelError if the change is not finite.
        """
        cover = self.view.cover
        if cover is not None and change.warp is not None:
            change = replace(change, warp=change.warp.hold(cover, self.view.crop.quad))
        if self.shown is not None and self.paste == "delta":
            change = replace(change, added=change.added + (self.shown - self.base))
        if not torch.stack(change.added.aminmax()).isfinite().all():
            raise ModelError("the ager gives values that are not finite; it or its model is broken")
        return change

    def layer(self, change: Change) -> FaceLayer:
        """Return a change at one age with its place in the photo."""
        view = self.view
        picture = self.picture if self.paste == "replace" else None
        mask = view.mask_for(self.paste)
        return FaceLayer(view.crop.quad, mask, view.skin, change, picture, tone=view.tone)


@runtime_checkable
class Ager(Protocol):
    """Changes faces along age. Subclass it: only attributes without a default are required.

    An ager holds no photo, and several threads use it.
    """

    name: str
    span: tuple[float, float]  # target ages in years that it can show
    alignment: Alignment  # of the square around the face that it works on
    needs: Literal["photo", "latent"]  # "latent": every face is inverted first
    fingerprint: str  # SHA-256 over every tensor that paints: resumed work compares it
    greys_hair: bool = False  # whether grey hair is added at full size
    # Whether it heeds the `Childhood` in a face's notes, which a search finds by what it reads.
    has_childhood: bool = False
    # Whether what it shows at a younger age is known as well by the age asked for as by readings.
    age_counts: bool = False
    looks: int = 6  # looks on either side of the own age: fewer where each is costly
    edge: str = "the edge of what the ager has learnt"  # the reason why it goes no further

    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        """Return the change that shows a face at ages `[N]`, years; none at its source age."""
        ...

    def reach(self, face: PreparedFace) -> tuple[float, float]:
        """Return the youngest and the oldest target age of a face, years."""
        return min(self.span[0], face.own_age), max(self.span[1], face.own_age)

    def side(self, pixels: float, quality: str) -> int:
        """Return the side of the working crop for a square of `pixels` in the photo."""
        low, high = SIDES[quality]
        return int(np.clip(16 * round(pixels / 16), low, high))


class StillAger(Ager):
    """Changes nothing: shows faces with the codes that they have."""

    name = "none"
    span = (0.0, 0.0)
    alignment = Alignment()
    needs = "latent"
    fingerprint = "none"

    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        return Change(torch.zeros_like(face.base).expand(len(ages), -1, -1, -1))
