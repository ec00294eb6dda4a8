"""What a found face is, and how the user says which one is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reage.errors import FaceError, UsageError
from reage.numbers import read_real

__all__ = [
    "NO_FACE_HELP",
    "Face",
    "check_face",
    "check_points",
    "left_to_right",
    "parse_points",
    "select_faces",
    "square_axes",
]

# Indices into MediaPipe's 478-point mesh, named as seen in the picture of an upright head.
LEFT_EYE = [33, 160, 158, 133, 153, 144]
RIGHT_EYE = [362, 385, 387, 263, 373, 380]
NOSE_TIP, LEFT_MOUTH, RIGHT_MOUTH = 1, 61, 291
LARGEST = 1e6  # pixels: no photo that is read has such a side
FARTHEST, WIDEST = 1.5, 3.0  # a point from the photo's middle, the face's square: in longest sides
SMALLEST = 4.0  # pixels of that square
REACH = 2.0  # of a mesh's points from the eyes, in sides of that square; found faces have 0.5
LEFT_EYE_CORNER, RIGHT_EYE_CORNER, FOREHEAD, CHIN = 33, 263, 10, 152


NO_FACE_HELP = (
    "crop the photo around it (a face below 1.3 % of the longer side is not found), or use one "
    "where it is turned to the camera"
)


@dataclass(frozen=True)
class Face:
    """One face in a photo; positions in pixels of the photo, pixel centres at integers.

    "Left" and "right" are as seen in the picture when the head is upright; they stay with the
    eyes when the head is turned in the plane, so an upside-down face has its left eye at the right.
    """

    box: tuple[float, float, float, float]  # x0, y0, x1, y1, tight around the landmarks
    landmarks: np.ndarray | None  # [478, 3] float32 x, y, z in pixels; None if made from points
    points: np.ndarray  # [5, 2] left eye, right eye, nose tip, left and right mouth corner
    pose: tuple[float, float, float]  # yaw (> 0: looks to the picture's right), pitch (> 0: looks
    # up), roll (> 0: head turned clockwise in the picture); degrees
    score: float  # presence of a face, 0..1

    @property
    def size(self) -> float:
        """Side of the face's FFHQ square in pixels: what a crop of scale 1 covers."""
        return 2.0 * float(np.hypot(*square_axes(self.points)[1]))

    @classmethod
    def from_landmarks(cls, landmarks: np.ndarray, score: float) -> Face:
        """Make a face of the 478 mesh points `[478, 3]`."""
        landmarks = np.asarray(landmarks, np.float32)
        xy = landmarks[:, :2].astype(np.float64)
        eyes = [xy[LEFT_EYE].mean(0), xy[RIGHT_EYE].mean(0)]
        points = np.stack([*eyes, xy[NOSE_TIP], xy[LEFT_MOUTH], xy[RIGHT_MOUTH]])
        (x0, y0), (x1, y1) = xy.min(0).tolist(), xy.max(0).tolist()
        return cls((x0, y0, x1, y1), landmarks, points, _pose(landmarks, points), score)

    @classmethod
    def from_points(cls, points: np.ndarray) -> Face:
        """Make a face of five points `[5, 2]` given by hand; yaw and pitch are taken as 0."""
        points = np.asarray(points, np.float64)
        assert points.shape == (5, 2), points.shape
        eyes, x, _ = square_axes(points)
        y = np.array([-x[1], x[0]])
        # The mesh of a frontal face reaches about this far from the eyes, in half-squares.
        corners = eyes + np.array([[s * x + t * y] for s in (-0.6, 0.6) for t in (-0.45, 0.95)])
        (x0, y0), (x1, y1) = corners.min((0, 1)).tolist(), corners.max((0, 1)).tolist()
        return cls((x0, y0, x1, y1), None, points, (0.0, 0.0, _roll(points)), 1.0)


def square_axes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the middle of the eyes, the half-side x of the FFHQ square, and eye-to-mouth.

    Karras et al., "A Style-Based Generator Architecture" (2019), `recreate_aligned_images`.
    """
    left, right, _, *mouth = np.asarray(points, np.float64)
    eyes = (left + right) / 2
    eye_to_eye, eye_to_mouth = right - left, (mouth[0] + mouth[1]) / 2 - eyes
    # The mouth's direction counts too: the eyes' distance shrinks when the head turns aside.
    x = eye_to_eye + np.array([eye_to_mouth[1], -eye_to_mouth[0]])
    x = x / np.hypot(*x) * max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    return eyes, x, eye_to_mouth


def left_to_right(faces: Sequence[Face]) -> list[Face]:
    """Sort the faces as the user counts them: 1 is the leftmost."""
    return sorted(faces, key=lambda face: face.box[0] + face.box[2])


def select_faces(
    faces: Sequence[Face], which: Literal["largest", "all"] | int = "largest"
) -> list[Face]:
    """Pick the largest face, all (from left to right), or number 1..n from left to right.

    Raises FaceError if there is no face or no such number.
    """
    if not faces:
        raise FaceError(f"no face found; {NO_FACE_HELP}, or give its five points")
    numbered = left_to_right(faces)
    if which == "all":
        return numbered
    if which == "largest":
        return [max(faces, key=lambda face: face.size)]
    if not isinstance(which, int) or isinstance(which, bool):
        raise UsageError(f"face {which!r} is not understood: give largest, all or a number from 1")
    if not 1 <= which <= len(numbered):
        places = ", ".join(f"{i} at {_place(face)}" for i, face in enumerate(numbered, 1))
        found = "1 face" if len(numbered) == 1 else f"{len(numbered)} faces"
        raise FaceError(f"there is no face {which}: found {found}, from left to right {places}")
    return [numbered[which - 1]]


def parse_points(text: str) -> np.ndarray:
    """Read "x,y x,y x,y x,y x,y" as `[5, 2]`: eyes, nose tip, mouth corners; left before right."""
    form = (
        'give five points as "x,y x,y x,y x,y x,y": left eye, right eye, nose tip, left and right '
        "mouth corner, as seen in the picture"
    )
    pairs = [pair.split(",") for pair in text.split(maxsplit=5)]
    numbers = [read_real(v, -LARGEST, LARGEST) for pair in pairs for v in pair]
    if [len(pair) for pair in pairs] != [2] * 5 or None in numbers:
        raise UsageError(f"the points {text!r:.60} are not five pairs of numbers; {form}")
    points = np.array(numbers, np.float64).reshape(5, 2)
    if not _is_face(points):
        raise UsageError(f"the points {text!r:.60} make no face (swapped or equal?); {form}")
    return points


def check_points(points: np.ndarray, width: int, height: int) -> None:
    """Raise FaceError unless points `[5, 2]` make a face of a photo of that size.

    A face may begin outside the photo, and its square be larger than it: by a few sizes, since
    work and memory grow with it.
    """
    side = max(width, height)
    if (
        not _near(points, width, height)
        or not SMALLEST <= Face.from_points(points).size <= WIDEST * side
    ):
        raise FaceError(
            f"the points lie far outside the photo of {width} x {height} px, or upon each other; "
            "give pixels of it, the upper left one is 0,0"
        )


def check_face(face: Face, width: int, height: int) -> None:
    """Raise FaceError unless a face of a file is one of a photo of that size.

    As `check_points`, and the mesh stays near the eyes: what is warped and relit grows with it.
    """
    check_points(face.points, width, height)
    if face.landmarks is None:
        return
    eyes = [*square_axes(face.points)[0], 0.0]
    near = _near(face.landmarks[:, :2], width, height)
    near = near and np.abs(face.landmarks - eyes).max() <= REACH * face.size
    if not near or not np.isfinite(face.pose).all():
        raise FaceError("the landmarks make no face; find the face in the photo again")


def _near(points: np.ndarray, width: int, height: int) -> bool:
    """Whether points `[N, 2]` lie in a photo or not far outside it."""
    return bool((np.abs(points - (width / 2, height / 2)) <= FARTHEST * max(width, height)).all())


def _is_face(points: np.ndarray) -> bool:
    """Whether the mouth is below the eyes, for someone to whom the left eye is on the left."""
    left, right, _, *mouth = points
    across, down = right - left, (mouth[0] + mouth[1] - left - right) / 2
    return across[0] * down[1] - across[1] * down[0] > 1.0  # px^2


def _place(face: Face) -> str:
    x0, y0, x1, y1 = face.box
    return f"({(x0 + x1) / 2:.0f}, {(y0 + y1) / 2:.0f})"


def _roll(points: np.ndarray) -> float:
    dx, dy = points[1] - points[0]
    return float(np.degrees(np.arctan2(dy, dx)))


def _pose(landmarks: np.ndarray, points: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch and roll from an orthonormal head frame: eye corners across, forehead to chin."""
    roll = _roll(points)
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    upright = landmarks.astype(np.float64) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    across = upright[RIGHT_EYE_CORNER] - upright[LEFT_EYE_CORNER]
    across /= np.linalg.norm(across)
    down = upright[CHIN] - upright[FOREHEAD]
    # y points down and z away from the camera, so across x down points out of the head's back.
    back = np.cross(across, down)
    gaze_x, gaze_y, gaze_z = -back / np.linalg.norm(back)
    yaw = np.degrees(np.arctan2(gaze_x, -gaze_z))
    return float(yaw), float(np.degrees(np.arcsin(-gaze_y))), roll
