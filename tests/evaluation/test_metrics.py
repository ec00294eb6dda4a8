"""Distances against closed forms; intervals, roughness and skin tone against known cases."""

from __future__ import annotations

import numpy as np
import pytest

from reage.compositing.skin_tone import typology_angle
from reage.evaluation.metrics import (
    bootstrap,
    frechet_distance,
    kernel_distance,
    mean,
    roughness,
    squared_mmd,
)

pytestmark = pytest.mark.quick


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def whitened(x: np.ndarray) -> np.ndarray:
    """Features with exactly mean 0 and covariance 1."""
    x = x - x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T


def test_frechet_distance_of_known_gaussians():
    x = whitened(normal(400, 3))
    shift, scales = np.array([1.0, -2.0, 0.5]), np.array([2.0, 3.0, 0.5])
    expected = np.square(shift).sum() + np.square(scales - 1).sum()
    assert frechet_distance(x, x * scales + shift) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_gaussians_that_do_not_commute():
    x, y = normal(300, 4) @ normal(4, 4, seed=5), normal(200, 4, seed=1) @ normal(4, 4, seed=6)
    a, b = np.cov(x.T), np.cov(y.T)
    roots = np.linalg.eigvals(a @ b).real.clip(0)  # of the product itself
    shift = np.square(x.mean(0) - y.mean(0)).sum()
    expected = shift + np.trace(a) + np.trace(b) - 2 * np.sqrt(roots).sum()
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-9)


def test_frechet_distance_with_fewer_pictures_than_features():
    assert np.isfinite(frechet_distance(normal(6, 20), normal(5, 20, seed=1)))


def test_mmd_is_unbiased_and_sees_a_shift():
    draws = [squared_mmd(normal(20, 5, seed=i), normal(20, 5, seed=1000 + i)) for i in range(300)]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 3 * error
    assert min(draws) < 0  # the biased estimate never is
    shifted = [
        squared_mmd(normal(20, 5, seed=i), normal(20, 5, seed=1000 + i) + 1) for i in range(20)
    ]
    assert np.mean(shifted) > 10 * error


def test_mmd_of_a_kernel_by_hand():
    a, b = np.array([[0.0], [1.0]]), np.array([[1.0], [1.0]])
    # k(x, y) = (xy + 1)^3: within a 1, within b 8, across (1 + 1 + 8 + 8) / 4
    assert squared_mmd(a, b) == pytest.approx(1 + 8 - 2 * 4.5)


def test_kernel_distance_is_zero_for_equal_distributions_and_the_same_for_the_same_seed():
    a, b = normal(400, 8), normal(400, 8, seed=1)
    found = kernel_distance(a, b, blocks=50)
    assert abs(found.mean) < found.spread
    assert found == kernel_distance(a, b, blocks=50)
    far, farther = (kernel_distance(a + s, b, blocks=20).mean for s in (0.5, 1.0))
    assert found.mean < far < farther


def test_bootstrap_covers_the_mean():
    hits = 0
    for seed in range(60):
        interval = bootstrap((normal(30, seed=seed) + 2).tolist(), draws=400)
        assert interval is not None
        assert interval.low < interval.mean < interval.high
        hits += interval.low < 2 < interval.high
    assert 50 <= hits <= 60
    assert bootstrap([]) is None
    assert bootstrap([3.0, 3.0]) == bootstrap([3.0, 3.0])


def test_mean_leaves_out_what_is_not_there():
    assert mean([1.0, None, 3.0]) == 2.0
    assert mean([None]) is None


def test_roughness_of_even_steps_is_zero():
    assert roughness([10, 20, 30, 40, 50]) == pytest.approx(0)
    assert roughness([10, 20, 20, 40, 50]) == pytest.approx(np.std([-10, 20, -10]))
    assert roughness([1, 2, 3]) is None


def test_lighter_skin_has_the_larger_angle():
    light, tan, dark = (typology_angle(np.array([c], np.uint8)) for c in SKINS)
    assert light > 41
    assert 0 < tan < 41
    assert dark < -30
    # atan2(L* - 50, b*) of sRGB (255, 0, 0): L* 53.24, b* 67.20
    red = typology_angle(np.array([[255, 0, 0]], np.uint8))
    assert red == pytest.approx(np.degrees(np.arctan2(3.24, 67.2)), abs=0.05)


SKINS = ((240, 205, 185), (190, 140, 110), (80, 50, 38))
