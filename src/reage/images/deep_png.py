"""PNG files of 16 bits a colour, which Pillow reduces to 8 bits.

PNG filters work on bytes, each with the byte of the same place in the neighbouring pixels. So the
high and the low bytes of such a file are two 8-bit PNG pictures with the filters that it has.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

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
_PIECE = 1 << 16  # bytes that are unpacked at once: zlib copies what it has not used
_LEVEL = 4  # of zlib; runs alone are sought, photos hardly repeat themselves otherwise


def decode_deep_png(data: bytes) -> np.ndarray:
    """Decode a 16-bit PNG to samples `[H, W]` or `[H, W, 2..4]` uint16; ValueError if damaged.

    Works in bands of lines, so that little more than the samples is held.
    """
    width, height, _, kind, *_, interlaced = struct.unpack_from(">LL5B", data, 16)
    channels, lines = _CHANNELS[kind], _Lines(data)
    samples = np.zeros((height, width, channels), np.uint16)
    for x, y, dx, dy in _PASSES if interlaced else ((0, 0, 1, 1),):
        place = samples[y::dy, x::dx]
        if place.size:
            _decode_pass(lines, place, kind)
    return samples if channels > 1 else samples[..., 0]


def _decode_pass(lines: _Lines, place: np.ndarray, kind: int) -> None:
    """Fill a view `[h, w, C]` of the samples, high bytes and low bytes apart."""
    rows, columns, channels = place.shape
    length = 1 + 2 * channels * columns
    count = max(1, _BLOCK // length)
    above: list[np.ndarray] = []  # the last line of the band before, by half
    for start in range(0, rows, count):
        band = lines.read(min(count, rows - start), length)
        halves = [np.concatenate([band[:, :1], band[:, 1 + i :: 2]], axis=1) for i in (0, 1)]
        if above:  # unfiltered, as the line that the first one refers to
            halves = [np.concatenate([a[None], h]) for a, h in zip(above, halves, strict=True)]
        parts = [_unfilter(half, columns, kind) for half in halves]
        above = [np.concatenate([[np.uint8(0)], part[-1].ravel()]) for part in parts]
        high, low = (part[-len(band) :].reshape(-1, columns, channels) for part in parts)
        place[start : start + count] = high.astype(np.uint16) << 8 | low


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


class _Lines:
    """The filtered lines of a file, unpacked as they are read."""

    def __init__(self, data: bytes):
        self._packed, self._zlib, self._rest = _packed(data), zlib.decompressobj(), b""

    def read(self, rows: int, length: int) -> np.ndarray:
        """Return the next lines `[rows, length]` uint8; ValueError where the file ends early."""
        parts, missing = [], rows * length
        while missing:
            packed = self._rest or next(self._packed, b"")
            part = self._zlib.decompress(packed, missing)
            self._rest = self._zlib.unconsumed_tail
            if not part and not packed:
                raise ValueError(f"{missing} bytes of pixels are missing")
            parts.append(part)
            missing -= len(part)
        return np.frombuffer(b"".join(parts), np.uint8).reshape(rows, length)


def _packed(data: bytes) -> Iterator[memoryview]:
    """Yield the packed pixels in pieces; ValueError for a wrong checksum."""
    at, view = len(PNG_SIGNATURE), memoryview(data)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">L", data, at)
        payload = view[at + 8 : at + 8 + length]
        if data[at + 4 : at + 8] == b"IDAT":
            checksum = zlib.crc32(payload, zlib.crc32(b"IDAT"))
            if data[at + 8 + length : at + 12 + length] != struct.pack(">L", checksum):
                raise ValueError("a checksum of the pixels is wrong")
            yield from (payload[i : i + _PIECE] for i in range(0, length, _PIECE))
        at += 12 + length


def _unfilter(lines: np.ndarray, width: int, kind: int) -> np.ndarray:
    """Let Pillow undo the filters of an 8-bit picture."""
    header = struct.pack(">LL5B", width, len(lines), 8, kind, 0, 0, 0)
    packed = zlib.compress(np.ascontiguousarray(lines).data, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
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
