"""Things before a face: masks, sunglasses, hands, microphones, veils; an edit leaves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter

from reage.compositing.bands import LUMA, enlarge_rows, rotate_layer
from reage.compositing.enclosed import fill_holes, grow
from reage.compositing.hair.locks import MOST, colour_odds
from reage.compositing.hair.regions import OUTLINE, filled
from reage.compositing.neck import below_jaw
from reage.compositing.smoothing import gaussian, resize_plane
from reage.compositing.tone import has_one_tone
from reage.faces.face import Face
from reage.faces.sampling import interpolate
from reage.faces.squares import crop_face, face_quad, outline_of, pixels_within, to_unit
from reage.images import to_tensor
from reage.networks.occlusion import OCCLUSION_INPUT, OcclusionNetwork

__all__ = ["LEAST", "SQUARE", "Cover", "cover_quad", "find_cover", "read_cover"]

SQUARE = 0.75, 0.22  # scale and shift of the square that the network was trained on
WIDE = 3  # sides of that square over which a thing is followed below the face
# Probabilities: a thing is where some are above the first; it reaches as far as the second.
SURE, REACH = 0.75, 0.35
LEAST = 0.02  # of the face that is surely covered: below it nothing is said nor left
WIDER, SOFT = 0.02, 0.006  # of the square: how far beyond it nothing changes, and the blend
OUTSIDE = 0.06  # of the square, standard deviation: what covers the face's edge goes on beyond
NEAREST, FARTHEST = 0.2, 1e-3  # of the face, smoothed by that: how near and how far beyond
TOLD = 0.4  # of the most that colours can say: from here on they tell a thing from the skin
CHIN = 0.12  # of the square: a thing so near to the jaw's line goes on below it
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

    def cut(quad: np.ndarray, side: int) -> np.ndarray:
        return crop_face(rgb, quad, side).image

    return read_cover(network, cut, rgb.shape, face.points, face.landmarks)


@torch.no_grad()
def read_cover(
    network: OcclusionNetwork,
    cut: Callable[[np.ndarray, int], np.ndarray],
    shape: tuple[int, ...],
    points: np.ndarray,
    mesh: np.ndarray,
    least: float = LEAST,
) -> Cover | None:
    """Find what covers the face with `points` `[5, 2]` and a mesh `[468 or more, 2 or 3]`.

    `cut` gives the picture of a square `[4, 2]` at so many pixels, from one of a `shape`, height
    first: what lies beyond its edge is not covered. None: nothing, or less than `least` of the
    face.
    """
    image = cut(face_quad(points, *SQUARE), OCCLUSION_INPUT)
    if has_one_tone(image) > 0:  # the network has seen few prints, and those in grey
        image = np.rint(image @ LUMA).astype(np.uint8)[..., None].repeat(3, axis=2)
    device = next(network.parameters()).device
    seen = network(to_tensor(image).to(device))[0, 0].cpu().numpy()
    seen = np.pad(seen, (WIDE - 1) * len(seen) // 2)
    quad = cover_quad(points)
    mesh = to_unit(mesh[:, :2], quad) * len(seen) - 0.5
    frame = to_unit(outline_of((0, 0, shape[1], shape[0])), quad) * len(seen) - 0.5
    inside = filled(mesh[OUTLINE], len(seen)) & filled(frame, len(seen))
    sure = inside & (seen > SURE)
    if sure.sum() < least * inside.sum():
        return None
    found = fill_holes(grow(sure, seen > REACH)) & inside
    beyond = _follow(cut(quad, len(seen)), found, inside, mesh)
    return Cover(quad, _soften(found | beyond), float(found[inside].mean()))


def cover_quad(points: np.ndarray) -> np.ndarray:
    """Return the square `[4, 2]` of a `Cover` of the face with five points."""
    scale, shift = SQUARE
    return face_quad(points, WIDE * scale, shift)


def _follow(
    image: np.ndarray, found: np.ndarray, inside: np.ndarray, mesh: np.ndarray
) -> np.ndarray:
    """Return where what was `found` on a face goes on beyond it, `[S, S]` bool.

    The network knows little outside the face. By its colours, where the face has others: near the
    face, and all the way below the jaw. Else, as of a hand, what is beside and below it.
    """
    side = len(found)
    below = below_jaw(mesh, side, side)
    weight = gaussian(inside.astype(np.float32), OUTSIDE * side / WIDE)
    beside = gaussian(found.astype(np.float32), OUTSIDE * side / WIDE) > weight / 2
    clear = inside & (gaussian(found.astype(np.float32), 1.0) < 0.05)
    odds = colour_odds(image / np.float32(255), found.astype(float), clear.astype(float))
    if odds[found].mean() > TOLD * MOST:
        alike = (odds > 0) & (below | (weight > FARTHEST))
        return ~inside & (grow(found, found | alike) | (beside & (weight > NEAREST)))
    reach = round(CHIN * side / WIDE)
    rows = np.arange(side)[:, None]
    jaw = np.where(inside, rows, -1).max(0)
    columns = (found & (rows > jaw - reach)).any(0)
    columns = np.convolve(columns, np.ones(2 * reach + 1), "same") > 0
    return ~inside & ((below & columns) | (beside & (weight > FARTHEST)))


def _soften(found: np.ndarray) -> np.ndarray:
    """Widen and blend places `[S, S]`, `[2 S, 2 S]`."""
    side = 2 * len(found)
    layer = resize_plane(found.astype(np.float32), (side, side))
    image = Image.fromarray(np.rint(255 * np.clip(layer, 0, 1)).astype(np.uint8))
    wide = image.filter(ImageFilter.MaxFilter(2 * max(1, round(WIDER * side / WIDE)) + 1))
    return np.clip(gaussian(np.asarray(wide, np.float32) / 255, SOFT * side / WIDE), 0, 1)
