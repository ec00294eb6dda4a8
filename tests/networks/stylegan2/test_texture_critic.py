"""Laws of the adversary that sees patches of skin."""

from __future__ import annotations

import pytest
import torch

from made import random
from reage.networks.stylegan2.discriminator import TextureCritic

pytestmark = pytest.mark.quick


@pytest.fixture
def critic() -> TextureCritic:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TextureCritic(3, width=8).eval().requires_grad_(False)


def test_a_patch_sees_eighteen_pixels(critic: TextureCritic):
    images = random(1, 3, 64, 64).requires_grad_()
    logits = critic(images, torch.tensor([1])).view(16, 16)
    logits[8, 8].backward()
    assert images.grad is not None
    seen = images.grad[0].abs().sum(0).nonzero()
    low, high = seen.min(0).values, seen.max(0).values
    assert (high - low + 1).tolist() == [18, 18]


def test_classes_are_judged_differently_and_none_by_what_all_share(critic: TextureCritic):
    images = random(1, 3, 32, 32)
    judged = [critic(images, torch.tensor([number])) for number in (-1, 0, 1, 2)]
    assert all(j.shape == (1, 64) for j in judged)
    differences = [(a - b).abs().max() for i, a in enumerate(judged) for b in judged[:i]]
    assert min(differences) > 1e-4
