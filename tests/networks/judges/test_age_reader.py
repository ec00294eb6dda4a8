"""Two age networks read together: their mean, its error, and where they disagree."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from made import random
from reage.faces.readings import DISAGREEMENT, AgeReading
from reage.images import to_tensor
from reage.models.pretrained import load_age_reader
from reage.networks.judges.age_features import AgeFeatures, interpolate
from reage.networks.judges.age_reader import ERROR, RAW
from reage.search.age_search import Reached, limit_in


def test_the_mean_of_both_is_read(astronaut: np.ndarray):
    reader, picture = load_age_reader(), to_tensor(astronaut)[..., 55:175, 70:190]
    each, (age, error) = reader.read_each(picture), reader.read(picture)
    assert each.shape == (2, 1) and float(age) == pytest.approx(float(each.mean()))
    assert each[0] != each[1]
    assert 20 < float(age) < 60
    assert min(ERROR) <= float(error) <= max(ERROR)


def test_the_correction_keeps_the_order_of_ages():
    reader = load_age_reader()
    ages = interpolate(torch.linspace(0, RAW[-1], 500), reader.raw, reader.meant)
    assert (ages.diff() > 0).all() and float(ages[-1]) == RAW[-1]
    error = reader.error(torch.tensor([0.0, 5.0, 45.0, 90.0]))
    assert error[0] == ERROR[0] and error[0] < error[1] < error[2] and error[3] == ERROR[-1]


def test_gradients_flow_and_batches_do_not_matter():
    reader, pictures = load_age_reader(), random(3, 3, 128, 128).clamp(-1, 1)
    alone = torch.cat([reader.read(one)[0] for one in pictures.split(1)])
    assert torch.allclose(reader.read(pictures)[0], alone, atol=1e-3)
    picture = pictures[:1].clone().requires_grad_()
    reader.read(picture)[0].sum().backward()
    assert picture.grad is not None and picture.grad.abs().max() > 0


def test_features_give_probabilities():
    network = AgeFeatures()
    logs = network(random(2, 992))
    assert logs.shape == (2, 96)
    assert torch.allclose(logs.exp().sum(1), torch.ones(2), atol=1e-5)


@pytest.mark.quick
def test_an_age_that_one_network_alone_believes_is_not_reached():
    goal = Reached(1.0, 20.0, 20.0, None)
    agreed = AgeReading(20.0, 7.0, (16.0, 24.0))
    apart = AgeReading(20.0, 7.0, (20 - DISAGREEMENT / 2 - 1, 20 + DISAGREEMENT / 2 + 1))
    assert agreed.agrees and limit_in(goal, agreed) is None
    assert not apart.agrees and "disagree: 8 and 32" in (limit_in(goal, apart) or "")
    assert AgeReading(20.0, 7.0).agrees  # one network alone has nothing to disagree with
