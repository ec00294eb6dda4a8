"""Pure functions of the StyleGAN2 layers (Karras et al., "Analyzing and Improving the Image
Quality of StyleGAN", 2020)."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["demodulation", "fold_fir", "leaky_relu", "modulated_conv", "upsample_2x"]

FIR = (1.0, 3.0, 3.0, 1.0)
SQRT2 = 2.0**0.5
DEMODULATION_EPS = 1e-8


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, scaled by sqrt(2) to keep the variance (section 2.1)."""
    return F.leaky_relu(x, 0.2) * SQRT2


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """Factors that bring each output map back to unit variance, `[N, out]` (equation 3).

    `weight` is `[out, in, k, k]`, `styles` `[N, in]`.
    """
    energy = weight.square().sum((2, 3))  # [out, in]
    return torch.rsqrt(styles.square() @ energy.t() + DEMODULATION_EPS)


def modulated_conv(
    x: Tensor, weight: Tensor, styles: Tensor, *, demodulate: bool = True, up: bool = False
) -> Tensor:
    """Convolve with weights scaled per sample, written as scaling before and after one shared one.

    w'' = s * w * d is linear in the input and the output channels (equations 1 to 3), so the
    scaling can move to the maps: no per-sample weights, no grouped convolution.
    `x` `[N, in, H, W]`, `weight` `[out, in, k, k]`, `styles` `[N, in]`; `up` doubles H and W.
    """
    factors = demodulation(weight, styles)[:, :, None, None].to(x.dtype) if demodulate else None
    x = x * styles[:, :, None, None].to(x.dtype)
    weight = weight.to(x.dtype)
    y = _upsampling_conv(x, weight) if up else F.conv2d(x, weight, padding=weight.shape[2] // 2)
    return y if factors is None else y * factors


def _upsampling_conv(x: Tensor, weight: Tensor) -> Tensor:
    """Insert zeros, convolve 3x3, low-pass with the FIR filter: `[N, out, 2H, 2W]`."""
    weight = weight.transpose(0, 1)  # [in, out, 3, 3]
    if x.dtype != torch.float32:
        # One 6x6 convolution is four times the arithmetic, which the bfloat16 units have to
        # spare; the depthwise filter is bound by memory and they do not.
        return F.conv_transpose2d(x, fold_fir(weight), stride=2, padding=2)
    y = F.pad(F.conv_transpose2d(x, weight, stride=2), (1, 1, 1, 1))
    channels = int(weight.shape[1])  # a plain number, which an exported graph needs
    kernel = _fir_kernel(x.dtype, x.device).expand(channels, 1, 4, 4)
    return F.conv2d(y, kernel, groups=channels)


def fold_fir(weight: Tensor) -> Tensor:
    """Convolve 3x3 weights with the FIR filter: `[a, b, 3, 3]` to `[a, b, 6, 6]`."""
    flat = weight.reshape(-1, 9) @ _fold_matrix(weight.dtype, weight.device)
    return flat.reshape(*weight.shape[:2], 6, 6)


@cache
def _fir_kernel(dtype: torch.dtype, device: torch.device) -> Tensor:
    # Gain 4 makes up for the three zeros that were put beside each pixel.
    taps = torch.tensor(FIR, dtype=torch.float64) / sum(FIR)
    return (4 * torch.outer(taps, taps)).to(device=device, dtype=dtype)


@cache
def _fold_matrix(dtype: torch.dtype, device: torch.device) -> Tensor:
    """The constant `[9, 36]` matrix of a full convolution with the FIR filter."""
    unit = torch.eye(9, dtype=torch.float64).reshape(9, 1, 3, 3)
    kernel = _fir_kernel(torch.float64, torch.device("cpu"))
    folded = F.conv_transpose2d(unit, kernel[None, None])  # [9, 1, 6, 6]
    return folded.reshape(9, 36).to(device=device, dtype=dtype)


def upsample_2x(image: Tensor) -> Tensor:
    """Double the size with the FIR filter and zeros outside: `[N, C, H, W]` to `[N, C, 2H, 2W]`.

    [1, 3, 3, 1] between inserted zeros is bilinear interpolation, but for the border, where the
    filter sees zeros and interpolation would repeat the edge.
    """
    padded = F.pad(image, (1, 1, 1, 1))
    return F.interpolate(padded, scale_factor=2, mode="bilinear", align_corners=False)[
        :, :, 2:-2, 2:-2
    ]
