"""Paste an edited square into its photo, with no change outside the mask; age its detail."""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image

from reage.compositing.bands import BAND, LUMA, enlarge_rows, resize_layer, rotate_layer, units_of
from reage.faces.sampling import LANCZOS
from reage.faces.squares import crop_face, pixels_within, quad_side
from reage.threads import share_out

__all__ = ["add_relief", "paste_delta", "paste_replace", "scale_detail"]

MATCH_GRID = 32  # cells across the square in which colours are matched
DETAIL = 0.012  # of the square's side: what is finer than two of these is detail
FAINT = 10.0  # of 0..255: pores, down and fine lines; what stands out more is an edge, and stays


def paste_delta(
    photo: np.ndarray, delta: np.ndarray, quad: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Add a change to the photo: the photo keeps its own detail, and pixels outside the mask.

    `photo` is `[H, W, 3 or 4]` uint8 or uint16 (a fourth channel is left as it is), `delta`
    `[R, R, 3]` float32 in units of 0..255 whatever the photo's depth, `mask` `[R, R]` in 0..1.
    """
    assert delta.shape == (*mask.shape, 3), (delta.shape, mask.shape)
    change = delta.astype(np.float32) * mask[..., None] * units_of(photo)
    return _combine(photo, change, quad, mask, keep_photo=True)


def paste_replace(
    photo: np.ndarray,
    image: np.ndarray,
    quad: np.ndarray,
    mask: np.ndarray,
    match_colours: bool = True,
) -> np.ndarray:
    """Blend a picture of the square into the photo: its detail replaces the photo's.

    As `paste_delta`, with `image` `[R, R, 3]` uint8 or float, 0..255. A model's picture is never
    quite in the photo's colours, and a mask alone would show that as a pale oval; so the
    difference along the mask's edge is spread smoothly over the inside and taken away
    (Farbman et al., "Coordinates for Instant Image Cloning", 2009).
    """
    assert image.shape == (*mask.shape, 3), (image.shape, mask.shape)
    image = image.astype(np.float32)
    if match_colours:
        image = np.clip(image + _colour_offset(photo, image, quad, mask), 0, 255)
    weighted = image * mask[..., None] * units_of(photo)
    return _combine(photo, weighted, quad, mask, keep_photo=False)


def scale_detail(
    picture: np.ndarray, source: np.ndarray, gain: float, quad: np.ndarray, mask: np.ndarray
) -> None:
    """Scale a picture's faint detail by `gain`, in place; `source` is where the detail is measured.

    It is that of the light in the square `quad` `[4, 2]`, where `mask` `[R, R]` in 0..1 says.
    `picture` and `source`, which may be the same, are `[H, W]` or `[H, W, 3 or 4]` uint8 or uint16;
    colours and a fourth channel stay as they are. Where the square has too few pixels for detail,
    nothing happens.
    """
    assert source.shape == picture.shape, (source.shape, picture.shape)
    quad = np.asarray(quad, np.float64)
    x0, y0, x1, y1 = _region(picture, quad, mask)
    cell = DETAIL * quad_side(quad)
    width, height = x1 - x0, y1 - y0
    if cell < 1.5 or min(width, height) < 2 * cell:
        return
    target, seen = (
        (layer if layer.ndim == 3 else layer[..., None])[y0:y1, x0:x1, :3]
        for layer in (picture, source)
    )
    weights = LUMA if picture.ndim == 3 else np.ones(1, np.float32)
    # By bands: of a whole large face, the colours as floats would take as much as the photo.
    light = np.concatenate([seen[top : top + BAND] @ weights for top in range(0, height, BAND)])
    broad = Image.fromarray(light).resize((round(width / cell), round(height / cell)), LANCZOS)
    where = rotate_layer(mask.astype(np.float32), quad, (x0, y0, x1, y1))
    faint = FAINT * units_of(target)
    highest = np.iinfo(picture.dtype).max

    def change(top: int) -> None:
        rows = (top, min(top + BAND, height))
        detail = light[rows[0] : rows[1]] - enlarge_rows(broad, rows, width, height)
        share = (gain - 1) * np.clip(enlarge_rows(where, rows, width, height), 0, 1)
        added = share * detail * np.exp(-np.square(detail / faint))
        band = target[rows[0] : rows[1]]
        values = band + added[..., None]
        band[...] = np.clip(np.rint(values, out=values), 0, highest, out=values)

    share_out(change, range(0, height, BAND))


def add_relief(
    picture: np.ndarray, relief: np.ndarray, quad: np.ndarray, *, black: int = 0
) -> None:
    """Add `relief` `[S, S]` over the square `quad` to the logarithm of the light, in place.

    All channels are multiplied alike, so hues stay; a fourth channel stays as it is. `picture` is
    `[H, W]` or `[H, W, 3 or 4]` uint8 or uint16, `relief` 0 at the square's border. `black` is the
    value of no light: 16 in a video's limited range.
    """
    quad = np.asarray(quad, np.float64)
    region = x0, y0, x1, y1 = _region(picture, quad, relief != 0)
    width, height = x1 - x0, y1 - y0
    if width <= 0 or height <= 0:
        return
    grid = rotate_layer(relief.astype(np.float32), quad, region)
    highest = np.iinfo(picture.dtype).max
    layers = picture if picture.ndim == 3 else picture[..., None]

    def change(top: int) -> None:
        rows = (top, min(top + BAND, height))
        gain = np.exp(enlarge_rows(grid, rows, width, height))[..., None]
        band = layers[y0 + rows[0] : y0 + rows[1], x0:x1, :3]
        lit = (band - np.float32(black)) * gain + black
        band[...] = np.clip(np.rint(lit), 0, highest)

    share_out(change, range(0, height, BAND))


def _combine(
    photo: np.ndarray, addend: np.ndarray, quad: np.ndarray, mask: np.ndarray, keep_photo: bool
) -> np.ndarray:
    """Add `addend` `[R, R, 3]` to the photo, or to what `mask` leaves of it."""
    quad = np.asarray(quad, np.float64)
    out = photo.copy()
    x0, y0, x1, y1 = _region(photo, quad, mask)
    if x0 >= x1 or y0 >= y1:
        return out
    layers = [*np.moveaxis(addend, 2, 0), *([] if keep_photo else [mask])]
    highest = np.iinfo(photo.dtype).max

    def combine(top: int) -> None:
        rows = (top, min(top + BAND, y1 - y0))
        target = out[y0 + rows[0] : y0 + rows[1], x0:x1]
        keep = 1 if keep_photo else 1 - enlarge_rows(grid[3], rows, x1 - x0, y1 - y0)
        for channel in range(3):
            values = target[..., channel] * keep
            values = values + enlarge_rows(grid[channel], rows, x1 - x0, y1 - y0)
            np.clip(np.rint(values, out=values), 0, highest, out=values)
            target[..., channel] = values

    # Pillow and numpy let go of the lock.
    grid = share_out(partial(rotate_layer, quad=quad, region=(x0, y0, x1, y1)), layers)
    share_out(combine, range(0, y1 - y0, BAND))
    return out


def _region(photo: np.ndarray, quad: np.ndarray, mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 (exclusive) of the photo's pixels that the mask can reach."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return 0, 0, 0, 0
    # Bicubic interpolation reaches two pixels of the crop farther.
    u = np.array([columns[0] - 2, columns[-1] + 3]) / mask.shape[1]
    v = np.array([rows[0] - 2, rows[-1] + 3]) / mask.shape[0]
    return pixels_within(quad, np.array([[a, b] for a in u for b in v]), photo.shape)


def _colour_offset(
    photo: np.ndarray, image: np.ndarray, quad: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Return the smooth change `[R, R, 3]` that brings `image` to the photo's colours at the edge.

    Every cell is given the mean of the differences along the edge, weighted by 1 / distance^2.
    """
    size = min(MATCH_GRID, mask.shape[0])
    # A 24th of a cell is fine enough; thinning the photo keeps pixel centres at integers.
    step = max(1, int(quad_side(quad) / (24 * size)))
    there = crop_face(photo[::step, ::step, :3], np.asarray(quad) / step, size)
    # Both go through the same filter, lest the filters' difference at edges count as colour.
    end = image.shape[0] - 0.5
    square = np.array([[-0.5, -0.5], [-0.5, end], [end, end], [end, -0.5]])
    here = crop_face(np.rint(np.clip(image, 0, 255)).astype(np.uint8), square, size)
    difference = there.image.astype(np.float32) - here.image
    soft = resize_layer(mask, size)
    weight = 4 * soft * (1 - soft) * (there.mask > 0.99)  # the mask's slope, inside the photo
    y, x = np.mgrid[:size, :size].reshape(2, -1)
    edge = weight.ravel() > 0.05
    if not edge.any():
        return np.zeros(3, np.float32)
    # A softened distance: a single noisy cell must not become a spot.
    squared = (x[:, None] - x[edge]) ** 2 + (y[:, None] - y[edge]) ** 2 + 4.0
    pull = weight.ravel()[edge] / squared  # [cells, edge cells]
    offset = (pull @ difference.reshape(-1, 3)[edge]) / pull.sum(1, keepdims=True)
    offset = offset.reshape(size, size, 3).astype(np.float32)
    return np.stack([resize_layer(offset[..., c], mask.shape[0]) for c in range(3)], axis=2)
