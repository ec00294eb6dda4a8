"""All kinds of generators, and the one that a config describes."""

from __future__ import annotations

from reage.networks.lucidrains.generator import BilinearConfig, BilinearGenerator
from reage.networks.stylegan2.generator import Generator, GeneratorConfig

__all__ = ["AnyGenerator", "AnyGeneratorConfig", "make_generator"]

AnyGenerator = Generator | BilinearGenerator
AnyGeneratorConfig = GeneratorConfig | BilinearConfig


def make_generator(config: AnyGeneratorConfig) -> AnyGenerator:
    """A generator of that config's kind, with new weights."""
    if isinstance(config, BilinearConfig):
        return BilinearGenerator(config)
    return Generator(config)
