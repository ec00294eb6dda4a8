"""Options of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from reage.compositing.change import PasteMode

__all__ = ["EvaluationConfig"]


@dataclass(frozen=True)
class EvaluationConfig:
    """Options of `evaluate`."""

    faces: int = 64  # of the dataset's split, balanced by age, gender and group
    samples: int = 1000  # pictures of the generator, and as many real ones, for FID and KID
    steps: int = 100  # of the inversions that are measured
    quality: str = "normal"  # of the inversions that are aged, as in `reage edit`
    paste: PasteMode = "delta"  # delta or replace
    targets: tuple[float, ...] = tuple(range(10, 90, 10))  # years
    split: str = "val"  # of the dataset: faces that the model was never trained on
    seed: int = 0
    psis: tuple[float, ...] = (1.0, 0.7)  # truncation_psi of the samples
    older_year: float = 2011.0  # when undated older photos of the pairs are taken to be of
    gap: float = 11.0  # years between the photos of a pair whose newer one has no date either
    rows: int = 24  # faces on the ageing sheet
    heads: int = 64  # whole heads to age, evenly over sexes, ages and skin tones
    head_targets: tuple[float, ...] = (20.0, 60.0, 80.0)  # years
    real_heads: int = 40  # near each target, twice: what is compared with, and the floor
