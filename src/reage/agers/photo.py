"""The photo ager: a small U-Net that looks at the photo's own crop, and how faces grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.agers.base import Ager, PreparedFace
from reage.compositing.change import Change, luma
from reage.compositing.masks import oval_mask
from reage.compositing.warp import Warp
from reage.models.checkpoints import Alignment
from reage.models.files import fingerprint_of
from reage.networks.agers.growth import Growth
from reage.networks.agers.photo_ager import PhotoAger as PhotoNetwork

__all__ = [
    "SPINS",
    "PhotoAger",
    "add_photo_change",
    "changes_under_shifts",
    "photo_mask",
    "relight",
    "shading",
]

RECIPE = "photo-2"  # of all below: another number where other pictures come of the same weights
# Share of the colour that a photo ager changes, where a face grows younger. More of it, and cheeks
# get orange, noses purple; older cheeks get orange with any.
PHOTO_COLOUR = 0.1
# Shifts of the photo and of its mirror image, in half patches: all that their grid can lie like.
SPINS = ((0, 0), (1, 1)), ((0, 1), (1, 0))
PHOTO_GAIN = 1.3  # the mean over shifts leaves lines fainter than the network draws them
# The same of the lines and of all broader light of a face that grows older: networks that see 128
# pixels take shading for age that looks like dirt at a photo's size.
OLDER_LINES, OLDER_SHADING = 2.1, 1.0
LINE_WIDTH = 0.02  # of a crop's side: of the Gaussian that parts the two
# By which the logarithm of the skin's finest detail grows each year: it is 1.8 times as strong
# at 70 and more as in the twenties (docs/reference/ageing.md).
DETAIL_A_YEAR = 0.0125
TINT_ROUNDS = 4  # in which pixels of other colours than the skin's come to count less
LEAST_SPREAD = 1e-4  # squared light: a face of one colour gets grey light
BEYOND = 10.0  # years past the trained ages that may be asked of the network


@dataclass(frozen=True, eq=False)
class PhotoAger(Ager):
    """Ages a photo's own crop; no code is needed, so no generator either."""

    network: PhotoNetwork  # frozen
    growth: Growth | None  # how proportions change; None: not at all
    alignment: Alignment
    name: str = "age"
    span: tuple[float, float] = (1.0, 82.0)  # years that it was trained for
    dtype: torch.dtype = torch.float32  # of the network's maps
    needs = "photo"
    greys_hair = True

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        parts = {f"photo.{k}": v for k, v in self.network.state_dict().items()}
        if self.growth is not None:
            parts["growth.shapes"] = self.growth.shapes
        return fingerprint_of(RECIPE, parts)

    def side(self, pixels: float, quality: str) -> int:
        return self.network.config.resolution

    def reach(self, face: PreparedFace) -> tuple[float, float]:
        """A little past the ages of the training."""
        low, high = self.span
        return min(low - BEYOND, face.own_age), max(high + BEYOND, face.own_age)

    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        return self.change_picture(face.picture, face, ages)

    @torch.no_grad()
    def change_picture(self, picture: Tensor, face: PreparedFace, ages: Tensor) -> Change:
        """The change of a face that looks like `picture` `[1 or N, 3, R, R]`, at ages `[N]`."""
        own = face.own_age
        made = face.paste != "delta"
        crop = picture.clamp(-1, 1) if made else picture
        eyes = torch.from_numpy(face.view.eyes).to(crop)
        added = self._confine_change(crop, eyes, ages.to(crop), own)
        # A made face shows the generator's detail, which is none of the skin's.
        detail = None if made else torch.exp(DETAIL_A_YEAR * (ages - own))
        return Change(added, self._warp(ages, own), detail)

    def _confine_change(self, crop: Tensor, eyes: Tensor, wanted: Tensor, own: float) -> Tensor:
        """What is added to the colours of crops `[1 or N, 3, R, R]`, `[N, 3, R, R]`.

        Nothing outside the oval that the training looked at; eyes `[R, R]` stay the photo's.
        """
        ages = torch.full_like(wanted, own)
        photos = crop.expand(len(ages), -1, -1, -1)
        # A face and its mirror image age alike: what the network paints on one of them alone, spots
        # mostly, fades to half in their mean.
        plain, mirrored = (
            changes_under_shifts(self.network, seen, ages, wanted, shifts, dtype=self.dtype).mean(0)
            for seen, shifts in zip((photos, photos.flip(-1)), SPINS, strict=True)
        )
        change = (plain + mirrored.flip(-1)) / 2
        return add_photo_change(crop, change, wanted > ages) * photo_mask(eyes)

    def _warp(self, ages: Tensor, own: float) -> Warp | None:
        if self.growth is None:
            return None
        ages = ages.to(self.growth.shapes)
        moves = self.growth(torch.full_like(ages, own), ages)
        return Warp(moves, self.growth.config.margin)


def changes_under_shifts(
    network: PhotoNetwork,
    photos: Tensor,
    own: Tensor,
    wanted: Tensor,
    shifts: Sequence[tuple[int, int]],
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """A network's change of photos under each shift of them (down, right): `[S, N, 3, R, R]`.

    They count in half patches. What the network paints by the grid of its patches, hatching of old
    skin mostly, differs from shift to shift and fades in their mean; lines and folds stay.
    Coifman and Donoho, "Translation-Invariant De-Noising" (1995), call it cycle spinning.
    """
    half = network.config.patch // 2
    steps = [(down * half, right * half) for down, right in shifts]
    seen = torch.cat([photos.roll(step, (2, 3)) for step in steps])
    changes = network(seen, own.repeat(len(steps)), wanted.repeat(len(steps)), dtype=dtype)
    parts = zip(changes.chunk(len(steps)), steps, strict=True)
    return torch.stack([change.roll((-down, -right), (2, 3)) for change, (down, right) in parts])


def shading(light: Tensor) -> Tensor:
    """What of a crop's light `[N, 1, R, R]` is broader than lines; edges go on as they are."""
    sigma = LINE_WIDTH * light.shape[-1]
    reach = max(1, round(3 * sigma))
    places = torch.arange(-reach, reach + 1).to(light)
    taps = torch.exp(-places.square() / (2 * sigma**2))
    taps = taps / taps.sum()
    padded = F.pad(light, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))


def add_photo_change(photos: Tensor, change: Tensor, older: Tensor) -> Tensor:
    """What of a network's change is added to photos, all `[N, 3, R, R]` of -1..1.

    Its light, a little stronger (`PHOTO_GAIN`), and a share of its colour (`PHOTO_COLOUR`). Where a
    face grows older, `older` `[N]`, it is light alone, and of lines more than of shading.
    """
    light = luma(change)
    broad = shading(light)

    def either(if_older: float, if_younger: float) -> Tensor:
        return torch.where(older, if_older, if_younger).to(light)[:, None, None, None]

    lines = either(OLDER_LINES, PHOTO_GAIN) * (light - broad)
    added = lines + either(OLDER_SHADING, PHOTO_GAIN) * broad
    return relight(photos, added) + either(0.0, PHOTO_GAIN * PHOTO_COLOUR) * (change - light)


def relight(photos: Tensor, light: Tensor) -> Tensor:
    """What makes photos `[N, 3, R, R]` of -1..1 lighter by `light` `[N, 1, R, R]`, to be added.

    It has the colours that the face itself takes from shade to light: under a warm lamp, in the
    sun's gleam and on dark skin they differ. As much grey, or as much of the skin's own colour,
    makes patches of skin orange on some photos and grey or blue on others.
    """
    return light * (1 + _tint(photos))


def _tint(photos: Tensor) -> Tensor:
    """How the colours of faces (RGB less luma) change with their light, `[N, 3, 1, 1]`.

    A regression on the pixels of the face, in which those far from it (lips, brows, a fringe)
    count less and less (iteratively reweighted least squares, weights after Cauchy).
    """
    inside = oval_mask(photos.shape[-1]).to(photos)
    lights = luma(photos)
    colours = photos - lights
    weights = inside.expand_as(lights)
    slope = photos.new_zeros(len(photos), 3, 1, 1)
    for _ in range(TINT_ROUNDS):
        weights = weights / weights.sum((2, 3), keepdim=True)
        shade, colour = (
            values - (weights * values).sum((2, 3), keepdim=True) for values in (lights, colours)
        )
        spread = (weights * shade.square()).sum((2, 3), keepdim=True)
        slope = (weights * shade * colour).sum((2, 3), keepdim=True) / (spread + LEAST_SPREAD)
        away = (colour - slope * shade).square().sum(1, keepdim=True)
        typical = (weights * away).sum((2, 3), keepdim=True)
        weights = inside / (1 + away / (typical + LEAST_SPREAD))
    return slope


def photo_mask(eyes: Tensor) -> Tensor:
    """Where a photo ager's change is added, `[1, 1, R, R]`: the face without `eyes` `[R, R]`."""
    return oval_mask(len(eyes)).to(eyes) * (1 - eyes)
