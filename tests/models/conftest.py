"""A tiny generator with random weights in all its tensors."""

from __future__ import annotations

import pytest
import torch

from reage.models.checkpoints import Alignment, ModelConfig
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

TINY = GeneratorConfig(
    resolution=32, channels=(16, 16, 16, 8), z_dim=12, w_dim=12, mapping_layers=2
)


@pytest.fixture(scope="session")
def tiny() -> Generator:
    rng = torch.Generator().manual_seed(5)
    generator = Generator(TINY)
    state = {
        name: torch.randn(tensor.shape, generator=rng) * (100 if "fc" in name else 1)
        for name, tensor in generator.state_dict().items()
    }
    generator.load_state_dict(state)
    return generator.eval().requires_grad_(False)


@pytest.fixture
def tiny_config() -> ModelConfig:
    return ModelConfig(
        name="tiny", generator=TINY, alignment=Alignment(0.7, 0.22), data="noise", licence="CC0-1.0"
    )
