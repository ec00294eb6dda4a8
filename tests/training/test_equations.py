"""Laws of the losses, the draws, the augmentations and the averages."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from made import SMALL, make_generator, random
from reage.errors import UsageError
from reage.models.pretrained import load_efficientnet
from reage.networks.agers.latent_ager import Ager, AgerConfig
from reage.networks.encoders.encoder import Encoder, EncoderConfig
from reage.networks.stylegan2.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    FeatureHeads,
    FeatureHeadsConfig,
    TextureCritic,
    minibatch_stddev,
)
from reage.training.configs import AdamSettings
from reage.training.loop.data import age_bin
from reage.training.loop.draws import Draws
from reage.training.loop.ema import ema_beta, update_average
from reage.training.loop.optimisers import Optimizer, update
from reage.training.loop.parallel import World
from reage.training.stylegan2 import losses
from reage.training.stylegan2.adversaries import ProjectedAdversary
from reage.training.stylegan2.augment import ada_augment, diff_augment, sharpen_detail
from reage.training.stylegan2.batch_kinds import mix_codes
from reage.training.stylegan2.encoder import random_masks
from reage.training.stylegan2.mapping import Folded, fold_offsets, lift, rebase, set_mapping

pytestmark = pytest.mark.quick


class TestLosses:
    def test_where_an_undecided_discriminator_stands(self):
        zero = torch.zeros(3)
        for loss in (losses.logistic_real, losses.logistic_fake, losses.logistic_generator):
            assert torch.allclose(loss(zero), torch.full((3,), math.log(2)))
        assert torch.equal(losses.hinge_real(zero), torch.ones(3))
        assert torch.equal(losses.hinge_fake(torch.tensor([-2.0, 2.0])), torch.tensor([0.0, 3.0]))
        assert torch.equal(losses.hinge_generator(torch.tensor([2.0])), torch.tensor([-2.0]))

    def test_r1_of_a_linear_discriminator_is_its_squared_weight(self):
        images = random(2, 3, 4, 4).requires_grad_()
        weight = random(3, 4, 4, seed=1)
        penalty = losses.r1_penalty((images * weight).sum((1, 2, 3)), images)
        assert torch.allclose(penalty, weight.square().sum().expand(2))

    def test_path_length_of_a_linear_generator(self):
        ws = random(2, 3, 5).requires_grad_()
        images = (ws.sum((1, 2))[:, None, None, None] * 2.0).expand(-1, 1, 4, 4)
        noise = torch.ones(2, 1, 4, 4)
        # J^T y = 2 * 16 / 4 in each of the 5 numbers of each level; the mean over levels is taken.
        assert torch.allclose(
            losses.path_lengths(images, ws, noise), torch.full((2,), 8 * math.sqrt(5))
        )


class TestDraws:
    def test_a_picture_s_numbers_are_its_own(self):
        whole = Draws(1, 2, range(4)).normal(3)
        assert torch.equal(whole[2:], Draws(1, 2, [2, 3]).normal(3))
        assert torch.equal(whole[1:3], Draws(1, 2, range(4)).part(1, 3).normal(3))
        for other in (
            Draws(2, 2, range(4)),
            Draws(1, 3, range(4)),
            Draws(1, 2, range(4), purpose="x"),
        ):
            assert not torch.equal(whole, other.normal(3))

    def test_ranges(self):
        draws = Draws(0, 0, range(300))
        uniform, whole = draws.uniform(low=-1, high=3), draws.integers(2, 5)
        assert (
            uniform.min() >= -1
            and uniform.max() < 3
            and uniform.mean().item() == pytest.approx(1, abs=0.3)
        )
        assert set(whole.tolist()) == {2, 3, 4}


class TestAugment:
    def test_pairs_are_augmented_alike_and_differentiably(self):
        images = random(4, 3, 32, 32).requires_grad_()
        one = diff_augment(images, Draws(0, 0, range(4)))
        two = diff_augment(images * 2, Draws(0, 0, range(4)))
        assert torch.allclose(two, one * 2)
        one.sum().backward()
        assert images.grad is not None and set(images.grad.unique().tolist()) == {0.0, 1.0}

    def test_ada_with_probability_0_is_the_picture(self):
        images = random(4, 3, 16, 16)
        assert torch.allclose(ada_augment(images, Draws(0, 0, range(4)), 0.0), images, atol=1e-5)
        changed = ada_augment(images, Draws(0, 0, range(4)), 1.0)
        assert changed.shape == images.shape
        assert not torch.allclose(changed, images, atol=0.1)
        grey = ada_augment(torch.zeros(64, 3, 8, 8), Draws(1, 0, range(64)), 1.0)
        assert grey.std() == pytest.approx(0.2, abs=0.15)  # black is only made brighter or darker


class TestAverages:
    def test_half_life(self):
        assert ema_beta(1000, 5.0, 1000.0, 0.05) ** 5 == pytest.approx(0.5)
        assert ema_beta(1000, 5.0, 20.0, 0.05) == pytest.approx(0.5)  # 5 % of 20 kimg
        assert ema_beta(32, 5.0, 0.0, 0.05) == 0.0

    def test_parameters_are_averaged_and_buffers_copied(self):
        average, network = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
        nn.init.constant_(network.weight, 3.0)
        network.running_mean += 7
        update_average(average, network, 0.75)
        assert torch.equal(average.weight, torch.full((2,), 1.5))
        assert torch.equal(average.running_mean, network.running_mean)


def spectrum(points: torch.Tensor) -> list[float]:
    """Standard deviations along the principal components that matter, largest first."""
    deviations = torch.linalg.svdvals(points - points.mean(0)) / len(points) ** 0.5
    return [float(d) for d in deviations if d > 0.05 * deviations[0]]


class TestMapping:
    def test_a_mapping_draws_like_the_codes_it_was_set_to(self):
        generator = make_generator(SMALL)
        mixing = random(32, 32, seed=3) * torch.linspace(2, 0.01, 32)[:, None]
        codes = random(4000, 32) @ mixing / 10 + random(1, 32, seed=4)  # strongly drawn out
        moved = codes + lift(generator, codes)
        set_mapping(generator.mapping, moved)
        drawn = generator.mapping(random(20000, 32, seed=5))
        assert (drawn.mean(0) - moved.mean(0)).norm() < 0.05 * codes.std(0).norm()
        for a, b in zip(spectrum(drawn), spectrum(codes), strict=True):
            assert 0.9 < a / b < 1.1

    def test_lifting_codes_above_0_changes_no_picture(self):
        generator = make_generator(SMALL)
        codes = random(6, 32) - 3
        with torch.no_grad():
            before = generator.synthesize(codes[:, None].expand(-1, generator.num_ws, -1))
            average = generator.mapping.w_avg.clone()
            step = lift(generator, codes)
            after = generator.synthesize((codes + step)[:, None].expand(-1, generator.num_ws, -1))
        assert (codes + step).min() > 0
        assert torch.allclose(generator.mapping.w_avg, average + step)
        assert torch.allclose(before, after, atol=1e-4)
        assert lift(generator, codes + step).max() < 1e-5

    def test_rebasing_moves_the_mean_and_no_code(self):
        generator = make_generator(SMALL)
        generator.mapping.w_avg += 1
        encoder = Encoder(EncoderConfig(8, 32, 32, channels=(4,), blocks=(1,), hidden=8))
        images, mask = random(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
        before = encoder(images, mask, generator.mapping.w_avg)
        rebase(generator, encoder)
        assert torch.allclose(generator.mapping.w_avg, generator.mean_w())
        assert torch.allclose(encoder(images, mask, generator.mapping.w_avg), before, atol=1e-5)

    def test_folded_offsets_change_no_picture_and_come_with_w_alone(self):
        generator = make_generator(SMALL)
        config = EncoderConfig(generator.num_ws, 32, 32, channels=(4,), blocks=(1,), hidden=8)
        encoder = Encoder(config)
        rng = torch.Generator().manual_seed(1)
        for layer in (encoder.shift, encoder.offsets):
            torch.nn.init.normal_(layer.weight, std=2, generator=rng)
            torch.nn.init.normal_(layer.bias, generator=rng)
        images, mask = random(64, 3, 32, 32), torch.ones(64, 1, 32, 32)
        average = generator.mapping.w_avg
        ager = Ager(AgerConfig(generator.num_ws, 32, projection=8, hidden=8))
        ager.mean.normal_(generator=rng)
        ager.scale.uniform_(1, 2, generator=rng)
        own, wanted = torch.full((64,), 30.0), torch.full((64,), 60.0)
        with torch.no_grad():
            old, (shift, offsets) = encoder(images, mask, average), encoder.changes(images, mask)
            pictures = generator.synthesize(old)
            aged = generator.synthesize(old + ager(old, own, wanted))
            folded = fold_offsets(generator, encoder, average + shift[:, 0], offsets)
            new, (shift, rest) = encoder(images, mask, average), encoder.changes(images, mask)
            moved = folded.new_ager(ager)(new, own, wanted)
            alone = generator.synthesize(average + shift)
            assert torch.allclose(generator.synthesize(new), pictures, atol=1e-3)
            assert torch.allclose(generator.synthesize(new + moved), aged, atol=1e-3)
        assert torch.allclose(folded.new_codes(old), new, atol=1e-3)
        assert rest.norm() < 0.1 * offsets.norm()
        assert (alone - pictures).square().mean() < 0.05 * pictures.var()

    def test_folded_codes_of_full_size_whatever_the_threads(self):
        rng = torch.Generator().manual_seed(0)
        matrices = torch.eye(512) + 0.01 * torch.randn(2, 512, 512, generator=rng)
        folded = Folded(matrices.double(), torch.zeros(2, 512, dtype=torch.float64))
        old = torch.randn(3, 2, 512, generator=rng)
        before = torch.get_num_threads()
        torch.set_num_threads(2)  # torch 2.13: a batch of matrices made oneMKL fail after it
        try:
            new = folded.new_changes(old)
        finally:
            torch.set_num_threads(before)
        again = torch.einsum("nlw,lvw->nlv", new.double(), matrices.double())
        assert torch.allclose(again.float(), old, atol=1e-4)

    def test_mixed_codes_lie_between_neighbours(self):
        w = torch.arange(8.0)[:, None, None].expand(8, 6, 3)
        mixed = mix_codes(w, torch.zeros(8, 6, 3), Draws(0, 0, range(8)))
        others = torch.tensor([3.0, 0, 1, 2, 7, 4, 5, 6])
        low = torch.minimum(torch.arange(8.0), others)[:, None, None]
        high = torch.maximum(torch.arange(8.0), others)[:, None, None]
        assert ((mixed >= low) & (mixed <= high)).all()


class TestNetworks:
    def test_minibatch_stddev_sees_only_its_group(self):
        x = random(8, 2, 3, 3)
        y = minibatch_stddev(x, 4)
        assert y.shape == (8, 3, 3, 3)
        assert torch.equal(y[:, :2], x)
        x[4:] *= 5
        assert torch.equal(minibatch_stddev(x, 4)[:4], y[:4])
        expected = (x[:4].var(0, unbiased=False) + 1e-8).sqrt().mean()
        assert y[0, 2, 0, 0].item() == pytest.approx(expected.item(), rel=1e-5)
        assert minibatch_stddev(x[:1], 4)[0, 2].max() < 1e-3

    def test_a_discriminator_gives_one_logit_a_picture(self):
        network = Discriminator(DiscriminatorConfig(16, (8, 8, 8)))
        assert network(random(4, 3, 16, 16)).shape == (4,)
        with pytest.raises(ValueError, match="2 channel counts do not fit 64 px"):
            DiscriminatorConfig(64, (8, 8))
        with pytest.raises(ValueError, match="1 channel counts do not fit 4 px"):
            DiscriminatorConfig(4, (8,))

    @pytest.mark.parametrize("channels", [(8, 8, 8, 8), (8, 8, 8), (8, 8)])
    def test_a_discriminator_without_its_largest_maps_sees_every_pixel(
        self, channels: tuple[int, ...]
    ):
        network = Discriminator(DiscriminatorConfig(32, channels))
        images = random(4, 3, 32, 32).requires_grad_()
        network(images).sum().backward()
        assert images.grad is not None
        assert (images.grad.abs().sum((0, 1)) > 0).all()

    def test_heads_condition_on_the_class_alone(self):
        heads = FeatureHeads(FeatureHeadsConfig(width=8, classes=3)).eval()
        features = [random(2, c, s, s) for c, s in ((24, 32), (40, 16), (112, 8), (320, 4))]
        projected, view = heads.project(features), heads.view(random(2, 3, 128, 128))
        plain, colour = heads(projected, view)
        none, _ = heads(projected, view, torch.tensor([-1, -1]))
        one, _ = heads(projected, view, torch.tensor([2, -1]))
        assert plain.shape == (2, 4 * 16)
        assert colour is not None
        assert torch.equal(plain, none)
        assert not torch.equal(plain[0], one[0])
        assert torch.equal(plain[1], one[1])


def test_clipped_gradients_move_weights_less_but_in_the_same_direction():
    found = []
    for clip in (0.0, 3.0, 0.5):
        layer = torch.nn.Linear(2, 1, bias=False)
        torch.nn.init.zeros_(layer.weight)
        sgd = torch.optim.SGD(layer.parameters(), lr=1.0)
        loss = layer(torch.tensor([[0.6, 0.8]])).sum()  # a gradient of length 1
        update(loss, [Optimizer(sgd, AdamSettings(clip=clip))], World())
        found.append(layer.weight.detach()[0])
    assert torch.allclose(found[0], torch.tensor([-0.6, -0.8]))
    assert torch.equal(found[1], found[0])
    assert torch.allclose(found[2], torch.tensor([-0.3, -0.4]), atol=1e-5)


def test_bfloat16_judges_nearly_as_float32_and_teaches_the_same_way():
    heads = FeatureHeads(FeatureHeadsConfig(side=64))
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    values, slopes = [], []
    for dtype in (torch.float32, torch.bfloat16):
        adversary = ProjectedAdversary(
            load_efficientnet(), heads.eval(), colour_weight=0.1, side=64, dtype=dtype
        )
        shown = images.clone().requires_grad_()
        loss = adversary.generator_loss(adversary.describe(shown))
        values.append(loss.detach())
        slopes.append(torch.autograd.grad(loss.sum(), shown)[0].flatten())
    assert values[0].dtype == values[1].dtype == torch.float32
    assert not torch.equal(values[0], values[1])
    assert (values[0] - values[1]).abs().max() < 0.05
    assert torch.cosine_similarity(*slopes, dim=0) > 0.9


def test_a_critic_of_patches_joins_the_projected_adversary():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        heads = FeatureHeads(FeatureHeadsConfig(side=64)).eval()
        critic = TextureCritic(0, width=8).eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    features = load_efficientnet()
    plain = ProjectedAdversary(features, heads, colour_weight=0.1, side=64)
    both = ProjectedAdversary(
        features, heads, critic, colour_weight=0.1, texture_weight=0.5, side=64
    )
    assert plain.network is heads
    assert sum(1 for _ in both.network.parameters()) > sum(1 for _ in heads.parameters())
    described = both.describe(images.requires_grad_())
    alone, joined = (a.generator_loss(described) for a in (plain, both))
    logits = critic(images)
    assert torch.allclose(joined - alone, -0.5 * logits.mean(1), atol=1e-5)
    joined.sum().backward()
    assert all(p.grad is None for p in both.network.parameters())
    on_real, on_fake = (a.losses(described, described) for a in (plain, both))
    assert torch.allclose(on_fake[0] - on_real[0], 0.5 * torch.relu(1 - logits).mean(1), atol=1e-5)
    sum(both.losses(described, described)).sum().backward()
    assert all(p.grad is not None for p in critic.parameters())


def test_masks_lack_a_strip_at_one_side():
    masks = random_masks(Draws(0, 0, range(200)), 32)
    assert masks.shape == (200, 1, 32, 32)
    whole = (masks == 1).flatten(1).all(1)
    assert 0.6 < whole.float().mean() < 0.95
    for mask in masks[~whole][:, 0]:
        assert (mask == mask[:1]).all() or (mask == mask[:, :1]).all()
        assert 1 - mask.mean() < 0.31


def test_labels_fall_into_bins():
    assert [age_bin(r) for r in ((0.0, 2.0), (3.0, 9.0), (70.0, 100.0), (35.0, 35.0), None)] == [
        0, 1, 8, 4, -1,
    ]  # fmt: skip


def test_parts_of_a_batch():
    assert World().part(6) == range(6)
    assert World(1, 2).part(16) == range(8, 16)
    with pytest.raises(UsageError, match="cannot be shared by 2 processes"):
        World(0, 2).part(12)


def test_resharpening_weighs_the_finest_detail():
    flat = torch.full((2, 3, 8, 8), 0.3)
    assert torch.allclose(sharpen_detail(flat, torch.tensor([-1.0, 2.0])), flat, atol=1e-6)
    checks = torch.tensor([[0.1, -0.1], [-0.1, 0.1]]).tile(4, 4).expand(3, 3, 8, 8)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    found = sharpen_detail(checks, torch.tensor([-1.0, 0.0, 1.0]))[inner]
    for one, share in zip(found, (0.0, 1.0, 2.0), strict=True):
        assert torch.allclose(one, share * checks[0, :, 1:-1, 1:-1], atol=1e-6)
    assert sharpen_detail(10 * checks, torch.tensor([1.0] * 3)).abs().max() == 1
