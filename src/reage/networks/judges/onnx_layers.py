"""Reading the constants of dlib's networks as their ONNX files hold them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

__all__ = ["fold_affine"]


def fold_affine(
    name: str, layers: tuple[int, int], initializers: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Weight and bias of a convolution with the affine layer behind it folded in."""
    conv, affine = layers
    scale = initializers[f"layer_{affine}_scale"].flatten()
    offset = initializers[f"layer_{affine}_offset"].flatten()
    weight = initializers[f"layer_{conv}_weights"]
    bias = initializers[f"layer_{conv}_bias"]
    return {
        f"{name}.weight": weight * scale[:, None, None, None],
        f"{name}.bias": bias * scale + offset,
    }
