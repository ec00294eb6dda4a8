"""The arithmetic of the report: distances of distributions, errors, intervals, smoothness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "Interval",
    "KernelDistance",
    "bootstrap",
    "frechet_distance",
    "kernel_distance",
    "mean",
    "roughness",
    "squared_mmd",
]


@dataclass(frozen=True)
class KernelDistance:
    """KID: mean over blocks, and the standard deviation of the blocks."""

    mean: float
    spread: float


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float
    count: int


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of Gaussians fitted to features `[N, D]` and `[M, D]` (Heusel et al. 2017).

    In float64; tr sqrt(A B) is the sum of the roots of the eigenvalues of sqrt(A) B sqrt(A),
    which is symmetric, so that no root of a general matrix is needed. Biased upwards for few
    pictures: compare figures of the same N only.
    """
    (mean_a, cov_a), (mean_b, cov_b) = _moments(a), _moments(b)
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    mixed = np.linalg.eigvalsh(root @ cov_b @ root).clip(0)
    distance = np.square(mean_a - mean_b).sum() + np.trace(cov_a) + np.trace(cov_b)
    return float(max(distance - 2 * np.sqrt(mixed).sum(), 0.0))


def squared_mmd(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased MMD^2 of features `[N, D]`, `[M, D]` with the kernel (x . y / D + 1)^3.

    Binkowski et al., "Demystifying MMD GANs", 2018. It may be below 0.
    """
    n, m = len(a), len(b)
    assert min(n, m) >= 2, f"{n} and {m} pictures"
    aa, bb, ab = _kernel(a, a), _kernel(b, b), _kernel(a, b)
    within_a = (aa.sum() - np.trace(aa)) / (n * (n - 1))
    within_b = (bb.sum() - np.trace(bb)) / (m * (m - 1))
    return float(within_a + within_b - 2 * ab.mean())


def kernel_distance(
    a: np.ndarray, b: np.ndarray, *, block: int = 1000, blocks: int = 100, seed: int = 0
) -> KernelDistance:
    """KID: the mean `squared_mmd` of random blocks, at most half of the smaller set each."""
    size = max(min(block, min(len(a), len(b)) // 2), 2)
    rng = np.random.default_rng(seed)
    found = [
        squared_mmd(
            a[rng.choice(len(a), size, replace=False)], b[rng.choice(len(b), size, replace=False)]
        )
        for _ in range(blocks)
    ]
    return KernelDistance(float(np.mean(found)), float(np.std(found)))


def bootstrap(
    values: Sequence[float], *, seed: int = 0, draws: int = 2000, level: float = 0.95
) -> Interval | None:
    """Mean with its percentile interval over resampled values; None for no values."""
    array = np.asarray(values, np.float64)
    if not len(array):
        return None
    rng = np.random.default_rng(seed)
    means = array[rng.integers(0, len(array), (draws, len(array)))].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(array.mean()), float(low), float(high), len(array))


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values present; None if there are none."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def roughness(values: Sequence[float]) -> float | None:
    """Standard deviation of the second differences of a row; 0 for even steps."""
    if len(values) < 4:
        return None
    return float(np.diff(np.asarray(values, np.float64), 2).std())


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean `[D]` and covariance `[D, D]`."""
    assert features.ndim == 2 and len(features) >= 2, features.shape
    x = features.astype(np.float64)
    centred = x - x.mean(0)
    return x.mean(0), centred.T @ centred / (len(x) - 1)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a.astype(np.float64) @ b.astype(np.float64).T / a.shape[1] + 1) ** 3
