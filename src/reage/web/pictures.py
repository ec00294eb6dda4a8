"""The one place where pictures become bytes for the page: what was made is marked as such."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from reage.errors import UsageError
from reage.images import Photo, encode_photo
from reage.images.metadata import add_mark_to_xmp
from reage.images.writing import FORMATS
from reage.outputs.animation_files import write_moving

__all__ = [
    "MARK",
    "SUFFIXES",
    "MadeFile",
    "as_file",
    "as_moving",
    "as_shown",
    "made_by",
    "made_pictures",
    "picture_in",
]

SUFFIXES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".tif": "image/tiff",
}
MARK = "Edited by reage, partly synthetic"
THUMBNAIL = 320  # pixels, the longer side
JPEG_QUALITY = 88  # of what is only looked at
DRAFT_QUALITIES = 50, 30  # the first that fits
DRAFT_BYTES = 4000  # which a line of 1 Mbit/s brings in 32 ms


@dataclass(frozen=True)
class MadeFile:
    """A file to save, and what could not be done or kept, one line each."""

    data: bytes
    notices: tuple[str, ...] = ()


def made_by(what: str = "") -> str:
    """What a made picture says of itself."""
    return f"{MARK}: {what}" if what else MARK


def as_shown(pixels: np.ndarray, mark: str | None = MARK, *, draft: bool = False) -> bytes:
    """Pixels `[H, W, 3]` uint8 as a JPEG to look at, which a browser can save too.

    Without a mark only where they are the photo's own. A draft is a WebP, which takes a third of
    the bytes.
    """
    file = io.BytesIO()
    xmp = b"" if mark is None else add_mark_to_xmp(None, mark, describe=True)[0]
    marked = {"xmp": xmp} if xmp else {}
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if not draft:
        image.save(file, "JPEG", quality=JPEG_QUALITY, **marked)
    for quality in DRAFT_QUALITIES if draft else ():
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, method=2, **marked)
        if file.tell() <= DRAFT_BYTES:
            break
    return file.getvalue()


def as_file(photo: Photo, suffix: str, mark: str, notices: Sequence[str] = ()) -> MadeFile:
    """A made photo as a file, `notices` first; UsageError for a suffix that is not offered."""
    if suffix not in SUFFIXES:
        raise UsageError(f"{suffix} is not offered here; take one of {' '.join(SUFFIXES)}")
    data, lost = encode_photo(photo, FORMATS[suffix], mark)
    return MadeFile(data, (*notices, *lost))


def as_moving(frames: Iterable[np.ndarray], path: Path, fps: int, mark: str) -> None:
    """Write made frames `[H, W, 3]` to a new file."""
    write_moving(frames, path, fps, mark=mark)


def made_pictures(archive: Path) -> list[str]:
    """Return the names of the pictures in a ZIP of ours, sorted; none where it is another file."""
    if not zipfile.is_zipfile(archive):
        return []
    with zipfile.ZipFile(archive) as opened:
        return sorted(
            name for name in opened.namelist() if PurePath(name).suffix.lower() in FORMATS
        )


def picture_in(archive: Path, name: str) -> bytes:
    """Return a picture of a ZIP of ours as a small JPEG."""
    with zipfile.ZipFile(archive) as opened, opened.open(name) as file:
        image = Image.open(io.BytesIO(file.read()))
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        return as_shown(np.asarray(image.convert("RGB")))
