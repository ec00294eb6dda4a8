"""Pair lists: counts, folds and gaps; and the figures that are made of them."""

from __future__ import annotations

import numpy as np
import pytest

from reage.datasets.made_people.measuring import area_under_curve, equal_error, separability
from reage.datasets.made_people.pairing import (
    Fold,
    Picture,
    fold_of,
    folds_for,
    gaps_of,
    list_pairs,
    pairs_text,
)

pytestmark = pytest.mark.quick

AGES = (20.0, 30.0, 50.0)


def pictures(people: int, conditions: int = 2) -> list[list[Picture]]:
    """Folds of people with `conditions` pictures at each age."""
    folds: dict[int, list[Picture]] = {}
    index = 0
    for person in range(1, people + 1):
        for number in range(len(AGES) * conditions):
            picture = Picture(f"p{person}", number + 1, AGES[number // conditions], index)
            folds.setdefault(fold_of(person, people), []).append(picture)
            index += 1
    return [folds[number] for number in sorted(folds)]


@pytest.mark.parametrize(("people", "wanted"), [(2, 1), (5, 2), (19, 9), (20, 10), (1000, 10)])
def test_every_fold_has_two_people(people: int, wanted: int):
    found = [fold_of(person, people) for person in range(1, people + 1)]
    assert folds_for(people) == wanted
    assert set(found) == set(range(1, wanted + 1))
    assert min(found.count(fold) for fold in set(found)) >= 2


def test_the_file_s_counts_and_folds():
    folds = list_pairs(pictures(24), 7, seed=1)
    lines = pairs_text(folds).splitlines()
    assert lines[0] == "10\t7"
    assert len(lines) == 1 + 10 * 14
    people: list[set[str]] = []
    for begin in range(1, len(lines), 14):
        fold = [line.split("\t") for line in lines[begin : begin + 14]]
        assert [len(parts) for parts in fold] == [3] * 7 + [4] * 7
        assert all(parts[1] != parts[2] for parts in fold[:7])
        assert all(parts[0] != parts[2] for parts in fold[7:])
        people.append({parts[0] for parts in fold} | {parts[2] for parts in fold[7:]})
    assert sum(map(len, people)) == len(set.union(*people))  # nobody is in two folds


def test_no_pair_is_there_twice():
    folds = list_pairs(pictures(20), 300, seed=0)
    assert len(folds) == 10
    for fold in folds:
        for part in (fold.same, fold.different):
            unordered = {frozenset((a.index, b.index)) for a, b in part}
            assert len(unordered) == len(part) == 30  # two people's 15 pairs each; 30 of 36
            assert all(len(pair) == 2 for pair in unordered)


@pytest.mark.parametrize("gap", [10.0, 20.0, 30.0])
def test_gaps(gap: float):
    folds = list_pairs(pictures(20), 4, seed=0, gap=gap)
    assert len(folds) == 10
    for fold in folds:
        assert len(fold.same) == len(fold.different) == 4
        for a, b in (*fold.same, *fold.different):
            assert abs(a.age - b.age) == gap


def test_what_gaps_there_are():
    assert gaps_of(AGES) == [10, 20, 30]
    assert list_pairs(pictures(20), 4, seed=0, gap=40.0) == []
    assert list_pairs(pictures(20), 4, seed=0) != list_pairs(pictures(20), 4, seed=1)


def test_the_area_under_the_curve_is_a_probability():
    rng = np.random.default_rng(0)
    same, different = rng.integers(0, 8, 50) / 2, rng.integers(3, 12, 40) / 2
    wins = [1.0 if s < d else 0.5 if s == d else 0.0 for s in same for d in different]
    assert area_under_curve(same, different) == pytest.approx(np.mean(wins))


def test_the_equal_error_of_normal_distances():
    rng = np.random.default_rng(0)
    rate, threshold = equal_error(rng.normal(1, 0.5, 20000), rng.normal(2, 0.5, 20000))
    assert rate == pytest.approx(0.1587, abs=0.006)  # one standard deviation from either mean
    assert threshold == pytest.approx(1.5, abs=0.02)


def test_people_who_are_far_apart_are_told_apart():
    folds = pictures(20)
    rng = np.random.default_rng(0)
    who = {picture.index: int(picture.person[1:]) for fold in folds for picture in fold}
    vectors = np.array([[10.0 * who[i], rng.normal()] for i in range(len(who))])
    apart = separability(list_pairs(folds, 20, seed=0), vectors)
    assert (apart["auc"], apart["equal_error"]) == (1.0, 0.0)
    assert apart["accuracy"] > 0.95  # a fold may reach a little beyond all others
    noise = separability(list_pairs(folds, 20, seed=0), rng.normal(size=(len(who), 4)))
    assert 0.35 < noise["auc"] < 0.65
    assert noise["accuracy"] < 0.65


def test_one_fold_has_no_accuracy():
    picture = [Picture("a", 1, 20, 0), Picture("a", 2, 20, 1), Picture("b", 1, 20, 2)]
    fold = Fold(((picture[0], picture[1]),), ((picture[0], picture[2]),))
    assert separability([fold], np.array([[0.0], [0.1], [3.0]]))["accuracy"] is None
