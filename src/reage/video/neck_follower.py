"""Age the neck over a segment of a video, steadily."""

from __future__ import annotations

import numpy as np

from reage.compositing.bands import LUMA
from reage.compositing.boxed_face import BoxedFace
from reage.compositing.cover import Cover
from reage.compositing.detail_removal import NECK_LIMITS
from reage.compositing.detail_transfer import LaidSkin, laid_size, scale_of
from reage.compositing.neck import (
    CORDS,
    PORES,
    bare_skin,
    deepen,
    inside_neck,
    neck_skin,
    soften,
)
from reage.compositing.planes import Planes, sample_inside, sample_luma, sample_rgb
from reage.compositing.skin_mask import LOG_OFFSET
from reage.compositing.smoothing import masked_gaussian
from reage.faces.sampling import interpolate
from reage.faces.squares import face_quad, outline_of, pixels_within, quad_side, to_unit
from reage.video.skin_follower import EVERY, TrackSkin

__all__ = ["NeckFollower"]

SQUARE = 1.0, 1.38  # scale and shift of the square from the cheeks to the chest
SMALLEST, LARGEST = 96, 320  # its pixels: a frame's, but for large faces
LEAST = 0.02  # of the skin: where less of it is seen, nothing is changed
# Log-luminance: of the finest texture of clean film. Noise has more. It would flicker if it were
# deepened like lines, so it widens what counts as pores, up to so much.
GRAIN, COARSEST = 0.01, 3.0
HAIR_DARKER = 0.05  # than the skin around: hairs in the square, which is small
SURE = 0.7  # of the skin, whose noise counts


class NeckFollower:
    """Changes the neck of one person in the frames of one segment, in order.

    A neck does not move with the face's mesh, so its lines are found in each frame, where they
    are. What is skin is looked at in every sixth frame, in a square that turns with the head, and
    blended: it must not flicker.
    """

    def __init__(self, skin: TrackSkin):
        self.skin = skin
        self._seen = 0  # frames until now
        self._side = 0  # of the square, pixels, as in the first frame
        self._before: np.ndarray | None = None  # [side, side] where there is skin, 0..1
        self._latest: np.ndarray | None = None

    def at(
        self, seen: Planes, points: np.ndarray, mesh: np.ndarray, cover: Cover | None = None
    ) -> tuple[LaidSkin, LaidSkin] | None:
        """Return what the neck below a face gains and loses in the next frame; None without one.

        `points` `[5, 2]` and the mesh `[468, 2]` are the face's. Nothing lies on the `cover`.
        """
        at = self._seen % EVERY
        self._seen += 1
        share = np.float32(scale_of(mesh, self.skin.aged.canonical)[1])
        if not share:
            return None
        quad = face_quad(points, *SQUARE)
        self._side = side = self._side or int(np.clip(quad_side(quad), SMALLEST, LARGEST))
        face = _square_face(seen, quad, side, mesh, self.skin.aged.canonical)
        if at == 0 or self._latest is None:
            found = _find_skin(face, seen, quad)
            self._before = found if self._latest is None else self._latest
            self._latest = found
        assert self._before is not None
        skin = self._before + np.float32((at + 1) / EVERY) * (self._latest - self._before)
        skin = share * skin * inside_neck(face)
        if (quad < 0).any() or (quad > np.array(seen.layers[0].shape[::-1]) - 1).any():
            skin = skin * sample_inside(seen, quad, side)
        if cover is not None:
            skin = skin * (1 - cover.within(quad, side))
        return self._lay(face, skin, quad, seen.layers[0].shape)

    def _lay(
        self, face: BoxedFace, skin: np.ndarray, quad: np.ndarray, shape: tuple[int, ...]
    ) -> tuple[LaidSkin, LaidSkin] | None:
        """Find the neck's lines where there is `skin` `[side, side]`, and lay them over a frame."""
        side = len(skin)
        rows, columns = (np.flatnonzero(skin.max(axis) > LEAST) for axis in (1, 0))
        if not rows.size:
            return None
        ends = [(line[0], line[-1] + 1) for line in (columns, rows)]
        units = np.array([[x, y] for x in ends[0] for y in ends[1]]) / side
        box = pixels_within(quad, units, shape)
        if box[0] >= box[2] or box[1] >= box[3]:
            return None
        low = [max(0, int(end[0] - CORDS * face.side)) for end in ends]
        part = slice(low[1], None), slice(low[0], min(side, int(ends[0][1] + CORDS * face.side)))
        light, free = np.log(face.layers[0][part] + np.float32(LOG_OFFSET)), skin[part]
        weight = np.clip(free, 1e-3, 1)

        def smooth(plane: np.ndarray, sigma: float) -> np.ndarray:
            return masked_gaussian(plane, weight, sigma * face.side)

        fine = light - smooth(light, PORES)
        noise = _noise(fine, free)
        if noise > GRAIN:
            fine = light - smooth(light, PORES * min(noise / GRAIN, COARSEST))
        corners = to_unit(outline_of(box), quad) * side - 0.5 - low
        none = np.zeros((1, 1), np.float32)

        def lay(change: np.ndarray) -> np.ndarray:
            return interpolate(free * change, corners, laid_size(box))

        older = none
        if self.skin.gains:
            bare = bare_skin(light, smooth, face.side, HAIR_DARKER)
            older = lay(bare * deepen(light, fine, smooth))
        younger = lay(soften(light, fine, smooth)) if self.skin.loses else none
        return LaidSkin(box, older, none), LaidSkin(box, younger, none, NECK_LIMITS, below=True)


def _square_face(
    seen: Planes, quad: np.ndarray, side: int, mesh: np.ndarray, canonical: np.ndarray
) -> BoxedFace:
    """Return a face and its mesh in a square of a frame, in grey."""
    start, span = (0, 255) if seen.full_range else (16, 219)
    light = (sample_luma(seen.layers[0], quad, side) - np.float32(start)) / np.float32(span)
    layers = np.broadcast_to(np.clip(light, 0, 1), (3, side, side))
    local = to_unit(mesh, quad) * side - 0.5
    return BoxedFace((0, 0, side, side), layers, local, canonical, np.float32(1), side)


def _find_skin(face: BoxedFace, seen: Planes, quad: np.ndarray) -> np.ndarray:
    """Return where the colours, the light and the grain are a face's skin's, `[side, side]`."""
    rgb = np.moveaxis(sample_rgb(seen, quad, face.rows), 2, 0) / np.float32(255)
    logs = np.log(rgb + np.float32(LOG_OFFSET))
    light = np.tensordot(LUMA, logs, 1)
    return neck_skin(face, light, logs - light, np.float32(1))


def _noise(fine: np.ndarray, skin: np.ndarray) -> float:
    """Return the standard deviation of the finest texture on `skin`, but for lines and edges."""
    sure = skin > SURE
    return 1.48 * float(np.median(np.abs(fine[sure]))) if sure.any() else 0.0
