"""The generator: shapes, style levels, noise, truncation, and what may not depend on the batch."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from made import make_generator, random
from reage.editor import Editor
from reage.networks.stylegan2.generator import Generator, GeneratorConfig
from reage.networks.stylegan2.synthesis import NoiseMode, level_resolutions

pytestmark = pytest.mark.quick


@pytest.fixture
def ws(small: Generator) -> Tensor:
    return small.map(random(3, 32), truncation_psi=0.7)


@contextmanager
def watched_blocks(generator: Generator) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Maps and picture after each block."""
    seen: list[tuple[Tensor, Tensor]] = []
    hooks = [
        block.register_forward_hook(lambda _, __, output: seen.append(output))
        for block in generator.synthesis.blocks
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("resolution", [8, 16, 64, 256])
@pytest.mark.parametrize(("layers", "image_channels"), [(0, 3), (1, 4), (8, 3)])
def test_shapes(resolution: int, layers: int, image_channels: int):
    steps = int(math.log2(resolution)) - 1
    config = GeneratorConfig(
        resolution, (8,) * steps, z_dim=16, w_dim=16, mapping_layers=layers,
        image_channels=image_channels,
    )  # fmt: skip
    generator = make_generator(config)
    assert config.num_ws == 2 * math.log2(resolution) - 2 == len(level_resolutions(config))
    ws = generator.map(random(2, 16))
    assert ws.shape == (2, config.num_ws, 16)
    image = generator.synthesize(ws)
    assert image.shape == (2, image_channels, resolution, resolution)
    assert image.isfinite().all()
    assert image.std() > 0.01


def test_z_and_w_may_have_different_sizes():
    config = GeneratorConfig(8, (4, 4), z_dim=5, w_dim=9, mapping_layers=2)
    assert make_generator(config).map(random(2, 5)).shape == (2, 4, 9)


@pytest.mark.parametrize(
    "wrong",
    [{"resolution": 48}, {"resolution": 4}, {"resolution": 2048}, {"channels": (8, 8)},
     {"channels": (8, 8, 0)}, {"image_channels": 1}],
)  # fmt: skip
def test_impossible_configs_are_refused(wrong: dict):
    with pytest.raises(ValueError, match=r"resolution|channel"):
        GeneratorConfig(**{"resolution": 16, "channels": (8, 8, 8), **wrong})


@torch.no_grad()
def test_the_mapping_sees_only_the_direction_of_z(small: Generator):
    z = random(4, 32)
    assert torch.allclose(small.map(z), small.map(z * 17), atol=1e-4)


def test_a_level_changes_nothing_below_its_resolution(small: Generator, ws: Tensor):
    sizes = small.config.block_resolutions
    small = learning(small)  # the other form has no blocks to watch
    with watched_blocks(small) as before:
        small.synthesize(ws)
    for level, acts_at in enumerate(level_resolutions(small.config)):
        other = ws.clone()
        other[:, level] += 1
        with watched_blocks(small) as after:
            small.synthesize(other)
        last_only = level == small.num_ws - 1  # toRGB alone
        for size, (x0, image0), (x1, image1) in zip(sizes, before, after, strict=True):
            assert torch.equal(x0, x1) == (size < acts_at or last_only), (level, size)
            if size < acts_at // 2 or (last_only and size < acts_at):
                assert torch.equal(image0, image1), (level, size)
        assert not torch.equal(before[-1][1], after[-1][1])


def test_style_mixing_takes_the_coarse_layers_of_one_and_the_fine_ones_of_the_other(
    small: Generator, ws: Tensor
):
    a, b = ws[:1], ws[1:2]
    images = [small.synthesize(torch.cat([a[:, :k], b[:, k:]], 1)) for k in range(9)]
    assert torch.equal(images[0], small.synthesize(b))
    assert torch.equal(images[8], small.synthesize(a))
    distances = [float((image - images[8]).square().mean()) for image in images]
    assert distances[0] > distances[4] > distances[7] > 0


def test_noise_modes(small: Generator, ws: Tensor):
    const = small.synthesize(ws)
    assert torch.equal(const, small.synthesize(ws, noise_mode="const"))
    stored = [layer.noise_const[None, None] for layer in small.synthesis.noise_layers]
    assert torch.equal(const, small.synthesize(ws, noise=stored))
    none = small.synthesize(ws, noise_mode="none")
    assert torch.equal(none, small.synthesize(ws, noise=[n * 0 for n in stored]))
    assert (none - const).abs().max() > 0.01
    with pytest.raises(ValueError, match="noise_mode 'some' is not one of"):
        small.synthesize(ws, noise_mode="some")  # type: ignore[arg-type]


def test_random_noise_is_its_seeds_and_not_the_batchs(small: Generator, ws: Tensor):
    def drawn(count: int, seed: int) -> Tensor:
        rng = torch.Generator().manual_seed(seed)
        same = ws[:1].expand(count, -1, -1)
        return small.synthesize(same, noise_mode="random", generator=rng)

    assert torch.equal(drawn(3, 1), drawn(3, 1))
    assert torch.allclose(drawn(3, 1)[:1], drawn(1, 1), atol=1e-5)  # the first, whoever follows
    assert (drawn(1, 1) - drawn(1, 2)).abs().max() > 0.01
    three = drawn(3, 1)
    assert (three[0] - three[1]).abs().max() > 0.01  # each picture has its own


@torch.no_grad()
def test_truncation(small: Generator):
    z = random(4, 32)
    w_avg = small.mapping.w_avg
    assert torch.equal(small.map(z, truncation_psi=0), w_avg.expand(4, 8, -1))
    full = small.map(z)
    assert torch.allclose(small.map(z, truncation_psi=0.3), w_avg + 0.3 * (full - w_avg), atol=1e-6)
    assert (small.mean_w(2000, seed=5) - w_avg).norm() < 0.2 * (full[:, 0] - w_avg).norm(
        dim=1
    ).min()


def test_a_picture_does_not_depend_on_its_batch(small: Generator, ws: Tensor):
    batch = small.synthesize(ws)
    alone = torch.cat([small.synthesize(one) for one in ws.split(1)])
    rounding = 3e-6 * batch.abs().max()
    assert (batch - alone).abs().max() < rounding
    assert (batch.flip(0) - small.synthesize(ws.flip(0))).abs().max() < rounding


@torch.no_grad()
def test_bfloat16_is_within_40_db_of_float32_and_repeats_itself(editor: Editor):
    generator = editor.model.generator
    ws = generator.map(random(2, generator.config.z_dim), truncation_psi=0.7)
    exact = generator.synthesize(ws)
    half = generator.synthesize(ws, dtype=torch.bfloat16)
    assert half.dtype == torch.float32
    mse = (exact.clamp(-1, 1) - half.clamp(-1, 1)).square().mean((1, 2, 3))
    assert (10 * torch.log10(4 / mse)).min() > 40
    assert not torch.equal(exact, half)
    for dtype, first in ((torch.float32, exact), (torch.bfloat16, half)):
        again = generator.synthesize(ws, dtype=dtype)
        assert again.numpy().tobytes() == first.numpy().tobytes()


def test_gradients_reach_every_level_and_the_noise(small: Generator, ws: Tensor):
    moving = ws.clone().requires_grad_()
    noise = [
        n.noise_const[None, None].clone().requires_grad_() for n in small.synthesis.noise_layers
    ]
    small.synthesize(moving, noise=list(noise)).square().mean().backward()
    assert moving.grad is not None
    assert (moving.grad.abs().amax((0, 2)) > 0).all()
    assert all(n.grad is not None and n.grad.abs().max() > 0 for n in noise)
    assert not np.isnan(moving.grad.numpy()).any()


def learning(generator: Generator) -> Generator:
    """The same one, with weights that want gradients: the plain form of the synthesis."""
    return copy.deepcopy(generator).requires_grad_(True)


class TestFixedWeights:
    """A generator that does not learn takes a faster way, which must show the same."""

    LARGE = GeneratorConfig(64, (48, 40, 32, 300, 260), w_dim=24, z_dim=24, mapping_layers=1)

    @pytest.fixture
    def large(self) -> Generator:
        """With maps above and below what is done at once, noise and biases of some size."""
        generator = make_generator(self.LARGE)
        for layer in generator.synthesis.noise_layers:
            nn.init.constant_(layer.noise_strength, 0.3)
            nn.init.normal_(layer.bias, generator=torch.Generator().manual_seed(1))
        return generator.requires_grad_(False)

    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize("mode", ["const", "random", "none"])
    def test_it_shows_the_same(self, large: Generator, count: int, mode: NoiseMode):
        ws = random(count, large.num_ws, 24)
        draws = [torch.Generator().manual_seed(3) for _ in range(2)]
        with torch.no_grad():
            fast = large.synthesize(ws, noise_mode=mode, generator=draws[0])
        slow = learning(large).synthesize(ws, noise_mode=mode, generator=draws[1])
        assert slow.requires_grad and not fast.requires_grad
        assert torch.allclose(fast, slow, atol=1e-5 * slow.detach().abs().max().item())

    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize("shared", [True, False])
    def test_it_has_the_same_gradients(self, large: Generator, count: int, shared: bool):
        large = copy.deepcopy(large).double()  # no rounding across a leaky ReLU's kink
        ws = random(count, large.num_ws, 24).double()
        sides = [layer.noise_const.shape[0] for layer in large.synthesis.noise_layers]
        noise = [random(1 if shared else count, 1, side, side).double() for side in sides]
        weights = random(count, 3, 64, 64)
        found = []
        for generator in (large, learning(large)):
            leaves = [tensor.clone().requires_grad_() for tensor in (ws, *noise)]
            images = generator.synthesize(leaves[0], noise=leaves[1:], dtype=torch.float64)
            found.append(torch.autograd.grad((images * weights).sum(), leaves))
        for fast, slow in zip(*found, strict=True):
            assert slow.abs().max() > 0
            assert torch.allclose(fast, slow, atol=1e-5 * slow.abs().max().item())

    def test_bfloat16_too(self, large: Generator):
        ws = random(2, large.num_ws, 24)
        exact = large.synthesize(ws)
        close = large.synthesize(ws, dtype=torch.bfloat16)
        assert 0 < (close - exact).square().mean() < 1e-3 * exact.square().mean()

    def test_a_changed_weight_is_seen(self, large: Generator):
        generator = copy.deepcopy(large)
        ws = random(1, large.num_ws, 24)
        before = generator.synthesize(ws)
        generator.synthesis.b16.conv0.weight.mul_(-1)
        assert not torch.allclose(generator.synthesize(ws), before, atol=1e-2)
        generator.load_state_dict(large.state_dict())
        assert torch.equal(generator.synthesize(ws), before)
        generator.synthesis.b16.conv1.bias = nn.Parameter(torch.ones(32), requires_grad=False)
        assert not torch.allclose(generator.synthesize(ws), before, atol=1e-2)
