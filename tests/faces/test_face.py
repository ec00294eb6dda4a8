"""Faces as the user names them: five points, numbers from left to right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import reage
from reage.errors import FaceError, UsageError
from reage.faces.face import Face, left_to_right, parse_points, select_faces
from reage.faces.readings import MEAN_ERROR

pytestmark = pytest.mark.quick

UPRIGHT = np.array([[40.0, 50.0], [80.0, 50.0], [60.0, 72.0], [45.0, 92.0], [75.0, 92.0]])


def face_at(x: float, scale: float = 1.0) -> Face:
    return Face.from_points(UPRIGHT * scale + [x, 0.0])


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[c, s], [-s, c]])


def test_points_make_an_upright_face() -> None:
    face = Face.from_points(UPRIGHT)
    assert face.landmarks is None
    assert face.pose == (0.0, 0.0, 0.0)
    # Half-side: the larger of 2.0 * 40 px between the eyes and 1.8 * 42 px from eyes to mouth.
    assert face.size == pytest.approx(160.0)
    x0, y0, x1, y1 = face.box
    assert x0 < 40
    assert x1 > 80
    assert y0 < 50
    assert y1 > 92


@pytest.mark.parametrize("degrees", [-120.0, -30.0, 45.0, 90.0])
def test_roll_is_clockwise_and_size_does_not_depend_on_it(degrees: float) -> None:
    face = Face.from_points(turned(UPRIGHT, degrees))
    assert face.pose[2] == pytest.approx(degrees)
    assert face.size == pytest.approx(160.0)


def test_faces_are_numbered_from_left_to_right() -> None:
    faces = [face_at(300, 2.0), face_at(0), face_at(150)]
    assert [f.box[0] for f in left_to_right(faces)] == sorted(f.box[0] for f in faces)
    assert select_faces(faces, "largest") == [faces[0]]
    assert select_faces(faces, "all") == [faces[1], faces[2], faces[0]]
    assert select_faces(faces, 1) == [faces[1]]
    assert select_faces(faces, 3) == [faces[0]]


def test_a_wrong_number_says_how_many_faces_there_are_and_where() -> None:
    with pytest.raises(FaceError, match=r"no face 3: found 2 faces.*1 at \(60, \d+\), 2 at \(160"):
        select_faces([face_at(100), face_at(0)], 3)
    with pytest.raises(FaceError, match=r"no face 0: found 1 face,"):
        select_faces([face_at(0)], 0)
    with pytest.raises(FaceError, match="no face found"):
        select_faces([], "largest")
    with pytest.raises(UsageError, match="largest, all or a number"):
        select_faces([face_at(0)], "first")  # type: ignore[arg-type]


def test_points_are_read() -> None:
    text = " ".join(f"{x},{y}" for x, y in UPRIGHT)
    assert np.array_equal(parse_points(text), UPRIGHT)
    assert np.array_equal(parse_points(f"  {text}\n"), UPRIGHT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "40,50 80,50",
        "40,50 80,50 60,72 45,92 nose",
        "40 50 80 50 60 72 45 92 75 92",
        "40,50 80,50 60,72 45,92 75,92,1",
        "40,50 80,50 60,72 45,92 75,nan",
        "40,50 40,50 40,50 40,50 40,50",
        "80,50 40,50 60,72 75,92 45,92",  # right before left
    ],
)
def test_wrong_points_are_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(UsageError, match="x,y x,y x,y x,y x,y"):
        parse_points(text)


def test_the_error_that_is_told_is_the_one_that_was_measured():
    told = f"**{MEAN_ERROR}**"
    assert told in (Path(reage.__file__).parent / "assets" / "age" / "README.md").read_text("utf-8")
