"""The square around a face: its geometry to a fraction of a pixel, its filter, its mask."""

from __future__ import annotations

import numpy as np
import pytest

from reage.errors import FaceError
from reage.faces.face import Face
from reage.faces.squares import crop_face, eye_mask, face_mask, face_quad, quad_side, to_unit

pytestmark = pytest.mark.quick

POINTS = np.array([[140.0, 150.0], [190.0, 160.0], [160.0, 180.0], [138.0, 200.0], [178.0, 208.0]])


def square(centre: tuple[float, float], side: float, degrees: float = 0.0) -> np.ndarray:
    a = np.radians(degrees)
    x = np.array([np.cos(a), np.sin(a)]) * side / 2
    y = np.array([-x[1], x[0]])
    return np.array(centre) + np.stack([-x - y, y - x, x + y, x - y])


def pixel_places(quad: np.ndarray, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """Where in the photo the crop's pixel centres are."""
    t = (np.arange(resolution) + 0.5) / resolution
    places = (
        quad[0] + t[None, :, None] * (quad[3] - quad[0]) + t[:, None, None] * (quad[1] - quad[0])
    )
    return places[..., 0], places[..., 1]


def waves(x: np.ndarray, y: np.ndarray, period: float) -> np.ndarray:
    """A smooth picture given by a formula, so that any crop of it is known exactly."""
    k = 2 * np.pi / period
    channels = [np.sin(k * x), np.sin(k * y + 1), np.cos(k * 0.7 * (x + y))]
    return 127.5 + 110 * np.stack(channels, axis=-1)


def photo_of(width: int, height: int, period: float) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.rint(waves(x, y, period)).astype(np.uint8)


def test_quad_is_ffhqs() -> None:
    # recreate_aligned_images of the FFHQ dataset, transcribed.
    left, right, _, m0, m1 = POINTS
    eye_avg, eye_to_eye = (left + right) * 0.5, right - left
    eye_to_mouth = (m0 + m1) * 0.5 - eye_avg
    x = eye_to_eye - np.flipud(eye_to_mouth) * [-1, 1]
    x /= np.hypot(*x)
    x *= max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    y = np.flipud(x) * [-1, 1]
    c = eye_avg + eye_to_mouth * 0.1
    expected = np.stack([c - x - y, c - x + y, c + x + y, c + x - y])
    assert np.allclose(face_quad(POINTS), expected)
    assert np.allclose(face_quad(Face.from_points(POINTS)), expected)
    assert quad_side(face_quad(POINTS)) == pytest.approx(Face.from_points(POINTS).size)


def test_scale_and_shift_move_the_square_along_the_face() -> None:
    small, full = face_quad(POINTS, 0.7, 0.22), face_quad(POINTS)
    assert quad_side(small) == pytest.approx(0.7 * quad_side(full))
    eye_to_mouth = POINTS[3:].mean(0) - POINTS[:2].mean(0)
    assert np.allclose(small.mean(0) - full.mean(0), 0.12 * eye_to_mouth)


def test_unit_coordinates_of_the_corners() -> None:
    quad = square((50, 60), 40, 33)
    assert np.allclose(to_unit(quad, quad), [[0, 0], [0, 1], [1, 1], [1, 0]])


@pytest.mark.parametrize("degrees", [0.0, 17.0, 90.0, -135.0])
@pytest.mark.parametrize(("side", "resolution"), [(400, 64), (333.3, 128), (128, 128), (50, 128)])
def test_crop_shows_what_is_there(side: float, resolution: int, degrees: float) -> None:
    photo = photo_of(700, 600, period=80.0)
    quad = square((351.3, 298.6), side, degrees)
    crop = crop_face(photo, quad, resolution)
    expected = waves(*pixel_places(quad, resolution), period=80.0)
    error = crop.image.astype(float) - expected
    # A tenth of the photo's pixel amiss would show as 110 * 2 pi / 80 / 10 = 0.9 levels.
    assert np.abs(error).mean() < 0.9
    assert np.abs(error).max() < 3.5
    assert crop.mask.min() == 1.0
    assert crop.image.shape == (resolution, resolution, 3)


@pytest.mark.parametrize(("side", "resolution"), [(320, 64), (97.5, 130)])
def test_a_dot_stays_at_its_place(side: float, resolution: int) -> None:
    x0, y0, sigma = 203.37, 181.81, 6.0
    y, x = np.mgrid[:400, :400]
    dot = 240 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * sigma**2))
    photo = np.repeat(np.rint(dot).astype(np.uint8)[..., None], 3, axis=2)
    quad = square((200, 190), side, 25)
    crop = crop_face(photo, quad, resolution).image[..., 0].astype(float)
    v, u = np.mgrid[:resolution, :resolution]
    found = np.array([(u * crop).sum(), (v * crop).sum()]) / crop.sum()
    expected = to_unit(np.array([x0, y0]), quad) * resolution - 0.5
    assert np.abs(found - expected).max() * side / resolution < 0.1  # px of the photo


@pytest.mark.parametrize("period", [2.0, 2.3, 3.1])
@pytest.mark.parametrize("side", [160, 300, 640])
@pytest.mark.parametrize("degrees", [0.0, 20.0, 45.0])
def test_fine_gratings_become_grey(period: float, side: int, degrees: float) -> None:
    # A sine: a square wave of 2.3 pixels would have true low frequencies once it is in pixels.
    line = np.rint(127.5 + 127.5 * np.sin(2 * np.pi * np.arange(1000) / period))
    photo = np.broadcast_to(line[None, :, None], (1000, 1000, 3)).astype(np.uint8)
    crop = crop_face(np.ascontiguousarray(photo), square((500, 500), side, degrees), 64)
    assert crop.image.std() < 4.0


def test_16_bit_photos_give_the_same_crop() -> None:
    photo = photo_of(300, 300, 50.0)
    quad = square((150, 150), 200, 10)
    deep = crop_face(photo.astype(np.uint16) * 257, quad, 64)
    assert np.array_equal(deep.image, crop_face(photo, quad, 64).image)


def test_mask_says_what_was_in_the_photo() -> None:
    photo = photo_of(200, 200, 60.0)
    # The photo ends at x = 199.5, which is 3/4 of the square: an edge between the crop's pixels.
    crop = crop_face(photo, square((154.5, 100), 180), 40)
    assert crop.mask[:, :30].min() == 1.0
    assert crop.mask[:, 30:].max() == 0.0
    half = crop_face(photo, square((154.5 - 2.25, 100), 180), 40)
    assert np.allclose(half.mask[:, 30], 0.5)
    inside = waves(*pixel_places(crop.quad, 40), period=60.0)[:, :29]
    assert np.abs(crop.image[:, :29] - inside).max() < 6.0


def test_beyond_the_photo_goes_on_without_an_edge_and_loses_detail() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    crop = crop_face(noise, square((300, 150), 200), 200).image.astype(float)
    inside, near, far = crop[:, 20:90], crop[:, 100:106], crop[:, 150:180]
    assert near.std() > 0.4 * inside.std()
    assert far.std() < 0.1 * inside.std()
    flat = crop_face(np.full((300, 300, 3), 77, np.uint8), square((10, 10), 250, 30), 64)
    assert np.unique(flat.image).tolist() == [77]


def test_a_square_off_the_photo_is_refused() -> None:
    with pytest.raises(FaceError, match="outside the photo"):
        crop_face(photo_of(100, 100, 30.0), square((400, 50), 60), 32)


@pytest.mark.parametrize("scale", [1.0, 0.7, 0.3])
@pytest.mark.parametrize("resolution", [64, 512])
def test_face_mask_is_whole_inside_and_nothing_at_the_border(scale: float, resolution: int) -> None:
    face = Face.from_points(POINTS)
    quad = face_quad(face, scale)
    mask = face_mask(face, quad, resolution)
    assert mask.dtype == np.float32
    assert mask.min() == 0.0
    edge = int(0.02 * resolution)
    for side in (mask[: edge + 1], mask[-edge - 1 :], mask[:, : edge + 1], mask[:, -edge - 1 :]):
        assert side.max() == 0.0
    if scale > 0.5:  # a smaller square does not hold the face
        at = np.rint(to_unit(POINTS, quad) * resolution - 0.5).astype(int)
        assert mask[at[:, 1], at[:, 0]].min() > 0.99
    # No step is steeper than a smoothstep over 1.25 * 0.06 of the side.
    steepest = 1.5 / (1.25 * 0.06 * resolution)
    assert (
        max(np.abs(np.diff(mask, axis=0)).max(), np.abs(np.diff(mask)).max()) < 1.25 * steepest
    )  # at the corners


def test_face_mask_turns_with_the_face() -> None:
    c, s = np.cos(1.0), np.sin(1.0)
    turned = POINTS @ np.array([[c, s], [-s, c]])
    one, other = (face_mask(Face.from_points(p), face_quad(p), 96) for p in (POINTS, turned))
    assert np.allclose(one, other, atol=1e-4)


def test_the_eye_mask_is_where_the_eyes_are_however_the_head_is_turned():
    upright = np.array([[-20.0, 0], [20, 0], [0, 25], [-14, 42], [14, 42]])
    for degrees in (0, 35, 180):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        points = upright @ np.array([[c, s], [-s, c]]) + [200.0, 150.0]
        quad = face_quad(points, 0.7, 0.22)
        mask = eye_mask(points, quad, 128)
        where = to_unit(points, quad) * 128 - 0.5
        for x, y in where[:2]:
            assert mask[round(y), round(x)] == 1
        for x, y in where[2:]:
            assert mask[round(y), round(x)] == 0
        rows, columns = np.nonzero(mask > 0.5)
        assert np.ptp(columns) > 4 * np.ptp(rows)  # in the square, eyes lie side by side
        assert 0.01 < (mask > 0.5).mean() < 0.05
