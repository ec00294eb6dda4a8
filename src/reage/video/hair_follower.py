"""Follow a person's hair through a segment of a video."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reage.compositing.cover import Cover
from reage.compositing.hair.mask import HEAD_SIDE, PERSON_SIDE
from reage.compositing.hair.segmentation import (
    WINDOWS,
    Hair,
    blended,
    find_hair,
    others_in,
    widened,
)
from reage.compositing.planes import Planes, sample_inside, sample_rgb
from reage.compositing.smoothing import resize_plane
from reage.editor import Editor
from reage.faces.face import Face
from reage.faces.squares import FaceCrop, face_quad, from_unit, quad_side, to_unit

__all__ = ["HairFollower"]

EVERY = 6  # frames between two hair segmentations, and of the blend from one to the next
# Something that came before the hair, or left it: places of a small picture of the head that change
# by so many levels, and the share of the hair in which they do.
SMALL, LEVELS, MOVED = 48, 40.0, 0.02


class HairFollower:
    """Follows the hair of one person through the frames of one segment, in order.

    Hair is found in every sixth frame, and at once where a hand or another thing comes before it.
    """

    def __init__(self, editor: Editor, known: Hair | None = None):
        self.editor = editor
        self.known = known  # found in another frame, until it is found here
        self._seen = 0  # frames until now
        self._before: Hair | None = None
        self._latest: Hair | None = None
        self._head: np.ndarray | None = None  # [S, S, 3] the head when it was found

    def at(self, seen: Planes, points: np.ndarray, cover: Cover | None = None) -> Hair | None:
        """Return the hair of the face with `points` `[5, 2]` in the next frame `seen`.

        What is in the `cover` is no hair.
        """
        at = self._seen % EVERY
        self._seen += 1
        changed = self._changed(seen, points)
        if at == 0 or changed or self._latest is None:
            found = self._find(seen, points, cover) or self._latest or self.known
            before = found if changed else self._latest or found
            self._before = _in_window_of(before, found, points)
            self._latest = found
            self._head = None if found is None else self._picture(seen, points, found)
        if self._before is None or self._latest is None:
            return None
        quad = _square(points, self._latest)
        hair = blended(self._before, self._latest, (at + 1) / EVERY, quad)
        return hair if cover is None else hair.without(cover)

    def _changed(self, seen: Planes, points: np.ndarray) -> bool:
        """Return whether the hair looks otherwise than when it was found."""
        hair = self._latest
        if hair is None or self._head is None:
            return False
        share = np.clip(hair.slope * hair.around + hair.offset, 0, 1)
        there = resize_plane(share, (SMALL, SMALL)) > 0.5
        change = np.abs(self._picture(seen, points, hair) - self._head).mean(-1)
        return bool((change[there] > LEVELS).sum() > MOVED * there.sum())

    def _picture(self, seen: Planes, points: np.ndarray, hair: Hair) -> np.ndarray:
        return sample_rgb(seen, _square(points, hair), SMALL).astype(np.float32)

    def _find(self, planes: Planes, points: np.ndarray, cover: Cover | None) -> Hair | None:
        face = self._face(planes, points)
        if face is None:
            return None

        def cut(quad: np.ndarray) -> FaceCrop:
            shown = sample_inside(planes, quad, HEAD_SIDE)
            return FaceCrop(sample_rgb(planes, quad, HEAD_SIDE), shown, quad, HEAD_SIDE)

        wide = face_quad(points, 2 * WINDOWS[0].scale, WINDOWS[0].shift)
        around = sample_rgb(planes, wide, PERSON_SIDE)
        others = others_in(around, wide, face.points, self.editor.detector)
        # Never a smaller window than before: it would change to and fro. Hair that goes on beyond
        # that one, as the camera moves away, needs a larger one.
        known = self._latest or self.known
        first = 0 if known is None else WINDOWS.index(known.window)
        return find_hair(cut, face, self.editor.hair_finders, others, WINDOWS[first:], cover)

    def _face(self, planes: Planes, points: np.ndarray) -> Face | None:
        """Read the mesh of the face with these points in a small square around it."""
        quad = face_quad(points, WINDOWS[0].scale, WINDOWS[0].shift)
        rgb = sample_rgb(planes, quad, PERSON_SIDE)
        guess = Face.from_points(to_unit(points, quad) * PERSON_SIDE - 0.5)
        middle = (np.array(guess.box[:2]) + guess.box[2:]) / 2
        side = max(guess.box[2] - guess.box[0], guess.box[3] - guess.box[1])
        face = self.editor.detector.follow(rgb, middle, side, np.radians(guess.pose[2]))
        if face is None or face.landmarks is None:
            return None
        mesh = face.landmarks * (quad_side(quad) / PERSON_SIDE)
        mesh[:, :2] = from_unit((face.landmarks[:, :2] + 0.5) / PERSON_SIDE, quad)
        return Face.from_landmarks(mesh, face.score)


def _in_window_of(before: Hair | None, found: Hair | None, points: np.ndarray) -> Hair | None:
    """Return hair in the window of what was found after it: only so the two can be blended."""
    if before is None or found is None or before.window == found.window:
        return before
    there = replace(before, quad=_square(points, before))
    return widened(there, found, _square(points, found))


def _square(points: np.ndarray, hair: Hair) -> np.ndarray:
    """Return the square of the hair's window around a face with these points, `[4, 2]`."""
    return face_quad(points, hair.window.scale, hair.window.shift)
