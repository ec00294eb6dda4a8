"""Augmentations that the adversary sees instead of the pictures; all are differentiable.

`diff_augment`: translation and cutout (Zhao et al., "Differentiable Augmentation for
Data-Efficient GAN Training", 2020). `ada_augment`: pixel blitting, geometry and colour, each with
probability p (Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020,
appendix B).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.training.loop.draws import Draws

__all__ = ["ada_augment", "diff_augment", "sharpen_detail"]

TRANSLATION = 0.125  # largest shift, of the side
CUTOUT = 0.4  # side of the square that is greyed, of the side
CUTOUT_SHARE = 0.5  # of the pictures that lose a square


def diff_augment(images: Tensor, draws: Draws) -> Tensor:
    """Shift each picture by whole pixels (zeros come in) and grey a square in some."""
    side = images.shape[-1]
    reach = round(side * TRANSLATION)
    shifts = draws.integers(-reach, reach + 1, 2)
    corners = draws.integers(-round(side * CUTOUT / 2), round(side * (1 - CUTOUT / 2)), 2)
    cut = draws.uniform(1) < CUTOUT_SHARE
    padded = F.pad(images, (reach,) * 4)
    along = torch.arange(side, device=images.device)
    rows, columns = ((s + reach)[:, None] + along for s in shifts.unbind(1))
    picked = torch.arange(len(images), device=images.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[picked, rows[:, :, None], columns[:, None, :]]
    inside = [
        (along >= corner[:, None]) & (along < corner[:, None] + round(side * CUTOUT))
        for corner in corners.unbind(1)
    ]
    hole = inside[0][:, :, None] & inside[1][:, None, :] & cut[:, :, None]
    return moved.permute(0, 3, 1, 2) * (~hole)[:, None]


def sharpen_detail(images: Tensor, amounts: Tensor) -> Tensor:
    """Scale the finest detail of pictures `[N, C, R, R]` by 1 + amounts `[N]`.

    -1 takes away what a 3x3 binomial filter does, 1 doubles it (an unsharp mask).
    """
    taps = images.new_tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(taps, taps).expand(images.shape[1], 1, 3, 3)
    padded = F.pad(images, (1,) * 4, mode="replicate")
    detail = images - F.conv2d(padded, kernel, groups=images.shape[1])
    return (images + amounts[:, None, None, None] * detail).clamp(-1, 1)


def ada_augment(images: Tensor, draws: Draws, p: float) -> Tensor:
    """Flip, turn, shift, scale, stretch and recolour, each of them with probability `p`."""
    grid = F.affine_grid(_geometry(draws, p), list(images.shape), align_corners=False)
    # Reflection keeps faces' surroundings plausible where the picture is moved in.
    warped = F.grid_sample(
        images, grid.to(images), "bilinear", padding_mode="reflection", align_corners=False
    )
    colour, shift = _colour(draws, p)
    return torch.einsum("nij,njhw->nihw", colour, warped) + shift[:, :, None, None]


def _geometry(draws: Draws, p: float) -> Tensor:
    """The maps from target to source coordinates, `[N, 2, 3]`."""
    count = len(draws)
    chosen = (draws.uniform(8) < p).float()
    matrix = torch.eye(3).repeat(count, 1, 1)
    flip = 1 - 2 * chosen[:, 0] * (draws.uniform() < 0.5)
    matrix = matrix @ _scaling(flip, torch.ones(count))
    quarter = draws.integers(0, 4).float() * (math.pi / 2)
    matrix = matrix @ _rotation(chosen[:, 1] * quarter)
    matrix = matrix @ _translation(chosen[:, 2:3] * draws.uniform(2, low=-0.25, high=0.25))
    scale = torch.exp2(chosen[:, 3] * draws.normal() * 0.2)
    matrix = matrix @ _scaling(scale, scale)
    # Two rotations around the stretching; together they happen with probability p.
    twice = 1 - math.sqrt(1 - p) if p < 1 else 1.0
    for place in (4, 5):
        turned = (draws.uniform() < twice).float() * draws.uniform(low=-math.pi, high=math.pi)
        matrix = matrix @ _rotation(turned)
        if place == 4:
            stretch = torch.exp2(chosen[:, 6] * draws.normal() * 0.2)
            matrix = matrix @ _scaling(stretch, 1 / stretch)
    matrix = matrix @ _translation(chosen[:, 7:8] * draws.normal(2) * 0.25)
    return matrix[:, :2]


def _colour(draws: Draws, p: float) -> tuple[Tensor, Tensor]:
    """Colour matrices `[N, 3, 3]` and shifts `[N, 3]`."""
    count = len(draws)
    chosen = (draws.uniform(5) < p).float()
    brightness = chosen[:, 0] * draws.normal() * 0.2
    matrix = torch.eye(3).repeat(count, 1, 1)
    contrast = torch.exp2(chosen[:, 1] * draws.normal() * 0.5)
    matrix = matrix * contrast[:, None, None]
    shift = (brightness * contrast)[:, None].repeat(1, 3)
    luma = torch.full((3, 3), 1 / 3)
    flipped = chosen[:, 2] * (draws.uniform() < 0.5)
    mirror = torch.eye(3) - 2 * luma * flipped[:, None, None]
    hue = _hue(chosen[:, 3] * draws.uniform(low=-math.pi, high=math.pi))
    saturation = torch.exp2(chosen[:, 4] * draws.normal())[:, None, None]
    last = hue @ (luma + (torch.eye(3) - luma) * saturation) @ mirror
    return last @ matrix, (last @ shift[:, :, None])[:, :, 0]


def _hue(angle: Tensor) -> Tensor:
    """Rotation about the grey axis, `[N, 3, 3]` (Rodrigues' formula)."""
    axis = torch.full((3,), 1 / math.sqrt(3))
    cross = torch.linalg.cross(torch.eye(3), axis.expand(3, 3)).t().contiguous()
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return torch.eye(3) * cos + cross * sin + torch.outer(axis, axis) * (1 - cos)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], 1))


def _rotation(angle: Tensor) -> Tensor:
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = (cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1)
    return torch.stack(rows, 1).view(-1, 3, 3)


def _translation(shift: Tensor) -> Tensor:
    matrix = torch.eye(3).repeat(len(shift), 1, 1)
    matrix[:, :2, 2] = shift * 2  # of the side; the grid's range is 2
    return matrix
