"""Photos to files: whole or not at all, and never over an existing file unasked."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np

from reage.errors import ImageError
from reage.extras import how_to_install
from reage.images.encoding import can_write_heif, encode_photo
from reage.images.photo import Photo, photo_from_array

__all__ = [
    "FORMATS",
    "WrittenFile",
    "check_place",
    "check_target",
    "save_array",
    "write_photo",
    "write_whole",
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
    photo: Photo, path: str | Path, *, mark: str | None, overwrite: bool = False
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
    write_whole(data, target, overwrite)
    named = tuple(f"{target.name}: {notice}" for notice in notices)
    return WrittenFile(target, (*planned.notices, *named))


def save_array(
    array: np.ndarray, path: str | Path, *, mark: str | None = None, overwrite: bool = False
) -> WrittenFile:
    """Write uint8 or uint16 RGB pixels [H, W, 3] that come from no file."""
    return write_photo(photo_from_array(array), path, mark=mark, overwrite=overwrite)


def check_place(target: Path, overwrite: bool) -> None:
    """Raise ImageError where a file could not be written, before any work."""
    with _named_errors(target):
        if target.is_dir():
            raise ImageError(f"{target} is a folder: name a file in it")
        if not target.parent.is_dir():
            raise ImageError(f"the folder {target.parent} does not exist: create it first")
        if target.exists() and not overwrite:
            raise ImageError(f"{target} exists already: choose another name, or use --overwrite")


def write_whole(data: bytes, target: Path, overwrite: bool) -> None:
    """Write beside the target, then rename: readers see the old file or the new one.

    Raises ImageError where that is impossible or, without `overwrite`, the file is there.
    """
    with _named_errors(target):
        place = target.resolve()  # behind a link: the link stays
        temporary = place.with_name(f".{uuid4().hex}.part")
        try:
            with temporary.open("xb") as file:
                file.write(data)
            if place.exists():
                temporary.chmod(stat.S_IMODE(place.stat().st_mode))
            check_place(target, overwrite)  # it may have appeared meanwhile
            os.replace(temporary, place)
        except BaseException:  # an interrupt, too, leaves nothing behind
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


@contextmanager
def _named_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise ImageError(f"{target} may not be written: choose another folder") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or "not a file name"
        raise ImageError(f"{target} cannot be written ({reason}): nothing was changed") from error
