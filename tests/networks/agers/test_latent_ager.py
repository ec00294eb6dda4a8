"""What holds for an ager whatever its weights are."""

from __future__ import annotations

import pytest
import torch

from made import random
from reage.networks.agers.latent_ager import Ager, AgerConfig, embed_age

pytestmark = pytest.mark.quick


@pytest.fixture
def ager() -> Ager:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Ager(
            AgerConfig(num_ws=8, w_dim=32, projection=8, hidden=16, layers=2, rank=8)
        ).eval()


def test_nothing_changes_at_the_own_age_and_steps_add_up(ager: Ager):
    ws = random(3, 8, 32)
    a, b, c = (torch.full((3,), age) for age in (20.0, 45.0, 70.0))
    assert torch.equal(ager(ws, b, b), torch.zeros_like(ws))
    there, on = ager(ws, a, b), ager(ws, b, c)
    assert there.abs().max() > 1e-3
    assert torch.allclose(there + on, ager(ws, a, c), atol=1e-5)
    assert torch.allclose(ager(ws, b, a), -there, atol=1e-6)


def test_a_face_s_change_does_not_depend_on_the_batch(ager: Ager):
    ws, own, wanted = random(4, 8, 32), random(4) * 20 + 40, random(4, seed=1) * 20 + 40
    whole = ager(ws, own, wanted)
    assert torch.allclose(whole[2:3], ager(ws[2:3], own[2:3], wanted[2:3]), atol=1e-6)


def test_ages_are_told_apart_smoothly():
    ages = torch.linspace(0, 100, 1001)
    embedded = embed_age(ages)
    assert embedded.shape == (1001, 12)
    assert (embedded[1:] - embedded[:-1]).abs().max() < 0.01  # a tenth of a year
    assert torch.cdist(embedded[::50], embedded[::50]).fill_diagonal_(9).min() > 0.1
