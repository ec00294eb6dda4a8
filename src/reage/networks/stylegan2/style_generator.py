"""What generators with style codes have in common: sizes, codes from z, noise, calls.

`ws` are style codes, one for each level of the synthesis; which layers a level feeds is the
network's own affair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

__all__ = ["NoiseMode", "StyleConfig", "StyleGenerator"]

NoiseMode = Literal["const", "random", "none"]


@dataclass(frozen=True)
class StyleConfig:
    """What shapes a generator has."""

    resolution: int  # side of the output in pixels, a power of two from 8 to 1024
    channels: tuple[int, ...]  # feature maps at 4, 8, ... resolution
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    image_channels: int = 3  # 3 = RGB, 4 = RGBA

    def __post_init__(self) -> None:
        steps = math.log2(self.resolution) - 1
        if steps != int(steps) or not 8 <= self.resolution <= 1024:
            raise ValueError(f"resolution {self.resolution} is not a power of two from 8 to 1024")
        if len(self.channels) != int(steps) or min(self.channels) < 1:
            raise ValueError(
                f"{len(self.channels)} channel counts given, {self.resolution} px needs "
                f"{int(steps)} (for 4, 8, ... {self.resolution} px)"
            )
        if self.image_channels not in (3, 4):
            raise ValueError(f"image_channels is {self.image_channels}, not 3 or 4")

    @property
    def num_ws(self) -> int:
        """How many style vectors the synthesis takes."""
        raise NotImplementedError

    @property
    def block_resolutions(self) -> tuple[int, ...]:
        """4, 8, ... resolution."""
        return tuple(4 * 2**i for i in range(len(self.channels)))


class StyleGenerator(nn.Module):
    """`map` draws style codes from z, `synthesize` makes pictures of them.

    Each network declares its own `config`, `mapping` (with its mean code `w_avg` `[w_dim]`) and
    `synthesis`, which takes ws, noise maps and a precision.
    """

    config: Any
    mapping: Any
    synthesis: Any
    noise_mean: ClassVar[float] = 0.0  # of the values of a noise map
    noise_deviation: ClassVar[float] = 1.0

    @property
    def num_ws(self) -> int:
        return self.config.num_ws

    def stored_noise(self) -> list[Tensor]:
        """The maps of noise mode const, `[1, 1, r, r]` each."""
        raise NotImplementedError

    def draw_noise(self, rng: torch.Generator | None, device: torch.device) -> list[Tensor]:
        """New maps for one picture, `[1, r, r]` each."""
        raise NotImplementedError

    def style_weights(self, level: int) -> list[Tensor]:
        """The matrices `[in, w_dim]` through which a level of ws styles convolutions."""
        raise NotImplementedError

    def map(self, z: Tensor, *, truncation_psi: float = 1.0) -> Tensor:
        """Map z `[N, z_dim]` to ws `[N, num_ws, w_dim]`, drawn towards `w_avg` by psi < 1."""
        assert z.ndim == 2 and z.shape[1] == self.config.z_dim, f"z is {tuple(z.shape)}"
        w = self.mapping(z)
        if truncation_psi != 1:
            w = self.mapping.w_avg.lerp(w, truncation_psi)
        return w[:, None].expand(-1, self.num_ws, -1)

    def synthesize(
        self,
        ws: Tensor,
        *,
        noise_mode: NoiseMode = "const",
        noise: list[Tensor] | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Make pictures `[N, C, R, R]`, float32, about [-1, 1], of ws `[N, num_ws, w_dim]`.

        `noise_mode` const takes the stored maps, random draws new ones from `generator` for each
        picture, none leaves noise out. `noise` gives the maps `[N or 1, 1, r, r]` itself, as many
        as `stored_noise` has. `dtype` is the precision of the convolutions.
        """
        assert ws.shape[1:] == (self.num_ws, self.config.w_dim), f"ws is {tuple(ws.shape)}"
        if noise_mode not in get_args(NoiseMode):
            raise ValueError(f"noise_mode {noise_mode!r} is not one of {get_args(NoiseMode)}")
        given: list[Tensor | None] = [*(noise or [])]
        return self._make(ws, given or self._noise(ws, noise_mode, generator), dtype)

    def _make(self, ws: Tensor, maps: list[Tensor | None], dtype: torch.dtype) -> Tensor:
        return self.synthesis(ws, maps, dtype)

    def _noise(
        self, ws: Tensor, mode: NoiseMode, generator: torch.Generator | None
    ) -> list[Tensor | None]:
        if mode == "random":
            # One picture after the other, so that a picture's noise does not depend on the batch.
            draws = [self.draw_noise(generator, ws.device) for _ in range(len(ws))]
            return [torch.stack(maps) for maps in zip(*draws, strict=True)]
        stored = self.stored_noise()
        return [None] * len(stored) if mode == "none" else list(stored)

    @torch.no_grad()
    def mean_w(self, samples: int = 4096, *, seed: int = 0) -> Tensor:
        """Mean of `samples` mapped z, `[w_dim]`; the usual start of an inversion."""
        rng = torch.Generator().manual_seed(seed)
        z = torch.randn(samples, self.config.z_dim, generator=rng)
        return self.mapping(z.to(self.mapping.w_avg)).mean(0)

    def extra_repr(self) -> str:
        return f"{self.config}"
