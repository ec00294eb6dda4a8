"""Things before a face: masks, sunglasses, hands, microphones, veils; an edit leaves them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter

from reage.compositing.bands import LUMA, enlarge_rows, rotate_layer
from reage.compositing.hair.regions import OUTLINE, filled
from reage.compositing.smoothing import gaussian, resize_plane, smoothstep
from reage.compositing.tone import has_one_tone
from reage.faces.face import Face
from reage.faces.sampling import interpolate
from reage.faces.squares import crop_face, face_quad, pixels_within, to_unit
from reage.images import to_tensor
from reage.networks.occlusion import OCCLUSION_INPUT, OcclusionNetwork

__all__ = ["LEAST", "SQUARE", "Cover", "find_cover", "read_cover"]

SQUARE = 0.75, 0.22  # scale and shift of the square that the network was trained on
# Probabilities: a thing is where some are above the first; it reaches as far as the second.
SURE, REACH = 0.75, 0.35
LEAST = 0.02  # of the face that is surely covered: below it nothing is said nor left
WIDER, SOFT = 0.02, 0.006  # of the square: how far beyond it nothing changes, and the blend
OUTSIDE = 0.06  # of the square, standard deviation: what covers the face's edge goes on beyond
WHOLE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])


@dataclass(frozen=True, eq=False)
class Cover:
    """What covers a face in a photo."""

    quad: np.ndarray  # [4, 2] a square around the face, TL, BL, BR, TR
    layer: np.ndarray  # [S, S] how much of each place is covered, 0..1
    share: float  # of the face that is

    def within(self, quad: np.ndarray, width: int, height: int | None = None) -> np.ndarray:
        """Return how much of each place of another square or rectangle is covered, `[h, w]`."""
        places = to_unit(quad, self.quad) * len(self.layer) - 0.5
        return np.clip(interpolate(self.layer, places, (width, height or width)), 0, 1)

    def over(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return how much of each pixel of a picture is covered, `[H, W]`; `shape` is its."""
        out = np.zeros(shape[:2], np.float32)
        x0, y0, x1, y1 = region = pixels_within(self.quad, WHOLE, shape)
        if x0 < x1 and y0 < y1:
            grid = rotate_layer(self.layer, self.quad, region)
            rows = enlarge_rows(grid, (0, y1 - y0), x1 - x0, y1 - y0)
            out[y0:y1, x0:x1] = np.clip(rows, 0, 1)
        return out


def find_cover(network: OcclusionNetwork, rgb: np.ndarray, face: Face) -> Cover | None:
    """Find what covers a face in a photo `[H, W, 3]`; None: nothing, or there is no mesh."""
    if face.landmarks is None:
        return None
    quad = face_quad(face, *SQUARE)
    return read_cover(network, crop_face(rgb, quad, OCCLUSION_INPUT).image, quad, face.landmarks)


@torch.no_grad()
def read_cover(
    network: OcclusionNetwork,
    image: np.ndarray,
    quad: np.ndarray,
    mesh: np.ndarray,
    least: float = LEAST,
) -> Cover | None:
    """Find what covers the face with a mesh `[468 or more, 2 or 3]` in the picture of a square.

    `image` shows the face's `SQUARE` `quad` at `OCCLUSION_INPUT` pixels. None: nothing, or less
    than `least` of the face.
    """
    if has_one_tone(image) > 0:  # the network has seen few prints, and those in grey
        image = np.rint(image @ LUMA).astype(np.uint8)[..., None].repeat(3, axis=2)
    device = next(network.parameters()).device
    seen = network(to_tensor(image).to(device))[0, 0].cpu().numpy()
    side = len(seen)
    inside = filled(to_unit(mesh[OUTLINE, :2], quad) * side - 0.5, side)
    sure = inside & (seen > SURE)
    if sure.sum() < least * inside.sum():
        return None
    found = _fill_holes(_grow(sure, seen > REACH))
    share = float(found[inside].mean())
    return Cover(quad, _soften(found, inside), share)


def _grow(seeds: np.ndarray, may: np.ndarray) -> np.ndarray:
    """Return the places `[S, S]` that hang together with seeds where they `may`."""
    found = seeds & may
    while True:
        wide = np.pad(found, 1)
        near = [np.roll(wide, step, axis) for step in (-1, 1) for axis in (0, 1)]
        further = (np.any([wide, *near], axis=0)[1:-1, 1:-1] & may) | found
        if (further == found).all():
            return found
        found = further


def _fill_holes(found: np.ndarray) -> np.ndarray:
    edge = np.ones_like(found)
    edge[1:-1, 1:-1] = False
    return ~_grow(edge, ~found)


def _soften(found: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Widen and blend places `[S, S]`, and let them go on beyond the face, `[2 S, 2 S]`.

    The network knows little outside the face: what is at its edge goes on there for a bit.
    """
    side = 2 * len(found)
    layer, face = (resize_plane(one.astype(np.float32), (side, side)) for one in (found, inside))
    weight = gaussian(face, OUTSIDE * side)
    beyond = gaussian(layer * face, OUTSIDE * side) / np.maximum(weight, 1e-3)
    beyond = smoothstep((beyond - 0.3) / 0.4) * (weight > 1e-3)
    whole = np.where(face > 0.5, layer, np.maximum(layer, beyond))
    image = Image.fromarray(np.rint(255 * np.clip(whole, 0, 1)).astype(np.uint8))
    wide = image.filter(ImageFilter.MaxFilter(2 * max(1, round(WIDER * side)) + 1))
    return np.clip(gaussian(np.asarray(wide, np.float32) / 255, SOFT * side), 0, 1)
