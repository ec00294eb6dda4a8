"""The encoder's shapes, and what may not influence its code."""

from __future__ import annotations

import pytest
import torch

from made import random
from reage.networks.encoders.encoder import Encoder, EncoderConfig

pytestmark = pytest.mark.quick


@pytest.fixture
def encoder() -> Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = EncoderConfig(8, 24, resolution=32, channels=(8, 8), blocks=(1, 2), hidden=16)
        return Encoder(config).eval().requires_grad_(False)


def test_codes_are_the_mean_and_a_shift_and_offsets(encoder: Encoder):
    images, mask, w_avg = random(2, 3, 32, 32), torch.ones(2, 1, 32, 32), random(24)
    ws = encoder(images, mask, w_avg)
    assert ws.shape == (2, 8, 24)
    assert torch.allclose(ws - w_avg, encoder(images, mask, torch.zeros(24)), atol=1e-5)
    torch.nn.init.zeros_(encoder.offsets.weight)
    torch.nn.init.zeros_(encoder.offsets.bias)
    same = encoder(images, mask, w_avg)
    assert torch.equal(same, same[:, :1].expand(-1, 8, -1))  # the shift is one for all levels


def test_neither_masked_pixels_nor_the_batch_have_influence(encoder: Encoder):
    images, w_avg = random(2, 3, 32, 32), torch.zeros(24)
    mask = torch.ones(2, 1, 32, 32)
    mask[:, :, :, 20:] = 0
    ws = encoder(images, mask, w_avg)
    garbage = torch.where(mask == 0, torch.tensor(9.0), images)
    assert torch.equal(ws, encoder(garbage, mask, w_avg))
    assert torch.allclose(ws[:1], encoder(images[:1], mask[:1], w_avg), atol=1e-5)
    assert not torch.allclose(ws, encoder(images, torch.ones_like(mask), w_avg), atol=1e-5)


def test_larger_crops_are_reduced_first(encoder: Encoder):
    images, w_avg = random(1, 3, 32, 32), torch.zeros(24)
    large = torch.nn.functional.interpolate(images, 64, mode="nearest")
    ws = encoder(images, torch.ones(1, 1, 32, 32), w_avg)
    assert torch.allclose(ws, encoder(large, torch.ones(1, 1, 64, 64), w_avg), atol=1e-5)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="20 px do not fall into patches of 8"):
        EncoderConfig(6, resolution=20, patch=8)
    with pytest.raises(ValueError, match="2 widths but 4 block counts"):
        EncoderConfig(6, channels=(8, 8))
