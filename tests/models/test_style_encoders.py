"""pSp, e4e, ReStyle and SAM: the codes and pictures of their own code, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from made_checkpoints import FAMILIES, golden, made_checkpoint
from reage.latents.encoding import encode
from reage.models.encoders import load_encoder
from reage.models.registry import load
from reage.networks.style_encoder import StyleEncoder
from seeded import seeded_picture

# Widths of 16, 24, 32 and 48 instead of 64, 128, 256 and 512, a generator of 32 px; all else is as
# published. Codes are of two pictures, pictures of the first.


@pytest.fixture
def pictures() -> Tensor:
    return torch.from_numpy(seeded_picture("photo", 256, 2))


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
