"""OpenEXR files: linear light, float."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from reage.errors import ImageError, UsageError
from reage.extras import how_to_install
from reage.files import new_file

__all__ = ["Place", "exr_module", "from_linear", "read_exr", "to_linear", "write_exr"]


Place = Callable[[Path], AbstractContextManager[Path]]


def exr_module() -> Any:
    """Return OpenEXR's module; UsageError where it is not installed."""
    try:
        import OpenEXR
    except ImportError as error:
        raise UsageError(f"OpenEXR files need OpenEXR: {how_to_install('film')}") from error
    return OpenEXR


def to_linear(values: np.ndarray) -> np.ndarray:
    """Convert values of the sRGB curve to linear light; the curve goes on beyond 0..1."""
    size = np.abs(values)
    linear = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.copysign(linear, values).astype(np.float32)


def from_linear(light: np.ndarray) -> np.ndarray:
    """Undo `to_linear`."""
    size = np.abs(light)
    values = np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.copysign(values, light).astype(np.float32)


def write_exr(
    path: Path, channels: Mapping[str, np.ndarray], comment: str | None, place: Place = new_file
) -> None:
    """Write channels `[H, W]` or groups of them `[H, W, C]` float32, ZIP-packed, in one piece.

    Raises OSError. `place` yields where a file is written until it is whole.
    """
    exr = exr_module()
    header: dict[str, Any] = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    if comment is not None:
        header["comments"] = comment
    plain = {name: np.ascontiguousarray(values) for name, values in channels.items()}
    with place(path) as part, exr.File(header, plain) as file:
        try:
            file.write(str(part.absolute()))
        except RuntimeError as error:  # its words for a full disk, and for all else
            reason = str(error).rstrip(". ").rsplit(". ", 1)[-1]
            raise OSError(errno.EIO, reason, str(path)) from error


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """Read all channels of a file's first part by name, `[H, W]` each; ImageError if it is none."""
    exr = exr_module()
    try:
        with exr.File(str(path.absolute()), separate_channels=True) as file:
            found = file.channels()
            return {name: np.asarray(found[name].pixels) for name in found}
    except (RuntimeError, ValueError, OSError, TypeError) as error:
        reason = str(error).strip().splitlines()[-1:] or ["damaged"]
        raise ImageError(f"{path} is not an OpenEXR file ({reason[0]})") from error
