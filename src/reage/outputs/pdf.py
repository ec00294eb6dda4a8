"""One picture on one page of a PDF, with the mark; the same picture gives the same bytes.

Pillow writes PDFs too, but neither XMP, where the mark belongs, nor without the time of day.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from reage.images.metadata import add_mark_to_xmp

__all__ = ["picture_as_pdf"]

QUALITY = 95  # of the JPEG in it
POINTS = 72.0  # an inch


def picture_as_pdf(picture: np.ndarray, dpi: float, *, mark: str | None, title: str = "") -> bytes:
    """Make a page as large as the picture `[H, W, 3]` uint8 is at so many dots an inch."""
    height, width = picture.shape[:2]
    w, h = width / dpi * POINTS, height / dpi * POINTS
    show = f"q {w:.3f} 0 0 {h:.3f} 0 0 cm /I Do Q".encode()
    xmp = b"" if mark is None else add_mark_to_xmp(None, mark, describe=True)[0]
    metadata = b" /Metadata 6 0 R" if xmp else b""
    jpeg = _jpeg(picture)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R" + metadata + b" >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {w:.3f} {h:.3f}] /Contents 4 0 R "
        "/Resources << /XObject << /I 5 0 R >> >> >>".encode(),
        _stream(b"", show),
        _stream(
            f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /BitsPerComponent 8 "
            "/ColorSpace /DeviceRGB /Filter /DCTDecode ".encode(),
            jpeg,
        ),
    ]
    if xmp:
        objects.append(_stream(b"/Type /Metadata /Subtype /XML ", xmp))
    objects.append(
        b"<< /Producer (reage) /Title " + _text(title) + b" /Subject " + _text(mark or "") + b" >>"
    )
    return _document(objects)


def _document(objects: list[bytes]) -> bytes:
    """Number the objects from 1 (the first is the catalog, the last the information)."""
    file, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % place for place in places)
    file += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        len(objects),
        table,
    )
    return bytes(file)


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<< %b/Length %d >>\nstream\n%b\nendstream" % (entries, len(data), data)


def _text(text: str) -> bytes:
    """A string of any letters, in hexadecimal UTF-16."""
    return b"<" + ("\ufeff" + text).encode("utf-16-be").hex().encode() + b">"


def _jpeg(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()
