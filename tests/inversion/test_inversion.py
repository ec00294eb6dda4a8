"""Projection: what it reaches, how it ends, and what a face's code may not depend on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from made import make_generator, random
from reage.inversion.projection import (
    ProjectConfig,
    ProjectStep,
    learning_rate,
    masked_psnr,
    noise_autocorrelation,
    project,
)
from reage.networks.judges.perceptual import EfficientNetDistance, masked_mse
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

TEN = ProjectConfig(step=10, plateau=0)


class Pixels:
    """A perceptual loss that is none: quick, and the same arithmetic in any batch."""

    name = "pixels"

    def __call__(self, images: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return masked_mse(images, targets, mask)


PIXELS = Pixels()


@pytest.fixture(scope="module")
def faces(small: Generator) -> Tensor:
    """Pictures that the generator can make, `[3, 3, 32, 32]`."""
    return small.synthesize(small.map(random(3, 32, seed=9), truncation_psi=0.7)).clamp(-1, 1)


@pytest.fixture(scope="module")
def start(small: Generator) -> Tensor:
    return small.mapping.w_avg.expand(3, small.num_ws, -1)


@pytest.fixture(scope="module")
def mask() -> Tensor:
    mask = torch.ones(3, 1, 32, 32)
    mask[0, :, :10] = 0
    mask[1, :, :, 25:] = 0
    mask[2, :, 5:9, 5:9] = 0.3
    return mask


def test_the_loss_falls_and_the_reported_numbers_are_those_of_the_code(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor, distance: EfficientNetDistance
):
    seen: list[ProjectStep] = []
    config = ProjectConfig(step=40, plateau=0)
    found = project(small, faces, mask, start, distance, config, on_step=seen.append)
    assert [step.index for step in seen] == list(range(40))
    assert (found.losses < 0.5 * seen[0].losses).all()
    assert (found.psnr > seen[0].psnr + 2).all()
    assert torch.equal(found.losses, torch.stack([s.losses for s in seen]).amin(0))
    with torch.no_grad():
        images = small.synthesize(found.ws)
        mse = masked_mse(images, faces, mask)
        losses = distance(images, faces, mask) + 5 * mse
    assert torch.allclose(found.losses, losses, rtol=1e-3)
    assert torch.allclose(found.psnr, masked_psnr(mse), atol=1e-2)
    assert (found.steps, found.stopped, found.perceptual) == (40, "steps", "efficientnet-lite0")
    assert found.seconds > 0
    assert found.noise is None


def test_a_face_has_the_same_code_alone_and_in_a_batch(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor, distance: EfficientNetDistance
):
    config = replace(TEN, start_lr=0.03)  # longer steps make more of the last bits' differences
    batch = project(small, faces, mask, start, distance, config)
    for i in range(3):
        one = slice(i, i + 1)
        alone = project(small, faces[one], mask[one], start[one], distance, config)
        assert (batch.ws[one] - alone.ws).abs().max() < 1e-3
        assert torch.allclose(batch.psnr[one], alone.psnr, atol=1e-2)


def test_a_face_that_stops_early_stops_where_it_would_alone(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor
):
    begin = start.clone()
    begin[1] = project(small, faces, mask, start, PIXELS, replace(TEN, step=60)).ws[1]
    config = ProjectConfig(step=60, plateau=3, min_gain=0.05)
    batch = project(small, faces, mask, begin, PIXELS, config)
    alone = [
        project(small, *(part[i : i + 1] for part in (faces, mask, begin)), PIXELS, config)
        for i in range(3)
    ]
    assert alone[1].stopped == "plateau"
    assert alone[1].steps < batch.steps == max(a.steps for a in alone)
    assert torch.allclose(batch.ws, torch.cat([a.ws for a in alone]), atol=1e-3)


def test_what_lies_under_the_mask_or_in_the_padding_changes_nothing(
    small: Generator, faces: Tensor, start: Tensor, distance: EfficientNetDistance
):
    mask = torch.ones(3, 1, 32, 32)
    mask[:, :, :8] = 0  # a hole in the photo
    mask[:, :, :, 24:] = 0  # beyond its right edge
    plain = project(small, faces, mask, start, distance, TEN)
    reflected = faces.clone()
    reflected[..., 24:] = faces[..., 16:24].flip(3)
    garbage = torch.where(mask == 0, random(3, 3, 32, 32, seed=4) * 30, faces)
    for other in (reflected, garbage):
        found = project(small, other, mask, start, distance, TEN)
        assert torch.equal(found.ws, plain.ws)
        assert torch.equal(found.losses, plain.losses)
    everywhere = project(small, reflected, torch.ones_like(mask), start, distance, TEN)
    assert not torch.allclose(everywhere.ws, plain.ws, atol=1e-2)


@pytest.mark.parametrize("levels", [(0,), (2, 5), (7, 3)])
def test_only_the_chosen_levels_move(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor, levels: tuple[int, ...]
):
    found = project(small, faces, mask, start, PIXELS, replace(TEN, latent_level=levels))
    for level in range(small.num_ws):
        assert torch.equal(found.ws[:, level], start[:, level]) == (level not in levels)


@pytest.mark.parametrize("levels", [(), (8,), (-1,), (1, 1)])
def test_levels_that_are_not_there_are_refused(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor, levels: tuple[int, ...]
):
    with pytest.raises(ValueError, match="latent_level"):
        project(small, faces, mask, start, PIXELS, replace(TEN, latent_level=levels))


def test_learning_rate_is_geometric():
    config = ProjectConfig(step=100, start_lr=0.1, final_lr=0.025)
    assert learning_rate(config, 0) == 0.1
    assert learning_rate(config, 50) == pytest.approx((0.1 * 0.025) ** 0.5)
    rates = [learning_rate(config, i) for i in range(101)]
    assert rates[100] == pytest.approx(0.025)
    ratios = [b / a for a, b in pairwise(rates)]
    assert ratios == pytest.approx([ratios[0]] * 100)
    assert learning_rate(replace(config, step=0), 0) == 0.1


def test_the_first_step_of_adam_is_the_start_rate(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor
):
    seen: list[ProjectStep] = []
    config = ProjectConfig(step=2, start_lr=0.07)
    project(small, faces, mask, start, PIXELS, config, on_step=seen.append)
    moved = (seen[1].ws - seen[0].ws).abs()
    assert moved[moved > 0].median() == pytest.approx(0.07, rel=0.02)


def test_a_face_without_gain_ends_the_run(small: Generator, faces: Tensor, start: Tensor):
    nothing = torch.zeros(3, 1, 32, 32)  # no pixel is valid: the loss is 0 from the first step on
    config = ProjectConfig(step=50, plateau=6)
    found = project(small, faces, nothing, start, PIXELS, config)
    assert (found.stopped, found.steps) == ("plateau", 7)
    assert torch.equal(found.ws, start)
    endless = project(small, faces, nothing, start, PIXELS, replace(config, step=12, plateau=0))
    assert (endless.stopped, endless.steps) == ("steps", 12)


def test_the_time_budget_ends_the_run(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor, monkeypatch: pytest.MonkeyPatch
):
    clock = iter(range(1000))
    ticking = SimpleNamespace(monotonic=lambda: float(next(clock)))
    monkeypatch.setattr("reage.inversion.projection.time", ticking)
    found = project(small, faces, mask, start, PIXELS, replace(TEN, time_budget=3.5))
    assert (found.stopped, found.steps) == ("time", 4)


@pytest.mark.parametrize("at", [0, 4])
def test_ctrl_c_returns_the_best_so_far(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor, at: int
):
    seen: list[ProjectStep] = []

    def on_step(step: ProjectStep) -> None:
        seen.append(step)
        if step.index == at:
            raise KeyboardInterrupt

    found = project(small, faces, mask, start, PIXELS, TEN, on_step=on_step)
    assert (found.stopped, found.steps) == ("interrupted", at + 1)
    losses = torch.stack([step.losses for step in seen])
    assert torch.equal(found.losses, losses.amin(0))
    for i, best in enumerate(losses.argmin(0)):
        assert torch.equal(found.ws[i], seen[best].ws[i])


def test_the_same_call_gives_the_same_bytes(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor, distance: EfficientNetDistance
):
    config = replace(TEN, step=4, noise_mode="random", seed=3)
    runs = [project(small, faces, mask, start, distance, config) for _ in range(2)]
    assert runs[0].ws.numpy().tobytes() == runs[1].ws.numpy().tobytes()
    other = project(small, faces, mask, start, distance, replace(config, seed=4))
    assert not torch.equal(other.ws, runs[0].ws)


def test_random_noise_does_not_come_from_the_batch(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor
):
    config = replace(TEN, step=5, noise_mode="random")
    batch = project(small, faces, mask, start, PIXELS, config)
    for i in range(3):
        one = slice(i, i + 1)
        alone = project(small, faces[one], mask[one], start[one], PIXELS, config)
        assert torch.allclose(batch.ws[one], alone.ws, atol=1e-3)


def test_the_caller_s_tensors_and_the_generator_stay_as_they_were(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor
):
    given = [part.clone() for part in (faces, mask, start)]
    before = {name: value.clone() for name, value in small.state_dict().items()}
    project(small, *given, PIXELS, replace(TEN, step=3, optimize_noise=True))
    assert all(torch.equal(a, b) for a, b in zip(given, (faces, mask, start), strict=True))
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    assert all(p.grad is None for p in small.parameters())


class TestNoise:
    CONFIG = ProjectConfig(step=12, plateau=0, optimize_noise=True, noise_weight=10)

    def test_maps_keep_unit_variance_and_help(
        self, small: Generator, faces: Tensor, mask: Tensor, start: Tensor
    ):
        found = project(small, faces, mask, start, PIXELS, self.CONFIG)
        assert found.noise is not None
        assert [tuple(n.shape) for n in found.noise] == [
            (3, 1, r, r) for r in (4, 8, 8, 16, 16, 32, 32)
        ]
        for noise in found.noise:
            assert noise.mean((1, 2, 3)).abs().max() < 1e-5
            assert torch.allclose(noise.square().mean((1, 2, 3)), torch.ones(3), atol=1e-4)
            assert not noise.requires_grad
        without = project(small, faces, mask, start, PIXELS, replace(TEN, step=12))
        assert (found.losses < without.losses).all()

    def test_code_and_maps_are_of_the_same_step(
        self, small: Generator, faces: Tensor, mask: Tensor, start: Tensor
    ):
        # A rate so large that the best step is seldom the last.
        config = replace(self.CONFIG, step=9, start_lr=2.0, final_lr=2.0)
        found = project(small, faces, mask, start, PIXELS, config)
        with torch.no_grad():
            images = small.synthesize(found.ws, noise=found.noise)
        assert torch.allclose(found.psnr, masked_psnr(masked_mse(images, faces, mask)), atol=1e-2)

    def test_a_face_s_maps_are_its_own(
        self, small: Generator, faces: Tensor, mask: Tensor, start: Tensor
    ):
        batch = project(small, faces, mask, start, PIXELS, self.CONFIG)
        alone = project(small, faces[:1], mask[:1], start[:1], PIXELS, self.CONFIG)
        assert torch.allclose(batch.ws[:1], alone.ws, atol=2e-3)

    def test_autocorrelation_is_high_for_pictures_and_low_for_noise(self):
        noise = random(1, 1, 32, 32)
        smooth = F.avg_pool2d(random(1, 1, 40, 40), 9, 1)
        smooth = smooth / smooth.std()
        assert noise_autocorrelation([smooth]) > 10 * noise_autocorrelation([noise])
        constant = torch.ones(1, 1, 8, 8)
        assert noise_autocorrelation([constant]).item() == pytest.approx(2)


class Recorder(Pixels):
    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def __call__(self, images: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        self.seen.append((images.detach(), targets, mask))
        return super().__call__(images, targets, mask)


@pytest.mark.parametrize(("limit", "side"), [(8, 8), (16, 16), (20, 32), (64, 32)])
def test_losses_are_taken_on_box_averages(
    small: Generator, faces: Tensor, mask: Tensor, start: Tensor, limit: int, side: int
):
    recorder = Recorder()
    config = ProjectConfig(step=1, loss_resolution=limit)
    project(small, faces, mask, start, recorder, config)
    images, targets, weights = recorder.seen[0]
    factor = 32 // side

    def boxes(x: Tensor) -> Tensor:
        return x.unflatten(3, (side, factor)).mean(4).unflatten(2, (side, factor)).mean(3)

    assert torch.allclose(targets, boxes(faces), atol=1e-6)
    assert torch.allclose(weights, boxes(mask), atol=1e-6)
    assert torch.allclose(images, boxes(small.synthesize(start)), atol=1e-5)


def test_targets_are_described_once_a_run(
    small: Generator,
    faces: Tensor,
    mask: Tensor,
    start: Tensor,
    distance: EfficientNetDistance,
    monkeypatch: pytest.MonkeyPatch,
):
    calls: list[Any] = []
    plain = distance.features
    monkeypatch.setattr(distance, "features", lambda x: calls.append(1) or plain(x))
    project(small, faces, mask, start, distance, replace(TEN, step=5))
    assert len(calls) == 6


def test_four_channels_count_in_the_pixels_and_three_in_the_features(
    distance: EfficientNetDistance,
):
    config = GeneratorConfig(16, (8, 8, 8), 16, 16, 1, image_channels=4)
    generator = make_generator(config)
    target = generator.synthesize(generator.map(random(1, 16))).clamp(-1, 1)
    start = generator.mapping.w_avg.expand(1, 6, -1)
    seen: list[ProjectStep] = []
    found = project(
        generator, target, torch.ones(1, 1, 16, 16), start, distance, TEN, on_step=seen.append
    )
    assert seen[0].images.shape == (1, 4, 16, 16)
    assert (found.losses < seen[0].losses).all()


def test_psnr_of_pictures_in_minus_one_to_one():
    images, targets = torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.2)
    mse = masked_mse(images, targets, torch.ones(1, 1, 8, 8))
    as_bytes = 10 * torch.log10(torch.tensor(255**2 / (0.1 * 255) ** 2))  # half the range
    assert masked_psnr(mse).item() == pytest.approx(float(as_bytes))
