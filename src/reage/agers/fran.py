"""FRAN's agers: U-Nets on the photo itself, without an inversion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from reage.agers.base import Ager, PreparedFace
from reage.compositing.change import Change
from reage.models.checkpoints import Alignment
from reage.models.families.fran import PixelNetwork, load_pixel_network
from reage.models.files import file_sha256
from reage.networks.agers.fran import FRAN_STEP, fran_input

__all__ = ["PIXEL_SIDES", "FranAger", "load_fran"]

# Sides at which a face is worked on, pixels: by its size in the photo, between these.
PIXEL_SIDES = {"fast": (256, 512), "normal": (256, 1024), "best": (1024, 1024)}
OVERLAP = 0.25  # of neighbouring windows at least, of their side


@dataclass(frozen=True, eq=False)
class FranAger(Ager):
    """A network that predicts the colour change of an aligned face from one age to another."""

    network: PixelNetwork
    name: str
    sha256: str  # of its file
    # FFHQ's square: the pictures that such networks are trained on are made of it.
    alignment: Alignment = field(default_factory=Alignment)
    needs = "photo"
    looks = 3  # each costs a whole U-Net
    edge = "the edge of the ages that the network knows"

    @property
    def span(self) -> tuple[float, float]:  # type: ignore[override]
        return self.network.span

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        return self.sha256

    def side(self, pixels: float, quality: str) -> int:
        low, high = PIXEL_SIDES[quality]
        return FRAN_STEP * ceil(min(max(pixels, low), high) / FRAN_STEP)

    @torch.no_grad()
    def change(self, face: PreparedFace, ages: Tensor) -> Change:
        """Return a change that may exceed [-1, 1]: the photo clips the sum."""
        picture, own = face.picture, face.own_age
        return Change(torch.cat([self.change_picture(picture, own, age) for age in ages.tolist()]))

    def change_picture(self, picture: Tensor, own: float, wanted: float) -> Tensor:
        """Return the change of one picture `[1, 3, R, R]`, in units of its range [-1, 1]."""
        network = self.network
        if network.side is not None and picture.shape[-1] < network.side:
            large = self.change_picture(_resize(picture, network.side), own, wanted)
            return _resize(large, picture.shape[-1])
        ages = picture.new_tensor([own]), picture.new_tensor([wanted])
        x = fran_input(picture if network.signed else (picture + 1) / 2, *ages)
        changes = network.run(x) if network.side is None else _in_windows(network, x, network.side)
        return changes if network.signed else 2 * changes


def load_fran(path: Path, device: torch.device, dtype: torch.dtype) -> FranAger:
    """Load a FRAN U-Net from a torch file or an ONNX graph; ModelError for other files."""
    network = load_pixel_network(path, device, dtype)
    return FranAger(network, path.stem, file_sha256(path))


def _resize(layers: Tensor, side: int) -> Tensor:
    return F.interpolate(layers, size=(side, side), mode="bicubic", antialias=True)


def _in_windows(network: PixelNetwork, x: Tensor, window: int) -> Tensor:
    """Run a network over overlapping squares of `[1, 5, R, R]` and blend the results."""
    side = x.shape[-1]
    if side <= window:
        return network.run(x)
    # Falls off to the window's border, where the network sees only half of what surrounds a pixel.
    ramp = torch.linspace(0.5, window - 0.5, window, device=x.device)
    ramp = torch.minimum(ramp, window - ramp).clamp(max=window * OVERLAP / 2)
    weight = ramp[:, None] * ramp
    total, weights = x.new_zeros(1, 3, side, side), x.new_zeros(side, side)
    for rows in _spans(side, window):
        for columns in _spans(side, window):
            total[..., rows, columns] += network.run(x[..., rows, columns]) * weight
            weights[rows, columns] += weight
    return total / weights


def _spans(side: int, window: int) -> Iterator[slice]:
    """Return evenly spaced windows over a side."""
    count = ceil((side - window) / (window * (1 - OVERLAP))) + 1
    for i in range(count):
        start = round((side - window) * i / (count - 1))
        yield slice(start, start + window)
