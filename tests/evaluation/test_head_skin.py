"""Whole heads: which are aged and compared, their skin, their groups, their section."""

from __future__ import annotations

import numpy as np
import pytest

from reage.evaluation.heads import (
    LEAST,
    HeadCase,
    Skin,
    choose_real,
    compare_skin,
    group_figures,
)
from reage.evaluation.heads_report import heads_section
from reage.evaluation.looks import Look
from reage.evaluation.skin import PLACES
from reage.fitting.heads import HeadRow


def head(name: str, age: float, ita: float = 50.0, sharp_to: int = 512) -> HeadRow:
    return HeadRow(f"heads/{name}.webp", "made", "female", age, ita, 0.0, sharp_to, "CC0", False)


def look(age: float, second: float | None = None, place: float | None = None) -> Look:
    return Look(age, second, None if place is None else np.array([place]), {})


def skins(count: int, centre: float, seed: int) -> list[Skin]:
    rng = np.random.default_rng(seed)
    return [
        Skin(
            {"Gabor": {place: rng.normal(centre, 1, (3, 8)) for place in PLACES}},
            np.array([1.0, 2.0 + centre]),
        )
        for _ in range(count)
    ]


def test_real_heads_are_sharp_near_the_age_and_in_one_half_only():
    sharp_to = {60: 256, 61: 384}
    rows = [head(f"{age}", age, sharp_to=sharp_to.get(age, 512)) for age in range(10, 90)]
    one, other = choose_real(rows, 60.0, 20, 0)
    assert (one, other) == choose_real(rows, 60.0, 20, 0)
    assert not set(one) & set(other)
    assert {row.age for row in [*one, *other]} == set(range(50, 71)) - {60}
    one, other = choose_real(rows, 60.0, 9, 0)
    assert (len(one), len(other)) == (9, 9)
    assert {row.sharp_to for row in [*one, *other]} == {512}


def test_skin_unlike_that_of_real_heads_is_farther():
    real = skins(8, 0.0, 0)
    found = compare_skin({"aged": skins(6, 1.5, 1), "floor": skins(6, 0.0, 2)}, real)
    far, near = (found["kid"][name]["Gabor"] for name in ("aged", "floor"))
    assert far["mean"] > 10 * abs(near["mean"])
    assert found["energy"]["aged"] == pytest.approx([1.0, 1.75])
    assert found["energy"]["floor"] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize(("aged", "real"), [(LEAST - 1, 8), (8, LEAST - 1), (0, 0)])
def test_too_few_heads_have_no_figure_but_a_line(aged: int, real: int):
    found = compare_skin({"aged": skins(aged, 0.0, 0)}, skins(real, 0.0, 1))
    assert found["kid"] == found["energy"] == {}
    figures = {"heads": 0, "missed": 0, "skin": {"60": found}, **group_figures([], None)}
    (line,) = (line for line in heads_section(figures) if line.startswith("Too few"))
    assert (f"{real} real heads" in line) == (real < LEAST)
    assert (f"{aged} aged" in line) == (aged < LEAST)


def test_the_worst_group_is_told_beside_the_mean():
    light, dark = head("a", 30), head("b", 70, -20)
    cases = [
        HeadCase(light, 60.0, look(30, place=0.0), look(60, 58, 0.2)),
        HeadCase(light, 80.0, look(30, place=0.0), look(80, 80, 0.2)),
        HeadCase(dark, 60.0, look(70, place=0.0), look(61, 65, 0.7)),
    ]
    found = group_figures(cases, threshold=0.6)
    assert list(found["by"]) == ["all", "female", "18 to 35, lighter skin", "over 60, darker skin"]
    assert found["by"]["over 60, darker skin"]["heads"] == 1
    assert found["by"]["all"]["mae_second"]["mean"] == pytest.approx(3.0)  # each head counts once
    worst = found["worst"]
    assert worst["mae_second"] == {"group": "over 60, darker skin", "beyond": pytest.approx(2.0)}
    assert worst["identity_distance"]["beyond"] == pytest.approx(0.25)
    assert worst["same_person"]["beyond"] == pytest.approx(0.5)
    words = "\n".join(heads_section({"heads": 2, "missed": 0, "skin": {}, **found}))
    assert "| age error, independent network, years | over 60, darker skin | 2.00 |" in words
    assert "| over 60, darker skin | 1 | 1.00" in words


def test_without_second_network_and_recogniser_there_is_no_figure():
    found = group_figures([HeadCase(head("a", 30), 60.0, look(30), look(58))], None)
    row = found["by"]["female"]
    assert row["mae"]["mean"] == 2
    assert [row[name] for name in ("mae_second", "identity_distance", "same_person")] == [None] * 3
    words = "\n".join(heads_section({"heads": 1, "missed": 0, "skin": {}, **found}))
    assert "| female | 1 | 2.00 (2.00 to 2.00) | - | - | - |" in words
    assert "None" not in words
