"""Carry the detail of skin over a segment of a video, still on the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from reage.agers.base import Ager, PreparedFace
from reage.agers.children import childhood_of, shaving
from reage.agers.skin import SkinAger
from reage.compositing.beard_removal import lay_shave
from reage.compositing.boxed_face import HALF, BoxedFace
from reage.compositing.cover import Cover
from reage.compositing.detail_removal import as_laid, remove_age
from reage.compositing.detail_transfer import (
    MASK_SIDE,
    AgedSkin,
    LaidSkin,
    box_around,
    detail_gains,
    laid_size,
    scale_of,
    visible_skin,
)
from reage.compositing.lips import pale_lips
from reage.compositing.mesh_warp import FRAME, carry_back, carry_to_frame, warp_from_frame
from reage.compositing.planes import Planes, region_rgb
from reage.compositing.smoothing import resize_plane
from reage.faces.squares import outline_of
from reage.models.pretrained import load_beard_removal, load_skin_removal

__all__ = ["SkinFollower", "TrackSkin", "choose_skin"]

EVERY = 6  # frames between two looks at the skin, and of the blend from one to the next
SMALL = 4  # times that the canonical face is shrunk where skin is told from what covers it

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class TrackSkin:
    """The detail that one person's skin gains and loses, the same in every frame."""

    aged: AgedSkin
    gains: bool  # old skin's detail, at some time
    loses: bool  # the face's own
    shaves: bool = False  # whether it is ever a child's
    folder: Path | None = None  # of skin detail, which may hold its own removal networks

    @cached_property
    def detail(self) -> np.ndarray:
        """The detail of old skin on the canonical face, `[h, w]` log-luminance."""
        return self.aged.wrinkles + self.aged.folds


def choose_skin(
    ager: Ager, face: PreparedFace, own: float, wanted: Sequence[float]
) -> TrackSkin | None:
    """Choose a person's detail by their best key frame, for all wanted ages; None without any."""
    landmarks = face.view.face.landmarks
    if not isinstance(ager, SkinAger) or face.pixels is None or landmarks is None:
        return None
    gains, losses = zip(*(detail_gains(own, age) for age in wanted), strict=True)
    aged = ager.skin_for(face, face.pixels, landmarks)
    shown = [childhood_of(face).shown(own, age) for age in wanted]
    shaves = any(shaving(own, age) for age in shown)
    return TrackSkin(aged, any(gains), any(losses), shaves, ager.bank.folder)


class SkinFollower:
    """Lays the detail over one person's face in the frames of one segment, in order.

    What covers the skin, and what is old in it, is looked at in every sixth frame, carried to
    the canonical face, and blended there: between looks the detail moves with the mesh alone.
    """

    def __init__(self, skin: TrackSkin):
        self.skin = skin
        self._seen = 0  # frames until now
        self._before: _Look | None = None
        self._latest: _Look | None = None

    def at(
        self, seen: Planes, mesh: np.ndarray, cover: Cover | None = None
    ) -> tuple[LaidSkin, LaidSkin] | None:
        """Return the detail to add and to remove over the mesh `[468, 2]` in the next frame.

        None of it lies on what is in the `cover`.
        """
        at = self._seen % EVERY
        self._seen += 1
        box = box_around(mesh, seen.layers[0].shape)
        share = scale_of(mesh, self.skin.aged.canonical)[1]
        if box[0] >= box[2] or box[1] >= box[3] or not share:
            return None
        if at == 0 or self._latest is None:
            found = self._look(seen, mesh, box, cover)
            self._before, self._latest = self._latest or found, found
        assert self._before is not None
        look = self._before.blend(self._latest, np.float32((at + 1) / EVERY))
        return self._lay(look, mesh, box, np.float32(share), cover)

    def shave(self, seen: Planes, mesh: np.ndarray, cover: Cover | None) -> LaidSkin | None:
        """Return what takes the beard off in a frame.

        Each frame is looked at: single hairs are too fine to be carried from one to the next.
        """
        box = box_around(mesh, seen.layers[0].shape)
        if not self.skin.shaves or box[0] >= box[2] or box[1] >= box[3]:
            return None
        rgb, low = region_rgb(seen, box), np.array(box[:2])
        boxed = BoxedFace.cut(rgb, mesh - low, self.skin.aged.canonical)
        if boxed is None:
            return None
        hidden = None
        if cover is not None:
            hidden = cover.within(outline_of(box), rgb.shape[1], rgb.shape[0])
        laid = lay_shave(boxed, load_beard_removal(self.skin.folder), hidden)
        if laid is None:
            return None
        x0, y0, x1, y1 = laid.box
        return replace(laid, box=(x0 + box[0], y0 + box[1], x1 + box[0], y1 + box[1]))

    def _look(self, seen: Planes, mesh: np.ndarray, box: Box, cover: Cover | None) -> _Look:
        skin, local = self.skin, mesh - [box[0], box[1]]
        rgb = region_rgb(seen, box)
        canonical = skin.aged.canonical
        height, width = rgb.shape[:2]
        factor = max(1.0, width / MASK_SIDE)
        size = (round(width / factor), round(height / factor))
        mask = skin.aged.mask[None]
        (face,) = warp_from_frame(mask, canonical, local, (0, 0, width, height), size)
        visible = visible_skin(rgb, face)
        (shown,) = carry_to_frame(visible[None], canonical, _scaled(local, factor), SMALL)
        boxed = BoxedFace.cut(rgb, local, canonical)
        if boxed is None:
            return _Look(shown, None, None)
        lips = pale_lips(boxed.frame, canonical) if skin.gains else None
        if not skin.loses:
            return _Look(shown, None, lips)
        *change, seen = remove_age(boxed.frame, canonical, load_skin_removal(skin.folder))
        return _Look(shown, np.stack(change) * seen, lips)

    def _lay(
        self,
        look: _Look,
        mesh: np.ndarray,
        box: Box,
        share: np.float32,
        cover: Cover | None,
    ) -> tuple[LaidSkin, LaidSkin]:
        """Lay what is known on the canonical face over a frame."""
        canonical, size = self.skin.aged.canonical, laid_size(box)
        half = _scaled(canonical, HALF)
        free = np.float32(1) if cover is None else 1 - cover.within(outline_of(box), *size)
        none = np.zeros((1, 1), np.float32)

        def back(layers: np.ndarray | None) -> np.ndarray | None:
            return (
                None if layers is None else free * share * carry_back(layers, half, mesh, box, size)
            )

        old, own, lips = none, back(look.own), back(look.lips)
        if self.skin.gains:
            detail = share * self.skin.detail * resize_plane(look.shown, FRAME)
            old = free * warp_from_frame(detail[None], canonical, mesh, box, size)[0]
        return (
            LaidSkin(box, old, none, colours=lips),
            LaidSkin(box, none, none) if own is None else as_laid(box, own),
        )


@dataclass(frozen=True, eq=False)
class _Look:
    """What was seen of the skin in one frame, on small canonical faces."""

    shown: np.ndarray  # [h, w] where skin is seen, 0..1
    own: np.ndarray | None  # [3, h, w] what makes it look young, of logarithms of colours
    lips: np.ndarray | None  # [3, h, w] what lips lose of their colour

    def blend(self, other: _Look | None, share: np.float32) -> _Look:
        """Return the look a share of the way to another."""
        if other is None or other is self:
            return self
        pairs = ((self.own, other.own), (self.lips, other.lips))
        own, lips = (None if a is None or b is None else a + share * (b - a) for a, b in pairs)
        return _Look(self.shown + share * (other.shown - self.shown), own, lips)


def _scaled(points: np.ndarray, factor: float) -> np.ndarray:
    """Return points in a picture shrunk by a factor; pixel centres are at integers."""
    return (points + 0.5) / factor - 0.5
