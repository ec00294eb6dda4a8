"""Bending a photo around a face at its full size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from made import bent_photo
from reage.compositing.warp import Warp, warp_in_place
from reage.faces.squares import crop_face
from reage.images import to_array, to_tensor
from reage.networks.agers.growth import warp_images

pytestmark = pytest.mark.quick

MARGIN = 0.3
SIDE = 40


def square(x: float, y: float, side: float, turn: float = 0.0) -> np.ndarray:
    """Corners TL, BL, BR, TR of a square around (x, y), turned by radians."""
    across = side / 2 * np.array([np.cos(turn), np.sin(turn)])
    down = np.array([-across[1], across[0]])
    middle = np.array([x, y])
    return np.stack([middle - across - down, middle - across + down,
                     middle + across + down, middle + across - down])  # fmt: skip


def bump(right: float, below: float, width: float = 0.25) -> Warp:
    """A bend that is strongest in the middle and 0 at its border."""
    axis = ((np.arange(SIDE) + 0.5) / SIDE - 0.5) * (1 + 2 * MARGIN)
    hill = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * width**2))
    edge = np.clip((0.5 + MARGIN - np.abs(axis)) / 0.2, 0, 1)
    hill *= edge[:, None] * edge[None]
    moves = np.stack([right * hill, below * hill])[None]
    return Warp(torch.from_numpy(moves).float(), MARGIN)


def ramp(height: int, width: int, right: float, below: float, dtype: type = np.uint16):
    values = 20000 + right * np.arange(width)[None] + below * np.arange(height)[:, None]
    return np.repeat(values[..., None], 3, 2).astype(dtype)


@pytest.mark.parametrize("turn", [0.0, 0.6])
def test_what_is_seen_moves_by_the_bend(turn: float):
    quad = square(150.3, 139.6, 160, turn)
    photo = ramp(300, 310, 40, 25)
    out = bent_photo(photo, bump(0.05, -0.03), quad)
    across, down = (quad[3] - quad[0]), (quad[1] - quad[0])
    moved = 0.05 * across - 0.03 * down  # pixels, in the middle
    change = out[139, 150].astype(float) - photo[139, 150]
    assert np.allclose(change, -(40 * moved[0] + 25 * moved[1]), rtol=0.02)


def test_nothing_changes_outside_nor_where_nothing_moves():
    photo = np.random.default_rng(0).integers(0, 256, (200, 220, 4), np.uint8)
    quad = square(100, 100, 80)
    out = bent_photo(photo, bump(0.1, 0.1), quad)
    changed = np.argwhere((out != photo).any(2))
    reach = 80 * (0.5 + MARGIN) + 1
    assert len(changed) > 1000 and np.abs(changed - 100).max() <= reach
    assert np.array_equal(out[..., 3], photo[..., 3])
    still = bent_photo(photo, Warp(torch.zeros(1, 2, SIDE, SIDE), MARGIN), quad)
    assert np.array_equal(still, photo)


def test_it_does_not_matter_in_how_many_bands_it_is_done(
    astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    quad = square(225, 110, 128, 0.2)
    whole = bent_photo(astronaut, bump(0.06, -0.05), quad)
    monkeypatch.setattr("reage.compositing.warp.BAND", 17)
    bands = bent_photo(astronaut, bump(0.06, -0.05), quad)
    assert (bands != astronaut).any()
    assert np.abs(bands.astype(int) - whole).max() <= 1  # coordinates are rounded otherwise


def test_a_large_photo_and_a_small_one_are_bent_alike():
    wave = np.sin(np.arange(1200) / 90)
    large = (128 + 100 * wave[:, None] * wave[None]).astype(np.uint8)[..., None].repeat(3, 2)
    bend = bump(0.06, 0.08)
    big = bent_photo(large, bend, square(599.5, 599.5, 700))
    small = large.reshape(300, 4, 300, 4, 3).mean((1, 3)).round().astype(np.uint8)
    little = bent_photo(small, bend, square(149.5, 149.5, 175))
    reduced = big.reshape(300, 4, 300, 4, 3).mean((1, 3))
    assert np.abs(reduced - little).max() < 2.5
    assert np.abs(reduced - small).max() > 10


def test_the_networks_see_what_is_pasted(astronaut: np.ndarray):
    quad = square(225, 110, 128)
    bend = bump(0.03, -0.05)
    crop = crop_face(astronaut, quad, 128).image
    wanted = to_array(warp_images(to_tensor(crop), bend.moves, MARGIN))[0]
    found = crop_face(bent_photo(astronaut, bend, quad), quad, 128).image
    inside = np.s_[8:-8, 8:-8]
    error = np.abs(found[inside].astype(float) - wanted[inside])
    unbent = np.abs(crop[inside].astype(float) - wanted[inside])
    assert error.mean() < 1.5 < 5 < unbent.mean()


@pytest.mark.parametrize("middle", [(0, 50), (99, 99), (-20, 40)])
def test_a_face_at_the_edge_brings_nothing_black_in(middle: tuple[int, int]):
    photo = np.full((100, 100, 3), 200, np.uint8)
    out = bent_photo(photo, bump(0.15, -0.15), square(*middle, 90))
    assert out.min() == out.max() == 200
    away = bent_photo(photo, bump(0.1, 0), square(400, 400, 90))
    assert np.array_equal(away, photo)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_of_transparent_pixels_do_not_come_in(dtype: type):
    white = np.iinfo(dtype).max
    photo = np.zeros((120, 120, 3), dtype)
    photo[..., 1] = white  # what nobody sees is green
    photo[:, 55:] = (white, 0, 0)
    alpha = np.zeros((120, 120), dtype)
    alpha[:, 55:] = white
    bend, quad = bump(0.06, 0.05), square(60, 60, 60)
    mixed, kept, clear = photo.copy(), photo.copy(), alpha.copy()
    warp_in_place(mixed, bend, quad)
    warp_in_place(kept, bend, quad, alpha)
    assert np.array_equal(clear, alpha)
    warp_in_place(clear, bend, quad)
    edge = (clear > white / 50) & (clear < white)
    assert edge.sum() > 20
    assert mixed[edge][:, 1].max() > white / 2
    assert kept[edge][:, 1].max() <= 0.01 * white and kept[edge][:, 0].min() >= 0.99 * white
    solid = photo.copy()
    warp_in_place(solid, bend, quad, np.full_like(alpha, white))
    assert np.array_equal(solid, mixed)
