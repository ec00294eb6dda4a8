"""Layers of an edit as files: one OpenEXR (linear light, float), or TIFFs of 16 bits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import tifffile

from reage.compositing.layers import Layers
from reage.files import check_place, new_file
from reage.images.exr import Place, exr_module, from_linear, read_exr, to_linear, write_exr

__all__ = [
    "LayerFormat",
    "check_layer_format",
    "check_layer_places",
    "layer_files",
    "read_layers",
    "write_layers",
]

LayerFormat = Literal["exr", "tiff"]
LAYERS = ("change", "matte", "hair", "hair_matte", "warp", "finish")
SIGNED = ("change", "hair", "finish")


def check_layer_format(format: LayerFormat) -> None:
    """Raise UsageError before the work if a format's library is not installed."""
    if format == "exr":
        exr_module()


def check_layer_places(
    folder: Path, stem: str, format: LayerFormat, *, overwrite: bool = False
) -> None:
    """Raise ImageError before the work if the layers of a picture cannot be written there."""
    for file in layer_files(folder, stem, format):
        check_place(file, overwrite)


def layer_files(folder: Path, stem: str, format: LayerFormat) -> list[Path]:
    """Return the files that the layers of a picture may have."""
    names = [""] if format == "exr" else [f".{name}" for name in LAYERS]
    return [folder / f"{stem}{name}.{format}" for name in names]


def write_layers(
    layers: Layers,
    original: np.ndarray,
    folder: Path,
    stem: str,
    format: LayerFormat,
    mark: str | None,
    place: Place = new_file,
) -> list[Path]:
    """Write the layers of a picture `[H, W, 3]` of 0..1 as FOLDER/STEM.exr or STEM.LAYER.tiff.

    In OpenEXR, what is added is in linear light by the sRGB curve. In TIFF it is in the picture's
    own values, as 0.5 + value / 2; the warp there is 32-bit float. `place` yields where each file
    is written until it is whole. Return the files. Raises OSError.
    """
    if format == "exr":
        path = folder / f"{stem}.exr"
        write_exr(path, _channels(layers, original), mark, place)
        return [path]
    files = []
    for name, values in _named(layers).items():
        path = folder / f"{stem}.{name}.tiff"
        with place(path) as part:
            stored = _stored(name, values)
            kind = "rgb" if stored.ndim == 3 else "minisblack"
            tifffile.imwrite(
                part, stored, photometric=kind, compression="zlib", description=mark or ""
            )
        files.append(path)
    return files


def read_layers(
    folder: Path, stem: str, original: np.ndarray, format: LayerFormat = "exr"
) -> Layers:
    """Read what `write_layers` wrote for the picture `original` `[H, W, 3]` of 0..1."""
    if format == "tiff":
        return _read_tiffs(folder, stem)
    found = read_exr(folder / f"{stem}.exr")

    def colours(name: str) -> np.ndarray:
        return np.stack([found[f"{name}.{channel}"] for channel in "RGB"], axis=2)

    start = to_linear(original)
    face = start + colours("change")
    hair = face + colours("hair")
    values = [from_linear(light) for light in (start, face, hair)]
    finish = colours("finish") if "finish.R" in found else None
    warp = np.stack([found["warp.X"], found["warp.Y"]], axis=2)
    return Layers(
        values[1] - values[0],
        values[2] - values[1],
        found["matte.A"],
        found["hair_matte.A"],
        warp,
        finish,
    )


def _named(layers: Layers) -> dict[str, np.ndarray]:
    named = {
        "change": layers.change,
        "hair": layers.hair,
        "matte": layers.matte,
        "hair_matte": layers.hair_matte,
        "warp": layers.warp,
    }
    return named if layers.finish is None else {**named, "finish": layers.finish}


def _channels(layers: Layers, original: np.ndarray) -> Mapping[str, np.ndarray]:
    """Name the channels of an OpenEXR; `finish`, which follows a warp, keeps the values' curve."""
    start, face = original, original + layers.change
    steps = [to_linear(values) for values in (start, face, face + layers.hair)]
    channels = {
        "change": steps[1] - steps[0],
        "hair": steps[2] - steps[1],
        "matte.A": layers.matte,
        "hair_matte.A": layers.hair_matte,
        "warp.X": layers.warp[..., 0],
        "warp.Y": layers.warp[..., 1],
    }
    return channels if layers.finish is None else {**channels, "finish": layers.finish}


def _stored(name: str, values: np.ndarray) -> np.ndarray:
    if name == "warp":
        return np.dstack([values, np.zeros_like(values[..., 0])]).astype(np.float32)
    share = 0.5 + values / 2 if name in SIGNED else values
    return np.rint(np.clip(share, 0, 1) * 65535).astype(np.uint16)


def _read_tiffs(folder: Path, stem: str) -> Layers:
    def read(name: str) -> np.ndarray:
        return tifffile.imread(folder / f"{stem}.{name}.tiff")

    def signed(name: str) -> np.ndarray:
        return (read(name).astype(np.float32) / 65535 - 0.5) * 2

    finish = signed("finish") if (folder / f"{stem}.finish.tiff").is_file() else None
    matte, hair_matte = (read(n).astype(np.float32) / 65535 for n in ("matte", "hair_matte"))
    return Layers(
        signed("change"), signed("hair"), matte, hair_matte, read("warp")[..., :2], finish
    )
