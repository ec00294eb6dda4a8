"""Carry layers between a photo's face and a canonical face, over MediaPipe's mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from reage.compositing.smoothing import resize_plane

__all__ = [
    "FRAME",
    "MESH",
    "ThinPlate",
    "carry_back",
    "carry_to_frame",
    "mesh_to_frame",
    "sample",
    "warp_from_frame",
    "warp_to_frame",
]

# The canonical face lies in FFHQ's square as the mean face does; the frame is this part of it
# (x0, y0, x1, y1) at so many pixels a side of the square.
FRAME_BOX, FRAME_SCALE = (0.14, 0.10, 0.86, 1.0), 711
FRAME = (512, 640)  # width, height of a layer of the canonical face, pixels
MESH = 468  # points of the mesh; the irises follow and say nothing of the skin
EVERY = 3  # points of the mesh that a warp is fitted to
GRID = 36  # cells across which a warp is computed, then interpolated
SHARP = 0.8  # below this share of a pixel, linear interpolation would blur
# How often places that are carried back are corrected, and by how many pixels of the canonical face
# at most: where the mesh of a turned face folds, corrections do not end.
CORRECTIONS, FARTHEST = 3, 4.0
STIFFNESS = 1e-4  # lets points that coincide in a turned face disagree


@dataclass(frozen=True, eq=False)
class ThinPlate:
    """A smooth map of the plane through pairs of points (Bookstein 1989)."""

    centres: np.ndarray  # [N, 2] scaled to about 1
    weights: np.ndarray  # [N + 3, 2]
    origin: np.ndarray  # [2]
    scale: float

    @classmethod
    def fit(cls, source: np.ndarray, target: np.ndarray, stiffness: float = STIFFNESS) -> ThinPlate:
        """Fit the map that takes `source` `[N, 2]` to `target` `[N, 2]`; stiffer misses more."""
        origin, scale = source.mean(0), float(np.ptp(source, axis=0).max())
        centres = (source - origin) / scale
        count = len(centres)
        system = np.zeros((count + 3, count + 3))
        system[:count, :count] = _kernel(centres, centres) + stiffness * np.eye(count)
        system[:count, count:] = np.c_[np.ones(count), centres]
        system[count:, :count] = system[:count, count:].T
        wanted = np.concatenate([target, np.zeros((3, 2))])
        return cls(centres, np.linalg.solve(system, wanted), origin, scale)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Map points `[M, 2]`."""
        points = (np.asarray(points, np.float64) - self.origin) / self.scale
        terms = _kernel(points, self.centres)
        count = len(self.centres)
        affine = np.c_[np.ones(len(points)), points] @ self.weights[count:]
        return terms @ self.weights[:count] + affine


def mesh_to_frame(mesh: np.ndarray) -> np.ndarray:
    """Take positions `[N, 2]` in FFHQ's square to the canonical frame's pixels."""
    return (np.asarray(mesh, np.float64)[:, :2] - FRAME_BOX[:2]) * FRAME_SCALE - 0.5


def warp_from_frame(
    layers: np.ndarray,
    canonical: np.ndarray,
    landmarks: np.ndarray,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
) -> np.ndarray:
    """Lay layers `[C, h, w]` of the canonical face over a photo's pixels x0, y0, x1, y1.

    `canonical` `[468, 2]` is the mesh in the frame, `landmarks` `[468 or more, 2]` in the photo.
    Returns `[C, size[1], size[0]]` float32: the box at that size.
    """
    plate = ThinPlate.fit(landmarks[:MESH:EVERY, :2].astype(np.float64), canonical[::EVERY])
    return _sample_over(layers, plate(_centres(box)), canonical, landmarks, box, size)


def carry_back(
    layers: np.ndarray,
    canonical: np.ndarray,
    landmarks: np.ndarray,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
) -> np.ndarray:
    """Undo `carry_to_frame`: lay what was found on the canonical face over the same photo.

    Arguments and result are those of `warp_from_frame`, whose own map misses places between the
    mesh's points and beyond them by a few pixels: lines so corrected would look embossed.
    """
    here, there = canonical[::EVERY], landmarks[:MESH:EVERY, :2].astype(np.float64)
    plate = ThinPlate.fit(here, there)
    turn = np.linalg.lstsq(there - there.mean(0), here - here.mean(0), rcond=None)[0]
    wanted = _centres(box)
    places = ThinPlate.fit(there, here)(wanted)
    for _ in range(CORRECTIONS):
        places = places + np.clip((wanted - plate(places)) @ turn, -FARTHEST, FARTHEST)
    return _sample_over(layers, places, canonical, landmarks, box, size)


def _sample_over(
    layers: np.ndarray,
    places: np.ndarray,
    canonical: np.ndarray,
    landmarks: np.ndarray,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
) -> np.ndarray:
    """Sample layers of the canonical face at places `[GRID * GRID, 2]` of a box's even cells."""
    width = np.ptp(landmarks[:MESH, 0]) * size[0] / (box[2] - box[0])
    shrink = float(np.ptp(canonical[:, 0]) / max(width, 1.0))
    return sample(layers, places.reshape(GRID, GRID, 2), size, shrink)


def warp_to_frame(rgb: np.ndarray, canonical: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Lay a photo `[H, W, 3]` uint8 out on the canonical face: `[h, w, 3]` in 0..1."""
    layers = np.moveaxis(rgb[..., :3], 2, 0).astype(np.float32) / 255
    return np.clip(np.moveaxis(carry_to_frame(layers, canonical, landmarks), 0, 2), 0, 1)


def carry_to_frame(
    layers: np.ndarray, canonical: np.ndarray, landmarks: np.ndarray, factor: int = 1
) -> np.ndarray:
    """Lay layers `[C, H, W]` of a photo out on the canonical face, `factor` times smaller.

    `landmarks` `[468 or more, 2]` are the mesh in the layers' pixels.
    """
    plate = ThinPlate.fit(canonical[::EVERY], landmarks[:MESH:EVERY, :2].astype(np.float64))
    places = plate(_centres((0, 0, *FRAME))).reshape(GRID, GRID, 2)
    shrink = factor * np.ptp(landmarks[:MESH, 0]) / np.ptp(canonical[:, 0])
    return sample(layers, places, (FRAME[0] // factor, FRAME[1] // factor), float(shrink))


def sample(
    layers: np.ndarray, places: np.ndarray, size: tuple[int, int], shrink: float
) -> np.ndarray:
    """Sample layers `[C, h, w]` at `places` `[g, g, 2]`, one for the middle of each even cell.

    `size` (width, height) is the result's; `shrink` is how many of the layers' pixels come to one
    of it: more than one are averaged, fewer interpolated (bicubic to double, then linear).
    """
    height, width = layers.shape[1:]
    factor = 1 / shrink if shrink > 1 else (2.0 if shrink < SHARP else 1.0)
    inner = (max(2, round(width * factor)), max(2, round(height * factor)))
    filter = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    if inner != (width, height):
        layers = np.stack([resize_plane(layer, inner, filter) for layer in layers])
    x, y = (resize_plane(places[..., i], size, Image.Resampling.BICUBIC) for i in (0, 1))
    x = np.clip((x + 0.5) * (inner[0] / width) - 0.5, 0, inner[0] - 1.001)
    y = np.clip((y + 0.5) * (inner[1] / height) - 0.5, 0, inner[1] - 1.001)
    left, top = x.astype(np.int32), y.astype(np.int32)
    x, y = x - left, y - top
    at = top * inner[0] + left
    result = np.empty((len(layers), size[1], size[0]), np.float32)
    for flat, out in zip(layers.reshape(len(layers), -1), result, strict=True):
        upper = flat.take(at) * (1 - x) + flat.take(at + 1) * x
        lower = flat.take(at + inner[0]) * (1 - x) + flat.take(at + inner[0] + 1) * x
        out[...] = upper * (1 - y) + lower * y
    return result


def _centres(box: tuple[int, int, int, int]) -> np.ndarray:
    """The middles `[GRID * GRID, 2]` of even cells over a box of pixels."""
    steps = (np.arange(GRID) + 0.5) / GRID
    xs = box[0] - 0.5 + steps * (box[2] - box[0])
    ys = box[1] - 0.5 + steps * (box[3] - box[1])
    return np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squared = np.square(a[:, None] - b[None]).sum(2)
    return squared * np.log(np.maximum(squared, 1e-12))
