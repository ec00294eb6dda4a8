"""Things before a face in a video: found in every frame, left as they are, and said once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from made_video import place, write
from PIL import Image, ImageDraw

from reage.agers.photo import PhotoAger
from reage.compositing.planes import Planes, rgb_to_ycc
from reage.editor import Editor
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.networks.agers.growth import Growth, GrowthConfig
from reage.networks.agers.photo_ager import PhotoAger as PhotoNetwork
from reage.networks.agers.photo_ager import PhotoAgerConfig
from reage.search.age_search import Reached
from reage.video import track_edit
from reage.video.config import VideoConfig
from reage.video.cover_follower import FADE, CoverFollower
from reage.video.run import edit_video

COVERED = range(3, 6)  # of eight frames
BLUE = (120, 175, 215)
# Of MediaPipe's mesh: a mask from the cheeks over the nose's ridge down to the chin.
MASK = [93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361]
MASK += [323, 280, 5, 50]


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray) -> Face:
    return FaceDetector().detect(astronaut)[0]


def masked(photo: np.ndarray, face: Face) -> tuple[np.ndarray, np.ndarray]:
    """The photo with a mask before the face, and where that is, `[H, W]` bool."""
    assert face.landmarks is not None
    layer = Image.new("L", photo.shape[1::-1])
    ImageDraw.Draw(layer).polygon([tuple(face.landmarks[i, :2]) for i in MASK], fill=255)
    there = np.asarray(layer) > 0
    folds = 1 + 0.06 * np.sin(np.arange(len(photo)) / 5)[:, None, None]
    cloth = np.clip(np.array(BLUE) * folds, 0, 255).astype(np.uint8)
    return np.where(there[..., None], cloth, photo), there


def as_planes(rgb: np.ndarray) -> Planes:
    ycc = rgb_to_ycc(rgb.astype(np.float32), 1, False) + np.array([16, 128, 128], np.float32)
    layers = [np.rint(256 * layer).astype(np.uint16) for layer in np.moveaxis(ycc, 2, 0)]
    return Planes.join(layers, 1, False, (1, 1))


def test_a_cover_is_there_at_once_and_goes_slowly(
    astronaut: np.ndarray, face: Face, editor: Editor
):
    assert face.landmarks is not None
    clear, (photo, there) = as_planes(astronaut), masked(astronaut, face)
    follower = CoverFollower(editor.cover_network)
    mesh = face.landmarks[:468, :2]
    assert follower.at(clear, face.points, mesh) is None and not follower.found
    first = follower.at(as_planes(photo), face.points, mesh)
    assert first is not None and follower.found
    assert np.median(first.over(photo.shape)[there]) == 1
    peaks = []
    while (cover := follower.at(clear, face.points, mesh)) is not None:
        assert not follower.found
        peaks.append(float(cover.layer.max()))
    assert np.allclose(peaks, 1 - np.arange(1, FADE) / FADE, atol=1e-5)


def made_clip(folder: Path, photo: np.ndarray, face: Face) -> tuple[Path, list[np.ndarray]]:
    """A portrait that moves, with a mask in some frames, and where that is."""
    canvas = np.full((256, 320, 3), 60, np.uint8)
    hidden, there = masked(photo, face)
    shape = np.repeat(np.uint8(255 * there)[..., None], 3, 2)
    frames, masks = [], []
    for i in range(8):
        where = 150.0 + 2 * i, 128.0, 0.9
        frames.append(place(canvas, hidden if i in COVERED else photo, *where))
        masks.append(place(0 * canvas, shape, *where)[..., 0] > 250)
    stamps = [100 * i for i in range(8)]
    return write(folder / "made.mov", frames, stamps, audio=False, format="yuv444p"), masks


def warping(editor: Editor) -> Editor:
    """An editor whose ager makes faces lighter and moves all of them."""
    growth = Growth(GrowthConfig((10.0, 90.0), side=16)).requires_grad_(False)
    growth.shapes[1] = 0.05
    network = PhotoNetwork(PhotoAgerConfig(32, widths=(8, 8))).eval().requires_grad_(False)
    network.out.bias += 1.0
    ager = PhotoAger(network, growth, editor.model.config.alignment)
    return replace(editor, ager=ager, load_latents=None)


@pytest.mark.parametrize("kind", ["codes", "photo"])
def test_what_covers_a_face_stays_and_is_said_once(
    small_editor: Editor,
    astronaut: np.ndarray,
    face: Face,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
):
    import av

    editor = small_editor if kind == "codes" else warping(small_editor)
    monkeypatch.setattr(track_edit, "reach_age", lambda *_: Reached(1.0, 70.0, 70.0, None))
    path, masks = made_clip(tmp_path, astronaut, face)
    result = edit_video(editor, path, tmp_path / "out-%04d.png", VideoConfig(to=70.0))
    assert [line for line in result.notices if "covered" in line] == [
        "part of the face is covered in 3 of 8 frames; nothing is changed there"
    ]
    with av.open(str(path)) as container:
        before = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    after = [np.asarray(Image.open(file)) for file in sorted(tmp_path.glob("out-*.png"))]
    pairs = zip(before, after, masks, strict=True)
    changes = [np.abs(now.astype(int) - was).max(2)[there] for was, now, there in pairs]
    assert max(np.percentile(changes[i], 95) for i in COVERED) < 3
    assert np.percentile(changes[0], 95) > 3  # the same place in a free frame
