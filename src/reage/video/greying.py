"""Somebody's hair, followed through a segment and turned grey in its Y'CbCr samples."""

from __future__ import annotations

import numpy as np

from reage.compositing.bands import enlarged, turned
from reage.compositing.hair.greying import COLOUR, turned_grey
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

__all__ = ["HairFollower", "grey_planes"]

EVERY = 6  # frames after which hair is looked for again, and over which it goes on to what is found


class HairFollower:
    """The hair of one person in the frames of one segment, which come in order."""

    def __init__(self, editor: Editor, share: float, known: Hair | None = None):
        self.editor, self.share = editor, share
        self.known = known  # found in another frame, until it is found here
        self._seen = 0  # frames until now
        self._before: Hair | None = None
        self._latest: Hair | None = None

    def paint(self, planes: Planes, seen: Planes, points: np.ndarray, weight: float) -> None:
        """Turn the hair grey in a frame, looking for it in the same frame as it was `seen`.

        `points` `[5, 2]` are the face's, `weight` is 0..1.
        """
        quad = face_quad(points, HEAD_SCALE, HEAD_SHIFT)
        at = self._seen % EVERY
        self._seen += 1
        if at == 0 or self._latest is None:
            found = self._find(seen, points, quad) or self._latest or self.known
            self._before, self._latest = self._latest or found, found
        if self._before is None or self._latest is None:
            return
        hair = blended(self._before, self._latest, (at + 1) / EVERY, quad)
        grey_planes(planes, hair, self.share * weight)

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


def grey_planes(planes: Planes, hair: Hair, amount: float) -> None:
    """Turn a share `amount` (0..1) of the hair in a frame grey, in place."""
    luma, *colours = planes.layers
    x0, y0, x1, y1 = hair.region(luma.shape)
    # Whole samples of colour, each of which lies over two by two of light.
    x0, y0, x1, y1 = x0 // 2 * 2, y0 // 2 * 2, (x1 + 1) // 2 * 2, (y1 + 1) // 2 * 2
    width, height = x1 - x0, y1 - y0
    if amount <= 0 or min(width, height) <= 0:
        return
    region = (x0, y0, x1, y1)
    layers = [
        enlarged(turned(layer, hair.quad, region), (0, height), width, height)
        for layer in hair.layers
    ]
    start, span = (0.0, 255.0) if planes.full_range else (16.0, 219.0)
    target = luma[y0:y1, x0:x1]
    light = (target - np.float32(start)) / np.float32(span)
    share, shown = turned_grey(light, hair, layers, amount)
    light += share * (shown - light)
    np.copyto(target, np.clip(np.rint(start + span * light), 0, 255), casting="unsafe")
    fading = share.reshape(height // 2, 2, width // 2, 2).mean((1, 3)) * (1 - COLOUR)
    for plane in colours:
        part = plane[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
        values = 128 + (part - np.float32(128)) * (1 - fading)
        np.copyto(part, np.rint(values), casting="unsafe")
