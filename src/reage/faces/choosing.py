"""The faces of a photo that are to be edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from reage.errors import FaceError
from reage.faces.detection import FaceDetector
from reage.faces.face import NO_FACE_HELP, Face, check_points, left_to_right, select_faces

__all__ = ["choose_faces"]


def choose_faces(
    detector: FaceDetector,
    rgb: np.ndarray,
    numbers: Sequence[int],
    which: Literal["largest", "all"] | int,
    points: np.ndarray | None,
    name: str,
) -> dict[int, Face]:
    """Return the faces with these numbers, else those of `which`, or the one at `points` `[5, 2]`.

    Numbers run from left to right. FaceError calls the picture `name`.
    """
    if points is not None:
        if list(numbers) not in ([], [1]):
            raise FaceError(f"the points give face 1, not {numbers[-1]}; ask for an age of face 1")
        height, width = rgb.shape[:2]
        check_points(points, width, height)
        return {1: Face.from_points(points)}
    faces = detector.detect(rgb, all_ways_up=True)
    if not faces:
        raise FaceError(
            f"no face found in {name}; {NO_FACE_HELP}, or give its five points with "
            '--points "x,y x,y x,y x,y x,y"'
        )
    if numbers:
        return {number: select_faces(faces, number)[0] for number in numbers}
    picked = select_faces(faces, which)
    numbered = enumerate(left_to_right(faces), 1)
    return {n: face for n, face in numbered if any(face is p for p in picked)}
