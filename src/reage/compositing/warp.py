"""Warp the photo around a face at full size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reage.compositing.cover import Cover
from reage.compositing.smoothing import gaussian, smoothstep
from reage.faces.squares import from_unit, outline_of, pixels_within, to_unit

__all__ = ["LEAST", "Warp", "affine_of", "moves_in", "warp_in_place"]

BAND = 512  # rows worked on at a time, so that a large face costs little memory
FINER = 4  # times that the moves are refined (bicubic) before they are read in between (linear)
LEAST = 0.02  # pixels by which something has to move, else it keeps its values
REACH = 3  # pixels that bicubic interpolation looks at
HELD, HOLD = 0.04, 4.0  # around what is held still: blur, of the side, and how far it reaches
LEAST_OPACITY = 1 / 256  # below it nobody sees a colour, and there is none to be found

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Warp:
    """The warp of the picture around a face (`networks.growth`)."""

    moves: Tensor  # [N, 2, S, S] to the right and down, in sides of the generator's square
    margin: float  # by which they reach beyond that square, in its sides

    def one(self, index: int) -> Warp:
        """Return one of the N warps."""
        return Warp(self.moves[index : index + 1], self.margin)

    def hold(self, cover: Cover, quad: np.ndarray) -> Warp:
        """Return the warp without moves where something covers the face.

        `quad` `[4, 2]` is the square of the moves in the photo.
        """
        corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
        wide = from_unit(corners * (1 + 2 * self.margin) - self.margin, quad)
        side = self.moves.shape[-1]
        still = 1 - smoothstep(HOLD * gaussian(cover.within(wide, side), HELD * side))
        return Warp(self.moves * torch.from_numpy(still).to(self.moves), self.margin)

    def between(self, other: Warp, share: float) -> Warp:
        """Interpolate to another warp of the same face."""
        return Warp(torch.lerp(self.moves, other.moves, share), self.margin)

    def scale(self, share: float) -> Warp:
        """Return the warp with all moves multiplied by `share`."""
        return Warp(self.moves * share, self.margin)


def warp_in_place(
    layer: np.ndarray, warp: Warp, quad: np.ndarray, alpha: np.ndarray | None = None
) -> None:
    """Warp a photo or one layer of it, `[H, W (, C)]` uint8 or uint16, in place.

    `warp` holds one warp of the face's square `quad` `[4, 2]`. Outside its reach, and
    where nothing moves, pixels keep their values. Bicubic. `alpha` `[H, W]` of the same type
    weights the colours, so that transparent pixels do not count; it stays unchanged.
    """
    assert len(warp.moves) == 1, len(warp.moves)
    quad = np.asarray(quad, np.float64)
    moves = warp.moves.float().cpu()
    axes = np.stack([quad[3] - quad[0], quad[1] - quad[0]])  # [2, 2] pixels
    x0, y0, x1, y1 = _region(layer.shape, moves, warp.margin, quad)
    if x0 >= x1 or y0 >= y1:
        return
    moves = F.interpolate(moves, scale_factor=float(FINER), mode="bicubic")
    reach = int(np.ceil(float(moves.abs().amax()) * np.abs(axes).sum())) + REACH
    limits = np.array(layer.shape[1::-1])
    low = np.maximum(np.array([x0, y0]) - reach, 0)
    high = np.minimum(np.array([x1, y1]) + reach, limits)
    near = slice(low[1], high[1]), slice(low[0], high[0])
    source = layer[near].copy()  # bands write what others read
    opacity = None
    if alpha is not None and alpha[near].min() < np.iinfo(alpha.dtype).max:
        opacity = alpha[near]
    for top in range(y0, y1, BAND):
        box = (x0, top, x1, min(top + BAND, y1))
        target = layer[box[1] : box[3], x0:x1]
        first, last = max(top - reach, low[1]), min(box[3] + reach, high[1])
        rows = slice(first - low[1], last - low[1])
        start = np.array([low[0], first])
        within = None if opacity is None else opacity[rows]
        found, moved = _sample_moved(source[rows], within, start, box, moves, warp.margin, quad)
        np.copyto(target, found, where=moved if layer.ndim == 2 else moved[..., None])


def _region(shape: tuple[int, ...], moves: Tensor, margin: float, quad: np.ndarray) -> Box:
    """Return x0, y0, x1, y1 (exclusive) of the pixels of a layer that may move."""
    across, down = quad[3] - quad[0], quad[1] - quad[0]
    largest = moves[0].abs().amax(0).numpy() * max(np.hypot(*across), np.hypot(*down))
    rows, columns = np.nonzero(largest > LEAST)
    if not len(rows):
        return 0, 0, 0, 0
    side = len(largest)
    # Moves are read in between: they reach two of their places farther.
    ends = [(v.min() - 2, v.max() + 3) for v in (columns, rows)]
    (u0, u1), (v0, v1) = np.clip(np.array(ends) / side, 0, 1) * (1 + 2 * margin) - margin
    return pixels_within(quad, np.array([[u, v] for u in (u0, u1) for v in (v0, v1)]), shape)


def _sample_moved(
    source: np.ndarray,
    opacity: np.ndarray | None,
    start: np.ndarray,
    box: Box,
    moves: Tensor,
    margin: float,
    quad: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Sample a box after the moves `[1, 2, S, S]`; return values and where they moved, `[h, w]`.

    `source` is the part of the layers that begins at the pixel `start`, `opacity` that of alpha.
    """
    size = [1, 1, box[3] - box[1], box[2] - box[0]]
    outer = outline_of(box)
    shift = _shift(box, moves, margin, quad)
    planes = _as_planes(source)
    if opacity is not None:
        opaque = _as_planes(opacity) / float(np.iinfo(opacity.dtype).max)
        planes = torch.cat([planes, planes * opaque, opaque], 1)
    length = np.array(source.shape[1::-1])
    base = affine_of((outer + 0.5 - start) / length)[None]
    # What is seen at a place came from where it was before it moved.
    grid = F.affine_grid(base, size, align_corners=False)
    grid = grid - shift[None] * torch.from_numpy(2 / length).to(shift)
    found = F.grid_sample(planes, grid, "bicubic", "border", align_corners=False)
    if opacity is not None:
        plain, weighed = found[:, :-1].chunk(2, 1)
        weight = found[:, -1:]
        found = torch.where(weight > LEAST_OPACITY, weighed / weight.clamp_min(1e-6), plain)
    found = found[0].permute(1, 2, 0).round_().clamp_(0, float(np.iinfo(source.dtype).max))
    values = found.reshape(size[2], size[3], *source.shape[2:]).numpy().astype(source.dtype)
    return values, (shift.abs().amax(2) > LEAST).numpy()


def moves_in(shape: tuple[int, ...], warp: Warp, quad: np.ndarray) -> np.ndarray:
    """Return by how far each pixel of a picture moves, `[H, W, 2]` right and down, pixels."""
    quad = np.asarray(quad, np.float64)
    moves = warp.moves.float().cpu()
    whole = np.zeros((*shape[:2], 2), np.float32)
    x0, y0, x1, y1 = _region(shape, moves, warp.margin, quad)
    if x0 < x1 and y0 < y1:
        moves = F.interpolate(moves, scale_factor=float(FINER), mode="bicubic")
        shift = _shift((x0, y0, x1, y1), moves, warp.margin, quad).numpy()
        still = np.abs(shift).max(2, keepdims=True) <= LEAST
        whole[y0:y1, x0:x1] = np.where(still, 0, shift)
    return whole


def _shift(box: Box, moves: Tensor, margin: float, quad: np.ndarray) -> Tensor:
    """Return the moves `[1, 2, S, S]` of a box's pixels, `[h, w, 2]` pixels."""
    wide = (to_unit(outline_of(box), quad) + margin) / (1 + 2 * margin)
    size = [1, 1, box[3] - box[1], box[2] - box[0]]
    seen = F.affine_grid(affine_of(wide)[None], size, align_corners=False)
    moved = F.grid_sample(moves, seen, "bilinear", "zeros", align_corners=False)
    axes = torch.from_numpy(np.stack([quad[3] - quad[0], quad[1] - quad[0]])).to(moved)
    return moved[0].permute(1, 2, 0) @ axes


def _as_planes(layer: np.ndarray) -> Tensor:
    """A layer `[H, W (, C)]` as `[1, C, H, W]` float32."""
    values = torch.from_numpy(layer.astype(np.float32))
    return values.reshape(*layer.shape[:2], -1).permute(2, 0, 1)[None]


def affine_of(corners: np.ndarray) -> Tensor:
    """What `affine_grid` takes `[2, 3]` to read TL, BL, BR, TR `[4, 2]` in units of a picture."""
    across, down = corners[3] - corners[0], corners[1] - corners[0]
    middle = 2 * (corners[0] + (across + down) / 2) - 1
    return torch.from_numpy(np.stack([across, down, middle], axis=1)).float()
