"""The pure functions of StyleGAN2 against their equations, written out another way."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from made import random
from reage.networks.stylegan2 import ops
from reage.networks.stylegan2.ops import (
    demodulation,
    fold_fir,
    leaky_relu,
    modulated_conv,
    upsample_2x,
    upsampling_kernel,
)

pytestmark = pytest.mark.quick


def paper_conv(x: Tensor, weight: Tensor, styles: Tensor, demodulate: bool = True) -> Tensor:
    """Equations 1 and 3 as they stand: weights of their own for each sample, one group each."""
    n, channels, h, w = x.shape
    own = weight[None] * styles[:, None, :, None, None]  # [N, out, in, k, k]
    if demodulate:
        own = own / (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    y = F.conv2d(
        x.reshape(1, n * channels, h, w),
        own.flatten(0, 1),
        padding=weight.shape[2] // 2,
        groups=n,
    )
    return y.reshape(n, -1, h, w)


def filtered(x: Tensor) -> Tensor:
    """Zeros beside each pixel, then [1, 3, 3, 1] in both axes with gain 2 in each."""
    n, c, h, w = x.shape
    spread = x.new_zeros(n, c, 2 * h, 2 * w)
    spread[:, :, ::2, ::2] = x
    padded = F.pad(spread, (2, 1, 2, 1))
    taps = [1 / 4, 3 / 4, 3 / 4, 1 / 4]
    rows = sum(t * padded[:, :, i : i + 2 * h] for i, t in enumerate(taps))
    return sum(t * rows[:, :, :, i : i + 2 * w] for i, t in enumerate(taps))  # type: ignore[misc]


def test_modulated_conv_is_the_papers_with_weights_for_each_sample():
    x, styles = random(3, 6, 9, 7), random(3, 6, seed=1)
    for kernel in (1, 3):
        weight = random(5, 6, kernel, kernel, seed=2)
        for demodulate in (True, False):
            y = modulated_conv(x, weight, styles, demodulate=demodulate)
            assert torch.allclose(y, paper_conv(x, weight, styles, demodulate), atol=1e-5)


def test_demodulation_gives_maps_of_unit_variance():
    x, styles = random(2, 32, 64, 64), random(2, 32, seed=1) * 7
    weight = random(8, 32, 3, 3, seed=2) * 3
    inner = modulated_conv(x, weight, styles)[:, :, 2:-2, 2:-2]
    assert torch.allclose(inner.std((2, 3)), torch.ones(2, 8), atol=0.06)
    own = weight[None] * styles[:, None, :, None, None]
    assert torch.allclose(demodulation(weight, styles) * own.flatten(2).norm(dim=2), torch.ones(8))


def test_scaling_all_styles_of_a_sample_changes_nothing():
    x, styles, weight = random(2, 6, 8, 8), random(2, 6, seed=1), random(4, 6, 3, 3, seed=2)
    one = modulated_conv(x, weight, styles, up=True)
    other = modulated_conv(x, weight, styles * torch.tensor([[5.0], [0.2]]), up=True)
    assert torch.allclose(one, other, atol=1e-5)


def test_folded_filter_is_the_two_convolutions_one_after_the_other():
    x, styles, weight = random(2, 5, 6, 10), random(2, 5, seed=1), random(4, 5, 3, 3, seed=2)
    plain = modulated_conv(x, weight, styles, up=True)
    scaled = x * styles[:, :, None, None]
    folded = F.conv_transpose2d(scaled, fold_fir(weight.transpose(0, 1)), stride=2, padding=2)
    folded = folded * demodulation(weight, styles)[:, :, None, None]
    assert plain.shape == (2, 4, 12, 20)
    assert (plain - folded).abs().max() < 1e-4


@pytest.mark.parametrize("has_amx", [False, True])
def test_bfloat16_folds_the_filter_where_the_units_are_and_makes_the_same(
    has_amx: bool, monkeypatch: pytest.MonkeyPatch
):
    x, styles, weight = random(2, 5, 6, 10), random(2, 5, seed=1), random(4, 5, 3, 3, seed=2)
    plain = modulated_conv(x, weight, styles, up=True)
    monkeypatch.setattr(ops, "HAS_AMX", has_amx)
    assert upsampling_kernel(weight, torch.bfloat16).shape[2] == (6 if has_amx else 3)
    assert upsampling_kernel(weight, torch.float32).shape[2] == 3
    in_half = modulated_conv(x.bfloat16(), weight, styles, up=True).float()
    assert (plain - in_half).abs().max() < 0.05 * plain.abs().max()


def test_upsampling_conv_is_zeros_conv_and_filter():
    x, weight = random(1, 3, 5, 5), random(2, 3, 3, 3, seed=1)
    y = modulated_conv(x, weight, torch.ones(1, 3), demodulate=False, up=True)
    # StyleGAN2's up-convolution is a transposed one: the kernel turned by half a turn.
    spread = x.new_zeros(1, 3, 13, 13)
    spread[:, :, 2:11:2, 2:11:2] = x
    whole = F.conv2d(spread, weight.flip(2, 3))  # [1, 2, 11, 11]
    taps = torch.tensor([1.0, 3, 3, 1]) / 4
    kernel = torch.outer(taps, taps).expand(2, 1, 4, 4)
    wanted = F.conv2d(F.pad(whole, (1, 1, 1, 1)), kernel, groups=2)
    assert torch.allclose(y, wanted, atol=1e-5)


def test_upsample_2x_is_zeros_and_filter():
    image = random(2, 3, 5, 8)
    assert torch.allclose(upsample_2x(image), filtered(image), atol=1e-6)
    single = torch.zeros(1, 1, 5, 5)
    single[0, 0, 2, 2] = 16
    taps = torch.tensor([1.0, 3, 3, 1])
    assert torch.equal(upsample_2x(single)[0, 0, 3:7, 3:7], torch.outer(taps, taps))


def test_leaky_relu_keeps_the_mean_square():
    x = random(100_000)
    assert abs(leaky_relu(x).square().mean() - x.square().mean() * (1 + 0.04)) < 0.02
    assert torch.equal(leaky_relu(torch.tensor([-1.0, 1.0])), torch.tensor([-0.2, 1.0]) * 2**0.5)
