"""What a picture file holds beside its picture, of which an edit can keep only a part.

Previews show the face as it was: they are dropped. Gain maps, depth maps, further pictures and
appended videos belong to the old picture: they are left out. All that is left out is said in one
line for each file.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from reage.images.heif_boxes import HEAD, count_thumbnails
from reage.images.image_resources import APP13, png_resources, select_resources
from reage.images.metadata import exif_entries, png_chunks
from reage.images.photo import Photo
from reage.images.sources import Source
from reage.images.tiff import TIFF_KNOWN, tiff_resources, tiff_tags, unused_channels

__all__ = ["drop_previews", "jpeg_segments", "leave_out"]

_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # neither a stuffed byte nor a restart
_MARKER = re.compile(rb"\xff(?:\xd9|[^\xff](?=..))", re.DOTALL)  # the end, or one with a length
_BEGIN, _MOST_PICTURES = b"\xff\xd8\xff", 64
# Of a hostile file no more is looked at: an honest JPEG has some hundred segments.
_MOST_SEGMENTS, _MOST_ENDLESS = 10_000, 8
_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_KEPT_SEGMENTS = {0xE0, 0xE1, 0xE2, 0xEC, 0xED, 0xEE, _COM}  # APP12: Photoshop's quality
_XMP, _MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_GAIN_MAP = re.compile(rb"hdrgm:|hdrgainmap|HDRGainMap|urn:iso:std:iso:ts:21496")
_DEPTH_MAP = re.compile(rb"GDepth:|depthmap|Semantic=\"Depth|auxid:2|systems:auxiliary:depth", re.I)
_VIDEO = re.compile(rb"ftyp(?!hei|hev|mif|msf|avi)|mpvd")
_XMP_PREVIEWS = re.compile(rb"<((?:xmp|xap):Thumbnails)\b.*?</\1\s*>", re.DOTALL)
_PNG_KNOWN = {b"IHDR", b"PLTE", b"IEND", b"tRNS", b"eXIf", b"iCCP", b"bKGD", b"hIST", b"sBIT",
              b"tIME", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"cHRM", b"sRGB", b"cICP", b"pHYs",
              b"tEXt", b"zTXt", b"iTXt"}  # fmt: skip
_CREDENTIALS = "Content Credentials (C2PA), which hold for the old picture only"
_WEBP_KNOWN = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "}
_TIFF_NAMED = {0xCD41: _CREDENTIALS, 37724: "Photoshop layers",
               330: "smaller or further pictures (SubIFD)"}  # fmt: skip
_TIFF_MAP = {33550, 33922, 34264, 34735, 34736, 34737}


def leave_out(source: Source, photo: Photo) -> Photo:
    """Drop old previews from a photo, add its IPTC block and one notice of what is left out."""
    find = {"JPEG": _jpeg_parts, "PNG": _png_parts, "HEIF": _heif_parts, "AVIF": _heif_parts,
            "TIFF": _tiff_parts, "WEBP": _webp_parts}.get(source.format)  # fmt: skip
    parts, blocks, comment = find(source.data) if find else ([], None, photo.comment)
    exif, previews = drop_previews(photo.exif)
    iptc, more = select_resources(blocks or photo.iptc or b"")
    xmp, cut = _XMP_PREVIEWS.subn(b"", photo.xmp or b"")
    previews += more + cut
    if source.format in ("HEIF", "AVIF"):
        previews += count_thumbnails(source.data)
    if previews:
        parts.append(f"{_count(previews, 'embedded preview')} of the old face")
    notices = photo.notices
    if parts:
        left = f"{_count(len(parts), 'thing')} left out: {'; '.join(parts)}"
        notices += (f"{source.path.name}: {left}",)
    return replace(
        photo, exif=exif, iptc=iptc, xmp=xmp or None, comment=comment or None, notices=notices
    )


def drop_previews(exif: bytes | None) -> tuple[bytes | None, int]:
    """Blank the thumbnail, and previews in maker notes, of an EXIF block; count them.

    The other bytes stay where they are, because maker notes hold absolute offsets.
    """
    if not exif:
        return exif, 0
    start = 6 if exif.startswith(b"Exif\0\0") else 0
    tiff, count = bytearray(exif[start:]), 0
    order = "<" if tiff[:2] == b"II" else ">"
    with suppress(struct.error):  # a damaged block: what was understood of it holds
        count = _unlink_thumbnail(tiff, order)
    for at, end in _pictures(bytes(tiff), 0, len(tiff)):
        tiff[at:end] = bytes(end - at)
        count += 1
    return exif[:start] + bytes(tiff), count


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _unlink_thumbnail(tiff: bytearray, order: str) -> int:
    """Blank the pixels that the second directory names, and the link to it."""
    (first,) = struct.unpack_from(f"{order}L", tiff, 4)
    link = first + 2 + 12 * struct.unpack_from(f"{order}H", tiff, first)[0]
    (second,) = struct.unpack_from(f"{order}L", tiff, link)
    struct.pack_into(f"{order}L", tiff, link, 0)
    if not second:
        return 0
    entries = exif_entries(tiff, second, order)
    for offset, length in ((513, 514), (273, 279)):  # a JPEG, or one strip of pixels
        if offset in entries and length in entries:
            (at,) = struct.unpack_from(f"{order}L", tiff, entries[offset] + 8)
            (size,) = struct.unpack_from(f"{order}L", tiff, entries[length] + 8)
            size = min(size, max(len(tiff) - at, 0))
            tiff[at : at + size] = bytes(size)
    return 1


def _pictures(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield where complete JPEGs begin and end; of a hostile file's many, only the first."""
    at, endless = data.find(_BEGIN, start, stop), 0
    for _ in range(_MOST_PICTURES):
        if at < 0 or endless == _MOST_ENDLESS:
            return
        end = jpeg_segments(data, at)[1]
        endless += not end
        if at < end <= stop:
            yield at, end
        at = data.find(_BEGIN, max(end, at + 1), stop)


def jpeg_segments(data: bytes, start: int = 0) -> tuple[list[tuple[int, bytes]], int]:
    """Return APPn and comment segments of a JPEG, and where its picture ends; 0: nowhere."""
    at, found = start + 2, []
    for _ in range(_MOST_SEGMENTS):
        marked = _MARKER.search(data, at)  # behind fill bytes
        if not marked:
            break
        at, marker = marked.start(), marked[0][1]
        if marker == _EOI:
            return found, at + 2
        if marker == 1 or 0xD0 <= marker <= _SOI:
            at += 2
        else:
            end = at + 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
            if 0xE0 <= marker <= 0xEF or marker == _COM:
                found.append((marker, data[at + 4 : end]))
            if marker == _SOS:
                following = _AFTER_SCAN.search(data, end)
                end = following.start() if following else len(data)
            at = end
    return found, 0


Parts = tuple[list[str], bytes | None, bytes | None]  # what is lost, image resources, comment


def _jpeg_parts(data: bytes) -> Parts:
    segments, end = jpeg_segments(data)
    described = [payload for marker, payload in segments if marker in (0xE1, 0xE2)]
    parts, rest = _behind(data, end or len(data), described)
    longer = sum(len(p) for p in described if p.startswith(_MORE_XMP))
    if longer:
        parts.append(f"extended XMP of {longer:,} bytes")
    if any(marker == 0xEB and b"jumb" in payload for marker, payload in segments):
        parts.append(_CREDENTIALS)
    odd = [m for m, p in segments if m not in _KEPT_SEGMENTS and not (m == 0xEB and b"jumb" in p)]
    if odd:
        names = ", ".join(sorted({f"APP{marker - 0xE0}" for marker in odd}))
        parts.append(f"{_count(len(odd), 'block')} of other programs ({names})")
    if rest:
        parts.append(f"{rest:,} bytes behind the picture")
    blocks = b"".join(p.removeprefix(APP13) for m, p in segments if m == 0xED and p[:14] == APP13)
    return parts, blocks, b"\n".join(payload for marker, payload in segments if marker == _COM)


def _behind(data: bytes, end: int, described: Sequence[bytes]) -> tuple[list[str], int]:
    """Name what follows the picture of a JPEG; the number is that of bytes without a name."""
    video = _VIDEO.search(data, end)
    until = max(video.start() - 4, end) if video else len(data)
    texts, count = list(described), 0
    for at, _ in _pictures(data, end, until):
        texts += [payload for _, payload in jpeg_segments(data, at)[0]]
        count += 1
    parts, named = [], bool(count or video)
    for name, sign in (("a gain map (HDR)", _GAIN_MAP), ("a depth map", _DEPTH_MAP)):
        if any(sign.search(text) for text in texts):
            parts.append(name)
            count = max(count - 1, 0)
    if count:
        parts.append("another picture" if count == 1 else f"{count} more pictures")
    if video:
        parts.append(f"a video of {len(data) - until:,} bytes (motion photo)")
    return parts, 0 if named else len(data[end:].strip(b"\0\xff"))


def _png_parts(data: bytes) -> Parts:
    chunks = list(png_chunks(data))
    kinds = [kind for kind, _ in chunks]
    parts = [_CREDENTIALS] if b"caBX" in kinds else []
    odd = [kind for kind in kinds if kind not in _PNG_KNOWN | {b"caBX"}]
    if odd:
        names = ", ".join(sorted({ascii(kind)[2:-1] for kind in odd})[:5])
        parts.append(f"{_count(len(odd), 'chunk')} of other programs ({names})")
    end = data.rfind(b"\0\0\0\0IEND")
    if 0 <= end < len(data) - 12:
        parts.append(f"{len(data) - 12 - end:,} bytes behind the picture")
    try:
        return parts, png_resources(chunks), None
    except (ValueError, zlib.error):
        return [*parts, "IPTC captions that are damaged"], None, None


def _heif_parts(data: bytes) -> Parts:
    head, parts = data[:HEAD], []
    if _GAIN_MAP.search(head) or b"tmap" in head:
        parts.append("a gain map (HDR)")
    if _DEPTH_MAP.search(head):
        parts.append("a depth map")
    if re.search(rb"aux:(semantic|portrait)\w+matte", head):
        parts.append("masks of hair and skin")
    at = 0
    while at + 8 <= len(data):  # the boxes of the file
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"mpvd":
            parts.append(f"a video of {size:,} bytes (motion photo)")
        if kind == b"uuid" and b"c2pa" in data[at : at + 64]:
            parts.append(_CREDENTIALS)
        at += size if size >= 8 else len(data)
    return parts, None, None


def _tiff_parts(data: bytes) -> Parts:
    tags = tiff_tags(data)
    parts = [name for tag, name in _TIFF_NAMED.items() if tag in tags]
    if _TIFF_MAP & set(tags):
        parts.append("a place on the map (GeoTIFF)")
    if more := unused_channels(tags):
        parts.append(_count(more, "further channel"))
    odd = sorted(set(tags) - TIFF_KNOWN - _TIFF_NAMED.keys() - _TIFF_MAP)
    if odd:
        parts.append(
            f"{_count(len(odd), 'tag')} of other programs ({', '.join(map(str, odd[:5]))})"
        )
    return parts, tiff_resources(tags), None


def _webp_parts(data: bytes) -> Parts:
    odd, at = [], 12
    while at + 8 <= len(data):  # the chunks of the file
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        odd += [kind] if kind not in _WEBP_KNOWN else []
        at += 8 + size + size % 2
    parts = [_CREDENTIALS] if b"C2PA" in odd else []
    names = ", ".join(sorted({ascii(kind)[2:-1] for kind in odd if kind != b"C2PA"})[:5])
    return [*parts, f"chunks of other programs ({names})"] if names else parts, None, None
