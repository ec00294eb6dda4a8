"""The embedded ager: a photo ager part of the way, detail of skin the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reage.agers.base import PreparedFace
from reage.agers.skin import SkinAger
from reage.compositing.cover import Cover, cover_quad
from reage.editor import Editor, load
from reage.images import Photo, photo_from_array


@pytest.fixture(scope="module")
def photo(astronaut: np.ndarray) -> Photo:
    return photo_from_array(astronaut)


@pytest.fixture(scope="module")
def face(editor: Editor, photo: Photo) -> PreparedFace:
    (found,) = editor.prepare(photo, editor.choose_faces(photo))
    return found


@pytest.fixture(scope="module")
def ager(editor: Editor) -> SkinAger:
    assert isinstance(editor.ager, SkinAger)
    return editor.ager


def test_bank_and_base_both_count_in_the_fingerprint(ager: SkinAger):
    fewer = replace(ager.bank, exemplars=ager.bank.exemplars[:-1])
    found = {ager.fingerprint, replace(ager, bank=fewer).fingerprint, ager.base.fingerprint}
    assert len(found) == 3
    assert replace(ager).fingerprint == ager.fingerprint


def test_nothing_changes_at_the_own_age_and_detail_grows_with_the_years(
    ager: SkinAger, face: PreparedFace
):
    ages = torch.tensor([8.0, face.own_age, 50.0, 80.0])
    change = ager.change(face, ages)
    assert change.skin is not None
    assert change.added[1].abs().max() < 1e-3
    assert change.skin.gains[:2] == pytest.approx((0.0, 0.0), abs=0.02)
    assert 0 < change.skin.gains[2] < change.skin.gains[3]
    assert change.skin.losses[2:] == (0.0, 0.0)


def test_ages_at_once_are_those_one_by_one(ager: SkinAger, face: PreparedFace):
    ages = torch.tensor([15.0, 70.0])
    together = ager.change(face, ages)
    for i in range(2):
        alone, part = ager.change(face, ages[i : i + 1]), together.one(i)
        assert torch.allclose(alone.added, part.added, atol=1e-4)
        assert alone.skin is not None and part.skin is not None
        assert alone.skin.gains == part.skin.gains and alone.skin.losses == part.skin.losses


def test_the_finished_photo_has_finer_detail_than_without_the_bank(editor: Editor, photo: Photo):
    plain = load("faces128", device="cpu", precision="float32", fine_skin=False)
    made = {
        name: one.edit(photo, to=70).edits[0].photo.pixels.astype(float)
        for name, one in (("fine", editor), ("plain", plain))
    }
    (face,) = editor.prepare(photo, editor.choose_faces(photo))
    x0, y0, x1, y1 = (int(v) for v in face.view.face.box)
    light = {name: pixels[y0:y1, x0:x1].mean(2) for name, pixels in made.items()}
    sharp = {name: float(np.abs(np.diff(one, axis=0)).mean()) for name, one in light.items()}
    assert sharp["fine"] > sharp["plain"]


def test_nothing_is_laid_on_what_covers_the_face(ager: SkinAger, face: PreparedFace):
    """Neither wrinkles nor the neck's folds nor the lips' colour, at any age."""
    assert face.pixels is not None
    whole = Cover(cover_quad(face.view.face.points), np.ones((64, 64), np.float32), 1.0)
    covered = face.with_view(replace(face.view, cover=whole), face.pixels)
    change = ager.change(covered, torch.tensor([15.0, 70.0]))
    assert change.skin is not None
    for laid in (change.skin.old, change.skin.own):
        for part in (laid.wrinkles, laid.folds, laid.colours):
            assert part is not None and np.abs(part).max() < 1e-3


def test_faces_without_a_mesh_or_a_photo_get_the_base_alone(ager: SkinAger, face: PreparedFace):
    ages = torch.tensor([70.0])
    base = ager.base.change(face, ages)
    for other in (replace(face, pixels=None, notes={}), replace(face, paste="replace", notes={})):
        change = ager.change(other, ages)
        assert change.skin is None
        if other.paste == "delta":
            assert torch.equal(change.added, base.added)
