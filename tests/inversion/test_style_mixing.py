from __future__ import annotations

import pytest
import torch

from made import SMALL, make_generator, random
from reage.inversion.style_mixing import mix

pytestmark = pytest.mark.quick

pytestmark = pytest.mark.quick


def test_mixing_takes_just_the_levels() -> None:
    a, b = random(2, SMALL.num_ws, 32), random(2, SMALL.num_ws, 32, seed=1)
    mixed = mix(a, b, [0, 3])
    for level in range(SMALL.num_ws):
        assert torch.equal(mixed[:, level], (b if level in (0, 3) else a)[:, level])
    assert torch.equal(mix(a, b, []), a)
    assert torch.equal(mix(a, b, range(SMALL.num_ws)), b)


def test_coarse_of_one_and_fine_of_another_differ_from_both() -> None:
    generator = make_generator(SMALL)
    a, b = random(1, SMALL.num_ws, 32), random(1, SMALL.num_ws, 32, seed=1)
    pictures = [generator.synthesize(ws) for ws in (a, b, mix(a, b, range(4)))]
    assert (pictures[2] - pictures[0]).abs().max() > 1e-3
    assert (pictures[2] - pictures[1]).abs().max() > 1e-3


def test_a_level_that_does_not_exist_is_refused() -> None:
    ws = random(1, SMALL.num_ws, 32)
    with pytest.raises(ValueError, match="levels"):
        mix(ws, ws, [SMALL.num_ws])
