"""Laws of masks, for any face in any square: 0 to 1, nothing at the border, whole in the face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reage.compositing.masks import oval_mask
from reage.compositing.paste import paste_delta, paste_replace
from reage.faces.face import Face
from reage.faces.squares import crop_face, eye_mask, face_mask, face_quad, from_unit, to_unit

pytestmark = pytest.mark.quick

SIDES = st.integers(64, 160)  # of the squares that models take
ANGLES = st.floats(-np.pi, np.pi)
UPRIGHT = np.array([[-30.0, -25.0], [30.0, -25.0], [0.0, 5.0], [-22.0, 35.0], [22.0, 35.0]])


@st.composite
def faces(draw: st.DrawFn) -> Face:
    """Five points at any place, size and turn, each a little off."""
    angle, size = draw(ANGLES), draw(st.floats(0.3, 4))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    off = np.array(draw(st.lists(st.floats(-4, 4), min_size=10, max_size=10))).reshape(5, 2)
    place = np.array([draw(st.floats(-50, 300)), draw(st.floats(-50, 300))])
    return Face.from_points((UPRIGHT + off) @ turn * size + place)


@st.composite
def squares(draw: st.DrawFn) -> tuple[Face, np.ndarray]:
    face = draw(faces())
    return face, face_quad(face, draw(st.floats(0.55, 1.5)), draw(st.floats(0.0, 0.46)))


def assert_in_range(mask: np.ndarray) -> None:
    assert mask.min() >= 0
    assert mask.max() <= 1


def border(mask: np.ndarray) -> np.ndarray:
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])


@given(squares(), SIDES, st.floats(0.02, 0.1))
def test_a_face_s_mask_ends_inside_its_square(
    square: tuple[Face, np.ndarray], side: int, feather: float
):
    mask = face_mask(*square, side, feather=feather)
    assert mask.shape == (side, side) and mask.dtype == np.float32
    assert_in_range(mask)
    assert not border(mask).any()
    assert mask[side // 2, side // 2] > 0.9


@given(squares(), SIDES)
def test_eyes_are_masked_where_they_are(square: tuple[Face, np.ndarray], side: int):
    face, quad = square
    mask = eye_mask(face.points, quad, side)
    assert_in_range(mask)
    for x, y in np.floor(to_unit(face.points[:2], quad) * side).astype(int):
        assert mask[y, x] == 1
    mouth_x, mouth_y = np.floor(to_unit(face.points[3], quad) * side).astype(int)
    assert mask[min(mouth_y, side - 1), min(mouth_x, side - 1)] == 0


@given(st.integers(16, 200))
def test_the_usual_oval_is_one_inside_and_fades(side: int):
    mask = oval_mask(side)
    assert mask.shape == (1, 1, side, side)
    assert_in_range(mask.numpy())
    edge = border(mask[0, 0].numpy())
    assert edge.max() < 0.06 and float(mask[0, 0, side // 2, side // 2]) > edge.max()


@given(squares(), SIDES, st.integers(0, 2**32 - 1))
def test_pasting_changes_nothing_outside_the_square(
    square: tuple[Face, np.ndarray], side: int, seed: int
):
    face, quad = square
    rng = np.random.default_rng(seed)
    photo = rng.integers(0, 256, (120, 140, 3), np.uint8)
    mask = face_mask(face, quad, side)
    picture = rng.uniform(0, 255, (side, side, 3)).astype(np.float32)
    y, x = np.mgrid[:120, :140]
    places = to_unit(np.stack([x, y], 2), quad)
    outside = ((places < 0) | (places > 1)).any(2)
    pasted = [paste_delta(photo, picture - 100, quad, mask)]
    pasted += [paste_replace(photo, picture, quad, mask, match_colours=False)]
    for one in pasted:
        assert one.shape == photo.shape and one.dtype == photo.dtype
        assert np.array_equal(one[outside], photo[outside])
    assert np.array_equal(paste_delta(photo, picture * 0, quad, mask), photo)


@given(squares(), st.integers(8, 40))
def test_what_a_crop_saw_is_between_none_and_all(square: tuple[Face, np.ndarray], side: int):
    _, quad = square
    corners = quad.min(0), quad.max(0)
    assume(corners[0].max() < 100 and corners[1].min() > 20)
    crop = crop_face(np.full((120, 140, 3), 7, np.uint8), quad, side)
    assert_in_range(crop.mask)
    assert (crop.image == 7).all()  # mirrored or blurred, one colour stays one colour


@given(squares(), st.floats(-2, 2), st.floats(-2, 2))
def test_places_in_a_square_and_back(square: tuple[Face, np.ndarray], u: float, v: float):
    _, quad = square
    place = np.array([u, v])
    assert np.allclose(to_unit(from_unit(place, quad), quad), place, atol=1e-7)
