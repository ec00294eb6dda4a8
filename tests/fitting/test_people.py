"""Distributions of people's codes: what is fitted, drawn and stored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from made import random
from reage.errors import LatentError, ModelError
from reage.fitting.people import fit_people, load_people, save_people
from reage.models.files import load_tensors, save_tensors

pytestmark = pytest.mark.quick

AXES = torch.linalg.qr(random(12, 3, seed=1)).Q.T  # [3, 12]
DEVIATIONS = torch.tensor([4.0, 2.0, 1.0])


def codes(count: int) -> torch.Tensor:
    """Codes `[N, 3, 4]` on three axes."""
    return (5 + random(count, 3) * DEVIATIONS @ AXES).view(count, 3, 4)


@pytest.mark.parametrize("count", [8, 4000])
def test_what_is_kept_is_all_there_is(count: int):
    people = fit_people(codes(count), "abc", 3, {"source": "axes"})
    assert people.report["variance_kept"] == pytest.approx(1, abs=1e-3)
    gram = people.components.flatten(1) @ people.components.flatten(1).T
    assert torch.allclose(gram, torch.eye(3), atol=1e-4)
    if count == 4000:
        assert torch.allclose(people.deviations, DEVIATIONS, rtol=0.06)
        assert torch.allclose(people.mean, torch.full((3, 4), 5.0), atol=0.25)


def test_draws_have_the_spread_that_is_asked_for():
    people = fit_people(codes(2000), "abc", 3, {})
    drawn = torch.cat([people.draw(seed, spread=0.5) for seed in range(3000)])
    along = torch.einsum("nld,kld->nk", drawn - people.mean, people.components)
    assert torch.allclose(along.std(0), people.deviations / 2, rtol=0.06)
    assert torch.equal(people.draw(7), people.draw(7))
    assert not torch.equal(people.draw(7), people.draw(8))


def test_files_give_back_what_was_stored(tmp_path: Path):
    people = fit_people(codes(50), "abc", 2, {"source": "axes"})
    stored = load_people(save_people(people, tmp_path / "people.safetensors"))
    assert torch.allclose(stored.draw(3), people.draw(3), atol=0.02)
    assert (stored.generator_hash, stored.report) == ("abc", people.report)
    with pytest.raises(LatentError, match="belongs to the generator"):
        stored.check("other", 3, 4)
    with pytest.raises(LatentError, match="belongs to the generator"):
        stored.check("abc", 4, 4)
    stored.check("abc", 3, 4)


def test_damaged_files_are_refused(tmp_path: Path):
    people = fit_people(codes(50), "abc", 2, {})
    file = save_people(people, tmp_path / "people.safetensors")
    tensors, metadata = load_tensors(file)
    for changed, error in (
        ({**tensors, "deviations": tensors["deviations"][:1]}, LatentError),
        ({**tensors, "mean": tensors["mean"] * float("nan")}, LatentError),
        ({**tensors, "other": torch.zeros(1)}, ModelError),
        ({"mean": tensors["mean"]}, ModelError),
    ):
        save_tensors(file, changed, metadata)
        with pytest.raises(error, match=r"^[^\n]*$"):
            load_people(file)
    newer = metadata["people"].replace('"format": 1', '"format": 2')
    save_tensors(file, tensors, {"people": newer})
    with pytest.raises(LatentError, match="another kind or format"):
        load_people(file)
    save_tensors(file, tensors)
    with pytest.raises(LatentError, match="is not a file of people"):
        load_people(file)


def test_more_components_than_faces_are_refused():
    with pytest.raises(LatentError, match="5 components need more than 5 faces"):
        fit_people(codes(5), "abc", 5, {})
    assert len(fit_people(codes(5), "abc", 3, {}).deviations) == 3
