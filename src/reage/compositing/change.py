"""What is to be done to a photo so that a face in it shows another age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from reage.compositing.bands import LUMA
from reage.compositing.hair.segmentation import Hair
from reage.compositing.warp import Warp
from reage.networks.agers.growth import warp_images

__all__ = ["Change", "Greying", "PasteMode", "apply_change", "limit_tone", "luma"]

PasteMode = Literal["delta", "replace", "none"]

# By which a face gets lighter or darker anywhere, of -1..1 (docs/reference/ageing.md).
MOST_LIGHT = 0.35


@dataclass(frozen=True, eq=False)
class Greying:
    """How much of somebody's hair turns grey at each age."""

    hair: Hair
    shares: tuple[float, ...]  # N, of 0..1

    def one(self, index: int) -> Greying:
        """One of them."""
        return Greying(self.hair, self.shares[index : index + 1])


@dataclass(frozen=True, eq=False)
class Change:
    """What an ager does to a face, at each of N ages; all of the face's square is `[R, R]`."""

    added: Tensor  # [N, 3, R, R] light and colour added to the face's picture, of -1..1
    warp: Warp | None = None  # how the photo around the face is bent
    detail: Tensor | None = None  # [N] how many times as strong the skin's own detail is; None: 1
    # [N, S, S] what is added to the logarithm of the light, at a size S of its own: fine lines
    relief: Tensor | None = None
    greying: Greying | None = None  # decided after the ager, by the age that is read

    def __len__(self) -> int:
        return len(self.added)

    def one(self, index: int) -> Change:
        """The change at one of the ages."""
        part = slice(index, index + 1)
        return Change(
            self.added[part],
            self.warp and self.warp.one(index),
            None if self.detail is None else self.detail[part],
            None if self.relief is None else self.relief[part],
            self.greying and self.greying.one(index),
        )


def apply_change(pictures: Tensor, change: Change) -> Tensor:
    """Aligned pictures `[1 or N, 3, R, R]` with a change, `[N, 3, R, R]`: no photo is around them.

    Differentiable. Values may exceed [-1, 1].
    """
    changed = pictures + change.added
    if change.warp is None:
        return changed
    return warp_images(changed, change.warp.moves.to(changed), change.warp.margin)


def limit_tone(base: Tensor, edited: Tensor, colour: float) -> Tensor:
    """Keep a share of how colours change from `base` to `edited` `[N, 3, R, R]`; limit the light.

    Small generators carry colour along with age that has nothing to do with it. What gets lighter
    or darker is left, but softly limited: lines and folds are faint or small, while large strong
    changes are patches. With `colour` 1 everything stays: such a direction is not of age alone.
    """
    if colour == 1:
        return edited
    change = edited - base
    light = luma(change)
    limited = MOST_LIGHT * torch.tanh(light / MOST_LIGHT)
    share = (limited.abs() + 1e-6) / (light.abs() + 1e-6)  # colours go with the light
    return base + limited + colour * share * (change - light)


def luma(images: Tensor) -> Tensor:
    """How light pictures, or changes of them, `[N, 3, R, R]` are: `[N, 1, R, R]`."""
    return (images * torch.from_numpy(LUMA).to(images)[:, None, None]).sum(1, keepdim=True)
