"""Move what a photo shows around a face, at the photo's full size."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from reage.faces.alignment import quad_side, to_unit
from reage.faces.sampling import BICUBIC, BILINEAR, interpolate

__all__ = ["bend_layer", "bend_photo"]

BAND = 256  # rows worked on at a time, so that a large face costs no memory
CELL = 8  # pixels a side, at least, within which places move linearly
CELLS = 96  # a side of the widened square, at most
LEAST = 0.02  # pixels by which something has to move, else it keeps its very values
Box = tuple[int, int, int, int]


def bend_photo(photo: np.ndarray, bend: np.ndarray, quad: np.ndarray, margin: float) -> np.ndarray:
    """Move places of a photo `[H, W, 3 or 4]` uint8 or uint16; a new one, the old is not changed.

    `bend` `[2, S, S]` says by how much each place moves right and down in sides of the face's
    square `quad` `[4, 2]`, over that square widened by `margin` on each side. Outside, and where
    nothing moves, pixels keep their values. Bicubic; a fourth channel stays as it is.
    """
    assert photo.ndim == 3 and photo.dtype in (np.uint8, np.uint16), (photo.shape, photo.dtype)
    out = photo.copy()
    for channel in range(3):
        bend_layer(photo[..., channel], out[..., channel], bend, quad, margin)
    return out


def bend_layer(
    layer: np.ndarray, out: np.ndarray, bend: np.ndarray, quad: np.ndarray, margin: float
) -> None:
    """As `bend_photo`, one layer `[H, W]` into another, which has its values already."""
    assert bend.ndim == 3 and layer.shape == out.shape, (bend.shape, layer.shape, out.shape)
    quad = np.asarray(quad, np.float64)
    across, down = quad[3] - quad[0], quad[1] - quad[0]
    wide = quad + margin * np.array([-across - down, down - across, across + down, across - down])
    limits = np.array(layer.shape[::-1])
    x0, y0 = np.clip(np.floor(wide.min(0)).astype(int), 0, limits)
    x1, y1 = np.clip(np.ceil(wide.max(0)).astype(int) + 1, 0, limits)
    if x0 >= x1 or y0 >= y1 or not bend.any():
        return
    cell = max(CELL, int(quad_side(wide) / CELLS))
    columns, rows = -(-(x1 - x0) // cell), -(-(y1 - y0) // cell)
    # `interpolate` gives the middles of cells; those of cells half a cell off are the corners.
    first = np.array([x0, y0]) - 0.5 - cell / 2
    size = np.array([columns + 1, rows + 1])
    last = first + size * cell
    corners = np.array([first, [first[0], last[1]], last, [last[0], first[1]]])
    inner = to_unit(corners, wide) * bend.shape[-1] - 0.5
    right, below = (interpolate(b, inner, (int(size[0]), int(size[1]))) for b in bend)
    shift = right[..., None] * across + below[..., None] * down  # [rows + 1, columns + 1, 2]
    shift *= _inside(inner, size, bend.shape[-1])[..., None]
    moves = np.abs(shift).max(2) > LEAST
    moves = moves[:-1, :-1] | moves[1:, :-1] | moves[:-1, 1:] | moves[1:, 1:]
    per_band = max(1, BAND // cell)

    def work(row: int) -> None:
        cells = range(row, min(row + per_band, rows))
        wanted = [(r, c) for r in cells for c in np.flatnonzero(moves[r])]
        if wanted:
            _bend_cells(layer, out, shift, wanted, (x0, y0, x1, y1), cell)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow and numpy let go of the lock
        list(pool.map(work, range(0, rows, per_band)))


def _inside(inner: np.ndarray, size: np.ndarray, side: int) -> np.ndarray:
    """Where the cells' corners lie on the bend's places `[rows, columns]`: beyond, 0."""
    steps = [(np.arange(n) + 0.5) / n for n in size]
    across, down = inner[3] - inner[0], inner[1] - inner[0]
    at = inner[0] + steps[0][None, :, None] * across + steps[1][:, None, None] * down
    return ((at > -0.5) & (at < side - 0.5)).all(2)


def _bend_cells(
    layer: np.ndarray,
    out: np.ndarray,
    shift: np.ndarray,
    cells: list[tuple[int, int]],
    region: Box,
    cell: int,
) -> None:
    """Fetch some cells of a layer from where they come from."""
    x0, y0, x1, y1 = region
    boxes, quads = [], []
    for r, c in cells:
        left, top = x0 + c * cell, y0 + r * cell
        boxes.append((left, top, min(left + cell, x1), min(top + cell, y1)))
        whole = np.array([[left, top], [left, top + cell], [left + cell, top + cell],
                          [left + cell, top]], np.float64)  # fmt: skip
        moved = [shift[r, c], shift[r + 1, c], shift[r + 1, c + 1], shift[r, c + 1]]
        quads.append(_cut(whole - moved, boxes[-1], cell))
    box, places = np.array(boxes), np.array(quads)
    reach = 3  # pixels that bicubic interpolation looks at
    low = np.floor(places.min((0, 1))).astype(int) - reach
    high = np.ceil(places.max((0, 1))).astype(int) + reach
    source = Image.fromarray(_cut_out(layer, low, high).astype(np.float32))
    # Doubled by a bicubic filter that neither moves nor rounds, then linear (see `interpolate`).
    source = source.resize((2 * source.width, 2 * source.height), BICUBIC)
    start, end = box[:, :2].min(0), box[:, 2:].max(0)
    mesh = [
        (tuple(int(v) for v in b - np.tile(start, 2)), tuple((2 * (q - low)).ravel().tolist()))
        for b, q in zip(box, places, strict=True)
    ]
    size = (int(end[0] - start[0]), int(end[1] - start[1]))
    made = np.asarray(source.transform(size, Image.Transform.MESH, mesh, BILINEAR))
    made = np.clip(np.rint(made), 0, np.iinfo(layer.dtype).max).astype(layer.dtype)
    for left, top, right, bottom in box:
        part = made[top - start[1] : bottom - start[1], left - start[0] : right - start[0]]
        out[top:bottom, left:right] = part


def _cut_out(layer: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The part from `low` to before `high`; beyond the layer its edge goes on."""
    limits = np.array(layer.shape[::-1])
    before, after = np.maximum(-low, 0), np.maximum(high - limits, 0)
    part = layer[max(low[1], 0) : high[1], max(low[0], 0) : high[0]]
    if not (before.any() or after.any()):
        return part
    return np.pad(part, ((before[1], after[1]), (before[0], after[0])), mode="edge")


def _cut(quad: np.ndarray, box: Box, cell: int) -> np.ndarray:
    """The part of a cell's quad that a box at the photo's edge still has."""
    u, v = (box[2] - box[0]) / cell, (box[3] - box[1]) / cell
    if u == v == 1:
        return quad
    nw, sw, se, ne = quad
    east, south = nw + u * (ne - nw), nw + v * (sw - nw)
    corner = east + v * (sw + u * (se - sw) - east)
    return np.array([nw, south, corner, east])
