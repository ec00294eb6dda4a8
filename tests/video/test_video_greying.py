"""Hair in a video: followed, and grey in the frames' own samples."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from made_video import write

from reage.compositing.bands import LUMA
from reage.compositing.frame_canvas import grey_planes
from reage.compositing.hair.greying import grey_hair
from reage.compositing.hair.mask import HEAD_SIDE
from reage.compositing.hair.segmentation import LAYERS, WINDOWS, Hair, Window, find_hair
from reage.compositing.planes import Planes, rgb_to_ycc
from reage.editor import Editor
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.faces.sampling import interpolate
from reage.faces.squares import crop_face, face_quad, to_unit
from reage.video.config import VideoConfig
from reage.video.hair_follower import EVERY, HairFollower
from reage.video.run import edit_video

ABOVE = np.s_[36:44, 120:140]  # hair of the astronaut


def as_planes(rgb: np.ndarray, full_range: bool = False) -> Planes:
    """A picture as a frame."""
    luma, *colours = np.moveaxis(rgb_to_ycc(rgb.astype(np.float32), 5, full_range), -1, 0)
    small = [c.reshape(len(c) // 2, 2, -1, 2).mean((1, 3)).ravel() + 128 for c in colours]
    flat = np.concatenate([luma.ravel() + (0 if full_range else 16), *small])
    return Planes(np.rint(flat).astype(np.uint8).reshape(-1, rgb.shape[1]), 5, full_range)


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray) -> Face:
    return FaceDetector().detect(astronaut)[0]


def paint(follower: HairFollower, planes: Planes, face: Face) -> None:
    """Turn all of the hair grey in the next frame."""
    hair = follower.at(planes.copy(), face.points)
    if hair is not None:
        grey_planes(planes, hair, 1.0)


@pytest.mark.parametrize("full_range", [False, True])
def test_a_frame_turns_grey_as_a_photo(
    editor: Editor, astronaut: np.ndarray, face: Face, full_range: bool
):
    cut = partial(crop_face, astronaut, resolution=HEAD_SIDE)
    hair = find_hair(cut, face, editor.hair_finders, np.zeros((0, 3)))
    assert hair is not None
    photo = astronaut.copy()
    grey_hair(photo, hair, 0.8)
    wanted, planes = as_planes(photo, full_range), as_planes(astronaut, full_range)
    before = planes.copy()
    grey_planes(planes, hair, 0.8)
    for found, same, old in zip(planes.layers, wanted.layers, before.layers, strict=True):
        change = np.abs(same.astype(int) - old).mean()
        assert np.abs(found.astype(int) - same).mean() < 0.25 * change + 0.1
    untouched = np.s_[200:, :]
    assert np.array_equal(planes.layers[0][untouched], before.layers[0][untouched])
    grey_planes(before, hair, 0.0)
    assert np.array_equal(before.packed, as_planes(astronaut, full_range).packed)


def test_hair_is_followed_without_flicker(editor: Editor, astronaut: np.ndarray, face: Face):
    """Frames with noise of their own: what is added hardly differs between them."""
    follower = HairFollower(editor)
    rng = np.random.default_rng(0)
    added, without = [], []
    for _ in range(2 * EVERY + 2):
        noisy = np.clip(astronaut + rng.normal(0, 2, astronaut.shape), 0, 255)
        planes = as_planes(noisy)
        before = planes.layers[0][ABOVE].astype(float)
        paint(follower, planes, face)
        added.append((planes.layers[0][ABOVE] - before).mean())
        without.append(before.mean())
    assert min(added) > 15
    assert np.std(added) < 0.05 * np.mean(added) + np.std(without)


def test_a_hidden_face_keeps_the_hair_that_was_seen(
    editor: Editor, astronaut: np.ndarray, face: Face
):
    follower = HairFollower(editor)
    blank = as_planes(np.full_like(astronaut, 90))
    nothing = blank.copy()
    paint(follower, blank, face)
    assert np.array_equal(blank.packed, nothing.packed)  # none was seen yet
    for _ in range(EVERY):
        paint(follower, as_planes(astronaut), face)
    planes = as_planes(astronaut)
    paint(follower, planes, face)
    assert (planes.layers[0][ABOVE] > as_planes(astronaut).layers[0][ABOVE]).mean() > 0.8
    quad = face_quad(face.points, WINDOWS[0].scale, WINDOWS[0].shift)
    assert follower._latest is not None
    assert np.abs(follower._latest.quad - quad).max() < 3


class TestWindows:
    """Hair that another frame cuts off at its edge goes on in this one."""

    @pytest.fixture
    def windows(self, monkeypatch: pytest.MonkeyPatch) -> tuple[Window, ...]:
        """Two, of which the first is too small for the astronaut's hair."""
        windows = Window(0.75, 0.1, 256), WINDOWS[1]
        monkeypatch.setattr("reage.video.hair_follower.WINDOWS", (WINDOWS[0], *windows))
        return windows

    def test_it_is_followed_beyond_the_known_one(
        self, editor: Editor, astronaut: np.ndarray, face: Face, windows: tuple[Window, ...]
    ):
        found = HairFollower(editor, self.cut_off(editor, astronaut, face, windows[0])).at(
            as_planes(astronaut), face.points
        )
        assert found is not None and found.window == windows[1]
        planes = as_planes(astronaut)
        grey_planes(planes, found, 1.0)
        assert (planes.layers[0][ABOVE] > as_planes(astronaut).layers[0][ABOVE]).mean() > 0.8

    def test_a_larger_one_comes_without_a_jump(
        self, editor: Editor, astronaut: np.ndarray, face: Face, windows: tuple[Window, ...]
    ):
        follower = HairFollower(editor)
        follower._latest = self.cut_off(editor, astronaut, face, windows[0])
        before = follower._latest
        found = follower.at(as_planes(astronaut), face.points)
        later = follower._latest
        assert found is not None and later is not None and found.window == windows[1]
        wanted, there = as_planes(astronaut), as_planes(astronaut)
        grey_planes(wanted, before, 1.0)
        grey_planes(there, found, 1.0)
        # Within the first window it is still much as it was.
        top = round(float(before.quad[:, 1].min()))
        rows = np.s_[max(top, 0) + 8 : max(top, 0) + 24, 110:140]
        old, now, then = (p.layers[0][rows] / 255 for p in (as_planes(astronaut), there, wanted))
        assert np.abs(then - old).mean() > 0.05
        assert np.abs(now - then).mean() < 0.3 * np.abs(then - old).mean()

    def cut_off(self, editor: Editor, photo: np.ndarray, face: Face, window: Window) -> Hair:
        """Hair in a photo, of which a small window shows a part."""
        cut = partial(crop_face, photo, resolution=HEAD_SIDE)
        hair = find_hair(cut, face, editor.hair_finders, np.zeros((0, 3)))
        assert hair is not None
        quad = face_quad(face, window.scale, window.shift)
        places, size = to_unit(quad, hair.quad) * len(hair.slope) - 0.5, (window.side,) * 2
        names = *LAYERS, "beard"
        layers = {name: interpolate(getattr(hair, name), places, size) for name in names}
        return replace(hair, quad=quad, window=window, **layers)


@pytest.mark.slow
def test_a_whole_video(editor: Editor, astronaut: np.ndarray, tmp_path: Path):
    frames = [np.roll(astronaut, step, axis=1) for step in range(4)]
    clip = write(tmp_path / "clip.mp4", frames, [100 * i for i in range(4)])
    results = [
        edit_video(one, clip, tmp_path / f"{name}.mp4", VideoConfig(to={1: 75.0}))
        for name, one in (("grey", editor), ("kept", replace(editor, grey_hair=False)))
    ]
    import av

    pictures = []
    for path in (clip, *(r.path for r in results)):
        with av.open(str(path)) as container:
            pictures.append(
                next(container.decode(video=0)).to_ndarray(format="rgb24").astype(float)
            )
    before, grey, kept = pictures
    changed = np.abs(grey - kept).max(-1) > 25
    assert changed.sum() > 200
    colour = [np.ptp(p[changed], axis=-1).mean() for p in (before, grey, kept)]
    assert colour[1] < 0.6 * colour[0] and colour[2] > 0.8 * colour[0]
    assert (grey[changed] @ LUMA).mean() > (before[changed] @ LUMA).mean() + 10


def test_what_comes_before_the_hair_between_two_looks_stays(
    editor: Editor, astronaut: np.ndarray, face: Face
):
    follower = HairFollower(editor)
    paint(follower, as_planes(astronaut), face)
    held = astronaut.copy()
    held[20:60, 100:150] = (205, 150, 125)  # a hand in the hair
    planes = as_planes(held)
    before = planes.layers[0].astype(int)
    paint(follower, planes, face)
    assert np.abs(planes.layers[0] - before)[ABOVE].mean() < 3


def test_samples_below_black_get_a_colour_back_too(
    editor: Editor, astronaut: np.ndarray, face: Face
):
    planes = as_planes(astronaut)
    hair = HairFollower(editor).at(planes, face.points)
    assert hair is not None
    planes.layers[0][36:44, 120:140] = 4  # black is 16
    with np.errstate(invalid="raise"):
        grey_planes(planes, replace(hair, faded=np.ones_like(hair.faded)), -1.0)
    assert planes.layers[0][ABOVE].max() <= 16
