"""Follow a person's hair through a segment of a video."""

from __future__ import annotations

import numpy as np

from reage.compositing.hair.mask import HEAD_SIDE, PERSON_SIDE
from reage.compositing.hair.segmentation import WINDOWS, Hair, blended, find_hair, others_in
from reage.compositing.planes import Planes, sample_inside, sample_rgb
from reage.editor import Editor
from reage.faces.face import Face
from reage.faces.squares import FaceCrop, face_quad, from_unit, quad_side, to_unit

__all__ = ["HairFollower"]

EVERY = 6  # frames between two hair segmentations, and of the blend from one to the next


class HairFollower:
    """Follows the hair of one person through the frames of one segment, in order."""

    def __init__(self, editor: Editor, known: Hair | None = None):
        self.editor = editor
        self.known = known  # found in another frame, until it is found here
        self._seen = 0  # frames until now
        self._before: Hair | None = None
        self._latest: Hair | None = None

    def at(self, seen: Planes, points: np.ndarray) -> Hair | None:
        """Return the hair of the face with `points` `[5, 2]` in the next frame `seen`."""
        at = self._seen % EVERY
        self._seen += 1
        if at == 0 or self._latest is None:
            found = self._find(seen, points) or self._latest or self.known
            self._before, self._latest = self._latest or found, found
        if self._before is None or self._latest is None:
            return None
        window = self._latest.window
        quad = face_quad(points, window.scale, window.shift)
        return blended(self._before, self._latest, (at + 1) / EVERY, quad)

    def _find(self, planes: Planes, points: np.ndarray) -> Hair | None:
        face = self._face(planes, points)
        if face is None:
            return None

        def cut(quad: np.ndarray) -> FaceCrop:
            shown = sample_inside(planes, quad, HEAD_SIDE)
            return FaceCrop(sample_rgb(planes, quad, HEAD_SIDE), shown, quad, HEAD_SIDE)

        wide = face_quad(points, 2 * WINDOWS[0].scale, WINDOWS[0].shift)
        around = sample_rgb(planes, wide, PERSON_SIDE)
        others = others_in(around, wide, face.points, self.editor.detector)
        # One window for a segment: between two of them hair could not be blended.
        known = self._latest or self.known
        windows = WINDOWS if known is None else (known.window,)
        return find_hair(cut, face, self.editor.hair_finders, others, windows)

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
