"""Refining a direction: it reaches further, and holds what it must hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reage.agers.direction import Direction
from reage.compositing.bands import LUMA
from reage.compositing.change import MOST_LIGHT, limit_tone
from reage.fitting.guided_direction import GuidedConfig, refine_direction
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

CONFIG = GuidedConfig(steps=40, batch=4, components=20, reach=20.0)


class Brightness(nn.Module):
    """An "age network" that takes dark pictures for old ones."""

    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        age = 40 - 40 * images.mean((1, 2, 3))
        return age, torch.zeros_like(age)


class Nothing(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3)) * 0


@pytest.fixture(scope="module")
def faces() -> tuple[Generator, Tensor, Tensor, Direction]:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(32, (16,) * 4, z_dim=16, w_dim=16, mapping_layers=2))
    generator.eval().requires_grad_(False)
    ws = torch.randn(30, generator.num_ws, 16) * 0.3
    images = generator.synthesize(ws).clamp(-1, 1)
    vector = torch.randn(generator.num_ws, 16) * 0.02
    return generator, ws, images, Direction("age", vector, report={"faces": 30})


def refine(faces: tuple[Generator, Tensor, Tensor, Direction], config: GuidedConfig) -> Direction:
    generator, ws, images, direction = faces
    return refine_direction(direction, generator, ws, images, Brightness(), Nothing(), config)  # type: ignore[arg-type]


def test_refining_moves_the_held_out_faces_the_right_way(
    faces: tuple[Generator, Tensor, Tensor, Direction],
) -> None:
    free = replace(CONFIG, light_weight=0.0, colour_weight=0.0, prior_weight=0.0)
    effect = refine(faces, free).report["guided"]
    assert effect["-3"] < -1 < 1 < effect["+3"]


def test_a_strong_prior_keeps_the_fitted_vector(
    faces: tuple[Generator, Tensor, Tensor, Direction],
) -> None:
    held = refine(faces, replace(CONFIG, prior_weight=1e4, lr=1e-3))
    free = refine(faces, replace(CONFIG, prior_weight=0.0))
    start = faces[3].vector.flatten()

    def cosine(direction: Direction) -> float:
        return float(F.cosine_similarity(direction.vector.flatten(), start, dim=0))

    assert cosine(held) > cosine(free) + 0.05


def test_what_is_known_of_the_direction_stays(
    faces: tuple[Generator, Tensor, Tensor, Direction],
) -> None:
    refined = refine(faces, replace(CONFIG, steps=2))
    assert refined.report["faces"] == 30
    assert refined.report["method"] == "guided"
    assert refined.colour == CONFIG.colour
    assert refined.reach is not None
    assert refined.strength_range(faces[1][:1], 30.0) == (-refined.reach, refined.reach)


def test_limited_tone_keeps_faint_light_limits_strong_light_and_keeps_a_share_of_colour() -> None:
    base, edited = torch.rand(2, 1, 3, 8, 8)
    luma = torch.tensor(LUMA)[:, None, None]
    grey = limit_tone(base, edited, 0.0) - base
    assert torch.allclose(grey, grey[:, :1].expand_as(grey), atol=1e-6)
    asked = ((edited - base) * luma).sum(1)
    for colour in (0.0, 0.3):
        light = ((limit_tone(base, edited, colour) - base) * luma).sum(1)
        assert (light.abs() <= MOST_LIGHT).all()
        assert (light.abs() <= asked.abs() + 1e-6).all()
        assert (light * asked >= 0).all()
    faint = base + 0.02 * (edited - base)
    kept = ((limit_tone(base, faint, 0.3) - base) * luma).sum(1)
    assert torch.allclose(kept, 0.02 * asked, rtol=0.01, atol=1e-6)
    assert torch.equal(limit_tone(base, edited, 1.0), edited)
