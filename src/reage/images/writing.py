"""Photos to files: whole or not at all, and never over an existing file unasked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reage.errors import ImageError
from reage.extras import how_to_install
from reage.files import Writer, check_place, open_file, write_file
from reage.images.encoding import can_write_heif, encode_photo
from reage.images.photo import Photo, photo_from_array
from reage.images.sources import HEAD, picture_format

__all__ = [
    "FORMATS",
    "USUAL_SUFFIX",
    "WrittenFile",
    "check_target",
    "save_array",
    "suffix_of",
    "write_photo",
]

FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIF"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".png": "PNG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".gif": "GIF",
}


# By the name of a format.
USUAL_SUFFIX = {kind: f".{kind.lower()}" for kind in FORMATS.values()} | {
    "JPEG": ".jpg",
    "HEIF": ".heic",
    "TIFF": ".tif",
}


def suffix_of(path: Path) -> str:
    """Return a photo's suffix or, where that names no format, the usual one of its content."""
    if path.suffix.lower() in FORMATS:
        return path.suffix
    try:
        with open_file(path) as file:
            return USUAL_SUFFIX[picture_format(file.read(HEAD), path)]
    except (OSError, ValueError, ImageError):  # reading it says what is wrong
        return path.suffix


@dataclass(frozen=True)
class WrittenFile:
    """Where a picture went, and what could not be kept on the way."""

    path: Path  # differs from the one asked for where its format cannot be written
    notices: tuple[str, ...] = ()  # one line each


def check_target(path: str | Path, *, overwrite: bool = False) -> WrittenFile:
    """Say where a picture for `path` would go; ImageError if it could not, before any work."""
    asked = Path(path)
    format = FORMATS.get(asked.suffix.lower())
    if format is None:
        known = " ".join(FORMATS)
        raise ImageError(f"{asked} has no suffix that reage writes: choose one of {known}")
    target, notices = asked, ()
    if format == "HEIF" and not can_write_heif():
        target = asked.with_suffix(".jpg")
        hint = f"to write HEIC, {how_to_install('heic')}"
        notices = (f"{asked.name} is written as {target.name}: {hint}",)
    elif format == "GIF":
        target = asked.with_suffix(".png")
        notices = (f"{asked.name} is written as {target.name}: GIF has only 256 colours",)
    check_place(target, overwrite)
    return WrittenFile(target, notices)


def write_photo(
    photo: Photo,
    path: str | Path,
    *,
    mark: str | None,
    overwrite: bool = False,
    write: Writer = write_file,
) -> WrittenFile:
    """Write in the format of the suffix, with the mark unless it is None.

    Raises ImageError where that is impossible; then no file appears and none changes.
    """
    planned = check_target(path, overwrite=overwrite)
    target = planned.path
    try:
        data, notices = encode_photo(photo, FORMATS[target.suffix.lower()], mark)
    except ImageError as error:
        raise ImageError(f"{target}: {error}") from error
    write(target, data, overwrite=overwrite)
    named = tuple(f"{target.name}: {notice}" for notice in notices)
    return WrittenFile(target, (*planned.notices, *named))


def save_array(
    array: np.ndarray,
    path: str | Path,
    *,
    mark: str | None = None,
    overwrite: bool = False,
    write: Writer = write_file,
) -> WrittenFile:
    """Write uint8 or uint16 RGB pixels [H, W, 3] that come from no file."""
    return write_photo(photo_from_array(array), path, mark=mark, overwrite=overwrite, write=write)
