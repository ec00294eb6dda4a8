"""A picture in memory, and the conversions between its types and value ranges."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms

from reage.images.metadata import select_icc

if TYPE_CHECKING:  # torch takes seconds to import; the command line starts without it
    import torch

_ROWS = 256

__all__ = [
    "JpegTables",
    "Photo",
    "as_srgb",
    "photo_from_array",
    "to_array",
    "to_depth",
    "to_tensor",
]


@dataclass(frozen=True)
class JpegTables:
    """How a JPEG was encoded, so that encoding it again changes as little as possible."""

    quantization: tuple[tuple[int, ...], ...]  # 64 divisors a table: luma first, then chroma
    subsampling: int  # Pillow's code: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0


@dataclass(frozen=True, eq=False)  # eq=False: arrays have no single truth value
class Photo:
    """One picture, upright, with everything that its file said about itself."""

    pixels: np.ndarray  # [H, W, 3] uint8 or uint16 RGB
    alpha: np.ndarray | None = None  # [H, W] of the same type; 0 is transparent
    format: str = "PNG"  # Pillow's name: JPEG, PNG, WEBP, TIFF, HEIF, AVIF, BMP, GIF
    mode: str = "RGB"  # the file's own: L, LA, RGB, RGBA, P, 1, CMYK; "I;16", "RGB;16", ...
    exif: bytes | None = None  # orientation is 1, since the pixels are upright
    icc_profile: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None  # Photoshop's image resources, with captions and credits
    comment: bytes | None = None  # of a JPEG or GIF
    dpi: tuple[float, float] | None = None
    jpeg_tables: JpegTables | None = None
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()  # texts and colour tags of a PNG
    lossless: bool = False  # of a WebP
    notices: tuple[str, ...] = ()  # what the user should know, one line each
    path: Path | None = None

    def __post_init__(self) -> None:
        assert self.pixels.shape[2:] == (3,), self.pixels.shape
        assert self.pixels.dtype in (np.uint8, np.uint16), self.pixels.dtype
        if self.alpha is not None:
            assert self.alpha.shape == self.pixels.shape[:2], self.alpha.shape
            assert self.alpha.dtype == self.pixels.dtype, self.alpha.dtype

    @property
    def rgb8(self) -> np.ndarray:
        """The pixels as uint8 [H, W, 3]."""
        return to_depth(self.pixels, np.uint8)

    @property
    def is_grey(self) -> bool:
        """Whether the file held shades of grey only."""
        return self.mode in {"1", "L", "LA", "I;16", "LA;16"}

    def with_pixels(self, pixels: np.ndarray) -> Photo:
        """Return the photo with other pixels of the same size, in 8 or 16 bit."""
        assert pixels.shape == self.pixels.shape, (pixels.shape, self.pixels.shape)
        alpha = None if self.alpha is None else to_depth(self.alpha, pixels.dtype)
        return replace(self, pixels=pixels, alpha=alpha)


def photo_from_array(array: np.ndarray) -> Photo:
    """Wrap uint8 or uint16 RGB pixels [H, W, 3] that come from no file."""
    return Photo(pixels=array)


def to_depth(samples: np.ndarray, dtype: np.typing.DTypeLike) -> np.ndarray:
    """Convert between uint8 and uint16, white to white; 8 to 16 to 8 bit returns the same."""
    wanted = np.dtype(dtype)
    if samples.dtype == wanted:
        return samples
    if wanted == np.uint16:
        return samples.astype(np.uint16) * np.uint16(257)
    assert (samples.dtype, wanted) == (np.uint16, np.uint8), (samples.dtype, wanted)
    reduced = np.empty(samples.shape, np.uint8)
    for start in range(0, len(samples), _ROWS):  # in bands: the products have 32 bits
        band = samples[start : start + _ROWS].astype(np.uint32)
        # round(x / 257), exact for all 65536 values
        reduced[start : start + _ROWS] = (band * 255 + 32895) >> 16
    return reduced


def as_srgb(samples: np.ndarray, icc_profile: bytes | None) -> np.ndarray:
    """Convert uint8 RGB `[H, W, 3]` from the colour space of a profile, for a file without one.

    Without a usable RGB profile the samples come back.
    """
    if icc_profile is None or select_icc(icc_profile, 3) is None:
        return samples
    try:
        converted = ImageCms.profileToProfile(
            Image.fromarray(np.ascontiguousarray(samples)),
            ImageCms.ImageCmsProfile(io.BytesIO(icc_profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
    except (ImageCms.PyCMSError, OSError):
        return samples
    assert converted is not None  # not in place
    return np.asarray(converted)


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """Convert uint8 [H, W, 3] or [N, H, W, 3] to float32 [N, 3, H, W] in [-1, 1]."""
    import torch

    assert images.dtype == np.uint8, images.dtype
    assert images.shape[-1] == 3, images.shape
    batch = images if images.ndim == 4 else images[None]
    channels_first = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))  # [N, 3, H, W]
    if not channels_first.flags.writeable:  # torch refuses to share a read-only array silently
        channels_first = channels_first.copy()
    return torch.from_numpy(channels_first).to(torch.float32).div_(127.5).sub_(1)


def to_array(images: torch.Tensor) -> np.ndarray:
    """Convert floats [N, 3, H, W] in [-1, 1] to uint8 [N, H, W, 3], rounded and clamped."""
    import torch

    assert images.ndim == 4, images.shape
    assert images.shape[1] == 3, images.shape
    levels = images.detach().to(torch.float32).add(1).mul_(127.5).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
