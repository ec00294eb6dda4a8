"""Pure functions of the StyleGAN2 layers (Karras et al., "Analyzing and Improving the Image
Quality of StyleGAN", 2020)."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "demodulation",
    "fold_fir",
    "leaky_relu",
    "lower_precision",
    "modulated_conv",
    "upsample_2x",
    "upsampling_conv",
    "upsampling_kernel",
]

FIR = (1.0, 3.0, 3.0, 1.0)
SLOPE = 0.2
SQRT2 = 2.0**0.5
DEMODULATION_EPS = 1e-8
# torch's own name for it is private: where it is gone, no matrix units is the safe answer. Asked
# here, as the question would cut a compiled graph in two.
HAS_AMX: bool = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()


def lower_precision(maps: Tensor, dtype: torch.dtype) -> torch.autocast:
    """Run convolutions in a lower precision than the weights, if `dtype` asks for one."""
    return torch.autocast(maps.device.type, dtype, enabled=dtype != torch.float32)


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, scaled by sqrt(2) to keep the variance (section 2.1)."""
    return F.leaky_relu(x, SLOPE) * SQRT2


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
    if up:
        y = upsampling_conv(x, upsampling_kernel(weight.transpose(0, 1), x.dtype))
    else:
        y = F.conv2d(x, weight, padding=weight.shape[2] // 2)
    return y if factors is None else y * factors


def upsampling_kernel(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """What `upsampling_conv` of maps of this type takes for weights `[in, out, 3, 3]`.

    One 6x6 convolution is four times the arithmetic of a 3x3 one and the FIR filter. Matrix units
    have that to spare, and the depthwise filter, bound by memory, gains nothing from them.
    """
    weight = weight.to(dtype)
    has_units = HAS_AMX or weight.device.type != "cpu"
    folds = has_units and dtype in (torch.bfloat16, torch.float16)
    return fold_fir(weight) if folds else weight


def upsampling_conv(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Insert zeros, convolve 3x3, low-pass with the FIR filter: `[N, out, 2H, 2W]`."""
    if kernel.shape[2] == 6:
        return F.conv_transpose2d(x, kernel, bias, stride=2, padding=2)
    y = F.conv_transpose2d(x, kernel, stride=2)
    channels = int(kernel.shape[1])  # a plain number, which an exported graph needs
    fir = _fir_kernel(x.dtype, x.device).expand(channels, 1, 4, 4)
    return F.conv2d(y, fir, bias, padding=1, groups=channels)


def fold_fir(weight: Tensor) -> Tensor:
    """Convolve 3x3 weights with the FIR filter: `[a, b, 3, 3]` to `[a, b, 6, 6]`."""
    flat = weight.reshape(-1, 9) @ _fold_matrix(weight.dtype, weight.device)
    return flat.reshape(*weight.shape[:2], 6, 6)


@cache
def _fir_kernel(dtype: torch.dtype, device: torch.device) -> Tensor:
    # Gain 4 compensates for the three zeros inserted per pixel.
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
