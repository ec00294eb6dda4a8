"""A picture of one tone stays on it, whatever is added; its age is read as in any other."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from reage.agers.base import PreparedFace
from reage.compositing.bands import LUMA
from reage.compositing.change import Change
from reage.compositing.frame_canvas import keep_planes_tone
from reage.compositing.planes import Planes
from reage.compositing.preview import preview
from reage.compositing.render import render_photo
from reage.compositing.tone import Tone, has_one_tone
from reage.compositing.view import FaceView, crop_for_age, fit_tone, read_age, view_face
from reage.editor import Editor
from reage.images import to_array, to_tensor
from reage.inputs import as_photo
from reage.models.checkpoints import Alignment

PRINTS = {
    "grey": (1.0, 1.0, 1.0),
    "sepia": (0.7, 1.0, 1.4),
    "blue": (1.3, 1.05, 0.75),
}


def printed(photo: np.ndarray, name: str) -> np.ndarray:
    """Print a photo in one tone, from a faded black on."""
    light = 0.1 + 0.85 * (photo @ LUMA)[..., None] / 255
    return np.rint(255 * light ** np.array(PRINTS[name])).astype(np.uint8)


def jpeg(photo: np.ndarray, quality: int) -> np.ndarray:
    data = io.BytesIO()
    Image.fromarray(photo).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def seen(photo: np.ndarray, editor: Editor) -> FaceView:
    face = editor.choose_faces(as_photo(photo))[1]
    return view_face(photo, face, 1, Alignment(), 64, *editor.face_readers)


def painted(photo: np.ndarray, view: FaceView) -> np.ndarray:
    """The photo with violet lips and green cheeks, lighter and darker."""
    y, x = torch.meshgrid(torch.linspace(0, 9, 64), torch.linspace(0, 9, 64), indexing="ij")
    added = 0.4 * torch.stack([torch.sin(x), torch.cos(y), torch.sin(x - y)])[None]
    face = PreparedFace(view, "delta", to_tensor(view.crop.image))
    return render_photo(photo, [face.layer(Change(added))])


@pytest.mark.parametrize("name", PRINTS)
@pytest.mark.parametrize("quality", [None, 75])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_print_stays_on_its_tone(
    astronaut: np.ndarray, editor: Editor, name: str, quality: int | None, dtype: type
):
    photo = printed(astronaut, name)
    photo = photo if quality is None else jpeg(photo, quality)
    view = seen(photo, editor)
    assert view.tone is not None and view.tone.single == 1
    made = painted(photo.astype(dtype) * (1 if dtype is np.uint8 else 257), view)
    values = made / (1 if dtype is np.uint8 else 257)
    changed = np.abs(values - photo).max(-1) > 3
    assert changed.sum() > 1000
    away = np.abs(values - 255 * view.tone.project(values.astype(np.float32) / 255))[changed]
    assert np.percentile(away, 99) < 1.5
    assert away.max() < 4
    if name == "grey":
        assert np.ptp(made.astype(int), axis=-1).max() == 0


def test_colours_are_painted_into_a_colour_photo(astronaut: np.ndarray, editor: Editor):
    view = seen(astronaut, editor)
    assert view.tone is None
    made = painted(astronaut, view)
    assert np.ptp(made.astype(int) - astronaut, axis=-1).max() > 50


def test_a_pale_face_before_a_wall_of_colour_has_colours(astronaut: np.ndarray, editor: Editor):
    photo = printed(astronaut, "sepia")
    photo[:60, :60] = (40, 90, 200)
    face = editor.choose_faces(as_photo(photo))[1]
    assert has_one_tone(crop_for_age(photo, face).image) == 1
    assert fit_tone(photo, face) is None


def test_the_age_is_read_alike_in_every_tone(astronaut: np.ndarray, editor: Editor):
    network = editor.age_network
    photos = [printed(astronaut, name) for name in PRINTS]
    face = editor.choose_faces(as_photo(photos[0]))[1]
    squares = [to_tensor(crop_for_age(photo, face).image) for photo in photos]
    plain = [float(network.read(square)[0]) for square in squares]
    ages = [read_age(network, square).age for square in squares]
    assert np.ptp(plain) > 2 * np.ptp(ages)
    assert np.ptp(ages) < 3
    colours = to_tensor(crop_for_age(astronaut, face).image)
    assert read_age(network, colours).age == pytest.approx(float(network.read(colours)[0]))


def test_the_search_sees_the_print_that_is_painted(astronaut: np.ndarray, editor: Editor):
    photo = printed(astronaut, "sepia")
    view = seen(photo, editor)
    picture = to_tensor(view.crop.image)
    added = torch.full_like(picture, 0.2) * torch.tensor([1.0, -1.0, 1.0])[:, None, None]
    assert view.tone is not None
    shown = to_array(preview(view, picture, Change(added), "delta"))[0]
    assert np.abs(shown - 255 * view.tone.project(shown / np.float32(255))).max() < 1.5


@pytest.mark.parametrize("full_range", [True, False])
def test_a_frame_without_colours_stays_so(full_range: bool):
    rng = np.random.default_rng(1)
    packed = np.full((96, 64), 128, np.uint8)
    packed[:64] = rng.integers(20, 230, (64, 64))
    before = Planes(packed, 1, full_range)
    after = before.copy()
    for plane in after.layers:
        part = plane[: len(plane) // 2]
        part[...] = part + rng.integers(1, 20, part.shape, np.uint8)
    grey = Tone.of(np.repeat(rng.integers(0, 255, (64, 64, 1), np.uint8), 3, axis=-1))
    luma = after.layers[0].copy()
    keep_planes_tone(after, before, grey)
    assert (after.layers[0] == luma).all()
    assert all((plane == 128).all() for plane in after.layers[1:])


def test_grey_is_projected_to_exactly_grey():
    """At any luma, also where rounding falls between two levels."""
    rng = np.random.default_rng(0)
    grey = Tone.of(rng.integers(0, 256, (64, 64, 1), np.uint8).repeat(3, axis=-1))
    colours = rng.integers(0, 256, (500_000, 3)).astype(np.float32) / 255
    assert np.ptp(np.rint(255 * grey.project(colours)), axis=-1).max() == 0
