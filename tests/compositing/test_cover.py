"""Things before a face are seen, left as they are, and said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter

from reage.agers.base import PreparedFace
from reage.compositing.change import Change
from reage.compositing.cover import SQUARE, Cover, find_cover
from reage.compositing.render import render_photo
from reage.compositing.view import view_face
from reage.compositing.warp import Warp
from reage.editor import Editor
from reage.faces.detection import FaceDetector
from reage.faces.face import Face
from reage.faces.squares import crop_face, face_quad
from reage.images import to_tensor
from reage.models.checkpoints import Alignment
from reage.models.pretrained import load_occlusion

PORTRAITS = Path(__file__).parents[2] / "../shared/portraits"
# Of MediaPipe's mesh: a mask from the cheeks over the nose's ridge down to the chin.
MASK = [93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361]
MASK += [323, 280, 5, 50]
IRISES = 468, 473


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray) -> Face:
    return FaceDetector().detect(astronaut)[0]


def put_on(
    photo: np.ndarray, face: Face, thing: str, colour: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A photo with a thing before the face, and where that is, `[H, W]` bool."""
    assert face.landmarks is not None
    mesh = face.landmarks[:, :2]
    layer = Image.new("L", photo.shape[1::-1])
    pen = ImageDraw.Draw(layer)
    if thing == "mask":
        pen.polygon([tuple(mesh[i]) for i in MASK], fill=255)
    else:
        width = 0.2 * float(np.hypot(*(mesh[454] - mesh[234])))
        for x, y in mesh[list(IRISES)]:
            pen.ellipse([x - width, y - 0.7 * width, x + width, y + 0.7 * width], fill=255)
        pen.line([tuple(mesh[i]) for i in IRISES], fill=255, width=3)
    share = np.asarray(layer.filter(ImageFilter.GaussianBlur(0.6)))[..., None] / 255
    folds = 1 + 0.06 * np.sin(np.arange(len(photo)) / 5)[:, None, None]
    made = photo * (1 - share) + np.clip(np.array(colour) * folds, 0, 255) * share
    return np.rint(made).astype(np.uint8), share[..., 0] > 0.9


def test_a_clear_face_is_not_covered(astronaut: np.ndarray, face: Face):
    assert find_cover(load_occlusion(), astronaut, face) is None
    assert find_cover(load_occlusion(), astronaut, Face.from_points(face.points)) is None


@pytest.mark.parametrize("tone", [False, True])
@pytest.mark.parametrize(
    ("thing", "colour"),
    [("mask", (120, 175, 215)), ("mask", (25, 25, 28)), ("sunglasses", (20, 20, 22))],
)
def test_a_thing_before_the_face_stays_as_it_is(
    astronaut: np.ndarray,
    face: Face,
    editor: Editor,
    thing: str,
    colour: tuple[int, int, int],
    tone: bool,
):
    photo, there = put_on(astronaut, face, thing, colour)
    if tone:
        photo = photo.mean(-1, keepdims=True).astype(np.uint8).repeat(3, axis=-1)
    view = view_face(photo, face, 1, Alignment(0.7, 0.22), 64, *editor.face_readers)
    assert view.cover is not None and 0.04 < view.cover.share < 0.6
    assert view.notices[0] == "part of face 1 is covered; nothing is changed there"
    y, x = torch.meshgrid(torch.linspace(0, 9, 64), torch.linspace(0, 9, 64), indexing="ij")
    warp = Warp(torch.full((1, 2, 32, 32), 0.03), 0.2)
    painted = Change((0.3 * torch.sin(x + y)).expand(1, 3, -1, -1), warp)
    prepared = PreparedFace(view, "delta", to_tensor(view.crop.image))
    after = render_photo(photo, [prepared.layer(prepared.complete(painted))])
    change = np.abs(after.astype(int) - photo).max(-1)
    assert np.percentile(change[there], 95) < 3
    assert np.percentile(change[70:180, 80:175], 90) > 10


def test_what_is_covered_is_the_same_in_every_square(astronaut: np.ndarray, face: Face):
    photo, _ = put_on(astronaut, face, "mask", (120, 175, 215))
    cover = find_cover(load_occlusion(), photo, face)
    assert cover is not None
    pixels = cover.over(photo.shape)
    whole = np.array([[-0.5, -0.5], [-0.5, 255.5], [255.5, 255.5], [255.5, -0.5]])
    assert np.abs(cover.within(whole, 256) - pixels).mean() < 0.01


class Seen(torch.nn.Module):
    """A network that finds what it is told in the face's square, `[64, 64]`."""

    def __init__(self, found: np.ndarray) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.zeros(1))
        self.found = torch.from_numpy(found.astype(np.float32))[None, None]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.found


def test_a_cover_at_the_chin_does_not_come_in_at_the_hair(face: Face):
    photo = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    low = np.arange(64)[:, None].repeat(64, axis=1) >= 45
    cover = find_cover(Seen(low), photo, face)  # type: ignore[arg-type]
    assert cover is not None
    layer = cover.within(face_quad(face, *SQUARE), 128)
    assert layer[:60].max() == 0 and layer[92:102, 54:74].min() > 0.99


def test_the_edge_of_a_photo_covers_no_face(astronaut: np.ndarray, face: Face):
    """The picture goes on there as in a mirror, which is no thing before the face."""
    nose = int(face.landmarks[4, 1]) if face.landmarks is not None else 0
    low = np.arange(64)[:, None].repeat(64, axis=1) >= 40
    assert find_cover(Seen(low), astronaut, face) is not None  # type: ignore[arg-type]
    assert find_cover(Seen(low), astronaut[: nose + 2], face) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("colour", "beside"), [((30, 60, 160), 0.1), ((205, 150, 125), 1.0)])
def test_a_thing_before_the_chin_goes_on_below_the_face(
    astronaut: np.ndarray, face: Face, colour: tuple[int, int, int], beside: float
):
    # A microphone is told from the neck by its colour; a hand is not, nor what is beside it.
    assert face.landmarks is not None
    x, y = face.landmarks[13, :2].round().astype(int)
    photo = np.full_like(astronaut, (205, 150, 125))
    photo[y:, x - 9 : x + 9] = colour
    strip = np.zeros_like(photo)
    strip[y:, x - 9 : x + 9] = 255
    seen = crop_face(strip, face_quad(face, *SQUARE), 64).image[..., 0] > 128
    found = find_cover(Seen(seen), photo, face)  # type: ignore[arg-type]
    assert found is not None
    over = found.over(photo.shape)
    below = slice(int(face.landmarks[152, 1]) + 5, int(face.landmarks[152, 1]) + 60)
    assert over[below, x - 7 : x + 7].min() > 0.9
    assert over[below, x + 30 : x + 40].max() < beside + 0.01


def test_what_covers_the_face_is_not_bent(face: Face):
    quad = face_quad(face)
    layer = np.zeros((64, 64), np.float32)
    layer[32:] = 1
    warp = Warp(torch.ones(1, 2, 32, 32), 0.25)
    held = warp.hold(Cover(quad, layer, 0.5), quad).moves
    assert held[..., 17:23, 8:24].abs().max() < 1e-3
    assert (held[..., :8, :] > 0.99).all()


def test_a_covered_face_is_said_in_the_result(astronaut: np.ndarray, face: Face, editor: Editor):
    photo, _ = put_on(astronaut, face, "mask", (120, 175, 215))
    result = editor.edit(photo, 70)
    assert any("part of face 1 is covered" in notice for notice in result.notices)
    assert replace(result.prepared[0].view, cover=None).notices == []


@pytest.mark.slow
def test_no_portrait_is_covered():
    files = sorted(PORTRAITS.glob("*/*.jpg"))
    if not files:
        pytest.skip("no portraits here")
    detector, network = FaceDetector(), load_occlusion()
    found = []
    for file in files:
        photo = np.asarray(Image.open(file).convert("RGB"))
        face = max(detector.detect(photo), key=lambda one: one.size)
        found += [file.name] * (find_cover(network, photo, face) is not None)
    assert found == []
