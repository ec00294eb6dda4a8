"""One face between the photo and the generator: crops of aligned pictures, and what is composed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reage.agers.base import PreparedFace
from reage.compositing.change import Change, PasteMode
from reage.compositing.preview import preview, preview_flat
from reage.compositing.render import render_photo
from reage.compositing.view import AGE_ALIGNMENT, AGE_SIDE, aligned_crop, crop_for_age, view_face
from reage.editor import Editor
from reage.errors import ImageError
from reage.images import to_array, to_tensor
from reage.inputs import as_photo
from reage.models.checkpoints import Alignment

pytestmark = pytest.mark.quick


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def test_an_aligned_picture_of_the_right_size_is_taken_as_it_is(picture: np.ndarray):
    crop = aligned_crop(picture, None, 64)
    assert np.array_equal(crop.image, picture)
    assert (crop.mask == 1).all()
    mask = np.full((64, 64), 255, np.uint8)
    mask[:, 40:] = 0
    mask[:, 39] = 51
    masked = aligned_crop(picture, mask, 64)
    assert np.array_equal(masked.image[:, :40], picture[:, :40])
    assert np.allclose(masked.mask, mask / 255)


@pytest.mark.parametrize("resolution", [16, 32, 64, 100])
def test_masked_pixels_reach_no_other_by_resampling(picture: np.ndarray, resolution: int):
    mask = np.full((64, 64), 255, np.uint8)
    mask[20:30, 40:] = 0
    other = np.where(mask[..., None] == 0, 255 - picture, picture)
    one, two = (aligned_crop(p, mask, resolution) for p in (picture, other))
    assert np.array_equal(one.image, two.image)
    assert one.mask.dtype == np.float32
    assert one.mask.shape == (resolution, resolution)
    assert 0 <= one.mask.min() < 0.02 < 0.9 < one.mask.mean() < one.mask.max() == 1


def test_aligned_pictures_that_do_not_fit(picture: np.ndarray):
    for rgb, mask, said in (
        (picture[:50], None, "64x50"),
        (picture, np.ones((32, 64), np.uint8), "mask is 64x32, its picture 64"),
        (picture, np.zeros((64, 64), np.uint8), "mask is black"),
    ):
        with pytest.raises(ImageError, match=rf"^[^\n]*{said}[^\n]*$"):
            aligned_crop(rgb, mask, 64)


@pytest.mark.parametrize("alignment", [AGE_ALIGNMENT, Alignment(), Alignment(0.8, 0.2)])
@pytest.mark.parametrize("mode", ["delta", "replace"])
def test_what_is_composed_is_what_the_pasted_photo_shows(
    editor: Editor, astronaut: np.ndarray, alignment: Alignment, mode: PasteMode
):
    """The search for an age looks at `preview`: it has to see what a paste would give."""
    face = editor.choose_faces(as_photo(astronaut))[1]
    view = view_face(astronaut, face, 1, alignment, 128, *editor.face_readers)
    base = to_tensor(view.crop.image)
    y, x = torch.meshgrid(torch.linspace(0, 6, 128), torch.linspace(0, 9, 128), indexing="ij")
    # In the middle only: along the edge, pasting would take the colours' difference away.
    window = torch.outer(torch.hann_window(128), torch.hann_window(128)) ** 2
    edited = (base + 0.5 * window * torch.sin(x + y)).clamp(-1, 1)
    prepared, change = PreparedFace(view, mode, base), Change(edited - base)
    pasted = render_photo(astronaut, [prepared.layer(change)])
    shown = crop_for_age(pasted, face).image.astype(float)
    composed = to_array(preview(view, prepared.picture, change, mode))[0].astype(float)
    assert composed.shape == (AGE_SIDE, AGE_SIDE, 3)
    changed = np.abs(shown - view.age_crop.image).mean()
    assert np.abs(shown - composed).mean() < 0.2 * changed
    pictures = to_tensor(np.stack([shown, composed]).astype(np.uint8))
    ages, _ = editor.age_network.read(pictures)
    assert abs(ages[0] - ages[1]) < 2


def test_composing_no_change_shows_the_photo(editor: Editor, astronaut: np.ndarray):
    face = editor.choose_faces(as_photo(astronaut))[1]
    view = view_face(astronaut, face, 1, Alignment(), 128, *editor.face_readers)
    base = torch.rand(1, 3, 128, 128) * 2 - 1
    for shown in (preview, preview_flat):
        found = shown(view, base, Change(torch.zeros_like(base)), "delta")
        assert np.array_equal(to_array(found)[0], view.age_crop.image)
