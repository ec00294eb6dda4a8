"""What a picture file says about itself, as bytes: EXIF, XMP with the mark, ICC, PNG chunks.

The mark declares, in the words of the IPTC, that a photo was partly made by a trained model. Other
people's fields are kept as they are, byte for byte: XMP is edited as text and only checked by a
parser, since rewriting it would rename the prefixes that many readers search for.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from uuid import UUID
from xml.etree import ElementTree
from xml.sax.saxutils import escape, unescape

__all__ = [
    "DIGITAL_SOURCE_TYPE",
    "PNG_SIGNATURE",
    "add_mark_to_xmp",
    "as_bytes",
    "exif_entries",
    "make_upright",
    "mark_box",
    "mark_in_xmp",
    "png_chunk",
    "png_chunks",
    "select_icc",
    "select_png_chunks",
]

XMP_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes  # XMP specification, part 3
# https://cv.iptc.org/newscodes/digitalsourcetype/
DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
_REAGE_NAMESPACE = "urn:reage:1.0:"
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
_ORIENTATION = 0x0112
_EXIF_IFD = 0x8769
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_PNG_KEPT = {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"pHYs", b"tEXt", b"zTXt", b"iTXt"}
_PNG_DUPLICATES = (b"XML:com.adobe.xmp\0", b"Raw profile type ")  # XMP and EXIF once more
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def make_upright(exif: bytes | None, xmp: bytes | None) -> tuple[int, bytes | None, bytes | None]:
    """Return the EXIF orientation (1 to 8), and both blocks with their orientation set to 1."""
    orientation = 0
    if exif:
        orientation, exif = _upright_exif(exif)
    if xmp:
        found = re.search(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])""", xmp)
        orientation = orientation or (int(found[1]) if found else 0)
        xmp = _upright_xmp(xmp)
    return orientation if 1 <= orientation <= 8 else 1, exif, xmp


def _upright_exif(exif: bytes) -> tuple[int, bytes]:
    """Set the orientation to 1, in place; return the old orientation too.

    The other bytes stay where they are, because maker notes hold absolute offsets.
    """
    start = 6 if exif.startswith(b"Exif\0\0") else 0
    tiff = bytearray(exif[start:])
    order = "<" if tiff[:2] == b"II" else ">"
    orientation = 0
    try:
        (first,) = struct.unpack_from(f"{order}L", tiff, 4)
        entries = exif_entries(tiff, first, order)
        if _ORIENTATION in entries:
            (orientation,) = struct.unpack_from(f"{order}H", tiff, entries[_ORIENTATION] + 8)
            struct.pack_into(f"{order}H", tiff, entries[_ORIENTATION] + 8, 1)
        if 5 <= orientation <= 8 and _EXIF_IFD in entries:  # turned: width and height change places
            (offset,) = struct.unpack_from(f"{order}L", tiff, entries[_EXIF_IFD] + 8)
            _swap_sizes(tiff, exif_entries(tiff, offset, order))
    except struct.error:  # a damaged block: what was understood of it holds
        pass
    return orientation, exif[:start] + bytes(tiff)


def exif_entries(tiff: bytearray, offset: int, order: str) -> dict[int, int]:
    """Position of each 12-byte entry of one directory, by its tag."""
    (count,) = struct.unpack_from(f"{order}H", tiff, offset)
    positions = [offset + 2 + 12 * i for i in range(count)]
    return {struct.unpack_from(f"{order}H", tiff, at)[0]: at for at in positions}


def _swap_sizes(tiff: bytearray, entries: dict[int, int]) -> None:
    if _PIXEL_WIDTH in entries and _PIXEL_HEIGHT in entries:
        wide, high = entries[_PIXEL_WIDTH] + 2, entries[_PIXEL_HEIGHT] + 2
        tiff[wide : wide + 10], tiff[high : high + 10] = (
            tiff[high : high + 10],
            tiff[wide : wide + 10],
        )


def _upright_xmp(xmp: bytes) -> bytes:
    """Set tiff:Orientation to 1, and drop what describes parts of the file that are not kept.

    Phones append gain maps, depth pictures and short videos to a JPEG and list them in its XMP; a
    viewer that believes the list would look for them in vain.
    """
    xmp = re.sub(rb"""(tiff:Orientation\s*(?:=\s*["']|>))\s*\d""", rb"\g<1>1", xmp)
    xmp = re.sub(
        rb"""\s(?:GCamera|hdrgm|xmpNote|GDepth|GImage):\w+\s*=\s*(?:"[^"]*"|'[^']*')""", b"", xmp
    )
    lost = rb"<((?:G?Container|GDepth|GImage):\w+)\b.*?</\1\s*>"
    return re.sub(lost, b"", xmp, flags=re.DOTALL)


def mark_box(mark: str) -> bytes:
    """Return the mark as a box for the end of an MP4 or a MOV file."""
    xmp = add_mark_to_xmp(None, mark, describe=True)[0]
    return (24 + len(xmp)).to_bytes(4, "big") + b"uuid" + XMP_BOX + xmp


def add_mark_to_xmp(xmp: bytes | None, mark: str, *, describe: bool) -> tuple[bytes, bool]:
    """Add the mark to an XMP packet; the flag says whether the packet's own fields were kept.

    `describe`: also offer the mark as the caption, unless the packet has one.
    """
    merged = _merge(xmp, mark, describe) if xmp else None
    if merged is not None:
        return merged, True
    fresh = _merge(_PACKET.encode(), mark, describe)
    assert fresh is not None
    return fresh, not xmp


def _merge(xmp: bytes, mark: str, describe: bool) -> bytes | None:
    """Return `xmp` with our description added, or None where it is not plain well-formed XMP."""
    try:
        text = _remove_mark(xmp.decode().strip("\0 \n\ufeff"))
    except UnicodeDecodeError:
        return None
    end = text.rfind("</rdf:RDF>")
    if end < 0 or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    own = _description(mark, with_caption=describe and "dc:description" not in text)
    merged = (text[:end] + own + text[end:]).encode()
    try:
        ElementTree.fromstring(merged)
    except (ElementTree.ParseError, LookupError, ValueError):  # broken, or a strange encoding
        return None
    return merged


def _remove_mark(text: str) -> str:
    """Remove an earlier mark and any other source type: the property may be there only once."""
    text = re.sub(rf'<rdf:Description [^>]*"{_REAGE_NAMESPACE}".*?</rdf:Description>', "", text)
    text = re.sub(r"""\s[\w.-]+:DigitalSourceType\s*=\s*("[^"]*"|'[^']*')""", "", text)
    return re.sub(r"<([\w.-]+:DigitalSourceType)\b[^>]*?(/>|>[^<]*</\1\s*>)", "", text)


def _description(mark: str, with_caption: bool) -> str:
    text = escape(re.sub(r"[\x00-\x1f\x7f]+", " ", mark))
    caption = (
        '<dc:description xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Alt>'
        f'<rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description>'
    )
    return (
        '<rdf:Description rdf:about="" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'xmlns:reage="{_REAGE_NAMESPACE}">'
        f"<Iptc4xmpExt:DigitalSourceType>{DIGITAL_SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
        f"<reage:Mark>{text}</reage:Mark>{caption if with_caption else ''}</rdf:Description>"
    )


def mark_in_xmp(xmp: bytes | None) -> str | None:
    """Return the text that `add_mark_to_xmp` put into a packet."""
    found = re.search(rb"<reage:Mark>(.*?)</reage:Mark>", xmp or b"")
    return unescape(found[1].decode("utf-8", errors="replace")) if found else None


def select_icc(profile: bytes | None, channels: int) -> bytes | None:
    """Return the profile if its colour space has as many colours as the picture, else None."""
    space = b"GRAY" if channels <= 2 else b"RGB "
    return profile if profile and profile[16:20] == space else None


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and payload of each chunk but the pixels."""
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">L", data, at)
        kind = data[at + 4 : at + 8]
        if kind != b"IDAT":
            yield kind, data[at + 8 : at + 8 + length]
        if kind == b"IEND":
            return
        at += 12 + length


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """Frame one chunk: length, type, payload, checksum."""
    checksum = zlib.crc32(payload, zlib.crc32(kind))
    return struct.pack(">L", len(payload)) + kind + payload + struct.pack(">L", checksum)


def select_png_chunks(data: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the chunks that a new PNG of the same photo should hold, too."""
    return tuple(
        (kind, payload)
        for kind, payload in png_chunks(data)
        if kind in _PNG_KEPT and not payload.startswith(_PNG_DUPLICATES)
    )


def as_bytes(value: object) -> bytes | None:
    """Accept what different plugins return for the same field."""
    if isinstance(value, tuple):
        value = bytes(value) if all(isinstance(v, int) for v in value) else value[0]
    if isinstance(value, str):
        value = value.encode()
    return value if isinstance(value, bytes) and value else None
