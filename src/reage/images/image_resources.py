"""Photoshop's image resources (8BIM), which hold the IPTC captions, credits and copyright.

JPEG keeps them in APP13, TIFF in two tags, PNG in a text chunk as ImageMagick writes it. Their
embedded previews show the face as it was, so they are dropped; all other bytes are kept.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence

__all__ = [
    "APP13",
    "PNG_PROFILE",
    "iptc_of",
    "iptc_resource",
    "png_resources",
    "resource_chunk",
    "resource_segments",
    "select_resources",
]

APP13 = b"Photoshop 3.0\0"
PNG_PROFILE = b"Raw profile type iptc"
_IPTC = 1028
_PREVIEWS = {1033, 1036}
# Copies of what the file says elsewhere, which would be stale: EXIF, XMP, colour profile.
_COPIES = {1039, 1058, 1059, 1060}
_SEGMENT = 65_533 - len(APP13)  # bytes that fit into one JPEG segment


def select_resources(blocks: bytes) -> tuple[bytes | None, int]:
    """Return the blocks worth keeping, None for none, and how many previews were dropped."""
    kept, previews = [], 0
    for number, block, _ in _resources(blocks):
        previews += number in _PREVIEWS
        if number not in _PREVIEWS | _COPIES:
            kept.append(block)
    return b"".join(kept) or None, previews


def iptc_of(blocks: bytes) -> bytes | None:
    """Return the IPTC record in the blocks."""
    return next((data for number, _, data in _resources(blocks) if number == _IPTC), None)


def iptc_resource(record: bytes) -> bytes:
    """Wrap a bare IPTC record as a block."""
    return (
        struct.pack(">4sHHL", b"8BIM", _IPTC, 0, len(record)) + record + b"\0" * (len(record) % 2)
    )


def resource_segments(blocks: bytes) -> bytes:
    """Return the APP13 segments of a JPEG."""
    parts = [APP13 + blocks[at : at + _SEGMENT] for at in range(0, len(blocks), _SEGMENT)]
    return b"".join(b"\xff\xed" + struct.pack(">H", 2 + len(part)) + part for part in parts)


def resource_chunk(blocks: bytes) -> tuple[bytes, bytes]:
    """Return the PNG chunk that ImageMagick and ExifTool read."""
    digits = blocks.hex().encode()
    lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = b"\niptc\n%8d\n" % len(blocks) + lines + b"\n"
    return b"zTXt", PNG_PROFILE + b"\0\0" + zlib.compress(text)


def png_resources(chunks: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    """Return the blocks in a PNG's text chunks; raises ValueError or zlib.error if damaged."""
    for kind, payload in chunks:
        name, _, rest = payload.partition(b"\0")
        if name not in (PNG_PROFILE, b"Raw profile type 8bim") or kind not in (b"tEXt", b"zTXt"):
            continue
        text = zlib.decompressobj().decompress(rest[1:], 1 << 24) if kind == b"zTXt" else rest
        found = re.match(rb"\s*\w+\s+\d+\s+([0-9a-fA-F\s]*)$", text)
        blocks = bytes.fromhex(found[1].decode()) if found else b""
        return blocks if blocks.startswith(b"8BIM") else iptc_resource(blocks)
    return None


def _resources(blocks: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield number, whole block and contents of each; stops where they are damaged."""
    at = 0
    while at + 12 <= len(blocks):
        (number,) = struct.unpack_from(">H", blocks, at + 4)
        name = 1 + blocks[at + 6]
        start = at + 6 + name + name % 2
        if start + 4 > len(blocks):
            return
        (size,) = struct.unpack_from(">L", blocks, start)
        end = start + 4 + size
        if blocks[at : at + 4] not in (b"8BIM", b"MeSa", b"PHUT", b"DCSR") or end > len(blocks):
            return
        yield number, blocks[at : end + size % 2], blocks[start + 4 : end]
        at = end + size % 2
