"""Video frames that faces are rendered into, in their own Y'CbCr samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from reage.compositing.bands import enlarge_rows, rotate_layer
from reage.compositing.change import SkinDetail
from reage.compositing.detail_transfer import TONE, LaidSkin, limited_detail
from reage.compositing.hair.greying import COLOUR, turned
from reage.compositing.hair.segmentation import Hair
from reage.compositing.paste import add_relief, scale_detail
from reage.compositing.planes import Planes, add_layer, multiply_region, rgb_to_ycc, warp_planes
from reage.compositing.render import FaceLayer
from reage.compositing.skin_mask import LOG_OFFSET
from reage.compositing.smoothing import resize_plane
from reage.compositing.tone import Tone
from reage.compositing.visible import light_shown
from reage.compositing.warp import Warp

__all__ = ["FrameCanvas", "grey_planes", "keep_planes_tone"]


@dataclass(frozen=True, eq=False)
class FrameCanvas:
    """A frame's planes, changed in place, and a copy of the originals."""

    planes: Planes
    seen: Planes

    def add(self, layer: FaceLayer) -> None:
        assert layer.picture is None, "a video shows changes, not made faces"
        added = (layer.change.added[0] * 127.5).permute(1, 2, 0).float().cpu().numpy()
        change = added * layer.mask[..., None]
        ycc = rgb_to_ycc(change, self.planes.matrix, self.planes.full_range)
        add_layer(self.planes, ycc.astype(np.float32), layer.quad, layer.weight)

    def scale_detail(self, layer: FaceLayer, gain: float) -> None:
        light, source = self.planes.layers[0], self.seen.layers[0]
        scale_detail(light, source, gain**layer.weight, layer.quad, layer.skin)

    def add_relief(self, layer: FaceLayer, relief: np.ndarray) -> None:
        black = 0 if self.planes.full_range else round(16 * self.planes.unit)
        amount = relief * np.float32(layer.weight)
        add_relief(self.planes.layers[0], amount, layer.quad, black=black)

    def add_skin(self, layer: FaceLayer, skin: SkinDetail) -> None:
        for laid, (amount,) in skin.parts:
            if amount:
                add_detail_to_planes(self.planes, self.seen, laid, amount * layer.weight)

    def grey(self, hair: Hair, share: float) -> None:
        grey_planes(self.planes, hair, share)

    def warp(self, layer: FaceLayer, warp: Warp) -> None:
        warp_planes(self.planes, warp.scale(layer.weight), layer.quad)

    def keep_tone(self, tone: Tone) -> None:
        keep_planes_tone(self.planes, self.seen, tone)


def add_detail_to_planes(planes: Planes, seen: Planes, laid: LaidSkin, amount: float) -> None:
    """Add skin detail to a frame in place; `seen` is the frame before any edit."""
    x0, y0, x1, y1 = laid.box
    size = (x1 - x0, y1 - y0)
    tone = np.array(TONE, np.float32)[:, None, None]
    logs = tone * limited_detail(laid, amount, amount)
    if laid.colours is not None:
        logs = logs + np.float32(amount) * laid.colours
    if logs.shape[:0:-1] != size:
        logs = np.stack([resize_plane(plane, size, Image.Resampling.BICUBIC) for plane in logs])
    start, span = (0, 255) if planes.full_range else (16, 219)
    light = seen.layers[0][y0:y1, x0:x1] / seen.unit
    logs = logs * light_shown((light - np.float32(start)) / np.float32(span))
    multiply_region(planes, laid.box, np.exp(np.moveaxis(logs, 0, 2)), 255 * LOG_OFFSET)


def grey_planes(planes: Planes, hair: Hair, amount: float) -> None:
    """Turn a share `amount` (0..1) of the hair in a frame grey, in place."""
    luma, *colours = planes.layers
    across, down = planes.subsampling
    x0, y0, x1, y1 = hair.region(luma.shape)
    # Whole samples of colour, each of which lies over two by two of light.
    x0, y0 = x0 // across * across, y0 // down * down
    x1, y1 = -(-x1 // across) * across, -(-y1 // down) * down
    width, height = x1 - x0, y1 - y0
    if amount == 0 or min(width, height) <= 0:
        return
    region = (x0, y0, x1, y1)
    layers = [
        enlarge_rows(rotate_layer(layer, hair.quad, region), (0, height), width, height)
        for layer in hair.layers
    ]
    start, span = (0.0, 255.0) if planes.full_range else (16.0, 219.0)
    start, span = np.float32(start) * planes.unit, np.float32(span) * planes.unit
    target = luma[y0:y1, x0:x1]
    light = (target - start) / span
    share, shown, colour = turned(light, hair, layers, amount)
    light += share * (shown - light)
    highest = np.iinfo(luma.dtype).max
    np.copyto(target, np.clip(np.rint(start + span * light), 0, highest), casting="unsafe")
    fading, after = _shrink(share, planes), _shrink(light, planes)
    white = (fading * after)[..., None] * (colour - 1)
    for plane, added in zip(colours, _colours_of(planes, white), strict=True):
        part = plane[y0 // down : y1 // down, x0 // across : x1 // across]
        grey = 128 * planes.unit - part.astype(np.float32)
        values = part + grey * fading * (1 - COLOUR) + planes.unit * added
        np.copyto(part, np.clip(np.rint(values), 0, highest), casting="unsafe")


def keep_planes_tone(planes: Planes, seen: Planes, tone: Tone) -> None:
    """Give changed samples of a frame the colours that its light has in it, in place.

    `seen` is the frame before; what its colours are off the tone, they stay.
    """
    start, span = (0.0, 255.0) if planes.full_range else (16.0, 219.0)
    start, span = np.float32(start) * planes.unit, np.float32(span) * planes.unit
    after, before = ((_shrink(one.layers[0], one) - start) / span for one in (planes, seen))
    pairs = list(zip(planes.layers[1:], seen.layers[1:], strict=True))
    at = (after != before) | np.any([plane != old for plane, old in pairs], axis=0)
    change = tone.offsets(after[at]) - tone.offsets(before[at])
    for (plane, old), moved in zip(pairs, _colours_of(planes, change), strict=True):
        toned = old[at] + planes.unit * moved
        values = plane[at] + np.float32(tone.single) * (toned - plane[at])
        plane[at] = np.clip(np.rint(values), 0, np.iinfo(plane.dtype).max)


def _shrink(layer: np.ndarray, planes: Planes) -> np.ndarray:
    """Average the samples of light over each of chroma."""
    height, width = layer.shape
    across, down = planes.subsampling
    return layer.reshape(height // down, down, width // across, across).mean((1, 3))


def _colours_of(planes: Planes, change: np.ndarray) -> np.ndarray:
    """Convert a change of colours `[H, W, 3]` in 0..1 to a change of Cb and Cr, `[2, H, W]`."""
    changed = rgb_to_ycc(255 * change.astype(np.float32), planes.matrix, planes.full_range)
    return np.moveaxis(changed[..., 1:], -1, 0)
