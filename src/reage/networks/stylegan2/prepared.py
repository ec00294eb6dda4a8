"""Synthesis with fixed weights: what does not depend on the picture is computed once.

The pictures are those of `Synthesis.forward` but for rounding, and so are the gradients of ws and
of the noise. What is different:

- The energies of the weights (equation 3 of Karras et al. 2020) are kept.
- Demodulation, bias, noise and leaky ReLU happen in place. Their backward pass needs a layer's
  output only: the leaky ReLU is undone where the sums need what was before it.
- Without gradients, where a picture's maps are larger than the weights, styles and demodulation
  go into the weights, as in the paper, instead of over the maps: two passes over memory less. From
  the first such block on pictures go through one after the other, whose maps then stay in the
  caches.

A picture is made alike alone and among others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from reage.networks.stylegan2.ops import (
    DEMODULATION_EPS,
    SLOPE,
    SQRT2,
    modulated_conv,
    upsample_2x,
    upsampling_conv,
    upsampling_kernel,
)

if TYPE_CHECKING:
    from reage.networks.stylegan2.synthesis import (
        EqualLinear,
        Synthesis,
        SynthesisBlock,
        SynthesisLayer,
        ToRGB,
    )

__all__ = ["PreparedSynthesis"]


class _Layer:
    """A modulated convolution with its activation."""

    def __init__(self, module: SynthesisLayer, dtype: torch.dtype):
        side = module.noise_const.shape[-1]
        outputs, inputs = module.weight.shape[:2]
        maps = outputs * side**2 + inputs * (side // (2 if module.up else 1)) ** 2
        self.folds = maps > module.weight.numel()
        self.module, self.up = module, module.up
        self.energy = module.weight.square().sum((2, 3)).t().contiguous()  # [in, out]
        self.bias = (module.bias * SQRT2).to(dtype)
        # Laid out as the convolution of channels-last maps wants it, else it is copied each time.
        weight = module.weight.transpose(0, 1) if module.up else module.weight
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.kernel = upsampling_kernel(self.weight, dtype) if module.up else self.weight.to(dtype)

    def __call__(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """x `[N, in, H, W]` and w `[N, w_dim]` to the layer's output."""
        styles = _styles(self.module.affine, w)
        gains = torch.rsqrt(styles.square() @ self.energy + DEMODULATION_EPS) * SQRT2
        if noise is not None:
            noise = (noise * (self.module.noise_strength * SQRT2)).to(x.dtype)
        if len(x) == 1 and self.folds and not torch.is_grad_enabled():
            return self._convolve_folded(x, styles, gains, noise)
        x = x * styles[:, :, None, None].to(x.dtype)
        kernel = self.kernel
        y = upsampling_conv(x, kernel) if self.up else F.conv2d(x, kernel, padding=1)
        return _Activation.apply(y, gains, noise, self.bias)

    def _convolve_folded(
        self, x: Tensor, styles: Tensor, gains: Tensor, noise: Tensor | None
    ) -> Tensor:
        """The layer for one picture, with styles and gains in the weights."""
        factors = styles.t() * gains if self.up else gains.t() * styles  # as the first two sizes
        weight = self.weight * factors[:, :, None, None]
        if self.up:
            y = upsampling_conv(x, upsampling_kernel(weight, x.dtype), self.bias)
        else:
            y = F.conv2d(x, weight.to(x.dtype), self.bias, padding=1)
        if noise is not None:
            y.add_(noise)
        return F.leaky_relu_(y, SLOPE)


def _styles(affine: EqualLinear, w: Tensor) -> Tensor:
    """`affine(w)`, without a scaled copy of the weights."""
    bias = affine.bias * affine.bias_gain
    return torch.addmm(bias, w, affine.weight.t(), alpha=affine.weight_gain)


class _Activation(torch.autograd.Function):
    """leaky_relu(y * gains + bias + noise), in the place of y."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gains: Tensor, noise: Tensor | None, bias: Tensor) -> Tensor:
        ctx.mark_dirty(y)
        torch.addcmul(bias[:, None, None], y, gains[:, :, None, None].to(y.dtype), out=y)
        if noise is not None:
            y.add_(noise)
        F.leaky_relu_(y, SLOPE)
        ctx.save_for_backward(y, gains, noise, bias)
        return y

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor | None, ...]:
        out, gains, noise, bias = ctx.saved_tensors
        inner, of_gains = _before_activation(grad, out, gains, noise, bias)
        of_noise = _of_noise(inner, noise) if ctx.needs_input_grad[2] else None
        return inner * gains[:, :, None, None].to(inner.dtype), of_gains, of_noise, None


def _before_activation(
    grad: Tensor, out: Tensor, gains: Tensor, noise: Tensor | None, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of what goes into the leaky ReLU and of gains, `[N, out]`.

    With z = conv * gains + bias + noise before it: the sum of grad_z * conv is that of
    grad_z * (z - bias - noise) over gains; and grad_z * z = grad * out.
    """
    inner = torch.ops.aten.leaky_relu_backward(grad, out, SLOPE, True)
    sums = _sum_over_places(grad * out) - _sum_over_places(inner) * bias.float()
    if noise is not None:
        sums = sums - _sum_over_places(inner * noise)
    return inner, sums / gains


def _of_noise(inner: Tensor, noise: Tensor) -> Tensor:
    return inner.sum(1, keepdim=True).sum_to_size(noise.shape)


def _sum_over_places(x: Tensor) -> Tensor:
    return x.sum((2, 3), dtype=torch.float32)


class PreparedSynthesis:
    """`Synthesis` for fixed weights; rebuild it when they change."""

    def __init__(self, synthesis: Synthesis, dtype: torch.dtype):
        self.dtype = dtype
        with torch.no_grad():
            self.blocks = [
                (block, [_Layer(layer, dtype) for layer in block.layers])
                for block in synthesis.blocks
            ]
        folding = [any(layer.folds for layer in layers) for _, layers in self.blocks]
        self.together = folding.index(True) if True in folding else len(folding)

    def __call__(self, ws: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        """ws `[N, num_ws, w_dim]` and the maps `[N or 1, 1, r, r]`: pictures `[N, C, R, R]`."""
        first = self.blocks[0][0].const.to(self.dtype)
        x = first.expand(len(ws), *first.shape).contiguous(memory_format=torch.channels_last)
        everything = len(self.blocks)
        alone = len(ws) == 1 or torch.is_grad_enabled()
        together = everything if alone else self.together
        x, image = self._run(0, together, x, None, ws, noise)
        if together < everything:
            each = _pictures(x, image, ws, noise)
            made = [self._run(together, everything, *one)[1] for one in each]
            image = torch.cat([picture for picture in made if picture is not None])
        assert image is not None
        return image

    def _run(
        self,
        begin: int,
        end: int,
        x: Tensor,
        image: Tensor | None,
        ws: Tensor,
        noise: Sequence[Tensor | None],
    ) -> tuple[Tensor, Tensor | None]:
        level = sum(len(layers) for _, layers in self.blocks[:begin])
        for block, layers in self.blocks[begin:end]:
            for layer in layers:
                x = layer(x, ws[:, level], noise[level])
                level += 1
            rgb = _picture(block, x, ws[:, level])  # toRGB shares the next block's first w
            image = rgb if image is None else upsample_2x(image) + rgb
        return x, image


def _picture(block: SynthesisBlock, x: Tensor, w: Tensor) -> Tensor:
    torgb: ToRGB = block.torgb
    styles = _styles(torgb.affine, w) * torgb.weight_gain
    if len(x) > 1:
        y = modulated_conv(x, torgb.weight, styles, demodulate=False)
        return (y + torgb.bias[:, None, None].to(y.dtype)).float()
    weight = (torgb.weight * styles[0, :, None, None]).to(x.dtype)
    return F.conv2d(x, weight, torgb.bias.to(x.dtype)).float()


def _pictures(
    x: Tensor, image: Tensor | None, ws: Tensor, noise: Sequence[Tensor | None]
) -> Iterator[tuple[Tensor, Tensor | None, Tensor, list[Tensor | None]]]:
    """Batches of one."""
    for one in (slice(i, i + 1) for i in range(len(ws))):
        maps = [n if n is None or len(n) == 1 else n[one] for n in noise]
        yield x[one], None if image is None else image[one], ws[one], maps
