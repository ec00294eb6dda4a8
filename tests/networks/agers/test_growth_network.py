"""How faces grow: the field between two ages, and pictures bent by it."""

from __future__ import annotations

import pytest
import torch

from made import random
from reage.networks.agers.growth import Growth, GrowthConfig, warp_images

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def growth() -> Growth:
    growth = Growth(GrowthConfig((5.0, 20.0, 60.0), side=8))
    growth.shapes.copy_(0.05 * random(3, 2, 8, 8))
    return growth


def between(growth: Growth, own: float, wanted: float) -> torch.Tensor:
    return growth(torch.tensor([own]), torch.tensor([wanted]))[0]


def test_nothing_moves_at_the_own_age_and_there_and_back_is_nothing(growth: Growth):
    assert not between(growth, 33.0, 33.0).any()
    there, back = between(growth, 7.0, 45.0), between(growth, 45.0, 7.0)
    assert there.any() and torch.allclose(there, -back)
    way = between(growth, 7.0, 20.0) + between(growth, 20.0, 45.0)
    assert torch.allclose(there, way, atol=1e-6)


def test_shapes_are_met_at_their_ages_and_linear_between(growth: Growth):
    first, second, last = growth.shapes
    assert torch.allclose(between(growth, 5.0, 20.0), second - first, atol=1e-6)
    assert torch.allclose(between(growth, 20.0, 30.0), (last - second) / 4, atol=1e-6)
    assert torch.equal(between(growth, 20.0, 99.0), between(growth, 20.0, 60.0))
    assert torch.equal(between(growth, 20.0, 0.0), between(growth, 20.0, 5.0))


@pytest.mark.parametrize("ages", [(1.0,), (3.0, 3.0), (9.0, 2.0)])
def test_ages_have_to_rise(ages: tuple[float, ...]):
    with pytest.raises(ValueError, match="rise"):
        GrowthConfig(ages)


def test_a_bend_moves_what_is_seen():
    picture = torch.zeros(1, 1, 64, 64)
    picture[..., 30:34, 30:34] = 1
    bend = torch.zeros(1, 2, 16, 16)
    bend[:, 0], bend[:, 1] = 8 / 64, -4 / 64
    seen = warp_images(picture, bend, 0.5)
    assert seen[..., 26:30, 38:42].min() > 0.99 and seen[..., 30:34, 30:34].max() < 0.01
    assert torch.allclose(warp_images(picture, bend * 0, 0.5), picture, atol=1e-5)
    # The same, seen in a square of half the side around the same middle.
    place = torch.tensor([[0.25, 0.25], [0.5, 0.0], [0.0, 0.5]])
    closer = warp_images(picture, bend, 0.5, place)
    assert closer[..., 22:26, 46:50].min() > 0.99
