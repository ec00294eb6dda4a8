"""Agers of pixels: ranges, sizes, windows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from made import face_at
from reage.agers.fran import FranAger
from reage.models.families.fran import PixelNetwork
from seeded import seeded_picture

pytestmark = pytest.mark.quick


def ager(
    run: Callable[[Tensor], Tensor], *, signed: bool = False, side: int | None = None
) -> FranAger:
    return FranAger(PixelNetwork(run, "made", signed, (10.0, 90.0), side), "made", "0" * 64)


def years(x: Tensor) -> Tensor:
    """The wanted age less the own, / 100, in each colour."""
    return (x[:, 4:] - x[:, 3:4]).expand(-1, 3, -1, -1)


def colours(x: Tensor) -> Tensor:
    return x[:, :3]


PICTURE = torch.from_numpy(seeded_picture("face", 64))


@pytest.mark.parametrize(("signed", "step"), [(False, 2.0), (True, 1.0)])
def test_ages_count_from_the_own_one(signed: bool, step: float):
    made = ager(years, signed=signed)
    added = made.change(face_at(40.0, PICTURE), torch.tensor([40.0, 50.0, 15.0])).added
    assert added.shape == (3, 3, 64, 64)
    for one, decades in zip(added, (0.0, 1.0, -2.5), strict=True):
        assert torch.allclose(one, torch.tensor(step * decades / 10), atol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_colours_come_in_the_network_s_range(signed: bool):
    change = ager(colours, signed=signed).change_picture(PICTURE, 40.0, 50.0)
    assert torch.allclose(change, PICTURE if signed else PICTURE + 1, atol=1e-6)


def test_what_is_allowed_ends_at_the_ages_it_knows():
    made = ager(years)
    assert made.reach(face_at(30.0, PICTURE)) == (10.0, 90.0)
    assert made.reach(face_at(95.0, PICTURE)) == (10.0, 95.0)
    assert made.reach(face_at(5.0, PICTURE)) == (5.0, 90.0)


def test_a_face_is_worked_on_at_its_own_size_within_limits():
    made = ager(years)
    assert [made.side(s, "normal") for s in (40, 500, 1000, 5000)] == [256, 512, 1008, 1024]
    assert [made.side(s, "fast") for s in (40, 300, 5000)] == [256, 304, 512]
    assert made.side(300, "best") == 1024


@pytest.mark.parametrize("side", [528, 768, 1024])
def test_windows_join_without_a_seam(side: int):
    sizes = []

    def local(x: Tensor) -> Tensor:
        sizes.append(x.shape[-1])
        return x[:, :3] * x[:, 4:]

    picture = F.interpolate(PICTURE, size=side)
    found = ager(local, signed=True, side=512).change_picture(picture, 20.0, 80.0)
    assert set(sizes) == {512} and len(sizes) == (4 if side <= 896 else 9)
    assert torch.allclose(found, picture * 0.8, atol=1e-5)


def test_wrong_borders_of_windows_fade_out():
    def bordered(x: Tensor) -> Tensor:
        change = torch.zeros_like(x[:, :3])
        change[..., :2] = change[..., -2:] = 1.0
        return change

    found = ager(bordered, signed=True, side=512).change_picture(
        torch.zeros(1, 3, 768, 768), 20.0, 80.0
    )
    assert found[..., 8:-8].abs().max() < 0.05  # where another window knows better
    assert found[..., 0].min() > 0.9


def test_a_network_of_one_size_gets_it():
    sizes = []

    def local(x: Tensor) -> Tensor:
        sizes.append(x.shape[-1])
        return years(x)

    made = ager(local, signed=True, side=128)
    for side in (64, 128, 192):
        found = made.change_picture(F.interpolate(PICTURE, size=side), 20.0, 70.0)
        assert found.shape == (1, 3, side, side)
        assert torch.allclose(found, torch.tensor(0.5), atol=1e-4)
    assert set(sizes) == {128}
