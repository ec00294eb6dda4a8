"""Conditions of pictures: what they change, and where the face's points go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reage.compositing.view import usual_points
from reage.datasets.made_people.conditions import PLAIN, Condition, draw_condition, take
from reage.models.checkpoints import Alignment

pytestmark = pytest.mark.quick

SIDE = 64


@pytest.fixture
def dots() -> tuple[np.ndarray, np.ndarray]:
    """Five coloured dots on grey, and where they are."""
    points = np.array([[20.0, 24], [44, 24], [32, 34], [24, 44], [40, 44]])
    rgb = np.full((SIDE, SIDE, 3), 90, np.uint8)
    for x, y in points.astype(int):
        rgb[y - 1 : y + 2, x - 1 : x + 2] = 230
    return rgb, points


def middles(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where the bright spots nearest to points really are."""
    bright = rgb.astype(float).mean(2) - 100
    y, x = np.mgrid[:SIDE, :SIDE]
    found = []
    for px, py in points:
        weight = bright.clip(0) * (np.hypot(x - px, y - py) < 5)
        found.append([(x * weight).sum() / weight.sum(), (y * weight).sum() / weight.sum()])
    return np.array(found)


@pytest.mark.parametrize(
    "condition",
    [
        Condition(roll=8.0),
        Condition(zoom=1.15),
        Condition(shift=(0.06, -0.04)),
        Condition(roll=-6.0, zoom=0.92, shift=(-0.03, 0.05)),
    ],
)
def test_points_go_with_the_pose(dots: tuple[np.ndarray, np.ndarray], condition: Condition):
    shot = take(*dots, condition, np.random.default_rng(0))
    assert np.abs(shot.points - dots[1]).max() > 1.5
    assert np.abs(middles(shot.rgb, shot.points) - shot.points).max() < 0.35
    assert (shot.padding > 0) == (condition != Condition(zoom=1.15))


def test_light(dots: tuple[np.ndarray, np.ndarray]):
    def mean(**values: object) -> np.ndarray:
        return take(*dots, replace(PLAIN, **values), np.random.default_rng(0)).rgb.mean((0, 1))

    plain = dots[0].mean((0, 1))
    assert mean(exposure=0.5) == pytest.approx(plain * 2 ** (0.5 / 2.2), rel=0.05)
    red, green, blue = mean(warmth=0.4)
    assert red > green > blue
    shot = take(*dots, replace(PLAIN, side_light=(0.8, 0.0)), np.random.default_rng(0)).rgb
    assert shot[:, -8:].mean() > shot[:, :8].mean() * 1.15


def test_what_a_seed_and_an_amount_do(dots: tuple[np.ndarray, np.ndarray]):
    def shot(seed: int, amount: float) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return take(*dots, draw_condition(rng, amount), rng).rgb

    assert np.array_equal(shot(1, 1.0), shot(1, 1.0))
    assert not np.array_equal(shot(1, 1.0), shot(2, 1.0))
    assert np.array_equal(shot(1, 0.0), dots[0])
    assert PLAIN.described() == {}
    assert set(Condition(blur=1.0).described()) == {"blur"}


def test_the_usual_points_of_the_ffhq_square():
    left, right, nose, *mouth = usual_points(Alignment(), 256)
    assert left[1] == right[1] < nose[1] < mouth[0][1] == mouth[1][1]
    assert (left[0] + right[0]) / 2 == pytest.approx(127.5)
    # FFHQ's centre lies a tenth of the way from the eyes to the mouth.
    assert left[1] + 0.1 * (mouth[0][1] - left[1]) == pytest.approx(127.5)
