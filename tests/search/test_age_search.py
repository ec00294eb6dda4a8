"""The search for an age, on faces that are functions: monotone, flat, bent, out of reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reage.search.age_search import (
    TOLERANCE,
    AgeCurve,
    Look,
    Reached,
    reach_age,
    shown_ages,
    trace_curve,
)

pytestmark = pytest.mark.quick

Ages = Callable[[Tensor], Tensor]
AGES: dict[str, Ages] = {
    "line": lambda s: 30 + 12 * s,
    "saturating": lambda s: 40 + 35 * torch.tanh(s),
    "steep": lambda s: 40 + 30 * torch.tanh(6 * (s - 1)),
}


def look_at(ages: Ages, likeness: Ages | None = None) -> Look:
    def look(strengths: Tensor) -> tuple[Tensor, Tensor]:
        alike = 1 - 0.01 * strengths.abs() if likeness is None else likeness(strengths)
        return ages(strengths), alike

    return look


def curve_of(look: Look, span: tuple[float, float] = (-3.0, 3.0), **options: float) -> AgeCurve:
    return trace_curve(look, span, least_similarity=options.get("least", 0.5))


def search(ages: Ages, asked: float, span: tuple[float, float] = (-3.0, 3.0)) -> Reached:
    look = look_at(ages)
    return reach_age(look, curve_of(look, span), asked)


@pytest.mark.parametrize("name", AGES)
@pytest.mark.parametrize("asked", [20.0, 33.0, 41.0, 60.0, 68.0])
def test_ages_within_reach_are_reached(name: str, asked: float):
    ages = AGES[name]
    found = search(ages, asked)
    assert found.asked == asked
    assert found.age == pytest.approx(float(ages(torch.tensor(found.strength))), abs=1e-3)
    low, high = ages(torch.tensor([-3.0, 3.0])).sort().values.tolist()
    if low - TOLERANCE <= asked <= high + TOLERANCE:
        assert found.reached
        assert abs(found.age - asked) <= TOLERANCE
    else:
        assert not found.reached


def test_the_face_s_own_age_needs_no_edit():
    assert search(AGES["line"], 30).strength == 0


def test_of_several_strengths_the_weakest_is_taken():
    def wave(s: Tensor) -> Tensor:  # 45 years at s = 0.5, 1.5 and 2.5
        return 30 + 30 * torch.sin(torch.pi * s / 2).square()

    found = search(wave, 45)
    assert found.reached
    assert abs(found.strength) == pytest.approx(0.5, abs=0.15)

    def valley(s: Tensor) -> Tensor:  # 50 years at -2.6 and at 1.1
        return 30 + torch.where(s < 0, 20 / 2.6 * -s, 20 / 1.1 * s)

    assert search(valley, 50).strength == pytest.approx(1.1, abs=0.15)


@pytest.mark.parametrize(("asked", "strength"), [(95.0, 3.0), (1.0, -1.0)])
def test_beyond_the_range_the_nearest_is_taken_and_said(asked: float, strength: float):
    found = search(lambda s: 30 + 15 * s, asked, (-1.0, 3.0))
    assert found.strength == strength
    assert found.age == pytest.approx(30 + 15 * strength)
    assert not found.reached
    assert found.limit == "the edge of what the generator has learnt"


def test_beyond_likeness_the_reason_is_another():
    look = look_at(lambda s: 30 + 15 * s, lambda s: 1 - 0.3 * s.abs())
    curve = curve_of(look, (-3.0, 3.0))
    old = reach_age(look, curve, 90)
    young = reach_age(look, curve, 1)
    assert old.limit == young.limit
    assert "no longer be the same person" in str(old.limit)
    assert 0 < old.strength < 0.5 / 0.3 + 1e-6
    assert -0.5 / 0.3 - 1e-6 < young.strength < 0


def test_an_age_just_beyond_the_end_counts_as_reached():
    found = search(lambda s: 30 + 10 * s, 61.5)  # the end is 60
    assert found.reached
    assert found.strength == 3


def test_a_direction_that_does_nothing_leaves_the_face_alone():
    found = search(lambda s: torch.full_like(s, 30.0), 70)
    assert found.strength == 0
    assert found.limit == "moving on does not change the age further"


@pytest.mark.parametrize("asked", [20.0, 70.0])
def test_a_face_is_never_moved_the_wrong_way(asked: float):
    # What was made older may be read as younger; it would still look older to people.
    found = search(lambda s: 45 - 10 * s, asked)
    assert found.strength == 0
    assert not found.reached


def test_a_hump_takes_its_top():
    found = search(lambda s: 50 - 5 * (s - 1.5).square(), 70)
    assert found.strength == pytest.approx(1.5)
    assert found.limit == "moving on does not change the age further"


def test_a_jump_is_said():
    found = search(lambda s: torch.where(s < 1.3, 30.0, 80.0), 55)
    assert not found.reached
    assert found.age in (30, 80)
    assert "jumps" in str(found.limit)


def test_a_slope_that_is_almost_a_jump_is_found():
    def slope(s: Tensor) -> Tensor:  # from 25 to 55 years, most of it within 0.06 of a decade
        return 40 + 15 * torch.tanh(50 * (s - 0.83))

    found = search(slope, 40)
    assert found.reached and abs(found.age - 40) <= TOLERANCE


def test_a_face_at_the_edge_of_the_range_has_only_one_side():
    look = look_at(AGES["line"])
    for span in ((0.0, 2.0), (1.0, 2.0)):  # the second: its code lies below the range
        curve = curve_of(look, span)
        assert curve.strengths.min() == 0
        assert curve.strengths.max() == 2
        assert reach_age(look, curve, 42).strength == pytest.approx(1, abs=0.1)
        assert not reach_age(look, curve, 10).reached


def test_no_range_at_all_leaves_the_face_alone():
    look = look_at(AGES["line"])
    curve = curve_of(look, (0.0, 0.0))
    for asked in (10.0, 80.0):
        found = reach_age(look, curve, asked)
        assert (found.strength, found.reached) == (0, False)
    assert reach_age(look, curve, 31).reached


class TestCurve:
    def test_strengths_ascend_through_zero_to_both_ends(self):
        curve = curve_of(look_at(AGES["line"]), (-2.0, 5.0))
        assert torch.equal(curve.strengths, curve.strengths.sort().values)
        assert (curve.strengths == 0).sum() == 1
        assert curve.strengths[0] == -2
        assert curve.strengths[-1] == 5
        assert torch.allclose(curve.ages, 30 + 12 * curve.strengths)

    def test_it_ends_before_the_first_unlike_face(self):
        curve = curve_of(
            look_at(AGES["line"], lambda s: 1 - 0.2 * s.abs()), (-1.0, 4.0), least=0.69
        )
        assert curve.strengths[0] == -1
        # Of the first points 4/3 is like the photo and 2 is not: it looks closer between them.
        assert float(curve.strengths[-1]) == pytest.approx(1.5)
        assert (curve.similarities >= 0.69).all()
        assert "generator" in curve.low_reason
        assert "same person" in curve.high_reason

    def test_a_likeness_that_comes_back_does_not_count(self):
        def dip(s: Tensor) -> Tensor:
            return torch.where((s - 1.5).abs() < 0.3, 0.1, 0.9)

        curve = curve_of(look_at(AGES["line"], dip), (-3.0, 3.0))
        assert curve.strengths[-1] < 1.5
        assert curve.strengths[0] == -3

    def test_a_face_whose_first_points_are_too_far_still_moves(self):
        steep = look_at(AGES["line"], lambda s: 1 - 0.5 * s.abs())
        curve = curve_of(steep, (-6.0, 6.0), least=0.7)
        assert curve.strengths.tolist() == [-0.5, -0.25, 0.0, 0.25, 0.5]
        assert torch.allclose(curve.ages, 30 + 12 * curve.strengths)
        assert reach_age(steep, curve, 33.0).reached

    def test_zero_stays_whatever_the_likeness(self):
        curve = curve_of(look_at(AGES["line"], lambda s: torch.zeros_like(s)))
        assert curve.strengths.tolist() == [0]


def test_few_looks_are_taken():
    looked: list[int] = []

    def look(strengths: Tensor) -> tuple[Tensor, Tensor]:
        looked.append(len(strengths))
        return AGES["saturating"](strengths), torch.ones(len(strengths))

    curve = curve_of(look)
    for asked in (20.0, 50.0, 70.0):
        reach_age(look, curve, asked)
    assert looked[0] == 13
    assert sum(looked[1:]) <= 9


def test_what_a_face_made_younger_shows_is_half_the_age_asked_for():
    """Networks still see what stays of it; but what reads as an adult is no child."""
    strengths = torch.tensor([2.0, 0.0, -1.0, -3.0, -5.5])
    read = torch.tensor([85.0, 60.0, 56.0, 50.0, 20.0])
    assert shown_ages(read, 60.0, strengths).tolist() == [85, 60, 53, 40, 16]
    # Somebody who reads younger than asked for is no older for it.
    assert shown_ages(torch.tensor([25.0]), 60.0, torch.tensor([-2.0])).tolist() == [25]


def test_what_reads_older_never_shows_younger():
    read = torch.linspace(5, 40, 200)
    assert (shown_ages(read, 60.0, torch.full_like(read, -6.0)).diff() > 0).all()
