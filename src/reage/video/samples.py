"""Frames of FFmpeg to planes and back, at 8 bits or at 16."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from reage.compositing.planes import Planes
from reage.ffmpeg import FULL, LIMITED, av_module

__all__ = ["frame_rgb", "planes_of", "to_frame"]

NAMES = {(2, 2): "420", (2, 1): "422", (1, 1): "444"}


def planes_of(
    raw: Any,
    matrix: int,
    full_range: bool,
    *,
    deep: bool = False,
    subsampling: tuple[int, int] = (2, 2),
    alpha: bool = False,
) -> Planes:
    """Convert a decoded frame to Y'CbCr in the file's own matrix; sides are made even for chroma.

    `deep` gives uint16. Samples of the same kind are copied, not converted.
    """
    name = f"yuv{'a' if alpha else ''}{NAMES[subsampling]}p{'16le' if deep else ''}"
    shift = _copied_shift(raw.format.name, name)
    coarse = max(c.bits for c in raw.format.components) == 8
    if shift is None:
        full = full_range and raw.format.name.startswith("yuv")
        raw = raw.reformat(
            format=name,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=FULL if full else LIMITED,
            dst_color_range=FULL if full_range else LIMITED,
            threads=1,
        )
    layers = _layers(raw, 2 if deep else 1)
    if shift:
        layers = [layer << shift for layer in layers]
    if alpha and deep and coarse:  # FFmpeg shifts 255 to 65280, which is not quite opaque
        layers[3] = layers[3] | layers[3] >> 8
    across, down = subsampling
    odd = ((0, -raw.height % down), (0, -raw.width % across))
    for full_size in {0, len(layers) - 1} - {2}:
        layers[full_size] = np.pad(layers[full_size], odd, "edge")
    return Planes.join(layers, matrix, full_range, subsampling)


def to_frame(planes: Planes, name: str) -> Any:
    """Make a frame of FFmpeg of planes, in the samples `name`."""
    own = f"yuv{'' if planes.alpha is None else 'a'}{NAMES[planes.subsampling]}p"
    deep = planes.packed.dtype == np.uint16
    bits = re.fullmatch(own + r"(\d+)le", name) if deep else None
    layers: list[np.ndarray] = list(planes.layers)
    if planes.alpha is not None:
        layers.append(planes.alpha)
    if bits:
        drop = 16 - int(bits[1])
        half = (1 << drop) >> 1
        layers = [np.minimum(layer, 65535 - half) + np.uint16(half) >> drop for layer in layers]
    held = name if bits else own + ("16le" if deep else "")
    height, width = planes.layers[0].shape
    frame = av_module().VideoFrame(width, height, held)
    for plane, layer in zip(frame.planes, layers, strict=True):
        _view(plane, layer.dtype)[...] = layer
    range_ = FULL if planes.full_range else LIMITED
    frame.color_range = range_
    if held == name:
        return frame
    return frame.reformat(
        format=name,
        src_colorspace=planes.matrix,
        dst_colorspace=planes.matrix,
        src_color_range=range_,
        dst_color_range=FULL if "rgb" in name else range_,
        threads=1,
    )


def frame_rgb(planes: Planes) -> np.ndarray:
    """Convert planes to R'G'B' `[H, W, 3]` uint8."""
    return to_frame(planes, "rgb24").to_ndarray()


def _copied_shift(found: str, wanted: str) -> int | None:
    """Return by how much samples are shifted to the wanted depth; None if they are converted."""
    if found == wanted:
        return 0
    family = wanted.removesuffix("16le")
    match = re.fullmatch(family + r"(\d+)le", found)
    return 16 - int(match[1]) if match and wanted.endswith("16le") else None


def _layers(raw: Any, size: int) -> list[np.ndarray]:
    kind = np.dtype(np.uint8 if size == 1 else np.uint16)
    return [_view(plane, kind) for plane in raw.planes]


def _view(plane: Any, kind: np.dtype) -> np.ndarray:
    """Return the samples of one of FFmpeg's planes, without the ends of its lines."""
    lines = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
    return lines[:, : plane.width]
