"""Skin detail in a video: laid by the mesh, steady, on visible skin alone, as in a photo."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from reage.agers.skin import read_embedded_bank
from reage.compositing.boxed_face import half_mask
from reage.compositing.change import SkinDetail
from reage.compositing.detail_transfer import (
    Subject,
    add_detail,
    choose_exemplars,
    lay_detail,
    mix_detail,
)
from reage.compositing.frame_canvas import add_detail_to_planes
from reage.compositing.planes import Planes, region_rgb, rgb_to_ycc
from reage.compositing.skin_mask import LOG_OFFSET
from reage.compositing.smoothing import gaussian
from reage.faces.face import Face
from reage.video.journal import MESH, face_row, read_mesh
from reage.video.skin_follower import SkinFollower, TrackSkin

SKIN = np.array([196, 150, 128], np.float32)
SUBJECT = Subject("female", 45.0, 0.0, 0.85, 1.18)
HEIGHT, WIDTH = 480, 400


@pytest.fixture(scope="module")
def skin() -> TrackSkin:
    bank = read_embedded_bank()
    aged = mix_detail(bank, choose_exemplars(bank, SUBJECT), SUBJECT)
    return TrackSkin(aged, gains=True, loses=True)


def mesh_at(skin: TrackSkin, x: float = 0.0) -> np.ndarray:
    return skin.aged.canonical * 0.5 + [70.0 + x, 80.0]


def shown(rgb: np.ndarray, deep: bool) -> Planes:
    """A picture `[H, W, 3]` as planes without subsampling, or 8-bit 4:2:0."""
    ycc = rgb_to_ycc(rgb, 1, False) + np.array([16, 128, 128], np.float32)
    layers = list(np.moveaxis(ycc, 2, 0))
    if deep:
        return Planes.join([np.rint(256 * p).astype(np.uint16) for p in layers], 1, False, (1, 1))
    layers[1:] = [p.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean((1, 3)) for p in layers[1:]]
    return Planes.join([np.rint(layer).astype(np.uint8) for layer in layers], 1, False)


def plain() -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 2, (HEIGHT, WIDTH, 1))
    return np.clip(SKIN + noise, 0, 255).astype(np.float32)


@pytest.mark.parametrize("deep", [False, True])
def test_a_frame_gets_what_a_photo_gets(skin: TrackSkin, deep: bool):
    photo = np.rint(plain()).astype(np.uint8)
    laid = lay_detail(photo, mesh_at(skin), skin.aged)
    assert laid is not None
    wanted = photo.copy()
    add_detail(wanted, photo, laid, 1.0, 1.0)
    planes = shown(photo.astype(np.float32), deep)
    after = planes.copy()
    add_detail_to_planes(after, planes, laid, 1.0)
    found = region_rgb(after, (0, 0, WIDTH, HEIGHT)).astype(float)
    change, expected = (
        found - region_rgb(planes, (0, 0, WIDTH, HEIGHT)),
        wanted - photo.astype(float),
    )
    assert np.abs(expected).max() > 15
    assert np.abs(change - expected)[..., 1].mean() < 0.6
    assert np.corrcoef(change.mean(2).ravel(), expected.mean(2).ravel())[0, 1] > 0.98
    box = laid.box
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[box[1] : box[3], box[0] : box[2]] = False
    assert np.array_equal(after.layers[0][outside], planes.layers[0][outside])


def test_detail_moves_with_the_face_and_does_not_flicker(skin: TrackSkin):
    """Along the motion the detail is the same in each frame, across the looks at the skin too."""
    follower = SkinFollower(skin)
    rng = np.random.default_rng(1)
    seen = []
    for frame in range(14):
        noisy = shown(np.clip(SKIN + rng.normal(0, 3, (HEIGHT, WIDTH, 1)), 0, 255), False)
        laid = follower.at(noisy, mesh_at(skin, 2.0 * frame))
        assert laid is not None
        whole = np.zeros((HEIGHT, WIDTH), np.float32)
        x0, y0, x1, y1 = laid[0].box
        whole[y0:y1, x0:x1] = laid[0].wrinkles
        seen.append(np.roll(whole, -2 * frame, axis=1))
    strength = np.std(seen[0][seen[0] != 0])
    assert strength > 0.02
    assert max(np.abs(b - a).mean() for a, b in pairwise(seen)) < 0.02 * strength


def test_what_covers_the_skin_stays(skin: TrackSkin):
    covered = plain()
    cheek = mesh_at(skin)[50]
    x, y = cheek.astype(int)
    covered[y - 20 : y + 20, x - 20 : x + 20] = (30, 60, 200)  # something blue
    follower = SkinFollower(skin)
    laid = follower.at(shown(covered, False), mesh_at(skin))
    free = SkinFollower(skin).at(shown(plain(), False), mesh_at(skin))
    assert laid is not None and free is not None
    x, y = x - laid[0].box[0], y - laid[0].box[1]
    part = np.s_[y - 10 : y + 10, x - 10 : x + 10]
    assert np.abs(laid[0].wrinkles[part]).mean() < 0.2 * np.abs(free[0].wrinkles[part]).mean()


def smoothed(rgb: np.ndarray, canonical: np.ndarray, network: object) -> np.ndarray:
    """Stand in for the network, which leaves what is no face: take all detail off."""
    logs = np.log(rgb + np.float32(LOG_OFFSET))
    change = np.stack([gaussian(plane, 12.0) for plane in logs]) - logs
    return np.concatenate([change, half_mask(canonical.tobytes())[None]])


def test_a_face_that_gets_younger_loses_its_own_lines(skin: TrackSkin, monkeypatch):
    monkeypatch.setattr("reage.video.skin_follower.remove_age", smoothed)
    lined = plain()
    x, y = mesh_at(skin)[50].astype(int)
    lined[y - 1 : y + 2, x - 15 : x + 15] *= 0.8
    young = replace(skin, gains=False, loses=True)
    planes = shown(lined, False)
    laid = SkinFollower(young).at(planes, mesh_at(skin))
    assert laid is not None
    after = planes.copy()
    detail = SkinDetail(*laid, (0.0,), (1.0,))
    add_detail_to_planes(after, planes, detail.own, 1.0)

    def depth(one: Planes) -> float:
        light = one.layers[0].astype(float)
        return float(light[y - 12 : y - 6, x].mean() - light[y, x - 10 : x + 10].mean())

    assert depth(after) < 0.5 * depth(planes)


def test_a_child_has_no_beard_in_film(skin: TrackSkin, monkeypatch):
    """What takes it off lies where the face is in the frame, and only where a child is shown."""

    def network(logs: torch.Tensor, bare: torch.Tensor) -> torch.Tensor:
        change = torch.full_like(logs, 0.5)
        change[..., 290:, :] = 0  # it ends above the lower edge
        return change

    monkeypatch.setattr("reage.video.skin_follower.load_beard_removal", lambda _: network)
    planes, mesh = shown(plain(), False), mesh_at(skin)
    assert SkinFollower(skin).shave(planes, mesh, None) is None
    laid = SkinFollower(replace(skin, shaves=True)).shave(planes, mesh, None)
    assert laid is not None
    chin, cheek = (mesh[i].astype(int) - laid.box[:2] for i in (200, 50))
    assert laid.wrinkles[chin[1], chin[0]] == pytest.approx(0.5, abs=0.1)
    assert laid.wrinkles[cheek[1], cheek[0]] == 0


def test_a_small_face_gets_none(skin: TrackSkin):
    small = skin.aged.canonical * 0.05 + [70.0, 80.0]
    assert SkinFollower(skin).at(shown(plain(), False), small) is None


def test_a_mesh_survives_the_journal():
    landmarks = np.random.default_rng(0).uniform(100, 300, (478, 3)).astype(np.float32)
    rows = np.array([face_row(0, 0, 1, Face.from_landmarks(landmarks, 1.0))])
    assert np.abs(read_mesh(rows)[0] - landmarks[:MESH, :2]).max() < 0.04
