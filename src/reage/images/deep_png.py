"""PNG files of 16 bits a colour, which Pillow reduces to 8 bits.

PNG filters work on bytes, each with the byte of the same place in the neighbouring pixels. So the
high and the low bytes of such a file are two 8-bit PNG pictures with the filters that it has.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import PngImagePlugin

from reage.images.metadata import PNG_SIGNATURE, png_chunk

__all__ = ["decode_deep_png", "encode_deep_png"]

_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by the header's type of colour
_COLOUR_TYPES = {channels: kind for kind, channels in _CHANNELS.items()}
# Adam7's passes: first column and row, steps (PNG specification, section 8.2).
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_PASSES += ((0, 1, 1, 2),)
_BLOCK = 1 << 22  # bytes that are filtered at once
_LEVEL = 4  # of zlib; runs alone are sought, photos hardly repeat themselves otherwise


def decode_deep_png(data: bytes) -> np.ndarray:
    """Decode a 16-bit PNG to samples `[H, W]` or `[H, W, 2..4]` uint16; ValueError if damaged."""
    width, height, _, kind, *_, interlaced = struct.unpack_from(">LL5B", data, 16)
    pixel = 2 * _CHANNELS[kind]
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes]
    shapes = [(rows, 1 + pixel * columns) for columns, rows in sizes if columns > 0 < rows]
    stream = _inflate(data, sum(rows * length for rows, length in shapes))
    halves, at = ([], []), 0
    for rows, length in shapes:
        lines = stream[at : at + rows * length].reshape(rows, length)
        at += rows * length
        for part, half in enumerate(halves):
            half.append(np.concatenate([lines[:, :1], lines[:, 1 + part :: 2]], 1).ravel())
    header = struct.pack(">LL5B", width, height, 8, kind, 0, 0, interlaced)
    high, low = (_unfilter(header, np.concatenate(half)) for half in halves)
    return high.astype(np.uint16) << 8 | low


def encode_deep_png(samples: np.ndarray) -> bytes:
    """Encode samples `[H, W]` or `[H, W, 2..4]` uint16 as a PNG file."""
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    lines = np.ascontiguousarray(samples, ">u2").view(np.uint8).reshape(height, -1)
    packer = zlib.compressobj(_LEVEL, strategy=zlib.Z_RLE)
    parts, count = [], max(1, _BLOCK // lines.shape[1])
    for y in range(0, height, count):
        above = lines[y - 1 : y] if y else np.zeros_like(lines[:1])
        parts.append(packer.compress(_filter(lines[y : y + count], above, 2 * channels)))
    pixels = b"".join([*parts, packer.flush()])
    header = struct.pack(">LL5B", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks)


def _inflate(data: bytes, size: int) -> np.ndarray:
    """Return the filtered lines of a file, which must be `size` bytes."""
    at, packed = len(PNG_SIGNATURE), []
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">L", data, at)
        kind, payload = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IDAT":
            if data[at + 8 + length : at + 12 + length] != png_chunk(kind, payload)[-4:]:
                raise ValueError("a checksum of the pixels is wrong")
            packed.append(payload)
        at += 12 + length
    lines = zlib.decompressobj().decompress(b"".join(packed), size)
    if len(lines) != size:
        raise ValueError(f"{len(lines)} bytes of pixels, not {size}")
    return np.frombuffer(lines, np.uint8)


def _unfilter(header: bytes, lines: np.ndarray) -> np.ndarray:
    """Let Pillow undo the filters of an 8-bit picture."""
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.data, 0)), (b"IEND", b""))
    file = io.BytesIO(PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks))
    return np.asarray(PngImagePlugin.PngImageFile(file))


def _filter(lines: np.ndarray, above: np.ndarray, pixel: int) -> bytes:
    """Choose for each line the filter with the smallest differences (the usual heuristic)."""
    up = np.concatenate([above, lines[:-1]])
    left, corner = np.zeros_like(lines), np.zeros_like(lines)
    left[:, pixel:], corner[:, pixel:] = lines[:, :-pixel], up[:, :-pixel]
    best = np.empty((len(lines), 1 + lines.shape[1]), np.uint8)
    least = np.full(len(lines), np.iinfo(np.int64).max)
    for kind, guess in ((1, left), (2, up), (4, _paeth(left, up, corner))):
        differences = lines - guess  # modulo 256
        cost = np.minimum(differences, -differences).sum(1, dtype=np.int64)
        better = cost < least
        best[better, 0], best[better, 1:] = kind, differences[better]
        least = np.minimum(cost, least)
    return best.tobytes()


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Whichever neighbour is nearest to left + up - corner (section 9.4)."""
    across = up.astype(np.int16) - corner
    down = left.astype(np.int16) - corner
    from_left, from_up, from_corner = np.abs(across), np.abs(down), np.abs(across + down)
    nearer = np.where(from_up <= from_corner, up, corner)
    return np.where((from_left <= from_up) & (from_left <= from_corner), left, nearer)
