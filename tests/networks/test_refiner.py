"""Laws of the refiner."""

from __future__ import annotations

import pytest
import torch

from made import random
from reage.networks.refiner import Refiner, RefinerConfig

CONFIG = RefinerConfig(16, widths=(8, 8, 8))


def made(config: RefinerConfig = CONFIG) -> Refiner:
    """One that has learnt something, it does not matter what."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        refiner = Refiner(config)
        for parameter in refiner.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return refiner.eval().requires_grad_(False)


def pictures(count: int = 2) -> list[torch.Tensor]:
    return [random(count, 3, 16, 16, seed=i) for i in range(3)]


def test_a_new_one_gives_the_change_back():
    photo, base, change = pictures()
    own, wanted = torch.tensor([20.0, 60.0]), torch.tensor([70.0, 5.0])
    assert torch.allclose(Refiner(CONFIG)(photo, base, change, own, wanted), change, atol=1e-6)


def test_nothing_is_added_at_the_own_age():
    photo, base, _ = pictures()
    own, nothing = torch.tensor([20.0, 60.0]), torch.zeros_like(photo)
    assert torch.equal(made()(photo, base, nothing, own, own), nothing)
    assert made()(photo, base, nothing, own, own + 20).abs().max() > 1e-3


def test_a_face_does_not_depend_on_its_batch():
    photo, base, change = pictures(3)
    own, wanted = torch.tensor([20.0, 60.0, 33.0]), torch.tensor([70.0, 5.0, 34.0])
    refiner = made()
    together = refiner(photo, base, change, own, wanted)
    for i in range(3):
        part = slice(i, i + 1)
        alone = refiner(photo[part], base[part], change[part], own[part], wanted[part])
        assert torch.allclose(alone, together[part], atol=1e-5)


def test_it_sees_the_photo_and_both_ages():
    photo, base, change = pictures()
    own, wanted = torch.tensor([20.0, 60.0]), torch.tensor([70.0, 5.0])
    refiner = made()
    plain = refiner(photo, base, change, own, wanted)
    for other in (
        (-photo, base, change, own, wanted),
        (photo, -base, change, own, wanted),
        (photo, base, change, own + 9, wanted),
        (photo, base, change, own, wanted + 9),
    ):
        assert (refiner(*other) - plain).abs().max() > 1e-4


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fall into patches"):
        RefinerConfig(18, widths=(8, 8, 8))
