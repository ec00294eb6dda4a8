"""Follow what covers a person's face through a segment of a video."""

from __future__ import annotations

from functools import partial

import numpy as np

from reage.compositing.cover import LEAST, Cover, cover_quad, read_cover
from reage.compositing.planes import Planes, sample_rgb
from reage.networks.occlusion import OcclusionNetwork

__all__ = ["CoverFollower"]

FADE = 6  # frames in which an edit comes back where a thing has gone
GOING = LEAST / 4  # of the face, that is still covered by what covered more of it


class CoverFollower:
    """Follows the things before one person's face through the frames of one segment, in order.

    A hand may come and go within a few frames, so every frame is looked at. What is covered is
    left at once; the edit comes back slowly, so that an unsure edge does not flicker.
    """

    def __init__(self, network: OcclusionNetwork):
        self.network = network
        self.found = False  # whether something covers the face in the latest frame
        self._layer: np.ndarray | None = None  # of the latest frame, in the face's own square

    def at(self, seen: Planes, points: np.ndarray, mesh: np.ndarray) -> Cover | None:
        """Return what covers the face with `points` `[5, 2]` and a mesh in the next frame."""
        least = GOING if self.found else LEAST
        cut, shape = partial(sample_rgb, seen), seen.layers[0].shape
        cover = read_cover(self.network, cut, shape, points, mesh, least)
        self.found = cover is not None
        layers = [] if cover is None else [cover.layer]
        if self._layer is not None:
            layers.append(np.maximum(self._layer - np.float32(1 / FADE), 0))
        layer = np.max(layers, axis=0) if layers else None
        self._layer = layer if layer is not None and layer.any() else None
        if self._layer is None:
            return None
        return Cover(cover_quad(points), self._layer, 0.0 if cover is None else cover.share)
