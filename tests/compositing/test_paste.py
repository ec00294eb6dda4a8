"""Pasting back: nothing changes where nothing was changed, and no seam shows."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from reage.compositing.bands import LUMA
from reage.compositing.paste import paste_delta, paste_replace, scale_detail
from reage.faces.face import Face
from reage.faces.squares import crop_face, face_mask, face_quad, quad_side

pytestmark = pytest.mark.quick

POINTS = np.array([[250.0, 230.0], [370.0, 245.0], [300, 310], [250, 370], [345, 385]])
FACE = Face.from_points(POINTS)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Smooth colours with texture of a few pixels, as skin and hair have."""
    rng = np.random.default_rng(5)
    out = np.zeros((620, 640, 3))
    for cells, strength in ((6, 90.0), (40, 25.0), (200, 12.0)):
        grid = rng.uniform(-1, 1, (cells, cells, 3))
        for c in range(3):
            layer = Image.fromarray(grid[..., c].astype(np.float32))
            out[..., c] += strength * np.asarray(layer.resize((640, 620), Image.Resampling.BICUBIC))
    return np.clip(out + 127, 0, 255).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray, where: np.ndarray, top: float = 255.0) -> float:
    error = (a.astype(float) - b.astype(float))[where] / top
    return -10 * np.log10(np.square(error).mean() + 1e-12)


def masked(photo: np.ndarray, quad: np.ndarray, mask: np.ndarray, least: float) -> np.ndarray:
    """The photo's pixels where the mask is above `least`."""
    full = np.full((*mask.shape, 3), 255.0, np.float32)
    return paste_delta(np.zeros_like(photo), full, quad, mask)[..., 0] > 255 * least


@pytest.mark.parametrize("match", [True, False])
@pytest.mark.parametrize("resolution", [512, 1024])
@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_an_unedited_crop_gives_the_photo_back(
    photo: np.ndarray, scale: float, resolution: int, match: bool
) -> None:
    quad = face_quad(FACE, scale, 0.2)
    crop, mask = crop_face(photo, quad, resolution), face_mask(FACE, quad, resolution)
    out = paste_replace(photo, crop.image, quad, mask, match_colours=match)
    assert psnr(out, photo, masked(photo, quad, mask, 0.9)) > 40
    outside = ~masked(photo, quad, mask, 0.0)
    assert np.array_equal(out[outside], photo[outside])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("resolution", [64, 256, 700])
def test_no_change_changes_nothing(photo: np.ndarray, resolution: int, dtype: type) -> None:
    deep = photo.astype(dtype) * dtype(257 if dtype is np.uint16 else 1)
    face = Face.from_points(POINTS + np.array([200.0, 60.0]))  # partly outside the photo
    quad = face_quad(face)
    mask = face_mask(face, quad, resolution)
    nothing = np.zeros((resolution, resolution, 3), np.float32)
    out = paste_delta(deep, nothing, quad, mask)
    assert out.dtype == dtype
    assert np.array_equal(out, deep)
    assert out is not deep


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, 200.0])
@pytest.mark.parametrize("resolution", [48, 128, 600])
def test_a_change_lands_at_its_place(resolution: int, degrees: float) -> None:
    a = np.radians(degrees)
    x = np.array([np.cos(a), np.sin(a)]) * 130
    y = np.array([-x[1], x[0]])
    quad = np.array([203.4, 190.7]) + np.stack([-x - y, y - x, x + y, x - y])
    t = (np.arange(resolution) + 0.5) / resolution
    u, v = np.meshgrid(t, t)
    dot = 200 * np.exp(-((u - 0.62) ** 2 + (v - 0.41) ** 2) / (2 * 0.06**2))
    delta = np.repeat(dot[..., None], 3, axis=2).astype(np.float32)
    mask = np.zeros((resolution, resolution), np.float32)
    edge = max(3, resolution // 16)
    mask[edge:-edge, edge:-edge] = 1
    out = paste_delta(np.zeros((380, 400, 3), np.uint8), delta, quad, mask)[..., 1].astype(float)
    place = quad[0] + 0.62 * 2 * x + 0.41 * 2 * y
    py, px = np.mgrid[:380, :400]
    expected = 200 * np.exp(
        -((px - place[0]) ** 2 + (py - place[1]) ** 2) / (2 * (0.06 * 260) ** 2)
    )
    inside = expected > 2
    assert np.abs(out - expected)[inside].max() < 3.5
    found = np.array([(px * out).sum(), (py * out).sum()]) / out.sum()
    assert np.abs(found - place).max() < 0.15


def test_a_change_is_clipped_and_scaled_to_16_bits(photo: np.ndarray) -> None:
    quad = face_quad(FACE)
    mask = face_mask(FACE, quad, 128)
    delta = np.full((128, 128, 3), 40.0, np.float32)
    shallow = paste_delta(photo, delta, quad, mask)
    deep = paste_delta(photo.astype(np.uint16) * 257, delta, quad, mask)
    assert np.abs(deep / 257 - shallow).max() <= 0.51
    assert shallow.max() == 255
    assert (shallow >= photo).all()


def test_alpha_stays(photo: np.ndarray) -> None:
    alpha = np.random.default_rng(1).integers(0, 256, (*photo.shape[:2], 1), dtype=np.uint8)
    rgba = np.concatenate([photo, alpha], axis=2)
    quad = face_quad(FACE)
    mask = face_mask(FACE, quad, 96)
    image = np.full((96, 96, 3), 200, np.uint8)
    out = paste_replace(rgba, image, quad, mask)
    assert np.array_equal(out[..., 3], alpha[..., 0])
    assert not np.array_equal(out[..., :3], photo)
    assert np.array_equal(out[..., :3], paste_replace(photo, image, quad, mask))


def test_colours_are_matched_so_that_no_seam_shows() -> None:
    y, x = np.mgrid[:500, :500]
    ramp = np.stack([60 + 0.2 * x, 90 + 0.1 * y, 160 - 0.15 * x], axis=-1)
    photo = np.rint(ramp).astype(np.uint8)
    points = POINTS * 0.8
    face = Face.from_points(points)
    quad = face_quad(points)
    crop, mask = crop_face(photo, quad, 256), face_mask(face, quad, 256)
    cast = np.clip(crop.image.astype(np.float32) + np.array([35.0, -20.0, 25.0]), 0, 255)
    steps = {}
    for match in (False, True):
        out = paste_replace(photo, cast, quad, mask, match_colours=match).astype(float)
        steps[match] = np.abs(out - photo).max()
    assert steps[False] > 30
    assert steps[True] < 3.0


def test_matching_keeps_the_edit_in_the_middle(photo: np.ndarray) -> None:
    quad = face_quad(FACE)
    crop, mask = crop_face(photo, quad, 256), face_mask(FACE, quad, 256)
    t = (np.arange(256) + 0.5) / 256 - 0.5
    spot = 60 * np.exp(-(t[:, None] ** 2 + t[None] ** 2) / (2 * 0.06**2))
    edited = np.clip(crop.image - spot[..., None], 0, 255)
    out = paste_replace(photo, edited, quad, mask).astype(float)
    plain = paste_replace(photo, crop.image, quad, mask).astype(float)
    cx, cy = np.rint(quad.mean(0)).astype(int)
    assert (plain - out)[cy, cx].mean() == pytest.approx(60, abs=3)
    ring = masked(photo, quad, mask, 0.0) & ~masked(photo, quad, mask, 0.5)
    assert np.abs(out - plain)[ring].max() < 2


def test_a_face_partly_outside_and_one_wholly_outside(photo: np.ndarray) -> None:
    points = POINTS - np.array([280.0, 60.0])
    face, quad = Face.from_points(points), face_quad(points)
    crop, mask = crop_face(photo, quad, 640), face_mask(face, quad, 640)
    assert crop.mask.min() == 0.0
    out = paste_replace(photo, crop.image, quad, mask)
    assert psnr(out, photo, masked(photo, quad, mask, 0.9)) > 38
    away = quad + 5000
    assert np.array_equal(paste_delta(photo, np.ones((640, 640, 3), np.float32), away, mask), photo)


def test_the_same_every_time(photo: np.ndarray) -> None:
    quad = face_quad(FACE)
    crop, mask = crop_face(photo, quad, 100), face_mask(FACE, quad, 100)
    first, second = (paste_replace(photo, crop.image + 9.0, quad, mask) for _ in range(2))
    assert np.array_equal(first, second)
    assert quad_side(quad) > 400


class TestDetail:
    """`scale_detail`: skin gets coarser or smoother, and nothing else changes."""

    QUAD, SIDE = np.array([[99.5, 99.5], [99.5, 499.5], [499.5, 499.5], [499.5, 99.5]]), 64

    def skin(self) -> np.ndarray:
        rng = np.random.default_rng(1)
        flat = np.full((600, 620, 3), (190.0, 140.0, 110.0)) + rng.normal(0, 2, (600, 620, 1))
        flat[300:] *= 0.4  # an edge
        return np.rint(flat).astype(np.uint8)

    def mask(self) -> np.ndarray:
        mask = np.zeros((self.SIDE, self.SIDE), np.float32)
        mask[8:-8, 8:-8] = 1
        return mask

    def roughness(self, picture: np.ndarray) -> float:
        light = picture[180:280, 180:420].astype(np.float32) @ LUMA
        return float(np.diff(light, axis=1).std())  # what differs between neighbours is fine

    @pytest.mark.parametrize("gain", [0.5, 1.8])
    def test_faint_detail_of_the_light_alone_changes(self, gain: float):
        before = self.skin()
        after = before.copy()
        scale_detail(after, before, gain, self.QUAD, self.mask())
        assert self.roughness(after) == pytest.approx(gain * self.roughness(before), rel=0.18)
        change = after.astype(int) - before
        assert np.ptp(change, axis=2).max() <= 0  # the same in all colours
        assert not change[:140].any() and not change[:, :140].any() and not change[:, 460:].any()
        # The edge stands where it stood, as strong as before.
        steps = [p[290:300, 300].mean() - p[300:310, 300].mean() for p in (before, after)]
        assert steps[1] == pytest.approx(steps[0], rel=0.05)

    def test_what_was_added_to_it_is_not_its_detail(self):
        photo, plain = self.skin(), np.full((600, 620, 3), 100, np.uint8)
        added = self.skin()
        scale_detail(added, plain, 1.8, self.QUAD, self.mask())
        assert np.array_equal(added, photo)

    def test_depths_and_single_planes_agree(self):
        shallow = self.skin()
        deep, grey = shallow.astype(np.uint16) * 257, shallow[..., 0].copy()
        triple = np.repeat(grey[..., None], 3, axis=2)
        clear = np.dstack([shallow, np.full(shallow.shape[:2], 7, np.uint8)])
        for layer in (shallow, deep, grey, triple, clear):
            scale_detail(layer, layer, 1.6, self.QUAD, self.mask())
        assert np.abs(deep / 257 - shallow).max() < 0.51
        assert np.abs(triple[..., 1].astype(int) - grey).max() <= 1
        assert np.array_equal(clear[..., :3], shallow) and (clear[..., 3] == 7).all()

    def test_a_small_face_has_no_detail(self):
        photo = self.skin()
        scale_detail(photo, photo, 1.8, self.QUAD / 4, self.mask())
        assert np.array_equal(photo, self.skin())

    def test_beyond_the_photo_there_is_nothing_to_do(self):
        photo = self.skin()
        scale_detail(photo, photo, 1.8, self.QUAD + 700, self.mask())
        assert np.array_equal(photo, self.skin())
        scale_detail(photo, photo, 1.8, self.QUAD + 300, self.mask())
        assert not np.array_equal(photo, self.skin())
