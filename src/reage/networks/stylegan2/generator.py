"""The StyleGAN2 generator: mapping, synthesis, and the fast form of the latter."""

from __future__ import annotations

import torch
from torch import Tensor

from reage.networks.stylegan2.prepared import PreparedSynthesis
from reage.networks.stylegan2.style_generator import StyleGenerator
from reage.networks.stylegan2.synthesis import GeneratorConfig, Mapping, Synthesis

__all__ = ["Generator", "GeneratorConfig"]


class Generator(StyleGenerator):
    """StyleGAN2. It takes num_ws - 1 noise maps, of standard normal values."""

    config: GeneratorConfig
    mapping: Mapping
    synthesis: Synthesis

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        self.mapping = Mapping(config.z_dim, config.w_dim, config.mapping_layers)
        self.synthesis = Synthesis(config)
        self._prepared: tuple[tuple[object, ...], PreparedSynthesis] | None = None

    def stored_noise(self) -> list[Tensor]:
        return [layer.noise_const[None, None] for layer in self.synthesis.noise_layers]

    def draw_noise(self, rng: torch.Generator | None, device: torch.device) -> list[Tensor]:
        sides = [layer.noise_const.shape[-1] for layer in self.synthesis.noise_layers]
        return [torch.randn(1, r, r, generator=rng, device=device) for r in sides]

    def style_weights(self, level: int) -> list[Tensor]:
        """Of the one convolution at a level; the last level has none."""
        layers = self.synthesis.noise_layers[level : level + 1]
        return [layer.affine.weight * layer.affine.weight_gain for layer in layers]

    def _make(self, ws: Tensor, maps: list[Tensor | None], dtype: torch.dtype) -> Tensor:
        if ws.device.type == "cpu" and not self._is_training():
            return self._prepare(dtype)(ws, maps)
        return self.synthesis(ws, maps, dtype)

    def _is_training(self) -> bool:
        weights = self.synthesis.parameters()
        return torch.is_grad_enabled() and any(weight.requires_grad for weight in weights)

    def _prepare(self, dtype: torch.dtype) -> PreparedSynthesis:
        """Return the fast form of the synthesis; rebuild it when a weight has changed."""
        weights = [*self.synthesis.parameters(), *self.synthesis.buffers()]
        state = (dtype, *((id(weight), weight._version) for weight in weights))
        if self._prepared is None or self._prepared[0] != state:
            self._prepared = state, PreparedSynthesis(self.synthesis, dtype)
        return self._prepared[1]
