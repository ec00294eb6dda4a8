"""What is burnt out or black has no detail to change, and is left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from reage.agers.base import PreparedFace
from reage.compositing.bands import LUMA
from reage.compositing.change import Change, SkinDetail
from reage.compositing.preview import preview_flat
from reage.compositing.render import render_photo
from reage.compositing.view import FaceView, view_face
from reage.compositing.visible import exposure, light_shown
from reage.editor import Editor
from reage.images import to_array, to_tensor
from reage.inputs import as_photo
from reage.models.checkpoints import Alignment


def seen(photo: np.ndarray, astronaut: np.ndarray, editor: Editor) -> FaceView:
    face = editor.choose_faces(as_photo(astronaut))[1]
    return view_face(photo, face, 1, Alignment(), 64, *editor.face_readers)


def spotted(photo: np.ndarray, view: FaceView) -> np.ndarray:
    """The photo with spots on the face, lighter and darker."""
    added = 0.3 * torch.sin(torch.arange(64.0))[:, None] * torch.sin(torch.arange(64.0))
    face = PreparedFace(view, "delta", to_tensor(view.crop.image))
    return render_photo(photo, [face.layer(Change(added.expand(1, 3, -1, -1)))])


def test_burnt_out_skin_is_left(astronaut: np.ndarray, editor: Editor):
    burnt = np.clip(astronaut.astype(float) * 2.6 + 20, 0, 255).astype(np.uint8)
    view = seen(burnt, astronaut, editor)
    white = (view.crop.image @ LUMA > 253) & (view.mask > 0.9)
    assert white.sum() > 100
    change = np.abs(spotted(burnt, view).astype(int) - burnt).max(-1)
    assert np.percentile(change[(burnt @ LUMA) > 253], 99) <= 1
    assert change.max() > 20


@pytest.mark.parametrize("names", [("losses_in", "gains_in"), ("gains_in", "losses_in")])
def test_a_preview_leaves_it_too(astronaut: np.ndarray, editor: Editor, names: tuple[str, str]):
    """Ages were read with wrinkles that the finished photo did not show."""
    burnt = np.clip(astronaut.astype(float) * 2.6 + 20, 0, 255).astype(np.uint8)
    view = seen(burnt, astronaut, editor)
    darker = np.full((1, 3, *view.age_crop.image.shape[:2]), -0.5, np.float32)
    layers = dict(zip(names, (darker, None), strict=True))
    laid = {name: lambda crop, layer=layer: layer for name, layer in layers.items()}
    skin = cast(SkinDetail, SimpleNamespace(**laid))
    change = Change(torch.zeros(1, 3, 64, 64), skin=skin)
    shown = to_array(preview_flat(view, to_tensor(view.crop.image), change, "delta"))[0]
    lost = (view.age_crop.image.astype(int) - shown).max(-1)
    white = view.age_crop.image @ LUMA > 253
    assert white.sum() > 100
    assert lost[white].max() <= 1 and lost.max() > 20


def test_the_dark_half_of_a_face_is_left(astronaut: np.ndarray, editor: Editor):
    across = 1 / (1 + np.exp((np.arange(256) - 125) / 3))[None, :, None]
    half = np.rint(astronaut * (0.06 + 0.94 * across)).astype(np.uint8)
    view = seen(half, astronaut, editor)
    change = np.abs(spotted(half, view).astype(int) - half).max(-1)
    assert change[:, 140:].max() <= 3
    assert change[:, 100:115].max() > 20


def test_a_face_in_good_light_changes_all_over(astronaut: np.ndarray, editor: Editor):
    view = seen(astronaut, astronaut, editor)
    face = view.mask > 0.9
    assert view.open[face].mean() > 0.9
    assert (view.mask_for("replace") == view.mask).all()


def test_light_fades_towards_white_and_black():
    light = np.linspace(0, 1, 256)
    shown = light_shown(light)
    assert shown[[0, -1]].max() == 0 and (shown[(light > 0.1) & (light < 0.88)] == 1).all()
    assert (np.diff(shown[light < 0.5]) >= 0).all() and (np.diff(shown[light > 0.5]) <= 0).all()


def test_dark_skin_is_no_shadow():
    image = np.full((64, 64, 3), 45, np.uint8)
    assert exposure(image, np.ones((64, 64))).min() == 1
