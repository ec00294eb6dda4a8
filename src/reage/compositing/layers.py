"""What an edit does to a picture, as layers that compositing programs can redo and correct.

    result = warp(original + change + hair) + finish

All but the warp are in the picture's own values, 0..1; the warp is in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from reage.compositing.bands import enlarge_rows, rotate_layer
from reage.compositing.change import SkinDetail
from reage.compositing.hair.greying import turned
from reage.compositing.hair.segmentation import Hair
from reage.compositing.render import Canvas, FaceLayer, render
from reage.compositing.tone import Tone
from reage.compositing.warp import LEAST, Warp, moves_in
from reage.faces.squares import pixels_within

__all__ = ["Layers", "recompose", "record_layers"]

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
WHOLE = np.array([[u, v] for u in (0, 1) for v in (0, 1)], np.float64)


@dataclass(frozen=True, eq=False)
class Layers:
    """The layers of one picture, float32."""

    change: np.ndarray  # [H, W, 3] added to faces, of values in 0..1
    hair: np.ndarray  # [H, W, 3] added to hair after that
    matte: np.ndarray  # [H, W] where faces may change, 0..1
    hair_matte: np.ndarray  # [H, W] how much of a pixel turns grey, 0..1
    warp: np.ndarray  # [H, W, 2] right and down: a pixel shows what was this far back, pixels
    finish: np.ndarray | None  # [H, W, 3] added after the warp; None: nothing, as is usual


def record_layers(
    canvas: Canvas, layers: Sequence[FaceLayer], show: Callable[[], np.ndarray]
) -> Layers:
    """Render changed faces into a canvas, and return what it did.

    `show` returns the canvas's picture `[H, W, 3]` float32 of 0..1.
    """
    recorder = _Recorder(canvas, show)
    render(recorder, layers)
    return recorder.finish()


def recompose(original: np.ndarray, layers: Layers, steps: int = 255) -> np.ndarray:
    """Redo an edit: the original `[H, W, 3]` of 0..1 with its layers, rounded to `steps`."""
    changed = np.clip(original + layers.change + layers.hair, 0, 1)
    result = _warped(np.rint(changed * steps) / np.float32(steps), layers.warp)
    if layers.finish is not None:
        result = np.clip(result, 0, 1) + layers.finish
    return np.rint(np.clip(result, 0, 1) * steps) / np.float32(steps)


class _Recorder:
    """Passes everything on to a canvas, and keeps what each kind of step added."""

    def __init__(self, canvas: Canvas, show: Callable[[], np.ndarray]):
        self.canvas, self.show = canvas, show
        self.stages = {"start": show()}
        shape = self.stages["start"].shape[:2]
        self.matte = np.zeros(shape, np.float32)
        self.hair_matte = np.zeros(shape, np.float32)
        self.moved = np.zeros((*shape, 2), np.float32)

    def add(self, layer: FaceLayer) -> None:
        shown = _over(layer.mask, layer.quad, self.matte.shape) * layer.weight
        np.maximum(self.matte, shown, out=self.matte)
        self.canvas.add(layer)

    def scale_detail(self, layer: FaceLayer, gain: float) -> None:
        self.canvas.scale_detail(layer, gain)

    def add_relief(self, layer: FaceLayer, relief: np.ndarray) -> None:
        self.canvas.add_relief(layer, relief)

    def add_skin(self, layer: FaceLayer, skin: SkinDetail) -> None:
        self.canvas.add_skin(layer, skin)

    def grey(self, hair: Hair, share: float) -> None:
        light = self._keep("face") @ LUMA
        shown = _grey_matte(light, hair, share)
        np.maximum(self.hair_matte, shown, out=self.hair_matte)
        self.canvas.grey(hair, share)

    def warp(self, layer: FaceLayer, warp: Warp) -> None:
        self._keep("hair")
        moved = moves_in(self.matte.shape, warp.scale(layer.weight), layer.quad)
        # What an earlier warp had moved is moved along.
        self.moved = moved + _warped(self.moved, moved)
        self.canvas.warp(layer, warp)

    def keep_tone(self, tone: Tone) -> None:
        self._keep("hair")
        self.canvas.keep_tone(tone)

    def _keep(self, stage: str) -> np.ndarray:
        """Return the picture as it was when a stage was first left."""
        if stage not in self.stages:
            self.stages[stage] = self.show()
        return self.stages[stage]

    def finish(self) -> Layers:
        end = self.show()
        start = self.stages["start"]
        hair = self.stages.get("hair", end)
        face = self.stages.get("face", hair)
        rest = end - np.clip(_warped(hair, self.moved), 0, 1)
        # A warp rounds as it goes: half a step of 8 bits says nothing.
        finish = rest if np.abs(rest).max() > 0.75 / 255 else None
        return Layers(face - start, hair - face, self.matte, self.hair_matte, self.moved, finish)


def _over(layer: np.ndarray, quad: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Lay a layer `[R, R]` of a square over a picture, `[H, W]`."""
    whole = np.zeros(shape, np.float32)
    x0, y0, x1, y1 = region = pixels_within(quad, WHOLE, shape)
    if x0 < x1 and y0 < y1:
        turned = rotate_layer(np.asarray(layer, np.float32), quad, region)
        values = enlarge_rows(turned, (0, y1 - y0), x1 - x0, y1 - y0)
        whole[y0:y1, x0:x1] = np.clip(values, 0, 1)
    return whole


def _grey_matte(light: np.ndarray, hair: Hair, share: float) -> np.ndarray:
    """Return how much of each pixel turns grey, by the light `[H, W]` before."""
    whole = np.zeros(light.shape, np.float32)
    x0, y0, x1, y1 = region = hair.region(light.shape)
    if share != 0 and x0 < x1 and y0 < y1:
        size = x1 - x0, y1 - y0
        layers = [
            enlarge_rows(rotate_layer(layer, hair.quad, region), (0, size[1]), *size)
            for layer in hair.layers
        ]
        part = light[y0:y1, x0:x1]
        whole[y0:y1, x0:x1] = turned(part, hair, layers, share)[0]
    return whole


def _warped(picture: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Show at each pixel of `[H, W, C]` what was `moved` `[H, W, 2]` back; bicubic, as in a render.

    Where nothing moves, values stay.
    """
    height, width = picture.shape[:2]
    there = np.abs(moved).max(2) > LEAST
    if not there.any():
        return picture
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    at = np.stack([x, y], 2) - moved[y0:y1, x0:x1]
    grid = torch.from_numpy((at + 0.5) * np.array([2 / width, 2 / height], np.float32) - 1)
    planes = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
    found = F.grid_sample(planes, grid[None].float(), "bicubic", "border", align_corners=False)
    result = picture.copy()
    part = result[y0:y1, x0:x1]
    np.copyto(part, found[0].permute(1, 2, 0).numpy(), where=there[y0:y1, x0:x1, None])
    return result
