"""Encoders of pSp's kind as networks: what is read off which map, and one at its published size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reage.networks.encoders.irse import Backbone, BackboneConfig
from reage.networks.encoders.resnet import BasicBlock, ResNet
from reage.networks.encoders.style_encoder import StyleEncoder, StyleEncoderConfig, with_age
from seeded import seeded, seeded_picture

pytestmark = pytest.mark.quick

NARROW = BackboneConfig(stem=4, widths=(4, 6, 8, 8), units=(1, 2, 1, 1), squeeze=2)
GOLDEN = Path(__file__).with_name("golden_psp_encoder.npz")


def narrow(**changes: object) -> StyleEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = StyleEncoderConfig(8, 8, **{"backbone": NARROW} | changes)  # type: ignore[arg-type]
        made = StyleEncoder(config)
    return made.eval().requires_grad_(False)


def test_maps_halve_from_group_to_group():
    maps = Backbone(NARROW).maps(torch.zeros(2, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(4, 32, 32), (6, 16, 16), (8, 8, 8), (8, 4, 4)]
    resnet = ResNet(3, 4, (4, 6, 8, 8), (1, 2, 1, 1))
    assert resnet.features(torch.zeros(2, 3, 64, 64)).shape == (2, 8, 4, 4)


@pytest.mark.parametrize("reading", ["pyramid", "last", "w", "w+"])
def test_every_reading_makes_codes_of_every_picture_alone(reading: str):
    encoder = narrow(reading=reading)
    pictures = torch.from_numpy(seeded_picture("x", 64, 2))
    codes = encoder(pictures)
    assert codes.shape == (2, 8, 8)
    assert torch.allclose(codes[1:], encoder(pictures[1:]), atol=1e-5)
    assert torch.equal(codes, codes[:, :1].expand_as(codes)) == (reading == "w")


def test_progressive_codes_are_offsets_to_the_first():
    pictures = torch.from_numpy(seeded_picture("x", 64))
    plain, counted = narrow()(pictures), narrow(progressive=True)(pictures)
    assert torch.equal(plain[:, 0], counted[:, 0])
    assert torch.allclose(counted[:, 1:], plain[:, 1:] + plain[:, :1], atol=1e-6)


def test_a_block_that_changes_nothing_projects_nothing():
    x = torch.from_numpy(seeded_picture("x", 8)).abs()
    block = BasicBlock(3, 3, 1).requires_grad_(False)
    block.bn2.weight.zero_()
    assert block.downsample is None
    assert torch.equal(block(x), x)
    assert BasicBlock(3, 3, 2).downsample is not None
    assert BasicBlock(3, 4, 1).downsample is not None


def test_ages_are_a_map_of_hundredths_of_years():
    seen = with_age(torch.ones(2, 3, 8, 8), torch.tensor([25.0, 80.0]))
    assert seen.shape == (2, 4, 8, 8)
    assert torch.equal(seen[:, 3, 0, 0], torch.tensor([0.25, 0.8]))
    assert (seen[:, :3] == 1).all()


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="three sizes"):
        StyleEncoderConfig(8, 8, BackboneConfig(widths=(4, 4), units=(1, 1)))
    with pytest.raises(ValueError, match="not one of"):
        StyleEncoderConfig(8, reading="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 widths but 2"):
        BackboneConfig(widths=(4,), units=(1, 1))


@pytest.mark.slow
def test_psp_s_own_class_at_its_published_width():
    encoder = StyleEncoder(StyleEncoderConfig(8)).eval().requires_grad_(False)
    state = {n: torch.from_numpy(seeded(n, t.shape)) for n, t in encoder.state_dict().items()}
    encoder.load_state_dict(state)
    codes = encoder(torch.from_numpy(seeded_picture("photo", 256)))
    wanted = np.load(GOLDEN)["codes"]
    assert np.abs(codes.numpy() - wanted).max() < 1e-4 * np.abs(wanted).max()
