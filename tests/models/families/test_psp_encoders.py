"""pSp, e4e, ReStyle and SAM: the codes and pictures of their own code, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from made_checkpoints import FAMILIES, golden, made_checkpoint
from torch import Tensor

from made import face_at
from reage.agers.base import Ager
from reage.agers.finder import AgerSource, find_ager
from reage.agers.latent import SamAger
from reage.inversion.encoding import encode
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import Model
from reage.models.encoders import load_encoder
from reage.models.registry import load
from reage.networks.encoders.style_encoder import StyleEncoder
from seeded import seeded_picture

pytestmark = pytest.mark.quick

# Widths of 16, 24, 32 and 48 instead of 64, 128, 256 and 512, a generator of 32 px; all else is as
# published. Codes are of two pictures, pictures of the first.


@pytest.fixture
def pictures() -> Tensor:
    return torch.from_numpy(seeded_picture("photo", 256, 2))


def sam_ager(model: Model) -> SamAger:
    """The one that came with the file."""
    ager = find_ager(AgerSource.of(LatentSpace(model)))
    assert isinstance(ager, SamAger) and isinstance(ager, Ager)
    return ager


def difference(found: Tensor, wanted: object) -> float:
    """The largest error, in units of the largest value."""
    expected = torch.as_tensor(wanted)
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "sam"])
def test_codes_and_pictures_are_those_of_the_authors_code(
    family: str, tmp_path: Path, pictures: Tensor
):
    known = golden(family)
    model = load(made_checkpoint(family, tmp_path))
    encoder = load_encoder(model)
    assert isinstance(encoder, StyleEncoder)
    codes = encode(encoder, model.generator, pictures, torch.ones_like(pictures[:, :1]))
    assert difference(codes, known["codes"]) < 1e-4
    assert difference(model.generator.synthesize(codes[:1]), known["image"]) < 1e-4


def test_sam_s_codes_are_those_of_its_own_code(tmp_path: Path, pictures: Tensor):
    known = golden("sam")
    model = load(made_checkpoint("sam", tmp_path))
    encoder, ager = load_encoder(model), sam_ager(model)
    assert isinstance(encoder, StyleEncoder)
    start = encode(encoder, model.generator, pictures, torch.ones_like(pictures[:, :1]))
    assert difference(start, known["start"]) < 1e-4
    for age in (10, 75):
        codes = [
            ager.own_codes(pictures[i : i + 1], start[i : i + 1], torch.tensor([float(age)]))
            for i in range(2)
        ]
        assert difference(torch.cat(codes), known[f"codes{age}"]) < 1e-4
        assert difference(model.generator.synthesize(codes[0]), known[f"image{age}"]) < 1e-4


def test_a_face_at_its_own_age_is_not_moved_by_sam(tmp_path: Path, pictures: Tensor):
    model = load(made_checkpoint("sam", tmp_path))
    ager = sam_ager(model)
    ws = model.generator.mapping.w_avg.expand(1, 8, -1)
    ages = torch.tensor([30.0, 50.0])
    shown = model.generator.synthesize(ws)
    face = face_at(30.0, shown, ws=ws)
    looking = face_at(30.0, pictures[:1], ws=ws)
    moved = ager.codes(looking, ages)
    assert (moved[0] - ws[0]).abs().max() < 1e-6
    codes = ager.own_codes(pictures[:1], ws, ages)
    assert torch.allclose(moved[1] - ws[0], codes[1] - codes[0], atol=1e-5)
    assert not torch.allclose(moved, ager.codes(face, ages), atol=1e-3)  # of another picture
    assert ager.reach(face) == (0.0, 100.0)
