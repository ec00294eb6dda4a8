"""Batches of prepared faces, each a function of its step alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from reage.datasets.face_dataset import FaceDataset, FaceRow
from reage.errors import ImageError
from reage.images import to_tensor
from reage.training.loop.draws import make_rng
from reage.training.loop.parallel import World

__all__ = [
    "AGE_BINS",
    "BIN_MIDDLES",
    "BatchSource",
    "FaceBatch",
    "age_bin",
    "bins_of",
    "even_shares",
]

AGE_BINS = (0.0, 3.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0)  # years at which each bin begins
MOST_OFTEN = 4.0  # as a rare trait is drawn, so that no single face becomes its bin
BIN_MIDDLES = (1.0, 6.0, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 76.0)


@dataclass(frozen=True, eq=False)
class FaceBatch:
    """Real faces of one step, this process's part of them."""

    images: Tensor  # [N, 3, R, R] in [-1, 1]
    bins: Tensor  # [N] index into AGE_BINS, -1 = not labelled
    places: tuple[int, ...]  # of each picture in the global batch


def age_bin(age_range: tuple[float, float] | None) -> int:
    """Index of the bin that a label falls into; -1 without a label."""
    if age_range is None:
        return -1
    return sum(age_range[0] >= begin for begin in AGE_BINS) - 1


def bins_of(rows: Sequence[FaceRow]) -> Tensor:
    """The bin of each row's label, `[N]`."""
    return torch.tensor([age_bin(row.age_range) for row in rows])


def even_shares(bins: Tensor, trait: Tensor, share: float) -> Tensor:
    """Weights `[N]` under which a trait `[N]` has the same share of every bin `[N]`, mean 1 in it.

    Bins where all or none have it stay as they are; no picture comes more than `MOST_OFTEN` times
    as often.
    """
    weights = torch.ones(len(bins), dtype=torch.float64)
    for value in bins.unique():
        mine = bins == value
        has, lacks = mine & trait, mine & ~trait
        if has.any() and lacks.any():
            found = float(has.sum() / mine.sum())
            wanted = min(share, found * MOST_OFTEN)
            weights[has] = wanted / found
            weights[lacks] = (1 - wanted) / (1 - found)
    return weights


class BatchSource:
    """Draws batches of a split; the next one is decoded while the current one is used.

    `balance` 0 takes every picture as often, 1 every age bin. Half of the pictures are mirrored.
    `often` `[N]` says how many times as often each row is drawn besides (`even_shares`).
    """

    def __init__(
        self,
        dataset: FaceDataset,
        rows: Sequence[FaceRow],
        batch: int,
        world: World,
        *,
        seed: int = 0,
        balance: float = 0.0,
        purpose: str = "data",
        often: Tensor | None = None,
    ):
        if not rows:
            raise ImageError(f"{dataset.folder} has no faces to train on; look at its splits")
        self.dataset, self.rows, self.batch, self.seed = dataset, rows, batch, seed
        self.purpose = purpose
        self.places = world.part(batch)
        self.bins = bins_of(rows)
        counts = torch.bincount(self.bins + 1, minlength=len(AGE_BINS) + 1).float()
        weights = counts[self.bins + 1].pow(-balance).double()
        self.weights = (weights if often is None else weights * often).cumsum(0)
        self._pool = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[FaceBatch]] | None = None

    def at(self, step: int) -> FaceBatch:
        """The batch of a step."""
        if self._next is not None and self._next[0] == step:
            batch = self._next[1].result()
        else:
            batch = self._make(step)
        self._next = (step + 1, self._pool.submit(self._make, step + 1))
        return batch

    def fixed_faces(self, count: int) -> Tensor:
        """Return the same faces, `[N, 3, R, R]`, on each call, for previews."""
        rng = make_rng(self.seed, self.purpose, "fixed")
        order = torch.randperm(len(self.rows), generator=rng)[:count]
        return to_tensor(self.dataset.read_all([self.rows[int(i)] for i in order]))

    def _make(self, step: int) -> FaceBatch:
        rng = make_rng(self.seed, self.purpose, step)
        points = torch.rand(self.batch, generator=rng, dtype=torch.float64) * self.weights[-1]
        chosen = torch.searchsorted(self.weights, points).clamp_max(len(self.rows) - 1)
        mirrored = torch.rand(self.batch, generator=rng) < 0.5
        pictures = self.dataset.read_all([self.rows[int(chosen[place])] for place in self.places])
        turned = mirrored[list(self.places)].numpy()
        pictures[turned] = pictures[turned, :, ::-1]
        images = to_tensor(pictures)
        bins = self.bins[chosen[list(self.places)]]
        return FaceBatch(images, bins, tuple(self.places))
