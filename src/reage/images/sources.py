"""A file in memory, recognised by its first bytes: suffixes are wrong too often."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reage.errors import ImageError

__all__ = ["HEAD", "Source", "other_kind", "picture_format"]

_READABLE = "JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP and GIF pictures"
HEAD = 64  # bytes that tell the format
_VIDEO, _RAW = "a video", "the raw file of a camera"
_SAVE_PLAIN = "save it as an ordinary JPEG, PNG or TIFF first"
_MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_OTHER_MAGIC = {
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or office document",
    b"8BPS": "a Photoshop document",
    b"FUJIFILMCCD-RAW": _RAW,
    b"IIRO": _RAW,  # Olympus
    b"IIRS": _RAW,
    b"MMOR": _RAW,
    b"IIU\0": _RAW,  # Panasonic
    b"\0\0\0\x18ftypcrx ": _RAW,  # Canon
    b"\x1aE\xdf\xa3": _VIDEO,
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
}


@dataclass(frozen=True)
class Source:
    """A file in memory."""

    data: bytes
    path: Path
    format: str  # Pillow's name
    max_pixels: int

    def check_size(self, width: int, height: int, *, deep: bool = False) -> None:
        """Raise ImageError before too many pixels are decoded; `deep` ones, of 16 bits, are two."""
        most = self.max_pixels // 2 if deep else self.max_pixels
        if width * height > most:
            of, hint = (" of 16 bits", ", or save it in 8 bits") if deep else ("", "")
            raise ImageError(
                f"{self.path} has {width} x {height} pixels{of}, more than the {most:,} allowed: "
                f"scale it down{hint}"
            )

    def frame_notices(self, frames: int) -> tuple[str, ...]:
        """Say that only the first of several pictures is used."""
        if frames == 1:
            return ()
        if self.format == "HEIF":  # thumbnails and depth maps do not count
            return (f"{self.path.name}: {frames} pictures, only the main one is used",)
        if self.format == "TIFF":
            return (f"{self.path.name}: {frames} pages, only the first is used",)
        return (f"{self.path.name}: animated, only the first of {frames} frames is used",)

    def refused(self, found: str) -> ImageError:
        """Name what the file holds instead of a photo."""
        return ImageError(f"{self.path} {found}: {_SAVE_PLAIN}")


def picture_format(head: bytes, path: Path) -> str:
    """Return Pillow's name of the format; ImageError for anything but a picture."""
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        size = min(int.from_bytes(head[:4], "big"), len(head))
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, size, 4))]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if brands[0][:3] in (b"hei", b"hev", b"mif", b"msf"):
            return "HEIF"
    kind = other_kind(head)
    hints = {_VIDEO: "use reage video", _RAW: _SAVE_PLAIN}
    raise ImageError(f"{path} is {kind}: {hints.get(kind, f'reage reads {_READABLE}')}")


def other_kind(head: bytes) -> str:
    """Say what a file holds that is not a picture."""
    if not head:
        return "empty"
    for magic, name in _OTHER_MAGIC.items():
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp" or head[8:12] == b"AVI ":
        return _VIDEO
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in head):
        return "a web page" if head.lstrip()[:5].lower() in (b"<!doc", b"<html") else "a text file"
    return "not a picture"
