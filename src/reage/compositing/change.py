"""The change that makes a face in a photo show another age."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from reage.compositing.bands import LUMA
from reage.compositing.detail_transfer import LaidSkin, detail_in
from reage.compositing.hair.segmentation import Hair
from reage.compositing.warp import Warp
from reage.errors import ModelError, UsageError
from reage.faces.squares import FaceCrop
from reage.networks.agers.growth import warp_images

__all__ = [
    "PASTES",
    "Amounts",
    "Change",
    "Greying",
    "PasteMode",
    "SkinDetail",
    "apply_change",
    "check_finite",
    "check_paste",
    "limit_tone",
    "luma",
]

PasteMode = Literal["delta", "replace", "none"]
PASTES: tuple[PasteMode, ...] = get_args(PasteMode)

# By which a face gets lighter or darker anywhere, of -1..1 (docs/reference/ageing.md).
MOST_LIGHT = 0.35


def check_paste(paste: str) -> PasteMode:
    """Return a way of pasting by its name; UsageError for another."""
    for mode in PASTES:
        if mode == paste:
            return mode
    raise UsageError(f"paste is one of {', '.join(PASTES)}")


@dataclass(frozen=True)
class Amounts:
    """How much of each part of a change shows: 0 none, 1 all of it."""

    skin: float = 1.0  # light, colour, lines and detail
    shape: float = 1.0  # how the face is bent
    hair: float = 1.0  # how much of the hair turns grey

    def __post_init__(self) -> None:
        for name in ("skin", "shape", "hair"):
            given = getattr(self, name)
            if not isinstance(given, Real) or not 0 <= given <= 1:
                raise UsageError(f"{name} is {given!s:.40}; give 0 (none) to 1 (all)")

    @property
    def whole(self) -> bool:
        """Whether everything that the search for the age saw is shown."""
        return self.skin == self.shape == 1 and self.hair in (0, 1)


@dataclass(frozen=True, eq=False)
class Greying:
    """The share of a person's hair that turns grey at each age."""

    hair: Hair
    shares: tuple[float, ...]  # N, of 0..1

    def one(self, index: int) -> Greying:
        """Return one of the N."""
        return Greying(self.hair, self.shares[index : index + 1])

    def between(self, other: Greying, share: float) -> Greying:
        """Interpolate to another change of the same hair."""
        return Greying(self.hair, _between(self.shares, other.shares, share))

    def scale(self, amount: float) -> Greying:
        """Return the same with less hair that turns grey."""
        return Greying(self.hair, tuple(amount * share for share in self.shares))


@dataclass(frozen=True, eq=False)
class SkinDetail:
    """Skin detail over a photo's face, and how much of it is added or removed at each of N ages."""

    old: LaidSkin  # what old skin has
    own: LaidSkin  # what the face loses as it gets young
    gains: tuple[float, ...]  # N, of old skin's detail
    losses: tuple[float, ...]  # N, of its own
    beard: LaidSkin | None = None  # what takes a beard off; None also where it is too long
    shaves: tuple[float, ...] = ()  # N, of that; empty where no age is a child's
    neck: tuple[LaidSkin, LaidSkin] | None = None  # what it gains and loses, where `old` lacks it

    @property
    def parts(self) -> list[tuple[LaidSkin, tuple[float, ...]]]:
        """What is laid over the face and the neck, and how much of it."""
        parts = [*self._of_face]
        if self.neck is not None:
            parts += zip(self.neck, (self.gains, self.losses), strict=True)
        return parts

    @property
    def _of_face(self) -> list[tuple[LaidSkin, tuple[float, ...]]]:
        parts = [(self.old, self.gains), (self.own, self.losses)]
        return parts if self.beard is None else [*parts, (self.beard, self.shaves)]

    @property
    def is_shaven(self) -> bool:
        """Whether more than half of a beard is off, at any of the ages."""
        return self.beard is not None and max(self.shaves, default=0.0) > 0.5

    @property
    def notices(self) -> list[str]:
        """What stays as it is though it should not, a clause each."""
        stays = any(self.shaves) and self.beard is None
        return ["its beard is too long to be taken off, and stays"] if stays else []

    def one(self, index: int) -> SkinDetail:
        """Return the detail at one of the ages."""
        return self._with(lambda amounts: amounts[index : index + 1])

    def between(self, other: SkinDetail, share: float) -> SkinDetail:
        """Interpolate to another change of the same skin."""
        none = (0.0,) * len(self.gains)
        return SkinDetail(
            self.old,
            self.own,
            _between(self.gains, other.gains, share),
            _between(self.losses, other.losses, share),
            self.beard or other.beard,
            _between(self.shaves or none, other.shaves or none, share),
            self.neck or other.neck,
        )

    @property
    def halved(self) -> SkinDetail:
        """The same detail over the photo at half the size."""
        beard = self.beard and self.beard.halved
        neck = self.neck and (self.neck[0].halved, self.neck[1].halved)
        return replace(self, old=self.old.halved, own=self.own.halved, beard=beard, neck=neck)

    def scale(self, amount: float) -> SkinDetail:
        """Return the same with less that is added and removed."""
        return self._with(lambda amounts: tuple(amount * value for value in amounts))

    def _with(self, change: Callable[[tuple[float, ...]], tuple[float, ...]]) -> SkinDetail:
        names = ("gains", "losses", "shaves")
        return replace(self, **{name: change(getattr(self, name)) for name in names})

    def losses_in(self, crop: FaceCrop) -> np.ndarray | None:
        """Return what a crop loses, logarithms of colours `[N, 3, R, R]`; None if nothing."""
        return _laid_in(crop, self._of_face[1:])

    def gains_in(self, crop: FaceCrop) -> np.ndarray | None:
        """Return what a crop gains, logarithms of colours `[N, 3, R, R]`; None if nothing."""
        return _laid_in(crop, self._of_face[:1])


@dataclass(frozen=True, eq=False)
class Change:
    """What an ager does to a face, at each of N ages; all of the face's square is `[R, R]`."""

    added: Tensor  # [N, 3, R, R] light and colour added to the face's picture, of -1..1
    warp: Warp | None = None  # how the photo around the face is bent
    detail: Tensor | None = None  # [N] how many times as strong the skin's own detail is; None: 1
    # [N, S, S] what is added to the logarithm of the light, at a size S of its own: fine lines
    relief: Tensor | None = None
    skin: SkinDetail | None = None  # detail of old skin, at the photo's own size
    greying: Greying | None = None  # decided after the ager, by the age that is read

    def __len__(self) -> int:
        return len(self.added)

    def one(self, index: int) -> Change:
        """Return the change at one of the ages."""
        part = slice(index, index + 1)
        return Change(
            self.added[part],
            self.warp and self.warp.one(index),
            None if self.detail is None else self.detail[part],
            None if self.relief is None else self.relief[part],
            self.skin and self.skin.one(index),
            self.greying and self.greying.one(index),
        )

    def between(self, other: Change, share: float) -> Change:
        """Interpolate to the same face's change at other ages: 0 is this one, 1 the other."""

        def lerp(one: Tensor | None, two: Tensor | None) -> Tensor | None:
            return None if one is None or two is None else torch.lerp(one, two, share)

        return Change(
            torch.lerp(self.added, other.added, share),
            self.warp and other.warp and self.warp.between(other.warp, share),
            lerp(self.detail, other.detail),
            lerp(self.relief, other.relief),
            self.skin and other.skin and self.skin.between(other.skin, share),
            self.greying and other.greying and self.greying.between(other.greying, share),
        )

    @property
    def halved(self) -> Change:
        """The same change for the photo at half the size."""
        greying = self.greying and replace(self.greying, hair=self.greying.hair.halved)
        return replace(self, skin=self.skin and self.skin.halved, greying=greying)

    def scale(self, amounts: Amounts) -> Change:
        """Return the change with less of its skin, its shape or its grey hair."""
        if amounts == Amounts():
            return self
        skin, shape, hair = amounts.skin, amounts.shape, amounts.hair
        return Change(
            self.added * skin,
            self.warp and self.warp.scale(shape),
            None if self.detail is None else self.detail**skin,
            None if self.relief is None else self.relief * skin,
            self.skin and self.skin.scale(skin),
            self.greying and self.greying.scale(hair),
        )


def _between(one: Sequence[float], two: Sequence[float], share: float) -> tuple[float, ...]:
    return tuple((1 - share) * a + share * b for a, b in zip(one, two, strict=True))


def _laid_in(
    crop: FaceCrop, parts: Sequence[tuple[LaidSkin, tuple[float, ...]]]
) -> np.ndarray | None:
    """Add up what is laid over a crop, `[N, 3, R, R]` float32; None if nothing is."""
    found = None
    for laid, amounts in parts:
        if any(amounts):
            shares = np.array(amounts, np.float32)[:, None, None, None]
            layer = shares * detail_in(laid, crop.quad, crop.resolution)
            found = layer if found is None else found + layer
    return found


def check_finite(change: Change, picture: Tensor, name: str) -> Change:
    """Return the change; ModelError where it or the face `[.., 3, R, R]` holds NaN or infinity.

    Rounded to pixels, such values are black squares.
    """
    moves = None if change.warp is None else change.warp.moves
    for part in (picture, change.added, change.detail, change.relief, moves):
        if part is not None and not bool(torch.isfinite(part).all()):
            raise ModelError(
                f"the changed face holds values that are not finite (ager: {name}): its file or "
                "its code is damaged, or the strength is far too large"
            )
    return change


def apply_change(pictures: Tensor, change: Change) -> Tensor:
    """Apply a change to aligned pictures `[1 or N, 3, R, R]` without a photo: `[N, 3, R, R]`.

    Differentiable. Values may exceed [-1, 1].
    """
    changed = pictures + change.added
    if change.warp is None:
        return changed
    return warp_images(changed, change.warp.moves.to(changed), change.warp.margin)


def limit_tone(base: Tensor, edited: Tensor, colour: float) -> Tensor:
    """Keep a share of how colours change from `base` to `edited` `[N, 3, R, R]`; limit the light.

    Small generators entangle colour with age. Changes of light stay, but are softly limited:
    lines and folds are faint or small, while large strong changes are patches. With `colour` 1
    everything stays: such a direction is not of age alone.
    """
    if colour == 1:
        return edited
    change = edited - base
    light = luma(change)
    limited = MOST_LIGHT * torch.tanh(light / MOST_LIGHT)
    share = (limited.abs() + 1e-6) / (light.abs() + 1e-6)  # colours go with the light
    return base + limited + colour * share * (change - light)


def luma(images: Tensor) -> Tensor:
    """Return the luma `[N, 1, R, R]` of pictures, or of changes of them, `[N, 3, R, R]`."""
    return (images * torch.from_numpy(LUMA).to(images)[:, None, None]).sum(1, keepdim=True)
