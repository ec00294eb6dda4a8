"""Beards come off children's faces, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from reage.agers.children import shaving
from reage.agers.skin import read_embedded_bank
from reage.compositing.beard_removal import beard_region, lay_shave
from reage.compositing.boxed_face import BoxedFace, half_mask
from reage.compositing.change import SkinDetail
from reage.compositing.detail_transfer import LaidSkin, add_detail
from reage.compositing.mesh_warp import warp_from_frame
from reage.compositing.smoothing import gaussian
from reage.editor import Editor
from reage.images import Photo
from reage.models.pretrained import load_beard_removal

LIPS, CHIN = (164, 18), 200  # of the mesh: above and below them
NOSE, CHEEKS = 4, (50, 280)


@pytest.fixture(scope="module")
def photo(astronaut: np.ndarray) -> np.ndarray:
    """Enlarged: a small face shows no hairs."""
    return np.array(Image.fromarray(astronaut).resize((768, 768), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def mesh(photo: np.ndarray, editor: Editor) -> np.ndarray:
    (face,) = editor.choose_faces(Photo(photo)).values()
    assert face.landmarks is not None
    return face.landmarks


@pytest.fixture(scope="module")
def canonical() -> np.ndarray:
    return read_embedded_bank().canonical


def boxed(photo: np.ndarray, mesh: np.ndarray, canonical: np.ndarray) -> BoxedFace:
    face = BoxedFace.cut(photo, mesh, canonical)
    assert face is not None
    return face


def with_stubble(photo: np.ndarray, mesh: np.ndarray, canonical: np.ndarray) -> np.ndarray:
    """Draw dark hairs where beards grow on the face."""
    size = photo.shape[1], photo.shape[0]
    half = (canonical + 0.5) / 2 - 0.5
    region = (beard_region(canonical) * half_mask(canonical.tobytes()))[None]
    (region,) = warp_from_frame(region, half, mesh, (0, 0, *size), size)
    noise = gaussian(np.random.default_rng(0).normal(0, 1, photo.shape[:2]), 1.2)
    hairs = np.clip(0.3 + 0.3 * noise, 0, 0.6)
    return (photo * (1 - region * hairs)[..., None]).astype(np.uint8)


def shaven(photo: np.ndarray, face: BoxedFace) -> np.ndarray:
    laid = lay_shave(face, load_beard_removal())
    assert laid is not None
    out = photo.copy()
    add_detail(out, photo, laid, 1.0, 1.0)
    return out


def test_stubble_comes_off_and_the_rest_of_the_face_stays(photo, mesh, canonical):
    bearded = with_stubble(photo, mesh, canonical)
    out = shaven(bearded, boxed(bearded, mesh, canonical))
    for point in LIPS:
        x, y = mesh[point, :2].astype(int)
        place = np.s_[y - 8 : y + 9, x - 12 : x + 13]
        before, after = (
            np.abs(picture[place].mean((0, 1)) - photo[place].mean((0, 1))).mean()
            for picture in (bearded, out)
        )
        assert after < 0.6 * before
        assert out[place].std((0, 1)).mean() < 0.8 * bearded[place].std((0, 1)).mean()
    left, right = (int(mesh[cheek, 0]) for cheek in CHEEKS)
    bare = np.s_[: int(mesh[NOSE, 1]) - 10, left:right]
    assert np.abs(out[bare].astype(int) - bearded[bare]).max() <= 1


def test_a_face_without_a_beard_hardly_changes(photo, mesh, canonical):
    out = shaven(photo, boxed(photo, mesh, canonical))
    x, y = mesh[CHIN, :2].astype(int)
    chin = np.s_[y - 8 : y + 9, x - 12 : x + 13]
    assert np.abs(out[chin].astype(float) - photo[chin]).mean() < 6


def test_a_beard_that_hangs_lower_than_it_can_be_followed_stays(photo, mesh, canonical):
    def network(logs: torch.Tensor, skin: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(logs)

    assert lay_shave(boxed(photo, mesh, canonical), network) is None


def test_only_children_lose_beards():
    assert [shaving(30, age) for age in (60, 25, 16, 14.5, 13, 8)] == [0, 0, 0, 0.5, 1, 1]
    assert shaving(14.5, 8) == 0.5
    assert shaving(8, 40) == 0


def test_what_stays_is_said(mesh):
    none = LaidSkin((0, 0, 1, 1), *np.zeros((2, 1, 1), np.float32))
    young = SkinDetail(none, none, (0.0,), (1.0,), None, (1.0,))
    old = SkinDetail(none, none, (1.0,), (0.0,))
    assert "beard" in young.notices[0]
    assert old.notices == []
    assert not young.is_shaven
    shaved = SkinDetail(none, none, (0.0,), (1.0,), none, (1.0,))
    between = old.between(shaved, 0.25)
    assert between.shaves == (0.25,)
    assert between.beard is none
    assert shaved.between(old, 0.25).is_shaven
