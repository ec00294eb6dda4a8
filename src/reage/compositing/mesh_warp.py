"""Carry layers between a photo's face and a canonical face, over MediaPipe's mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from reage.compositing.smoothing import resize_plane

__all__ = ["FRAME", "ThinPlate", "mesh_to_frame", "sample", "warp_from_frame"]

# The canonical face lies in FFHQ's square as the mean face does; the frame is this part of it
# (x0, y0, x1, y1) at so many pixels a side of the square.
FRAME_BOX, FRAME_SCALE = (0.14, 0.10, 0.86, 1.0), 711
FRAME = (512, 640)  # width, height of a layer of the canonical face, pixels
MESH = 468  # points of the mesh; the irises follow and say nothing of the skin
EVERY = 2  # points of the mesh that a warp is fitted to
GRID = 40  # cells across which a warp is computed, then interpolated
STIFFNESS = 1e-4  # lets points that coincide in a turned face disagree


@dataclass(frozen=True, eq=False)
class ThinPlate:
    """A smooth map of the plane through pairs of points (Bookstein 1989)."""

    centres: np.ndarray  # [N, 2] scaled to about 1
    weights: np.ndarray  # [N + 3, 2]
    origin: np.ndarray  # [2]
    scale: float

    @classmethod
    def fit(cls, source: np.ndarray, target: np.ndarray) -> ThinPlate:
        """Fit the map that takes `source` `[N, 2]` to `target` `[N, 2]`."""
        origin, scale = source.mean(0), float(np.ptp(source, axis=0).max())
        centres = (source - origin) / scale
        count = len(centres)
        system = np.zeros((count + 3, count + 3))
        system[:count, :count] = _kernel(centres, centres) + STIFFNESS * np.eye(count)
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
    layers: np.ndarray, canonical: np.ndarray, landmarks: np.ndarray, box: tuple[int, int, int, int]
) -> np.ndarray:
    """Lay layers `[C, h, w]` of the canonical face over the photo's pixels x0, y0, x1, y1.

    `canonical` `[468, 2]` is the mesh in the frame, `landmarks` `[468 or more, 2]` in the photo.
    Returns `[C, y1 - y0, x1 - x0]` float32; 0 beyond the frame. Where the photo's face is smaller
    than the frame the layers are low-pass filtered first.
    """
    x0, y0, x1, y1 = box
    plate = ThinPlate.fit(landmarks[:MESH:EVERY, :2].astype(np.float64), canonical[::EVERY])
    xs, ys = np.linspace(x0, x1, GRID + 1) - 0.5, np.linspace(y0, y1, GRID + 1) - 0.5
    places = plate(np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)).reshape(GRID + 1, GRID + 1, 2)
    shrink = np.ptp(canonical[:, 0]) / max(np.ptp(landmarks[:MESH, 0]), 1.0)
    return sample(layers, places, (x1 - x0, y1 - y0), max(shrink, 1.0))


def sample(
    layers: np.ndarray, places: np.ndarray, size: tuple[int, int], shrink: float = 1.0
) -> np.ndarray:
    """Sample layers `[C, h, w]` where a grid of cell corners `[g + 1, g + 1, 2]` says.

    `size` (width, height) is the result's, over which the cells are even; `shrink` is how many of
    the layers' pixels come to one of the result. Positions count pixel centres as integers.
    """
    height, width = layers.shape[1:]
    inner = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    scaled = (places + 0.5) * np.array([inner[0] / width, inner[1] / height])
    cells = _cells(scaled, size)
    result = []
    for layer in layers:
        small = layer if shrink == 1 else resize_plane(layer, inner, Image.Resampling.BOX)
        image = Image.fromarray(np.ascontiguousarray(small, dtype=np.float32))
        mesh = image.transform(size, Image.Transform.MESH, cells, Image.Resampling.BICUBIC)
        result.append(np.asarray(mesh))
    return np.stack(result)


def _cells(places: np.ndarray, size: tuple[int, int]) -> list[tuple]:
    """Pillow's list of target boxes and source quads (TL, BL, BR, TR), pixel corners at integers."""
    rows, columns = places.shape[0] - 1, places.shape[1] - 1
    xs = np.rint(np.linspace(0, size[0], columns + 1)).astype(int)
    ys = np.rint(np.linspace(0, size[1], rows + 1)).astype(int)
    # Boxes end on whole pixels: the corners' places move along.
    across = np.interp(xs, np.linspace(0, size[0], columns + 1), np.arange(columns + 1))
    down = np.interp(ys, np.linspace(0, size[1], rows + 1), np.arange(rows + 1))
    corners = _between(_between(places, down, 0), across, 1)
    cells = []
    for j in range(rows):
        for i in range(columns):
            if xs[i] == xs[i + 1] or ys[j] == ys[j + 1]:
                continue
            quad = corners[[j, j + 1, j + 1, j], [i, i, i + 1, i + 1]].ravel().tolist()
            cells.append(((int(xs[i]), int(ys[j]), int(xs[i + 1]), int(ys[j + 1])), quad))
    return cells


def _between(values: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    """Interpolate linearly along an axis."""
    low = np.minimum(at.astype(int), values.shape[axis] - 2)
    share = (at - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    return values.take(low, axis) * (1 - share) + values.take(low + 1, axis) * share


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squared = np.square(a[:, None] - b[None]).sum(2)
    return squared * np.log(np.maximum(squared, 1e-12))
