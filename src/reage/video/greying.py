"""Somebody's hair, followed through a segment and turned grey in its Y'CbCr samples."""

from __future__ import annotations

import numpy as np

from reage.compositing.hair.regions import HEAD_SIDE
from reage.compositing.hair.segmentation import (
    HEAD_SCALE,
    HEAD_SHIFT,
    Hair,
    blended,
    find_hair,
    others_in,
)
from reage.compositing.planes import Planes, sample_luma, sample_rgb
from reage.editor import Editor
from reage.faces.face import Face
from reage.faces.squares import FaceCrop, face_quad, outline_of, to_unit

__all__ = ["HairFollower"]

EVERY = 6  # frames after which hair is looked for again, and over which it goes on to what is found


class HairFollower:
    """The hair of one person in the frames of one segment, which come in order."""

    def __init__(self, editor: Editor, known: Hair | None = None):
        self.editor = editor
        self.known = known  # found in another frame, until it is found here
        self._seen = 0  # frames until now
        self._before: Hair | None = None
        self._latest: Hair | None = None

    def at(self, seen: Planes, points: np.ndarray) -> Hair | None:
        """The hair of the face with `points` `[5, 2]` in the next frame, as that is `seen`."""
        quad = face_quad(points, HEAD_SCALE, HEAD_SHIFT)
        at = self._seen % EVERY
        self._seen += 1
        if at == 0 or self._latest is None:
            found = self._find(seen, points, quad) or self._latest or self.known
            self._before, self._latest = self._latest or found, found
        if self._before is None or self._latest is None:
            return None
        return blended(self._before, self._latest, (at + 1) / EVERY, quad)

    def _find(self, planes: Planes, points: np.ndarray, quad: np.ndarray) -> Hair | None:
        rgb = sample_rgb(planes, quad, HEAD_SIDE)
        shown = sample_luma(np.full_like(planes.layers[0], 255), quad, HEAD_SIDE) / 255
        there = to_unit(points, quad) * HEAD_SIDE - 0.5
        guess = Face.from_points(there)
        middle = (np.array(guess.box[:2]) + guess.box[2:]) / 2
        side = max(guess.box[2] - guess.box[0], guess.box[3] - guess.box[1])
        face = self.editor.detector.follow(rgb, middle, side, np.radians(guess.pose[2]))
        if face is None:
            return None
        # The square is taken for a photo of its own: all places are in its pixels.
        head = FaceCrop(rgb, shown, outline_of((0, 0, HEAD_SIDE, HEAD_SIDE)), HEAD_SIDE)
        around = sample_rgb(planes, face_quad(points, 2 * HEAD_SCALE, HEAD_SHIFT), HEAD_SIDE)
        wide = face_quad(there, 2 * HEAD_SCALE, HEAD_SHIFT)
        others = others_in(around, wide, there, self.editor.detector)
        return find_hair(head, face, self.editor.person_finder, others)
