"""Lists of pairs in the style of LFW: folds of pictures of the same and of different people.

The first line gives the folds and the pairs of each kind in a fold. A pair of one person is
`name i j`, of two `name i name j`, between tabulators; `i` counts a person's pictures from 1.
Huang et al., "Labeled Faces in the Wild" (2007); with a fixed gap of ages as in AgeDB-30
(Moschoglou et al., "AgeDB: the first manually collected, in-the-wild age database", 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

__all__ = [
    "Fold",
    "Pair",
    "Picture",
    "fold_of",
    "folds_for",
    "gaps_of",
    "list_pairs",
    "pairs_text",
]

FOLDS = 10
TRIES = 200  # draws a wanted pair of different people, before there are taken to be no more


@dataclass(frozen=True)
class Picture:
    """One picture of somebody."""

    person: str
    number: int  # 1 is the first
    age: float  # years, as asked
    index: int  # row of the index table


Pair = tuple[Picture, Picture]
Fits = Callable[[Picture, Picture], bool]


@dataclass(frozen=True)
class Fold:
    """Pairs of people who are in no other fold."""

    same: tuple[Pair, ...]
    different: tuple[Pair, ...]


def fold_of(person: int, people: int) -> int:
    """The fold of a person, 1 is the first; each fold has two people at least."""
    return 1 + (person - 1) % folds_for(people)


def folds_for(people: int) -> int:
    """Ten, or fewer where there are fewer than twenty people."""
    return min(FOLDS, people // 2)


def gaps_of(ages: Sequence[float]) -> list[float]:
    """The differences of ages that there are, ascending."""
    return sorted({round(abs(a - b), 6) for a, b in combinations(ages, 2)})


def list_pairs(
    folds: Sequence[Sequence[Picture]], count: int, seed: int, gap: float | None = None
) -> list[Fold]:
    """Draw up to `count` pairs of either kind in each fold, as many in all; no pair twice.

    `gap`: only pairs whose ages differ by so many years. Empty where some fold has none.
    """
    rng = np.random.default_rng(seed)

    def fits(a: Picture, b: Picture) -> bool:
        return gap is None or abs(abs(a.age - b.age) - gap) < 1e-6

    found = [(_same(fold, rng, count, fits), _different(fold, rng, count, fits)) for fold in folds]
    least = min((len(part) for fold in found for part in fold), default=0)
    if not least:
        return []
    return [Fold(tuple(same[:least]), tuple(different[:least])) for same, different in found]


def pairs_text(folds: Sequence[Fold]) -> str:
    """The list as a file."""
    lines = [f"{len(folds)}\t{len(folds[0].same)}"]
    for fold in folds:
        lines += [f"{a.person}\t{a.number}\t{b.number}" for a, b in fold.same]
        lines += [f"{a.person}\t{a.number}\t{b.person}\t{b.number}" for a, b in fold.different]
    return "\n".join(lines) + "\n"


def _same(fold: Sequence[Picture], rng: np.random.Generator, count: int, fits: Fits) -> list[Pair]:
    people: dict[str, list[Picture]] = {}
    for picture in fold:
        people.setdefault(picture.person, []).append(picture)
    every = [pair for own in people.values() for pair in combinations(own, 2) if fits(*pair)]
    return [every[i] for i in rng.permutation(len(every))[:count]]


def _different(
    fold: Sequence[Picture], rng: np.random.Generator, count: int, fits: Fits
) -> list[Pair]:
    drawn: dict[tuple[int, int], Pair] = {}
    for a, b in _draws(fold, rng, TRIES * count):
        if a.person != b.person and fits(a, b):
            first, second = sorted((a, b), key=lambda picture: picture.index)
            drawn.setdefault((first.index, second.index), (first, second))
        if len(drawn) == count:
            break
    return list(drawn.values())


def _draws(fold: Sequence[Picture], rng: np.random.Generator, count: int) -> Iterator[Pair]:
    for i, j in rng.integers(0, len(fold), (count, 2)):
        yield fold[i], fold[j]
