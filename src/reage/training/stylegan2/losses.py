"""Equations of the adversarial training; each returns a tensor and calls nothing backward."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "hinge_fake",
    "hinge_generator",
    "hinge_real",
    "logistic_fake",
    "logistic_generator",
    "logistic_real",
    "path_lengths",
    "r1_penalty",
]


def logistic_real(logits: Tensor) -> Tensor:
    """Discriminator on real pictures: -log sigmoid(D(x)) (Goodfellow et al. 2014)."""
    return F.softplus(-logits)


def logistic_fake(logits: Tensor) -> Tensor:
    """Discriminator on made pictures: -log(1 - sigmoid(D(G(z))))."""
    return F.softplus(logits)


def logistic_generator(logits: Tensor) -> Tensor:
    """Non-saturating generator: -log sigmoid(D(G(z)))."""
    return F.softplus(-logits)


def hinge_real(logits: Tensor) -> Tensor:
    """max(0, 1 - D(x)) (Lim and Ye, "Geometric GAN", 2017)."""
    return F.relu(1 - logits)


def hinge_fake(logits: Tensor) -> Tensor:
    """max(0, 1 + D(G(z)))."""
    return F.relu(1 + logits)


def hinge_generator(logits: Tensor) -> Tensor:
    """-D(G(z))."""
    return -logits


def r1_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Squared gradient of the logits by real pictures, `[N]` (Mescheder et al. 2018, eq. 9)."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3))


def path_lengths(images: Tensor, ws: Tensor, noise: Tensor) -> Tensor:
    """Length of J^T y for y of unit-variance noise, `[N]` (Karras et al. 2020, equation 4)."""
    y = noise / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * y).sum(), ws, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()
