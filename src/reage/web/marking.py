"""Faces that the detector missed and a user marks by a box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reage.errors import UsageError
from reage.faces.detection import FaceDetector
from reage.faces.face import Face

__all__ = ["face_in_box"]

SMALLEST = 16.0  # pixels, side of a box that holds a face
AROUND = 1.5  # the square in which the mesh looks for a face, in boxes
# Where eyes, nose tip and mouth corners are in the box of an upright face: x, y of 0..1.
USUAL = np.array([[0.29, 0.36], [0.71, 0.36], [0.5, 0.58], [0.33, 0.76], [0.67, 0.76]])


def face_in_box(detector: FaceDetector, rgb: np.ndarray, box: Sequence[float]) -> Face:
    """Return the face in a box (x0, y0, x1, y1) of a photo `[H, W, 3]`.

    Reads the landmarks there; where none are found, takes the usual places in the box. Raises
    UsageError for a box that is too small or outside.
    """
    height, width = rgb.shape[:2]
    x0, x1 = np.clip(sorted((box[0], box[2])), 0, width).tolist()
    y0, y1 = np.clip(sorted((box[1], box[3])), 0, height).tolist()
    if min(x1 - x0, y1 - y0) < SMALLEST:
        raise UsageError(
            f"the box is too small for a face; draw it {SMALLEST:.0f} pixels or larger"
        )
    centre, side = np.array([(x0 + x1) / 2, (y0 + y1) / 2]), max(x1 - x0, y1 - y0)
    found = detector.follow(rgb, centre, side * AROUND, 0.0)
    if found is not None:
        return found
    return Face.from_points(np.array([x0, y0]) + USUAL * np.array([x1 - x0, y1 - y0]))
