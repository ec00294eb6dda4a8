"""All kinds of generators, and the one that a config describes."""

from __future__ import annotations

from reage.networks.bilinear_generator import BilinearConfig, BilinearGenerator
from reage.networks.generator import Generator, GeneratorConfig

__all__ = ["AnyGenerator", "AnyGeneratorConfig", "make_generator"]

AnyGenerator = Generator | BilinearGenerator
AnyGeneratorConfig = GeneratorConfig | BilinearConfig


def make_generator(config: AnyGeneratorConfig) -> AnyGenerator:
    """A generator of that config's kind, with new weights."""
    if isinstance(config, BilinearConfig):
        return BilinearGenerator(config)
    return Generator(config)
