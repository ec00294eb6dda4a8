"""The neck in a video: as in a photo, in each frame where its lines are, without flicker."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from reage.agers.skin import read_embedded_bank
from reage.compositing.boxed_face import BoxedFace
from reage.compositing.cover import Cover
from reage.compositing.detail_transfer import LaidSkin
from reage.compositing.neck import BELOW, look_at_neck
from reage.compositing.planes import Planes, rgb_to_ycc
from reage.faces.squares import face_quad
from reage.video.neck_follower import NeckFollower
from reage.video.skin_follower import TrackSkin

SKIN = np.array([196, 150, 128], np.float32)
HEIGHT, WIDTH = 560, 400
CANONICAL = read_embedded_bank().canonical
MESH = CANONICAL * 0.4 + [95.0, 60.0]


def points(mesh: np.ndarray) -> np.ndarray:
    """Eyes, nose and corners of the mouth."""
    eyes = [mesh[[33, 133]].mean(0), mesh[[362, 263]].mean(0)]
    return np.stack([*eyes, mesh[1], mesh[61], mesh[291]])


def picture(lines: float = 20.0, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Skin with faint level lines below the chin, and a shirt."""
    rng = np.random.default_rng(seed)
    rgb = SKIN + rng.normal(0, 1 + noise, (HEIGHT, WIDTH, 1)).astype(np.float32)
    down = np.arange(HEIGHT)[:, None, None]
    rgb = rgb - lines * (np.cos(down / 3.0) > 0.9) * (down > MESH[152, 1] + 12)
    rgb[500:] = (30, 60, 200)
    return np.clip(rgb, 0, 255).astype(np.float32)


def planes(rgb: np.ndarray) -> Planes:
    ycc = rgb_to_ycc(rgb, 1, False) + np.array([16, 128, 128], np.float32)
    layers = [np.rint(256 * plane).astype(np.uint16) for plane in np.moveaxis(ycc, 2, 0)]
    return Planes.join(layers, 1, False, (1, 1))


def follower(gains: bool = True, loses: bool = True) -> NeckFollower:
    return NeckFollower(TrackSkin(SimpleNamespace(canonical=CANONICAL), gains, loses))  # type: ignore[arg-type]


def whole(laid: LaidSkin) -> np.ndarray:
    """The change of the log-luminance in the whole frame."""
    out = np.zeros((HEIGHT, WIDTH), np.float32)
    x0, y0, x1, y1 = laid.box
    out[y0:y1, x0:x1] = laid.wrinkles
    return out


def test_a_frame_gets_what_a_photo_gets():
    rgb = picture()
    boxed = BoxedFace.cut(np.rint(rgb).astype(np.uint8), MESH, CANONICAL, BELOW)
    assert boxed is not None
    neck = look_at_neck(boxed)
    wanted = np.zeros((HEIGHT, WIDTH), np.float32)
    x0, y0, x1, y1 = boxed.box
    wanted[y0:y1, x0:x1] = neck.older
    laid = follower().at(planes(rgb), points(MESH), MESH)
    assert laid is not None
    older, younger = map(whole, laid)
    inside = np.abs(wanted) > 0.02
    assert inside.sum() > 2000
    assert np.corrcoef(older[inside], wanted[inside])[0, 1] > 0.9
    assert 0.6 < older[inside].std() / wanted[inside].std() < 1.4
    assert younger[inside].std() > 0.01
    assert not older[: int(MESH[152, 1]) - 40].any() and not older[505:].any()


def test_what_is_not_wanted_is_not_computed():
    for gains, loses in ((True, False), (False, True)):
        laid = follower(gains, loses).at(planes(picture()), points(MESH), MESH)
        assert laid is not None
        assert [bool(one.wrinkles.any()) for one in laid] == [gains, loses]


def test_noise_is_not_deepened():
    """Grain of film became mottles, other ones in each frame."""
    one = follower()
    seen = []
    for seed in range(4):
        laid = one.at(planes(picture(0, 9, seed)), points(MESH), MESH)
        assert laid is not None
        seen.append(whole(laid[0]))
    on = np.abs(seen[0]) > 0
    assert np.abs(np.diff(seen, axis=0))[:, on].mean() < 0.4 * 9 / 150


def test_lines_follow_the_neck_not_the_face():
    """The lines are where they are in this frame, though the face moved on."""
    one, shift = follower(), np.array([0.0, 1.0])
    for step in range(5):
        laid = one.at(planes(picture()), points(MESH + step * shift), MESH + step * shift)
        assert laid is not None
    first = follower().at(planes(picture()), points(MESH), MESH)
    assert first is not None
    now, then = whole(laid[0])[325:365, 170:225], whole(first[0])[325:365, 170:225]
    assert np.corrcoef(now.ravel(), then.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("kind", ["covered", "cut off", "turned away"])
def test_where_no_neck_is_seen_nothing_is_laid(kind: str):
    mesh, cover, rgb = MESH, None, picture()
    if kind == "covered":
        cover = Cover(face_quad(points(MESH), 4.0, 1.0), np.ones((8, 8), np.float32), 1.0)
    if kind == "cut off":
        mesh = MESH + np.array([0.0, HEIGHT - MESH[152, 1] - 2])
    if kind == "turned away":
        mesh = MESH.copy()
        mesh[1] = mesh[234] - [60, 0]
    assert follower().at(planes(rgb), points(mesh), mesh, cover) is None
