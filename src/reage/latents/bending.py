"""Move what a photo shows around a face, at the photo's full size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.faces.alignment import to_unit

__all__ = ["Bend", "bend_layer", "bend_photo"]

BAND = 512  # rows worked on at a time, so that a large face costs little memory
FINER = 4  # times that the moves are refined (bicubic) before they are read in between (linear)
LEAST = 0.02  # pixels by which something has to move, else it keeps its values
REACH = 3  # pixels that bicubic interpolation looks at

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Bend:
    """How the photo around a face is bent (`networks.growth`)."""

    moves: Tensor  # [N, 2, S, S] to the right and down, in sides of the generator's square
    margin: float  # by which they reach beyond that square, in its sides

    def one(self, index: int) -> Bend:
        """One of them."""
        return Bend(self.moves[index : index + 1], self.margin)

    def weighed(self, share: float) -> Bend:
        """That share of all moves."""
        return Bend(self.moves * share, self.margin)


def bend_photo(photo: np.ndarray, bend: Bend, quad: np.ndarray) -> np.ndarray:
    """Move places of a photo `[H, W, 3 or 4]` uint8 or uint16; a new one, the old is not changed.

    `bend` holds one bend of the face's square `quad` `[4, 2]`. Outside of what it reaches pixels
    keep their values. Bicubic; a fourth channel stays as it is.
    """
    assert photo.ndim == 3 and photo.dtype in (np.uint8, np.uint16), (photo.shape, photo.dtype)
    out = photo.copy()
    bend_layer(photo[..., :3], out[..., :3], bend, quad)
    return out


def bend_layer(layer: np.ndarray, out: np.ndarray, bend: Bend, quad: np.ndarray) -> None:
    """As `bend_photo`, layers `[H, W]` or `[H, W, C]` into others that hold the same values."""
    assert layer.shape == out.shape and len(bend.moves) == 1, (layer.shape, len(bend.moves))
    quad = np.asarray(quad, np.float64)
    x0, y0, x1, y1 = _region(layer.shape, bend, quad)
    if x0 >= x1 or y0 >= y1:
        return
    moves = F.interpolate(bend.moves.float().cpu(), scale_factor=float(FINER), mode="bicubic")
    for top in range(y0, y1, BAND):
        box = (x0, top, x1, min(top + BAND, y1))
        out[box[1] : box[3], x0:x1] = _fetched(layer, box, moves, bend.margin, quad)


def _region(shape: tuple[int, ...], bend: Bend, quad: np.ndarray) -> Box:
    """Return x0, y0, x1, y1 (exclusive) of the pixels of a layer that may move."""
    across, down = quad[3] - quad[0], quad[1] - quad[0]
    largest = bend.moves[0].abs().amax(0).cpu().numpy() * max(np.hypot(*across), np.hypot(*down))
    rows, columns = np.nonzero(largest > LEAST)
    if not len(rows):
        return 0, 0, 0, 0
    side = len(largest)
    # Moves are read in between: they reach two of their places farther.
    ends = [(v.min() - 2, v.max() + 3) for v in (columns, rows)]
    (u0, u1), (v0, v1) = np.clip(np.array(ends) / side, 0, 1) * (1 + 2 * bend.margin) - bend.margin
    corners = quad[0] + np.array([u * across + v * down for u in (u0, u1) for v in (v0, v1)])
    limits = np.array(shape[1::-1])
    low = np.clip(np.floor(corners.min(0)).astype(int), 0, limits)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 1, 0, limits)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _fetched(
    layer: np.ndarray, box: Box, moves: Tensor, margin: float, quad: np.ndarray
) -> np.ndarray:
    """The values of a box of a layer after the moves `[1, 2, S, S]`."""
    size = [1, 1, box[3] - box[1], box[2] - box[0]]
    outer = np.array([[box[0], box[1]], [box[0], box[3]], [box[2], box[3]], [box[2], box[1]]]) - 0.5
    wide = (to_unit(outer, quad) + margin) / (1 + 2 * margin)
    seen = F.affine_grid(_affine(wide), size, align_corners=False)
    moved = F.grid_sample(moves, seen, "bilinear", "zeros", align_corners=False)
    axes = np.stack([quad[3] - quad[0], quad[1] - quad[0]])  # [2, 2] pixels
    # What is seen at a place came from where it was before it moved.
    reach = int(np.ceil(float(moves.abs().amax()) * np.abs(axes).sum())) + REACH
    limits = np.array(layer.shape[1::-1])
    low = np.maximum(np.array(box[:2]) - reach, 0)
    high = np.minimum(np.array(box[2:]) + reach, limits)
    source = np.ascontiguousarray(layer[low[1] : high[1], low[0] : high[0]].astype(np.float32))
    planes = torch.from_numpy(source).reshape(*source.shape[:2], -1).permute(2, 0, 1)[None]
    base = F.affine_grid(_affine((outer + 0.5 - low) / (high - low)), size, align_corners=False)
    shift = torch.from_numpy(axes * 2 / (high - low)).to(moved)
    grid = base - moved.permute(0, 2, 3, 1) @ shift
    found = F.grid_sample(planes, grid, "bicubic", "border", align_corners=False)
    found = found[0].permute(1, 2, 0).round_().clamp_(0, float(np.iinfo(layer.dtype).max))
    return found.reshape(size[2], size[3], *layer.shape[2:]).numpy().astype(layer.dtype)


def _affine(corners: np.ndarray) -> Tensor:
    """What `affine_grid` takes to read the parallelogram TL, BL, BR, TR in units of a picture."""
    across, down = corners[3] - corners[0], corners[1] - corners[0]
    middle = 2 * (corners[0] + (across + down) / 2) - 1
    return torch.from_numpy(np.stack([across, down, middle], axis=1)).float()[None]
