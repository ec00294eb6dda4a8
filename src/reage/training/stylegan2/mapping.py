"""Making the mapping network draw codes like those of real faces.

An encoder puts real faces somewhere into W; the adversary alone needs millions of pictures until
the mapping draws from there, and a distance between clouds of points in 512 dimensions hardly sees
along which few of them faces differ. So the mapping is set, not taught: to the Gaussian with the
codes' mean and covariance.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from reage.networks.agers.latent_ager import Ager
from reage.networks.encoders.encoder import Encoder
from reage.networks.stylegan2.generator import Generator
from reage.networks.stylegan2.ops import SQRT2
from reage.networks.stylegan2.synthesis import EqualLinear, Mapping

__all__ = ["Folded", "fold_offsets", "lift", "rebase", "set_mapping"]

REACH = 6.0  # standard deviations of z that stay where the leaky ReLU is straight
MARGIN = 8.0  # standard deviations of the codes between their mean and 0 after `lift`
RIDGE = 1e-4  # of the codes' total variance, so that no direction of W is stretched without bounds
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
    for _, affine in _affines(generator):
        _move_input(affine, -step)
    generator.mapping.w_avg.add_(step)
    return step


@torch.no_grad()
def rebase(generator: Generator, encoder: Encoder) -> None:
    """Make `w_avg` the mean of what the mapping draws, without moving the encoder's codes."""
    mean = generator.mean_w()
    encoder.shift.bias.add_(generator.mapping.w_avg - mean)
    generator.mapping.w_avg.copy_(mean)


@dataclass(frozen=True, eq=False)
class Folded:
    """How codes were counted before offsets went into the generator: old = new @ matrix^T + step.

    One matrix `[num_ws, w_dim, w_dim]` and one step `[num_ws, w_dim]` of each level.
    """

    matrices: Tensor
    steps: Tensor

    def new_changes(self, old: Tensor) -> Tensor:
        """What changes `[..., num_ws, w_dim]` of old codes are to the new ones."""
        return _solve(self.matrices, old[..., None].to(self.matrices))[..., 0].to(old)

    def new_codes(self, old: Tensor) -> Tensor:
        """The new codes of old ones `[..., num_ws, w_dim]`: the same pictures."""
        return self.new_changes(old - self.steps.to(old))

    def new_ager(self, ager: Ager) -> Ager:
        """An ager of the new codes that changes pictures as the given one does by the old ones."""
        new = copy.deepcopy(ager)
        matrices, shape = self.matrices.to(ager.mean), (*ager.mean.shape, -1)
        new.mean.copy_(self.new_codes(ager.mean))
        new.project.data = matrices.mT @ ager.project
        out = (ager.out.weight.view(shape) * ager.scale[..., None]).permute(2, 0, 1)
        out = self.new_changes(out) / ager.scale
        new.out.weight.data = out.flatten(1).T.contiguous()
        return new


@torch.no_grad()
def fold_offsets(generator: Generator, encoder: Encoder, codes: Tensor, offsets: Tensor) -> Folded:
    """Move what codes `[N, w_dim]` say about their offsets `[N, num_ws, w_dim]` into the generator.

    Each level's offset is close to a linear function of w (ridge regression), so the layer that
    takes w + offset can take w: no picture of an encoded face changes, but a w that comes without
    offsets, as the mapping's does, becomes the face that the encoder would have meant by it.
    """
    mean, means = codes.double().mean(0), offsets.double().mean(0)
    centred = codes.double() - mean
    covariance = centred.T @ centred / len(codes)
    unit = torch.eye(len(mean), dtype=torch.float64, device=codes.device)
    ridge = covariance.trace().clamp_min(1e-12) * RIDGE * unit
    crossed = torch.einsum("nw,nlv->lwv", centred, offsets.double() - means) / len(codes)
    slopes = torch.linalg.solve(covariance + ridge, crossed).mT  # [num_ws, w_dim, w_dim]
    folded = Folded(unit + slopes, means - slopes @ mean)
    for level, affine in _affines(generator):
        _move_input(affine, folded.steps[level].to(affine.weight))
        affine.weight.copy_(affine.weight.double() @ folded.matrices[level])
    w = generator.mapping.w_avg.double() + encoder.shift.bias.double()
    offset = encoder.offsets
    shape = folded.steps.shape
    bias = offset.bias.double().view(shape) - folded.steps - slopes @ w
    weight = offset.weight.double().view(*shape, -1) - slopes @ encoder.shift.weight.double()
    offset.bias.copy_(_solve(folded.matrices, bias[..., None]).flatten())
    offset.weight.copy_(_solve(folded.matrices, weight).flatten(0, 1))
    return folded


def _solve(matrices: Tensor, values: Tensor) -> Tensor:
    """`torch.linalg.solve` of `[num_ws, w_dim, w_dim]`, one level after the other.

    After `torch.set_num_threads` a batch of large matrices makes oneMKL fail (torch 2.13).
    """
    solved = [torch.linalg.solve(m, v) for m, v in zip(matrices, values.unbind(-3), strict=True)]
    return torch.stack(solved, -3)


def _affines(generator: Generator) -> Iterator[tuple[int, EqualLinear]]:
    """The layers that take codes, each with the level of ws that it takes."""
    level = 0
    for block in generator.synthesis.blocks:
        layers = [*(layer.affine for layer in block.layers), block.torgb.affine]
        yield from enumerate(layers, level)
        level += len(block.layers)  # toRGB shares the next block's first w


def _move_input(affine: EqualLinear, step: Tensor) -> None:
    """Make the layer take x for what was x + step."""
    affine.bias.add_(affine.weight @ step * (affine.weight_gain / affine.bias_gain))
