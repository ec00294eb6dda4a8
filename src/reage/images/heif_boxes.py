"""What the boxes of HEIC and AVIF files tell that the decoders do not pass on."""

from __future__ import annotations

import re

__all__ = ["HEAD", "av1_bits", "count_thumbnails", "nclx_chunks"]

HEAD = 1 << 20  # bytes of a file that describe its parts
_NCLX = re.compile(rb"colrnclx(..)(..)..", re.DOTALL)
_AV1 = re.compile(rb"av1C\x81.(.)", re.DOTALL)
_HIGH, _TWELVE = 0x40, 0x20  # flags of the AV1 configuration
_SRGB_PRIMARIES, _SRGB_TRANSFERS = {1, 2}, {1, 2, 6, 13, 14, 15}  # of CICP; 2: not specified


def count_thumbnails(data: bytes) -> int:
    """Count the references from thumbnails to pictures."""
    return len(re.findall(rb"\0\0\0.thmb", data[:HEAD], re.DOTALL))


def nclx_chunks(data: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the colour tags (CICP) of the picture as the PNG chunk; none where they say sRGB."""
    found = _NCLX.search(data[:HEAD])
    if not found:
        return ()
    primaries, transfer = (int.from_bytes(code, "big") for code in found.groups())
    if primaries in _SRGB_PRIMARIES and transfer in _SRGB_TRANSFERS:
        return ()
    if max(primaries, transfer) > 255:
        return ()
    return ((b"cICP", bytes([primaries, transfer, 0, 1])),)  # RGB in the full range


def av1_bits(data: bytes) -> int:
    """Return the bits a colour of an AVIF file."""
    flags = [found[0] for found in _AV1.findall(data[:HEAD])]
    return max((8 if not f & _HIGH else 12 if f & _TWELVE else 10 for f in flags), default=8)
