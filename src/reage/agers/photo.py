"""The photo ager: a small U-Net on the photo's own crop, and the growth of faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.agers.base import Ager, PreparedFace
from reage.agers.children import child_moves, childhood_of, neck_moves
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

RECIPE = "photo-9"  # of all below: another number where other pictures come of the same weights
# Shifts of the photo and of its mirror image, in half patches: all that their grid can lie like.
SPINS = ((0, 0), (1, 1)), ((0, 1), (1, 0))
PHOTO_GAIN = 1.3  # the mean over shifts leaves lines fainter than the network draws them
# The same of the lines and of all broader light of a face that grows older: networks that see 128
# pixels take shading for age that looks like dirt at a photo's size.
OLDER_LINES, OLDER_SHADING = 1.8, 1.0
LINE_WIDTH = 0.02  # of a crop's side: of the Gaussian that parts the two
# By which the logarithm of the skin's finest detail grows each year: it is 1.8 times as strong
# at 70 and more as in the twenties (docs/reference/ageing.md).
DETAIL_A_YEAR = 0.0125
TINT_ROUNDS = 4  # in which pixels of other colours than the skin's come to count less
LEAST_SPREAD = 1e-4  # squared light: a face of one colour gets grey light
YOUNGER, BEYOND = 10.0, 25.0  # years past the trained ages that may be asked for
# Older than trained for, the network changes no more. Its shading is extrapolated instead, by at
# most this; lines so extrapolated are blotches at a photo's size.
MOST_EXTRAPOLATED = 1.6


@dataclass(frozen=True, eq=False)
class PhotoAger(Ager):
    """Ages a photo's own crop; it needs no code and no generator."""

    network: PhotoNetwork  # frozen
    growth: Growth | None  # how proportions change; None: not at all
    alignment: Alignment
    name: str = "age"
    span: tuple[float, float] = (1.0, 82.0)  # years that it was trained for
    dtype: torch.dtype = torch.float32  # of the network's maps
    needs = "photo"
    greys_hair = True
    has_childhood = True

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        parts = {f"photo.{k}": v for k, v in self.network.state_dict().items()}
        if self.growth is not None:
            parts["growth.shapes"] = self.growth.shapes
        return fingerprint_of(RECIPE, parts)

    def side(self, pixels: float, quality: str) -> int:
        return self.network.config.resolution

    def reach(self, face: PreparedFace) -> tuple[float, float]:
        """Extend slightly past the training ages."""
        low, high = self.span
        return min(low - YOUNGER, face.own_age), max(high + BEYOND, face.own_age)

    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        return self.change_picture(face.picture, face, ages)

    @torch.no_grad()
    def change_picture(self, picture: Tensor, face: PreparedFace, ages: Tensor) -> Change:
        """Compute a face's change at ages `[N]` from `picture` `[1 or N, 3, R, R]` of it."""
        own = face.own_age
        made = face.paste != "delta"
        crop = picture.clamp(-1, 1) if made else picture
        eyes = torch.from_numpy(face.view.eyes).to(crop)
        added = face.view.frontal * self._confine_change(crop, eyes, ages.to(crop), own)
        # A generated face shows the generator's detail, not the skin's.
        detail = None if made else torch.exp(DETAIL_A_YEAR * (self._learnt(ages, own) - own))
        return Change(added, self._warp(ages, face), detail)

    def _confine_change(self, crop: Tensor, eyes: Tensor, wanted: Tensor, own: float) -> Tensor:
        """Predict the colour change of crops `[1 or N, 3, R, R]` within the face: `[N, 3, R, R]`.

        The change is 0 outside the training's oval and in the eyes `[R, R]`.
        """
        ages = torch.full_like(wanted, own)
        learnt = self._learnt(wanted, own)
        years = (learnt - ages).abs().clamp_min(1.0)
        more = ((wanted - ages).abs() / years).clamp(1.0, MOST_EXTRAPOLATED)
        photos = crop.expand(len(ages), -1, -1, -1)
        # A face and its mirror image age alike. Their mean halves what the network paints on only
        # one of them, mostly spots.
        plain, mirrored = (
            changes_under_shifts(self.network, seen, ages, learnt, shifts, dtype=self.dtype).mean(0)
            for seen, shifts in zip((photos, photos.flip(-1)), SPINS, strict=True)
        )
        change = (plain + mirrored.flip(-1)) / 2
        return add_photo_change(crop, change, wanted > ages, more) * photo_mask(eyes)

    def _learnt(self, ages: Tensor, own: float) -> Tensor:
        """Return ages no older than trained for, or than the face is."""
        return ages.clamp_max(max(own, self.span[1]))

    def _warp(self, ages: Tensor, face: PreparedFace) -> Warp | None:
        if self.growth is None:
            return None
        own, childhood = face.own_age, childhood_of(face)
        shown = [childhood.shown(own, age) for age in ages.tolist()]
        shapes = ages.new_tensor(shown).to(self.growth.shapes)
        moves = self.growth(torch.full_like(shapes, own), shapes)
        moves = moves + child_moves(self.growth, own, shapes)
        moves = moves + neck_moves(own, shapes, self.growth.config)
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
    """Return a network's change of photos under each shift (down, right): `[S, N, 3, R, R]`.

    Shifts count in half patches. Artefacts of the network's patch grid, mostly hatching of old
    skin, differ between shifts and fade in their mean; lines and folds stay. This is cycle
    spinning: Coifman and Donoho, "Translation-Invariant De-Noising" (1995).
    """
    half = network.config.patch // 2
    steps = [(down * half, right * half) for down, right in shifts]
    seen = torch.cat([photos.roll(step, (2, 3)) for step in steps])
    changes = network(seen, own.repeat(len(steps)), wanted.repeat(len(steps)), dtype=dtype)
    parts = zip(changes.chunk(len(steps)), steps, strict=True)
    return torch.stack([change.roll((-down, -right), (2, 3)) for change, (down, right) in parts])


def shading(light: Tensor, width: float = LINE_WIDTH) -> Tensor:
    """Return the part of a crop's light `[N, 1, R, R]` that is broader than `width` of its side."""
    sigma = width * light.shape[-1]
    reach = max(1, round(3 * sigma))
    places = torch.arange(-reach, reach + 1).to(light)
    taps = torch.exp(-places.square() / (2 * sigma**2))
    taps = taps / taps.sum()
    padded = F.pad(light, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))


def add_photo_change(
    photos: Tensor, change: Tensor, older: Tensor, more: Tensor | None = None
) -> Tensor:
    """Select what is added to photos from a network's change, all `[N, 3, R, R]` in -1..1.

    Adds the light, amplified by `PHOTO_GAIN`; its own colours would turn cheeks orange or grey and
    noses purple. For faces that grow older, `older` `[N]`, adds more of lines than of shading.
    Shading is multiplied by `more` `[N]`.
    """
    light = luma(change)
    shades = shading(light)
    broad = shades if more is None else more[:, None, None, None] * shades

    def either(if_older: float, if_younger: float) -> Tensor:
        return torch.where(older, if_older, if_younger).to(light)[:, None, None, None]

    lines = either(OLDER_LINES, PHOTO_GAIN) * (light - shades)
    added = lines + either(OLDER_SHADING, PHOTO_GAIN) * broad
    return relight(photos, added)


def relight(photos: Tensor, light: Tensor) -> Tensor:
    """Compute what lightens photos `[N, 3, R, R]` in -1..1 by `light` `[N, 1, R, R]`.

    Its colours follow the face's own change from shade to light, which differs under a warm lamp,
    in bright sun and on dark skin. Adding grey, or the skin's mean colour, would turn patches of
    skin orange on some photos and grey or blue on others.
    """
    return light * (1 + _tint(photos))


def _tint(photos: Tensor) -> Tensor:
    """Fit the change of faces' colours (RGB minus luma) with their light, `[N, 3, 1, 1]`.

    Iteratively reweighted least squares on the pixels of the face, with Cauchy weights: outliers
    (lips, brows, a fringe) count less.
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
    """Draw the mask of a photo ager's change `[1, 1, R, R]`: the face without `eyes` `[R, R]`."""
    return oval_mask(len(eyes)).to(eyes) * (1 - eyes)
