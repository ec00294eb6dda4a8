"""Framing: the square around a face, and a photo cropped and shrunk with its faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from reage.agers.base import PreparedFace
from reage.faces.face import Face
from reage.images import Photo, as_srgb, photo_from_array

__all__ = ["face_square", "frame_photo", "frame_prepared"]

AROUND = 1.6  # side of the square, in FFHQ squares: head and shoulders

Box = tuple[int, int, int, int]  # left, top, width, height
Place = Callable[[np.ndarray], np.ndarray]  # points of the photo [N, 2] to points of its part


def face_square(face: Face, width: int, height: int, around: float = AROUND) -> Box:
    """Return the square around a face, moved and shrunk to lie within the photo."""
    x0, y0, x1, y1 = face.box
    side = max(int(min(face.size * around, width, height)), 1)
    left = int(np.clip((x0 + x1) / 2 - side / 2, 0, width - side))
    top = int(np.clip((y0 + y1) / 2 - side / 2, 0, height - side))
    return left, top, side, side


def frame_photo(
    photo: Photo, faces: Mapping[int, Face], size: int, *, whole: bool = False, even: bool = True
) -> tuple[Photo, dict[int, Face]]:
    """Crop a photo to its one chosen face (several, or `whole`: no crop) and shrink it.

    The longer side is then at most `size` pixels. With `even` both are, as films need it; without,
    a photo that is small enough keeps its pixels. Moves the faces along. 8 bit.
    """
    small, place = _frame(photo, list(faces.values()), size, whole, even)
    return small, {n: _move_face(face, place) for n, face in faces.items()}


def frame_prepared(
    photo: Photo,
    faces: Sequence[PreparedFace],
    size: int,
    *,
    whole: bool = False,
    even: bool = True,
) -> tuple[Photo, list[PreparedFace]]:
    """Frame a photo as `frame_photo`, for prepared faces, whose codes do not change."""
    small, place = _frame(photo, [face.view.face for face in faces], size, whole, even)
    moved = []
    for face in faces:
        crop, age_crop = (
            replace(seen, quad=place(seen.quad)) for seen in (face.view.crop, face.view.age_crop)
        )
        view = replace(
            face.view, crop=crop, age_crop=age_crop, face=_move_face(face.view.face, place)
        )
        moved.append(face.with_view(view, small.pixels))
    return small, moved


def _frame(
    photo: Photo, faces: Sequence[Face], size: int, whole: bool, even: bool
) -> tuple[Photo, Place]:
    """Return the smaller photo, and the map of the photo's points to it."""
    height, width = photo.pixels.shape[:2]
    alone = faces[0] if len(faces) == 1 and not whole else None
    box = (0, 0, width, height) if alone is None else face_square(alone, width, height)
    left, top, w, h = box
    part = Image.fromarray(photo.rgb8).crop((left, top, left + w, top + h))
    scale = min(size / max(w, h), 1.0)
    step = 2 if even else 1
    target = tuple(max(round(side * scale / step) * step, 2) for side in (w, h))
    small = np.asarray(part.resize((target[0], target[1]), Image.Resampling.LANCZOS))
    factor = np.array([target[0] / w, target[1] / h])

    def place(points: np.ndarray) -> np.ndarray:  # pixel centres are at integers
        return (points - np.array([left, top]) + 0.5) * factor - 0.5

    small = as_srgb(small, photo.icc_profile)
    return replace(photo_from_array(small), path=photo.path), place


def _move_face(face: Face, place: Place) -> Face:
    if face.landmarks is None:
        return Face.from_points(place(face.points))
    xy = place(face.landmarks[:, :2])
    wide = np.ptp(face.landmarks[:, 0]) or 1.0
    z = face.landmarks[:, 2:] * (np.ptp(xy[:, 0]) / wide)
    return Face.from_landmarks(np.concatenate([xy, z], 1), face.score)
