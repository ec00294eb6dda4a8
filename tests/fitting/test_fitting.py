"""Fitting on made-up people, whose age and gender directions are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from made import random
from reage.agers.direction import Direction
from reage.errors import LatentError
from reage.fitting.age_direction import CodeSet, FitMethod, fit_direction, ridge

pytestmark = pytest.mark.quick

METHODS: list[FitMethod] = ["shift", "ridge"]
TRUE_AGE, TRUE_GENDER = normalize(random(2, 8 * 16, seed=1), dim=1)
YEAR = 0.05  # how far a code moves in a year


def code_set(ws: Tensor, ages: Tensor, attributes: dict[str, Tensor]) -> CodeSet:
    images = torch.zeros(len(ws), 3, 1, 1)
    return CodeSet(ws=ws, ages=ages, attributes=attributes, images=images, source="made up")


def people(count: int = 800, seed: int = 0, noise: float = 0.3) -> CodeSet:
    """Codes that move with age and gender; men are older here, so the two are mixed up."""
    male = (random(count, seed=seed) > 0).float()
    ages = (40 + 12 * random(count, seed=seed + 1) + 14 * (male - 0.5)).clamp(1, 90)
    smile = random(count, seed=seed + 2)
    flat = noise * random(count, 128, seed=seed + 3)
    flat = flat + YEAR * (ages - 40)[:, None] * TRUE_AGE + 2 * (male - 0.5)[:, None] * TRUE_GENDER
    attributes = {"gender": male, "smile": smile, "constant": torch.ones(count)}
    return code_set(flat.view(count, 8, 16), ages, attributes)


def fitted(method: FitMethod, **options: int) -> Direction:
    return fit_direction(people(), generator_hash="a" * 64, method=method, **options)


@pytest.fixture(scope="module", params=METHODS)
def direction(request: pytest.FixtureRequest) -> Direction:
    return fitted(request.param)


def along(direction: Direction, true: Tensor) -> float:
    return float(cosine_similarity(direction.vector.flatten(), true, dim=0))


def test_the_planted_direction_is_found_without_the_other(direction: Direction):
    assert along(direction, TRUE_AGE) > 0.87
    assert abs(along(direction, TRUE_GENDER)) < 0.12


def test_a_unit_is_ten_years(direction: Direction):
    assert direction.norm == pytest.approx(10 * YEAR, rel=0.3)
    assert (direction.sign, direction.space) == ("+ is older", "W+")
    assert direction.generator_hash == "a" * 64


def beyond_age(values: Tensor, ages: Tensor) -> Tensor:
    """What of centred values is not explained by age."""
    values, ages = values - values.mean(), ages - ages.mean()
    return values - ages * (values @ ages) / (ages @ ages)


def test_at_one_age_men_and_women_lie_alike(direction: Direction):
    others = people(3000, seed=100)
    positions = beyond_age(direction.position(others.ws), others.ages)
    gender = beyond_age(others.attributes["gender"], others.ages)
    assert abs(cosine_similarity(positions, gender, dim=0)) < 0.15


def test_the_report_s_leakage_falls_to_what_age_itself_has(direction: Direction):
    # Men are older here, so that a pure age has some correlation with gender, too.
    row = direction.report["leakage"]["gender"]
    assert row["age_itself"] > 0.3
    assert row["before"] > row["after"] + 0.05
    assert abs(row["after"] - row["age_itself"]) < 0.1
    if direction.report["method"] == "shift":
        assert row["before"] > row["age_itself"] + 0.2
    assert direction.report["leakage"]["constant"]["after"] == 0  # and no division by zero


def test_gender_s_direction_has_no_share_of_the_fitted_one(direction: Direction):
    ws = torch.zeros(2, 8, 16)
    ws[1] = TRUE_GENDER.view(8, 16)
    moved = direction.position(ws)
    assert float(moved[1] - moved[0]) * 10 < 3  # years that a whole change of gender would count


def test_span_holds_the_people(direction: Direction):
    assert direction.span is not None
    positions = direction.position(people().ws)
    inside = ((positions >= direction.span[0]) & (positions <= direction.span[1])).float().mean()
    assert 0.985 < inside < 0.995
    assert direction.span[0] < 0 < direction.span[1]


def test_the_report_is_of_faces_held_out(direction: Direction):
    report = direction.report
    assert (report["faces"], report["held_out"], report["source"]) == (800, 160, "made up")
    assert report["r2_ridge"] > 0.6
    assert 0.3 < report["r2"] <= 1
    assert len(report["level_norms"]) == 8


@pytest.mark.parametrize("method", METHODS)
def test_codes_without_age_have_no_r2(method: FitMethod):
    codes = people()
    order = torch.randperm(800, generator=torch.Generator().manual_seed(0))
    shuffled = code_set(codes.ws, codes.ages[order], {})
    report = fit_direction(shuffled, generator_hash="", method=method, components=50).report
    assert report["r2"] < 0.1
    assert report["r2_ridge"] < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_direction(method: FitMethod):
    one, two, other = fitted(method), fitted(method), fitted(method, seed=1)
    assert torch.equal(one.vector, two.vector)
    assert one.report == two.report
    assert not torch.equal(one.vector, other.vector)
    assert cosine_similarity(one.vector.flatten(), other.vector.flatten(), dim=0) > 0.9


def test_components_bound_the_rank():
    direction = fitted("shift", components=3)
    assert direction.report["components"] == 3
    assert along(direction, TRUE_AGE) > 0.9  # age is the strongest component of these people


@pytest.mark.parametrize("count", [20, 40, 99])
def test_few_people_can_be_fitted_and_fewer_are_refused(count: int):
    direction = fit_direction(people(count), generator_hash="a" * 64)
    assert direction.report["held_out"] == count // 5
    assert direction.vector.isfinite().all()
    codes = people()
    with pytest.raises(LatentError, match=r"^19 faces are too few to fit a direction; give 20$"):
        fit_direction(codes.part(torch.arange(19)), generator_hash="a" * 64)
    with pytest.raises(LatentError, match="0 faces are too few"):
        fit_direction(codes.part(torch.arange(0)), generator_hash="a" * 64)


def test_ridge_is_least_squares_that_shrinks():
    features, weights = random(200, 6), random(6, 2, seed=1)
    found = ridge(features, features @ weights, 1e-9)
    assert torch.allclose(found, weights, atol=1e-3)
    norms = [float(ridge(features, features @ weights, p).norm()) for p in (1e-6, 0.1, 1.0, 10.0)]
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] < 0.2 * norms[0]
