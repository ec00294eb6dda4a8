"""Laws of the photo ager."""

from __future__ import annotations

import pytest
import torch

from made import random
from reage.networks.agers.photo_ager import PhotoAger, PhotoAgerConfig

pytestmark = pytest.mark.quick

CONFIG = PhotoAgerConfig(16, widths=(8, 8, 8))


def made() -> PhotoAger:
    """One that has learnt something, it does not matter what."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ager = PhotoAger(CONFIG)
        for parameter in ager.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return ager.eval().requires_grad_(False)


def test_a_new_one_changes_nothing():
    photos = random(2, 3, 16, 16)
    own, wanted = torch.tensor([20.0, 60.0]), torch.tensor([70.0, 5.0])
    assert not PhotoAger(CONFIG)(photos, own, wanted).any()


def test_nothing_changes_at_the_own_age():
    photos, own = random(2, 3, 16, 16), torch.tensor([20.0, 60.0])
    assert not made()(photos, own, own).any()
    assert made()(photos, own, own + 20).abs().max() > 1e-3


def test_a_face_does_not_depend_on_its_batch():
    photos = random(3, 3, 16, 16)
    own, wanted = torch.tensor([20.0, 60.0, 33.0]), torch.tensor([70.0, 5.0, 34.0])
    ager = made()
    together = ager(photos, own, wanted)
    for i in range(3):
        part = slice(i, i + 1)
        alone = ager(photos[part], own[part], wanted[part])
        assert torch.allclose(alone, together[part], atol=1e-5)


def test_it_sees_the_photo_and_both_ages():
    photos = random(2, 3, 16, 16)
    own, wanted = torch.tensor([20.0, 60.0]), torch.tensor([70.0, 5.0])
    ager = made()
    plain = ager(photos, own, wanted)
    for other in ((-photos, own, wanted), (photos, own + 9, wanted), (photos, own, wanted + 9)):
        assert (ager(*other) - plain).abs().max() > 1e-4


def test_the_change_is_bounded():
    ager = made()
    ager.out.bias += 100
    changes = ager(random(1, 3, 16, 16), torch.tensor([10.0]), torch.tensor([80.0]))
    assert 0.5 < changes.max() <= 0.6


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fall into patches"):
        PhotoAgerConfig(18, widths=(8, 8, 8))
