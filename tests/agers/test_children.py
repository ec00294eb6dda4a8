"""Children's shapes: from which age on, and never on faces that do not read young."""

import pytest
import torch

from reage.agers.children import GROWN, NEVER, Childhood, child_moves, find_childhood
from reage.networks.agers.growth import Growth, GrowthConfig


def test_a_face_becomes_a_child_where_it_reads_grown_up():
    found = find_childhood([20, 10, 0, -10], [40, 33, 13, 5])
    assert found == Childhood(5.0, pytest.approx(20 / 15))
    assert [found.shown(60, age) for age in (60, 12, 5)] == [60, GROWN, GROWN]
    assert found.shown(60, -10) == pytest.approx(0)


def test_a_face_that_never_reads_young_keeps_an_adults_shape():
    assert find_childhood([20, 10, 0, -10], [60, 50, 40, 29]) == NEVER
    assert NEVER.shown(70, -10) == GROWN


def test_childhood_is_passed_quickly_where_little_is_left_but_not_at_once():
    assert find_childhood([20, 10, 0, -10], [60, 50, 30, 22.9]).pace == 4
    assert find_childhood([20, 10], [18, 9]) == Childhood(20, 2)


def test_who_is_a_child_shows_the_age_asked_for():
    assert NEVER.shown(8, 5) == 5
    assert NEVER.shown(8, 40) == 40


def test_moves_of_a_child_end_with_growing_up():
    growth = Growth(GrowthConfig((1.0, 20.0, 40.0), side=4))
    growth.shapes[0] = 1
    moves = child_moves(growth, 60.0, torch.tensor([30.0, 20.0, 1.0]))
    assert not moves[:2].any() and moves[2].abs().min() > 0.1
