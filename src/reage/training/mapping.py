"""Making the mapping network draw codes like those of real faces.

An encoder puts real faces somewhere into W; the adversary alone needs millions of pictures until
the mapping draws from there, and a distance between clouds of points in 512 dimensions hardly sees
along which few of them faces differ. So the mapping is set, not taught: to the Gaussian with the
codes' mean and covariance.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from reage.networks.encoder import Encoder
from reage.networks.generator import EqualLinear, Generator, Mapping
from reage.networks.ops import SQRT2

__all__ = ["centre_offsets", "lift", "rebase", "set_mapping"]

REACH = 6.0  # standard deviations of z that stay where the leaky ReLU is straight
MARGIN = 8.0  # standard deviations of the codes between their mean and 0 after `lift`
LEAST_DEVIATION = 0.25  # of one number of a code, where the codes are not known yet


@torch.no_grad()
def set_mapping(mapping: Mapping, codes: Tensor) -> None:
    """Make the mapping draw from the Gaussian of codes `[N, w_dim]`.

    w = mean + root(covariance) z, for z of unit mean square. Each layer works where its leaky ReLU
    is straight: z is moved by REACH on the way in and back on the way out. Numbers of w below 0
    would come out at a fifth: `lift` first.
    """
    mean = codes.mean(0)
    values, vectors = torch.linalg.eigh((codes - mean).T @ (codes - mean) / len(codes))
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    for i in range(mapping.layers):
        layer = mapping.get_submodule(f"fc{i}")
        assert isinstance(layer, EqualLinear)
        outputs, inputs = layer.weight.shape
        first, last = i == 0, i == mapping.layers - 1
        weight = torch.eye(outputs, inputs, device=codes.device)
        bias = torch.full_like(mean, REACH if first and not last else 0.0)
        if last:
            weight = root @ weight
            bias = mean - (0 if first else REACH * root.sum(1))
        layer.weight.copy_(weight / (SQRT2 * layer.weight_gain))
        layer.bias.copy_(bias / (SQRT2 * layer.bias_gain))


@torch.no_grad()
def lift(generator: Generator, codes: Tensor) -> Tensor:
    """Move the origin of W until codes `[N, w_dim]` lie above 0; returns by how much, `[w_dim]`.

    No picture changes: the layers take the moved codes as they took the old ones, and an encoder
    counts from `w_avg`, which moves along.
    """
    mean, deviation = codes.mean(0), codes.std(0, correction=0)
    step = (MARGIN * deviation.clamp_min(LEAST_DEVIATION) - mean).clamp_min(0)
    for affine in _affines(generator):
        _move_input(affine, -step)
    generator.mapping.w_avg.add_(step)
    return step


@torch.no_grad()
def rebase(generator: Generator, encoder: Encoder) -> None:
    """Make `w_avg` the mean of what the mapping draws, without moving the encoder's codes."""
    mean = generator.mean_w()
    encoder.shift.bias.add_(generator.mapping.w_avg - mean)
    generator.mapping.w_avg.copy_(mean)


@torch.no_grad()
def centre_offsets(generator: Generator, encoder: Encoder, means: Tensor) -> None:
    """Take the mean offsets `[num_ws, w_dim]` out of the encoder and into the generator.

    No picture of an encoded face changes, but a w that comes without offsets, as the mapping's
    does, is then at the middle of all faces instead of where no face has ever been.
    """
    level = 0
    for block in generator.synthesis.blocks:
        affines = [*(layer.affine for layer in block.layers), block.torgb.affine]
        for i, affine in enumerate(affines):
            _move_input(affine, means[level + i])
        level += len(block.layers)
    encoder.offsets.bias.sub_(means.flatten())


def _affines(generator: Generator) -> Iterator[EqualLinear]:
    for block in generator.synthesis.blocks:
        yield from (layer.affine for layer in block.layers)
        yield block.torgb.affine


def _move_input(affine: EqualLinear, step: Tensor) -> None:
    """Make the layer take x for what was x + step."""
    affine.bias.add_(affine.weight @ step * (affine.weight_gain / affine.bias_gain))
