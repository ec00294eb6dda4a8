"""A face of a photo at the size that detail is laid out at, and the canonical face beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from PIL import Image

from reage.compositing.bands import LUMA, units_of
from reage.compositing.detail_transfer import box_around, laid_size, scale_of
from reage.compositing.mesh_warp import MESH, carry_back, carry_to_frame
from reage.compositing.skin_mask import frame_mask
from reage.compositing.smoothing import resize_plane

__all__ = ["HALF", "BoxedFace", "covered", "half_mask"]

HALF = 2  # times that the canonical face is shrunk here


@dataclass(frozen=True, eq=False)
class BoxedFace:
    """The pixels around a face's mesh, shrunk as `laid_size` says, and its mesh among them."""

    box: tuple[int, int, int, int]  # x0, y0, x1, y1 of the photo's pixels
    layers: np.ndarray  # [3, h, w] red, green and blue in 0..1
    landmarks: np.ndarray  # [468 or more, 2] in the layers' pixels
    canonical: np.ndarray  # [468, 2] the mesh in the frame
    share: np.float32  # how much of any detail the face can show, 0..1
    rows: int  # of the layers that show the face; further ones reach below it

    @classmethod
    def cut(
        cls,
        source: np.ndarray,
        landmarks: np.ndarray,
        canonical: np.ndarray,
        below: float = 0.0,
    ) -> BoxedFace | None:
        """Cut a face out of a photo `[H, W, 3 or 4]` uint8 or uint16; None if it shows no detail.

        `landmarks` `[468 or more, 2 or 3]` are its mesh there. The box reaches lower by `below`
        times the mesh's height.
        """
        share = scale_of(landmarks, canonical)[1]
        x0, y0, x1, y1 = box_around(landmarks, source.shape)
        if share == 0 or x0 >= x1 or y0 >= y1:
            return None
        rows = laid_size((x0, y0, x1, y1))[1]
        y1 = min(y1 + round(below * np.ptp(landmarks[:MESH, 1])), source.shape[0])
        box = (x0, y0, x1, y1)
        size = laid_size(box)
        full = np.float32(255 * units_of(source))
        planes = np.moveaxis(source[y0:y1, x0:x1, :3], 2, 0) / full
        layers = np.stack([resize_plane(plane, size, Image.Resampling.BOX) for plane in planes])
        local = (landmarks[:, :2] - [x0, y0] + 0.5) * (size[0] / (x1 - x0)) - 0.5
        return cls(box, layers, local, canonical, np.float32(share), min(rows, size[1]))

    @property
    def light(self) -> np.ndarray:
        """The luma `[h, w]` in 0..1."""
        return np.tensordot(LUMA, self.layers, 1)

    @property
    def side(self) -> float:
        """The side of FFHQ's square in the layers' pixels."""
        return scale_of(self.landmarks, self.canonical)[0]

    @cached_property
    def frame(self) -> np.ndarray:
        """The face laid out on the canonical face, shrunk by `HALF`: `[3, 320, 256]` in 0..1."""
        return np.clip(carry_to_frame(self.layers, self.canonical, self.landmarks, HALF), 0, 1)

    def from_frame(self, layers: np.ndarray) -> np.ndarray:
        """Lay what was found in `frame`, `[C, 320, 256]`, over the box: `[C, rows, w]`."""
        half = (self.canonical + 0.5) / HALF - 0.5
        size = (self.layers.shape[2], self.rows)
        return carry_back(layers, half, self.landmarks, (0, 0, *size), size)

    def pad(self, layers: np.ndarray) -> np.ndarray:
        """Continue layers `[..., rows, w]` by 0 to the box's lower edge."""
        below = self.layers.shape[1] - self.rows
        return np.pad(layers, [(0, 0)] * (layers.ndim - 2) + [(0, below), (0, 0)])


def covered(
    box: tuple[int, int, int, int], change: np.ndarray, hidden: np.ndarray | None
) -> np.ndarray | float:
    """Return what is `hidden` `[H, W]` of a box of a photo at the size of a change, `[h, w]`."""
    if hidden is None:
        return 0.0
    x0, y0, x1, y1 = box
    return resize_plane(hidden[y0:y1, x0:x1], change.shape[:0:-1], Image.Resampling.BOX)


@lru_cache(maxsize=2)
def half_mask(canonical: bytes) -> np.ndarray:
    """Draw the skin mask of the canonical face, shrunk by `HALF`, `[320, 256]` in 0..1.

    `canonical` are the bytes of the mesh in the frame, `[468, 2]` float64.
    """
    mask = frame_mask(np.frombuffer(canonical).reshape(-1, 2))
    size = (mask.shape[1] // HALF, mask.shape[0] // HALF)
    return resize_plane(mask, size, Image.Resampling.BOX)
