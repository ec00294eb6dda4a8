"""The kinds of hair on a head: on the skull, brows and beard; how each turns grey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reage.compositing.hair.facial import Matte, beard_of, brows_in, pale_brows_in, side_light
from reage.compositing.hair.mask import Head, greyness
from reage.compositing.hair.regions import CHIN, TOP, box_mean

__all__ = ["SMOOTH", "Part", "facial_hair", "hair_on_head", "mixed"]

SMOOTH = 3  # places: of the guided filter, and between two kinds of hair
SHADING = 0.45  # power of the hair's own shading that is left when it is white
TEMPLES = [21, 162, 251, 389]  # of MediaPipe's mesh
FAR = 0.8  # heights of the face from there, where hair turns grey last
BEARD_LATE, BEARD_WHITE = 0.1, 1.05
BROWS_LATE, BROWS_WHITE = 1.6, 0.75
BROWS_FADED = 0.35  # of grey hair's colour, that dark brows get
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
    faded: float = 0.0


def hair_on_head(head: Head, around: np.ndarray, beside: np.ndarray) -> Part:
    """Hair on the head; `beside` `[S, S]` is how far a pixel is from facial hair, 0..1."""
    mean = float((head.light * head.share).sum() / max(head.share.sum(), 1e-6))
    shading = (np.maximum(around, 0.02) / max(mean, 0.02)) ** SHADING
    # White hair in the shadow is no lighter than skin there.
    shading = shading * side_light(head.light, head.mesh)
    late = ALREADY if greyness(head) == 1 else _late_from_temples(head)
    return Part(head.share, head.share * beside, shading, late, 1.0, _faded(head))


def _faded(head: Head) -> float:
    """How much of a head's hair can get its colour back, 0..1."""
    return min(HALF_GREY * greyness(head), 1.0)


def facial_hair(head: Head, skin: float) -> Iterator[tuple[Matte, Part]]:
    """Brows and beard, by the light of the brighter `skin`."""
    free, faded = (1 - head.share) * head.person, _faded(head)
    found = [(brows_in(head.light, head.mesh), 1.0, BROWS_WHITE, BROWS_LATE, BROWS_FADED * faded)]
    if faded > 0:  # brows turn grey after the hair: of somebody with dark hair, none is white
        pale = pale_brows_in(head.light, head.mesh)
        found.append((pale, faded, BROWS_WHITE, ALREADY, 1.0))
    if head.beard > 0:
        found.append((beard_of(head.light, head.mesh), head.beard, BEARD_WHITE, BEARD_LATE, 0.0))
    for whole, certain, white, late, coloured in found:
        matte = replace(whole, weight=whole.weight * free * certain)
        share, shading = matte.share(head.light), white * matte.lit / skin
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
