from __future__ import annotations

import pytest
import torch

from made import random
from reage.inversion.adam import Adam

pytestmark = pytest.mark.quick


def test_it_is_torchs_adam() -> None:
    ours, theirs = [random(3, 5, seed=1).requires_grad_() for _ in range(2)]
    adam, reference = Adam([ours]), torch.optim.Adam([theirs])
    target = random(3, 5, seed=2)
    for step in range(30):
        rate = 0.1 * 0.9**step
        for x in (ours, theirs):
            ((x - target).square() * (1 + x.square())).sum().backward()
        adam.step(rate)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        reference.zero_grad()
        assert torch.allclose(ours, theirs, atol=1e-6)
