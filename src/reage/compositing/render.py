"""The single recipe that renders changed faces into a picture of any storage format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from torch import Tensor

from reage.compositing.bands import BAND, units_of
from reage.compositing.change import Change, SkinDetail
from reage.compositing.detail_transfer import add_detail
from reage.compositing.hair.greying import grey_hair
from reage.compositing.hair.segmentation import Hair
from reage.compositing.paste import add_relief, paste_delta, paste_replace, scale_detail
from reage.compositing.tone import Tone
from reage.compositing.warp import Warp, warp_in_place
from reage.faces.squares import halve_points

__all__ = ["RECIPE", "Canvas", "FaceLayer", "PhotoCanvas", "render", "render_photo"]

RECIPE = "render-3"  # another one where other pictures come of the same changes


@dataclass(frozen=True, eq=False)
class FaceLayer:
    """One face's change at one age, and where it goes."""

    quad: np.ndarray  # [4, 2] the ager's square in the picture, TL, BL, BR, TR
    mask: np.ndarray  # [R, R] where it may show, 0..1
    skin: np.ndarray  # [R, R] where detail may change, 0..1
    change: Change  # at one age
    picture: Tensor | None = None  # [1, 3, R, R] the changed face, to replace the photo's
    weight: float = 1.0  # how much of it shows, 0..1
    tone: Tone | None = None  # of the picture, if it has a single one

    @property
    def halved(self) -> FaceLayer:
        """The same layer for the photo at half the size: a quarter of the work."""
        return replace(self, quad=halve_points(self.quad), change=self.change.halved)


class Canvas(Protocol):
    """A picture that faces are rendered into, in place."""

    def add(self, layer: FaceLayer) -> None:
        """Add the change of light and colour, or replace the photo with the changed face."""
        ...

    def scale_detail(self, layer: FaceLayer, gain: float) -> None:
        """Scale the skin's own faint detail by `gain`."""
        ...

    def add_relief(self, layer: FaceLayer, relief: np.ndarray) -> None:
        """Add `relief` `[S, S]` to the logarithm of the light."""
        ...

    def add_skin(self, layer: FaceLayer, skin: SkinDetail) -> None:
        """Add and remove skin detail, as at the one age of `skin`."""
        ...

    def grey(self, hair: Hair, share: float) -> None:
        """Turn a share of the hair grey, 0..1."""
        ...

    def warp(self, layer: FaceLayer, warp: Warp) -> None:
        """Warp the picture around the face."""
        ...

    def keep_tone(self, tone: Tone) -> None:
        """Bring everything that was changed onto the tone that the picture has."""
        ...


def render(canvas: Canvas, layers: Sequence[FaceLayer]) -> None:
    """Render changed faces into a picture: change, detail, hair, the warp, and the tone last."""
    for layer in layers:
        canvas.add(layer)
        if layer.change.detail is not None:
            canvas.scale_detail(layer, float(layer.change.detail))
        # A made face shows the generator's skin: lines of the photo's own size have no place there.
        if layer.change.relief is not None and layer.picture is None:
            canvas.add_relief(layer, layer.change.relief[0].float().cpu().numpy())
        if layer.change.skin is not None:
            canvas.add_skin(layer, layer.change.skin)
    for layer in layers:
        greying = layer.change.greying
        if greying is not None:
            (share,) = greying.shares
            skin = layer.change.skin
            hair = greying.hair.shaven if skin and skin.is_shaven else greying.hair
            canvas.grey(hair, share * layer.weight)
    for layer in layers:
        if layer.change.warp is not None:
            canvas.warp(layer, layer.change.warp)
    tones = [layer.tone for layer in layers if layer.tone is not None]
    if tones and len(tones) == len(layers):
        canvas.keep_tone(min(tones, key=lambda tone: tone.single))


class PhotoCanvas:
    """A copy of a photo `[H, W, 3]` uint8 or uint16, and its alpha, which is not copied."""

    def __init__(self, pixels: np.ndarray, alpha: np.ndarray | None = None):
        self.source, self.pixels, self.alpha = pixels, pixels, alpha

    def add(self, layer: FaceLayer) -> None:
        if layer.picture is None:
            delta = _as_array(layer.change.added * 127.5)
            self.pixels = paste_delta(self.pixels, delta, layer.quad, layer.mask)
            return
        image = _as_array(((layer.picture + layer.change.added).clamp(-1, 1) + 1) * 127.5)
        self.pixels = paste_replace(self.pixels, image, layer.quad, layer.mask)

    def scale_detail(self, layer: FaceLayer, gain: float) -> None:
        scale_detail(self.pixels, self.source, gain, layer.quad, layer.skin)

    def add_relief(self, layer: FaceLayer, relief: np.ndarray) -> None:
        add_relief(self.pixels, relief, layer.quad)

    def add_skin(self, layer: FaceLayer, skin: SkinDetail) -> None:
        for laid, (amount,) in skin.parts:
            if amount:
                add_detail(self.pixels, self.source, laid, amount, amount)

    def grey(self, hair: Hair, share: float) -> None:
        grey_hair(self.pixels, hair, share)

    def warp(self, layer: FaceLayer, warp: Warp) -> None:
        warp_in_place(self.pixels, warp, layer.quad, self.alpha)
        if self.alpha is not None:
            warp_in_place(self.alpha, warp, layer.quad)

    def keep_tone(self, tone: Tone) -> None:
        full = np.float32(255) * units_of(self.pixels)
        for top in range(0, len(self.pixels), BAND):
            band, source = self.pixels[top : top + BAND], self.source[top : top + BAND]
            at = (band != source).any(-1)
            band[at] = np.rint(np.clip(tone.project(band[at] / full), 0, 1) * full)


def render_photo(
    pixels: np.ndarray, layers: Sequence[FaceLayer], alpha: np.ndarray | None = None
) -> np.ndarray:
    """Render changed faces into a new photo `[H, W, 3]`; `alpha` `[H, W]` is warped in place."""
    canvas = PhotoCanvas(pixels, alpha)
    render(canvas, layers)
    return canvas.pixels


def _as_array(image: Tensor) -> np.ndarray:
    """`[1, 3, R, R]` to float32 `[R, R, 3]`."""
    assert len(image) == 1, f"{len(image)} pictures for one face"
    return image[0].permute(1, 2, 0).float().cpu().contiguous().numpy()
