"""The generator with one w a resolution: its calls, its noise, what moves what."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from made import random
from reage.agers.direction import factorize, sefa_direction
from reage.networks.generators import make_generator
from reage.networks.lucidrains.generator import BilinearConfig, BilinearGenerator, blur

pytestmark = pytest.mark.quick

CONFIGS = {
    "plain": BilinearConfig(32, (16, 16, 8, 8), 12, 12, 2),
    "attention": BilinearConfig(32, (16, 16, 8, 8), 12, 12, 2, attention=(4, 16)),
    "no constant": BilinearConfig(16, (16, 8, 8), 12, 12, 2, constant=False),
}


@pytest.fixture(params=list(CONFIGS))
def generator(request: pytest.FixtureRequest) -> BilinearGenerator:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        made = make_generator(CONFIGS[request.param])
        assert isinstance(made, BilinearGenerator)
        for block in made.synthesis.blocks:
            for layer in (block.conv0, block.conv1):
                torch.nn.init.normal_(layer.noise_strength, 0, 0.3)
    made.mapping.w_avg.copy_(made.mean_w(500))
    return made.eval().requires_grad_(False)


def codes(generator: BilinearGenerator, count: int, seed: int = 0) -> Tensor:
    return random(count, generator.num_ws, generator.config.w_dim, seed=seed)


def test_the_sizes(generator: BilinearGenerator):
    config = generator.config
    assert generator.num_ws == len(config.channels) == len(config.block_resolutions)
    ws = generator.map(random(3, 12))
    assert ws.shape == (3, generator.num_ws, 12)
    assert torch.equal(ws[:, 0], ws[:, -1])
    half = generator.map(random(3, 12), truncation_psi=0.5)
    assert torch.allclose(half, (ws + generator.mapping.w_avg) / 2, atol=1e-6)
    assert generator.map(7 * random(3, 12)).allclose(ws, atol=1e-6)  # z's length says nothing
    assert generator.synthesize(ws).shape == (3, 3, config.resolution, config.resolution)


def test_a_picture_does_not_depend_on_its_batch(generator: BilinearGenerator):
    ws = codes(generator, 3)
    together = generator.synthesize(ws)
    assert torch.equal(together, generator.synthesize(ws))  # the stored noise is one
    alone = torch.cat([generator.synthesize(one) for one in ws.split(1)])
    assert (together - alone).abs().max() < 1e-5 * together.abs().max()
    rng = [torch.Generator().manual_seed(5) for _ in range(2)]
    drawn = generator.synthesize(ws, noise_mode="random", generator=rng[0])
    first = generator.synthesize(ws[:1], noise_mode="random", generator=rng[1])
    assert (drawn[:1] - first).abs().max() < 1e-5 * drawn.abs().max()
    assert (drawn[1:] - together[1:]).abs().max() > 0.01


def test_no_noise_is_a_map_of_zeros(generator: BilinearGenerator):
    ws, side = codes(generator, 2), generator.config.resolution
    none = generator.synthesize(ws, noise_mode="none")
    zeros = generator.synthesize(ws, noise=[torch.zeros(1, 1, side, side)])
    assert torch.allclose(none, zeros, atol=1e-6)
    assert (none - generator.synthesize(ws)).abs().max() > 0.01
    (drawn,) = generator.draw_noise(torch.Generator().manual_seed(0), torch.device("cpu"))
    assert drawn.min() >= 0 and drawn.max() < 1
    assert abs(drawn.mean() - generator.noise_mean) < 0.05
    assert abs(drawn.std() - generator.noise_deviation) < 0.03


def test_coarse_resolutions_take_the_corner_of_the_noise():
    with torch.random.fork_rng():
        torch.manual_seed(4)
        generator = BilinearGenerator(CONFIGS["plain"]).eval().requires_grad_(False)
    first = generator.synthesis.blocks[0]
    torch.nn.init.normal_(first.conv1.noise_strength)
    ws, noise = codes(generator, 1), torch.rand(1, 1, 32, 32)
    outside, inside = noise.clone(), noise.clone()
    outside[..., 4:, :] = outside[..., 4:] = 0
    inside[..., 3, 3] += 1
    shown = [generator.synthesize(ws, noise=[maps]) for maps in (noise, outside, inside)]
    assert torch.equal(shown[0], shown[1])
    assert not torch.equal(shown[0], shown[2])


def test_the_blur_mirrors_without_the_edge():
    image = random(2, 3, 5, 7)
    taps = torch.tensor([1.0, 2.0, 1.0]) / 4
    wanted = torch.zeros_like(image)
    rows, columns = (list(range(1, -1, -1)) + list(range(1, n)) + [n - 2] for n in (5, 7))
    padded = image[:, :, rows][..., columns]
    for i in range(3):
        for j in range(3):
            wanted += taps[i] * taps[j] * padded[:, :, i : i + 5, j : j + 7]
    assert torch.allclose(blur(image), wanted, atol=1e-6)
    assert torch.allclose(blur(torch.ones(1, 4, 8, 8)), torch.ones(1, 4, 8, 8))


def test_gradients_are_those_of_small_differences():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        generator = BilinearGenerator(BilinearConfig(8, (4, 3), 5, 5, 1, attention=(8,)))
    generator = generator.eval().requires_grad_(False)
    ws = random(1, 2, 5).requires_grad_()
    weights = random(1, 3, 8, 8, seed=2)
    (generator.synthesize(ws) * weights).sum().backward()
    assert ws.grad is not None
    step = random(1, 2, 5, seed=3) * 1e-2
    with torch.no_grad():
        ahead, behind = (generator.synthesize(ws + s) for s in (step, -step))
    slope = ((ahead - behind) * weights).sum() / 2
    assert torch.isclose((ws.grad * step).sum(), slope, rtol=0.02)


def test_lower_precision_is_near(generator: BilinearGenerator):
    ws = codes(generator, 2)
    exact, near = (generator.synthesize(ws, dtype=t) for t in (torch.float32, torch.bfloat16))
    assert near.dtype == torch.float32
    assert 0 < F.l1_loss(exact, near) < 0.05 * exact.std()


def test_sefa_takes_both_convolutions_of_a_level(generator: BilinearGenerator):
    block = generator.synthesis.blocks[1]
    weights = [block.conv0.affine.weight, block.conv1.affine.weight]
    rows = torch.cat([F.normalize(weight, dim=1) for weight in weights])
    factors = factorize(generator, (1,))
    gains = (rows @ factors.T).square().sum(0)
    assert (gains[:-1] >= gains[1:] - 1e-4).all()
    assert gains[0] > 1.2 * gains.mean()
    direction = sefa_direction(generator, "ab", "sefa:1:1-1")
    assert direction.vector[1].norm() == pytest.approx(1)
    assert not direction.vector[[0, *range(2, generator.num_ws)]].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": (12,)}, "not a choice of its resolutions"),
        ({"attention": (8, 8)}, "not a choice of its resolutions"),
        ({"resolution": 48}, "power of two"),
        ({"channels": (4, 4)}, "channel counts"),
    ],
)
def test_sizes_that_make_no_sense(changes: dict[str, tuple[int, ...]], message: str):
    with pytest.raises(ValueError, match=message):
        BilinearConfig(**{"resolution": 16, "channels": (4, 4, 4)} | changes)  # type: ignore[arg-type]
