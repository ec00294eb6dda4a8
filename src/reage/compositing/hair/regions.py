"""Part hair from skin and clothes in the square around a head, by colour and place.

Skin is what the cheeks look like, hair what is unlike it above the face, clothes what lies below
the chin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw

from reage.compositing.bands import LUMA

__all__ = ["HEAD_SIDE", "OUTLINE", "box_mean", "filled", "share_of_hair"]

HEAD_SIDE = 256  # pixels of the square around a head: what the network of persons takes

# Of MediaPipe's mesh: the face's outline, places that show skin (cheeks and nose, and between the
# brows, unless a fringe hangs there), brows, bridge of the nose.
OUTLINE = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377]
OUTLINE += [152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
SKIN = (
    [116, 117, 118, 119, 100, 142, 203, 206, 207, 187, 123],
    [345, 346, 347, 348, 329, 371, 423, 426, 427, 411, 352],
    [6, 197, 195, 5, 4, 45, 275],
)
BETWEEN = [107, 108, 151, 337, 336, 9]
BROWS = [70, 63, 105, 66, 107, 336, 296, 334, 293, 300]
BRIDGE, TOP, CHIN = 168, 10, 152

# What may be hair when its colour is learnt: darker than this share of the skin, or paler by that.
DARK, PALE = 0.62, 0.7
GREY = 0.35  # of the skin's redness: such hair is grey already
GLEAM = 1.15  # times as light as the skin: a bald head's shine is pale, too
FRINGE = 0.75  # of the cheeks' light: what is darker between the brows is no skin
LEAST_SEEDS = 0.2  # of what lies above the face; else the head is bald
BLACK = 0.35  # light below which black hair is bluish
REDDEST = 1.6  # redness of hair; auburn has some 1.2
VIVID, BLUER = 1.0, 0.12  # blueness and greenness that black hair has not, and lighter hair
RAYS = 20  # directions a radian in which is looked for where hair begins
RUN = 3  # places to each side that have to be hair where it begins
DEEP = 0.35  # of the skin's light: in darker shade colours say nothing
VEIL = 4.0  # logarithm of how much likelier hair is on a forehead as dark as hair
UNLIKE = 1.0  # by how much hair has to be likelier than skin where it is for certain
# How much neighbours are alike, up to which place on each side, and how often they are asked.
ALIKE, CLOSE, ROUNDS = 3.0, 4, 2
CERTAINLY = 0.8  # share from which on colours are taken for the hair's
LEAST_HAIR = 200  # places


@dataclass(frozen=True, eq=False)
class _Place:
    """Where each pixel is from the bridge of the nose, in heights of the face, `[256, 256]`."""

    up: np.ndarray
    aside: np.ndarray  # to the right
    face: np.ndarray  # whether within the mesh ...
    near: np.ndarray  # ... or close to it
    brows: float  # how far up they reach

    @cached_property
    def outwards(self) -> tuple[np.ndarray, np.ndarray]:
        """All places ray by ray from the bridge of the nose, and a step up for each ray.

        The steps keep a running maximum from going on into the next ray.
        """
        away = np.hypot(self.up, self.aside).ravel()
        ray = np.floor(np.arctan2(self.up, self.aside).ravel() * RAYS).astype(int)
        order = np.lexsort((away, ray))
        return order, 2 * ray[order]

    @classmethod
    def of(cls, mesh: np.ndarray) -> _Place:
        axis = mesh[TOP] - mesh[CHIN]
        height = max(float(np.hypot(*axis)), 1.0)
        axis = axis / height**2
        y, x = np.mgrid[:HEAD_SIDE, :HEAD_SIDE]
        away = np.stack([x, y], axis=-1) - mesh[BRIDGE]
        outline = mesh[OUTLINE]
        wider = outline.mean(0) + 1.1 * (outline - outline.mean(0))
        brows = float(((mesh[BROWS] - mesh[BRIDGE]) @ axis).max())
        across = np.array([-axis[1], axis[0]])
        return cls(away @ axis, away @ across, filled(outline), filled(wider), brows)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a head's square shows, `[256, 256]` each."""

    place: _Place
    light: np.ndarray  # 0..1
    colours: np.ndarray  # [256, 256, 3], see `_colours`
    person: np.ndarray  # probability
    skin_at: np.ndarray  # whether it is skin for certain
    typical: float  # light of the skin
    darkest: float  # that of the darkest of both cheeks and nose
    skin: _Gaussian

    @classmethod
    def of(cls, rgb: np.ndarray, person: np.ndarray, mesh: np.ndarray) -> _Seen:
        light = rgb.astype(np.float32) @ LUMA / 255
        colours = box_mean(_colours(rgb, light), 1).astype(np.float32)
        parts = [filled(mesh[part]) for part in SKIN]
        skin_at = np.any(parts, axis=0)
        skin_at |= filled(mesh[BETWEEN]) & (light > FRINGE * np.median(light[skin_at]))
        darkest = min(float(np.median(light[part])) for part in parts if part.any())
        typical = float(np.median(light[skin_at]))
        skin = _Gaussian.of(colours, skin_at)
        skin = skin.wider(0.02, *np.square(0.12 * skin.mean[1:]))  # foreheads differ from cheeks
        place = _Place.of(mesh)
        return cls(place, light, colours, person, skin_at, typical, darkest, skin)

    @cached_property
    def on_skin(self) -> np.ndarray:
        """Logarithm of the density of each colour on skin; jaw and neck may lie in the shade."""
        skin, shaded = (g.log_density(self.colours) for g in (self.skin, self.skin.wider(0.3)))
        return np.where(self.place.up < -0.25, np.maximum(skin, shaded), skin)

    @cached_property
    def on_clothes(self) -> np.ndarray | None:
        """The same on clothes; None where none are seen below the chin."""
        clothes_at = (self.person > 0.9) & (self.place.up < -0.95)
        return _two_densities(self.colours, clothes_at) if clothes_at.sum() > 200 else None

    @cached_property
    def persons_near(self) -> np.ndarray:
        """How much of what is close to each place shows somebody."""
        return box_mean(self.person, CLOSE)

    @cached_property
    def veiled(self) -> np.ndarray:
        """Logarithm of how much likelier hair is on a forehead darker than cheeks and nose."""
        forehead = self.place.near & (self.place.up > self.place.brows)
        return VEIL * forehead * np.clip((DARK - self.light / max(self.darkest, 0.02)) / 0.15, 0, 1)

    @cached_property
    def deep(self) -> np.ndarray:
        """What is so dark, beside the face or above it, that its colours say nothing."""
        return (self.light < DEEP * self.typical) & (self.place.up > -0.3)

    @cached_property
    def odd(self) -> np.ndarray:
        """Whether it has a colour that no hair has: as red as none is, green, or blue."""
        red, yellow = self.colours[..., 1], self.colours[..., 2]
        blue = (yellow < -BLUER) & (self.light > BLACK)
        return (red > REDDEST) | blue | (yellow < -VIVID) | (red < -VIVID)

    @cached_property
    def above(self) -> np.ndarray:
        """What is somebody's above the face: hair, a bald head or a hat."""
        return (self.person > 0.9) & ~self.place.near & (self.place.up > 0.15)


def share_of_hair(rgb: np.ndarray, person: np.ndarray, mesh: np.ndarray) -> np.ndarray | None:
    """How much of each pixel is hair, `[256, 256]` in 0..1; None where no hair is to be greyed.

    `rgb` `[256, 256, 3]` uint8 is the square around a head, `person` `[256, 256]` the probability
    that it shows somebody, `mesh` `[478, 2]` MediaPipe's points in it.
    """
    seen = _Seen.of(rgb, person, mesh)
    seeds = _seeds(seen)
    if seeds is None:
        return None
    share = _parted(seen, seeds)
    # Once more, by the colours of what was found: lighter strands than the first are known now.
    share = _parted(seen, seeds | (seen.above & (share > CERTAINLY)))
    return share if share.sum() > LEAST_HAIR else None


def _seeds(seen: _Seen) -> np.ndarray | None:
    """Where hair is by its colour alone; None for bald and for grey heads."""
    above, redness = seen.above & ~seen.odd, seen.colours[..., 1]
    pale = (redness < PALE * seen.skin.mean[1]) & (seen.light < GLEAM * seen.typical)
    dark = above & (seen.light < DARK * seen.typical)
    least = max(LEAST_SEEDS * seen.above.sum(), 50)
    # Beside dark hair what is pale is a high forehead in the light.
    if dark.sum() > 2 * least:
        return dark
    seeds = above & (dark | pale)
    grey = seeds.any() and np.median(redness[seeds]) < GREY * seen.skin.mean[1]
    return None if grey or seeds.sum() < least else seeds


def _parted(seen: _Seen, examples: np.ndarray) -> np.ndarray:
    """How much of each pixel is hair such as that of the examples, `[256, 256]` in 0..1."""
    place, colours, person = seen.place, seen.colours, seen.person
    hair = _two_densities(colours, examples)
    by_colour = hair - seen.on_skin
    # Where the cheeks look like hair as well, colour says less.
    by_colour -= max(float(np.percentile(by_colour[seen.skin_at], 80)) + UNLIKE, 0)
    by_colour += seen.veiled
    # What no example looks like is none, unless it lies in deep shade.
    alike = np.where(seen.deep, np.maximum(hair + 8, 2), hair + 8)
    odds = np.minimum(by_colour + _against_skin(place), alike) - 30 * seen.odd
    share = _settled(odds, seen)
    # The nearer to the lids, the likelier it is skin in the fringe's shade.
    lower = np.clip((place.brows + 0.08 - place.up) / (place.brows + 0.02), 0, 1)
    odds = np.where(_below_fringe(place, share), by_colour - 1.5 - 4 * lower, odds)
    share = _settled(odds, seen)
    below = _against_clothes(place, share)
    # Where no clothes are seen, the place alone says it.
    against = 8 if seen.on_clothes is None else hair - seen.on_clothes
    share = np.minimum(share, _sigmoid(against + below) * person)
    # Gleams on fair hair look like skin: but beyond where hair begins no skin follows.
    met = _met_from_within(place, box_mean(share, RUN))
    begun = np.clip((met - 0.7) / 0.2, 0, 1) * person * ~seen.odd
    share = np.where(place.near | (place.up < 0.2), share, np.maximum(share, begun))
    return box_mean(share, 1)


def _settled(odds: np.ndarray, seen: _Seen) -> np.ndarray:
    """Shares of hair by the logarithm of its odds, where neighbours are likely to be alike.

    Mean field of an Ising model (Parisi 1988); what is no person's has no say.
    """
    share = _sigmoid(odds) * seen.person
    for _ in range(ROUNDS):
        around = 2 * box_mean(share, CLOSE) - seen.persons_near
        share = _sigmoid(odds + ALIKE * around) * seen.person
    return share


def _against_skin(place: _Place) -> np.ndarray:
    """Logarithm of how much likelier hair is than skin, by the place alone."""
    odds = np.where(place.near, -1.5, np.where(place.up > 0.1, 0.0, 0.5))
    neck = ~place.face & (place.up < -0.45) & (np.abs(place.aside) < 0.42)
    return np.where(place.face & (place.up < place.brows + 0.08), -30.0, odds - 6.5 * neck)


def _below_fringe(place: _Place, share: np.ndarray) -> np.ndarray:
    """Where brows may be covered: below what is hair all the way from above, down to the lids."""
    columns = np.clip(((place.aside + 1) * 25).astype(int), 0, 50)
    strip = (place.up > place.brows + 0.08) & (place.up < place.brows + 0.16)
    sums, counts = (
        np.bincount(columns[strip], weights, minlength=51) for weights in (share[strip], None)
    )
    covered = sums / np.maximum(counts, 1) > 0.6
    within = place.face & (place.up < place.brows + 0.08) & (place.up > 0.06)
    return within & covered[columns]


def _met_from_within(place: _Place, share: np.ndarray) -> np.ndarray:
    """The largest share on the way from the bridge of the nose to each place, `[256, 256]`."""
    order, steps = place.outwards
    found = np.empty(share.size)
    found[order] = np.maximum.accumulate(share.ravel()[order] + steps) - steps
    return found.reshape(share.shape)


def _against_clothes(place: _Place, share: np.ndarray) -> np.ndarray:
    """The same against clothes: only long hair, seen beside the cheeks, goes on below the chin."""
    odds = np.interp(place.up, [-1.5, -1.1, -0.7, -0.3, 0.0], [-3.0, -1.5, 1.0, 8.0, 30.0])
    width = np.abs(place.aside)
    cheeks = (place.up > -0.5) & (place.up < -0.15) & (width > 0.36)
    for side in (place.aside < 0, place.aside >= 0):
        beside = side & cheeks & (width < 0.5)
        found = share[side & cheeks & (width < 0.75)].sum() / max(beside.sum(), 1)
        if found < 0.35:
            odds = np.where(side & (place.up < -0.4), -20.0, odds)
    return odds


def _colours(rgb: np.ndarray, light: np.ndarray) -> np.ndarray:
    """What tells hair from skin, `[256, 256, 3]`: light, redness and yellowness, evened."""
    values = rgb.astype(np.float32) / 255
    total = values.sum(-1) + 0.15
    red, yellow = values[..., 0] - values[..., 1], values[..., 1] - values[..., 2]
    return np.stack([0.6 * np.log(light + 0.08), 4 * red / total, 4 * yellow / total], axis=-1)


@dataclass(frozen=True, eq=False)
class _Gaussian:
    """How colours `[..., 3]` are spread."""

    mean: np.ndarray  # [3]
    covariance: np.ndarray  # [3, 3]

    @classmethod
    def of(cls, colours: np.ndarray, where: np.ndarray) -> _Gaussian:
        chosen = colours[where]
        mean = chosen.mean(0)
        away = chosen - mean
        return cls(mean, away.T @ away / max(len(away), 1) + 0.003 * np.eye(3))

    def wider(self, light: float, red: float = 0.0, yellow: float = 0.0) -> _Gaussian:
        """With larger variances."""
        return _Gaussian(self.mean, self.covariance + np.diag([light, red, yellow]))

    def log_density(self, colours: np.ndarray) -> np.ndarray:
        root = np.linalg.cholesky(np.linalg.inv(self.covariance)).astype(np.float32)
        a, b, c = np.moveaxis((colours - self.mean.astype(np.float32)) @ root, -1, 0)
        return -0.5 * (a * a + b * b + c * c + np.log(np.linalg.det(self.covariance)))


def _two_densities(colours: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Logarithm of a mixture of two Gaussians, of the darker and the lighter half."""
    middle = np.median(colours[..., 0][where])
    halves = where & (colours[..., 0] <= middle), where & (colours[..., 0] >= middle)
    dark, light = (_Gaussian.of(colours, half).log_density(colours) for half in halves)
    return np.logaddexp(dark, light) - np.log(2)


def box_mean(layer: np.ndarray, radius: int) -> np.ndarray:
    """Means over squares of 2 * radius + 1, the edges mirrored, of `[S, S]` or `[S, S, C]`."""
    length = 2 * radius + 1
    pad = [(radius + 1, radius)] * 2 + [(0, 0)] * (layer.ndim - 2)
    total = np.pad(layer.astype(np.float64), pad, mode="symmetric").cumsum(0).cumsum(1)
    rows = total[length:] - total[:-length]
    return (rows[:, length:] - rows[:, :-length]) / length**2


def filled(points: np.ndarray) -> np.ndarray:
    """Which pixels lie in a polygon `[N, 2]`, `[256, 256]`."""
    image = Image.new("L", (HEAD_SIDE, HEAD_SIDE))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in points], fill=255)
    return np.asarray(image) > 0


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
