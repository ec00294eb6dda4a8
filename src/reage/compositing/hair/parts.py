"""The kinds of hair on a head: on the skull, brows and beard; how each turns grey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reage.compositing.hair.beards import like_hair
from reage.compositing.hair.facial import Matte, brows_in, pale_brows_in, side_light
from reage.compositing.hair.mask import Head, grey_places, greyness, redness
from reage.compositing.hair.regions import CHIN, TOP, box_mean, within_hair

__all__ = [
    "SMOOTH",
    "Part",
    "brows_on_face",
    "dark_beard_on_face",
    "grey_beard_on_face",
    "hair_on_head",
    "mixed",
    "with_tufts",
]

SMOOTH = 3  # places: of the guided filter, and between two kinds of hair
SHADING = 0.45  # power of the hair's own shading that is left when it is white
TEMPLES = [21, 162, 251, 389]  # of MediaPipe's mesh
FAR = 0.8  # heights of the face from there, where hair turns grey last
BEARD_LATE, BEARD_INNER, BEARD_WHITE = 0.1, 0.4, 0.76  # skin shows between its hairs
DARK_BEARD_INNER, DARK_BEARD_WHITE, SALT = 0.8, 1.15, 2.5
BROWS_LATE, BROWS_WHITE = 1.6, 0.75
BROWS_FADED = 0.5  # of grey hair's colour, that dark brows get
TUFTS, NEAR, SURE = 0.06, 6.0, 0.9  # heights of the face around hair; where hair is certain
BESIDE = 0.1, 0.2  # heights of the face above the eyes: foreheads gleam as grey hair does
HALF_GREY = 4.0  # by how far hair is grey: from a fourth on all of it can get its colour back
ALREADY = 6.0  # when hair that is grey turns grey: beyond all that is asked


@dataclass(frozen=True, eq=False)
class Part:
    """Hair of one kind; see `Hair`."""

    share: np.ndarray  # [S, S] how much of each pixel it is
    weight: np.ndarray  # [S, S] where there may be some
    shading: np.ndarray
    late: np.ndarray | float
    strands: float
    faded: np.ndarray | float = 0.0
    inner: np.ndarray | float = 1.0


def with_tufts(head: Head) -> Head:
    """Return the same with grey hair beside the ears and at the edges that the network missed.

    In a younger face it would stay white beside dark hair.
    """
    if greyness(head, head.share) == 0:
        return head
    reach = round(TUFTS * float(np.hypot(*(head.mesh[TOP] - head.mesh[CHIN]))))
    near = np.clip(NEAR * box_mean(box_mean(head.share, reach), reach), 0, 1)
    beside = np.clip((BESIDE[1] - head.places.up) / (BESIDE[1] - BESIDE[0]), 0, 1)
    near = near * beside * head.person * ~head.places.face
    found = near * like_hair(head.rgb, head.mesh, head.share > SURE)
    return replace(head, share=np.maximum(head.share, found))


def hair_on_head(head: Head, around: np.ndarray, beside: np.ndarray) -> Part:
    """Hair on the skull; `beside` `[S, S]` is how far a pixel is from other hair, 0..1."""
    grey = greyness(head, head.share)
    late = ALREADY if grey == 1 else _late_from_temples(head)
    weight, shading = head.share * beside, _shading(head, head.share, around)
    inner = within_hair(head.share)
    return Part(head.share, weight, shading, late, 1.0, _faded_places(head), inner)


def grey_beard_on_face(head: Head, around: np.ndarray) -> Part:
    """Grey beard and moustache; what of them is dark turns grey as the temples do."""
    late = ALREADY if greyness(head, head.beard) == 1 else BEARD_LATE
    shading = BEARD_WHITE * _shading(head, head.beard, around)
    return Part(head.beard, head.beard, shading, late, 1.0, 1.0, BEARD_INNER)


def dark_beard_on_face(head: Head, matte: Matte, skin: float) -> Part:
    """Beard, moustache and stubble that turn grey as the temples do.

    By the light of the skin below: in the shade, white hair is no lighter than that.
    """
    shading = DARK_BEARD_WHITE * matte.lit / skin
    share, faded = matte.share(head.light), head.beard  # dark hairs of a grey beard get darker, too
    return Part(share, matte.weight, shading, BEARD_LATE, SALT, faded, DARK_BEARD_INNER)


def _shading(head: Head, share: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Return how light white hair is `[S, S]` by its mean, where it has the light `around`."""
    # White hair in the shadow is no lighter than skin there, which its own light says once more.
    side = side_light(head.light, head.mesh)
    shading = (np.maximum(around, 0.02) / side) ** SHADING
    return side * shading / float(np.average(shading, weights=share + 1e-3))


def _faded_places(head: Head) -> np.ndarray:
    """How much of the head's hair can get its colour back, `[S, S]` in 0..1."""
    return np.maximum(grey_places(head, head.share), _faded(greyness(head, head.share)))


def _faded(grey: float) -> float:
    """How much of hair can get its colour back, 0..1, by how `grey` it is."""
    return min(HALF_GREY * grey, 1.0)


def brows_on_face(head: Head, skin: float) -> Iterator[tuple[Matte, Part]]:
    """Brows, by the light of the brighter `skin`."""
    free, faded = (1 - head.share) * head.person, _faded(greyness(head, head.share))
    dark = brows_in(head.light, head.mesh)
    found = [(dark, free, BROWS_LATE, BROWS_FADED * faded)]
    if faded > 0:  # brows turn grey after the hair: of somebody with dark hair, none is white
        pale = pale_brows_in(head.light, redness(head), head.mesh, dark)
        # By the dark ones, what is lighter than skin is less than no hair.
        rest = replace(dark, weight=dark.weight * (1 - faded * pale.weight))
        found = [(rest, free, BROWS_LATE, BROWS_FADED * faded), (pale, free * faded, ALREADY, 1.0)]
    for whole, certain, late, coloured in found:
        matte = whole.within(certain)
        share, shading = matte.share(head.light), BROWS_WHITE * matte.lit / skin
        yield matte, Part(share, matte.weight, shading, late, 0.0, coloured)


def mixed(parts: Sequence[Part], values: Sequence[np.ndarray | float]) -> np.ndarray:
    """Values `[S, S]` of the parts where they are, and between them."""
    weights = [box_mean(part.weight, SMOOTH) + 1e-4 for part in parts]
    total = np.sum([w * v for w, v in zip(weights, values, strict=True)], axis=0)
    return total / np.sum(weights, axis=0)


def _late_from_temples(head: Head) -> np.ndarray:
    """Hair turns grey at the temples first, 0, and on the crown and at its ends last, 1."""
    side = len(head.light)
    y, x = np.mgrid[:side, :side]
    height = np.hypot(*(head.mesh[TOP] - head.mesh[CHIN]))
    away = np.min([np.hypot(x - at[0], y - at[1]) for at in head.mesh[TEMPLES]], axis=0)
    return np.clip(away / (FAR * height), 0, 1)
