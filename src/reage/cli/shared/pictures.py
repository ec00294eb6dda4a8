"""Pictures by name or by pipe: `-` is stdin as an input and stdout as an output."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from reage.cli.shared.console import note_each
from reage.errors import ImageError, UsageError

if TYPE_CHECKING:
    from reage.images import Photo

__all__ = ["PIPE", "check_pipe", "digest", "name_of", "open_photo", "pipe_out", "pipe_suffix"]

PIPE = Path("-")


def name_of(path: Path) -> str:
    """Return the name of an input for people."""
    return "stdin" if path == PIPE else path.name


def open_photo(path: Path) -> Photo:
    """Read a photo from a file or, as `-`, from stdin, and tell its notices."""
    from reage.images import decode_photo, read_photo

    photo = decode_photo(_stdin(), "stdin") if path == PIPE else read_photo(path)
    note_each(photo.notices)
    return photo


def digest(path: Path) -> str:
    """Return the SHA-256 of an input's bytes."""
    from reage.models.files import file_sha256

    return hashlib.sha256(_stdin()).hexdigest() if path == PIPE else file_sha256(path)


def pipe_suffix() -> str:
    """Return the suffix for the format of the picture at stdin."""
    from reage.images.sources import picture_format
    from reage.images.writing import USUAL_SUFFIX

    return USUAL_SUFFIX[picture_format(_stdin(), Path("stdin"))]


def check_pipe() -> None:
    """Raise UsageError where a picture would go to the screen."""
    if sys.__stdout__ is None:
        raise UsageError("stdout is closed; add -o FILE or > FILE")
    if sys.stdout.isatty():
        raise UsageError("a picture to stdout needs a pipe or a file; add -o FILE or > FILE")


def pipe_out(photo: Photo, mark: str | None) -> tuple[str, ...]:
    """Write a picture to stdout, in its format where that can be written; returns notices."""
    from reage.images import check_target, encode_photo
    from reage.images.writing import FORMATS

    suffixes = {format: suffix for suffix, format in reversed(FORMATS.items())}
    target = check_target(Path(f"stdout{suffixes[photo.format]}"), overwrite=True)
    data, notices = encode_photo(photo, FORMATS[target.path.suffix], mark)
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise ImageError(f"stdout cannot be written ({error.strerror})") from error
    return (*target.notices, *notices)


@cache
def _stdin() -> bytes:
    if sys.stdin.isatty():
        raise UsageError("- reads a photo from a pipe, and there is none; give a file")
    return sys.stdin.buffer.read()
