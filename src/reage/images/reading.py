"""Read picture files as Photos; anything else gives one clear line."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from reage.errors import ImageError
from reage.images.decoding import decode, decode_mark
from reage.images.photo import Photo
from reage.images.sources import HEAD, Source, picture_format

__all__ = ["MAX_PIXELS", "decode_photo", "read_mark", "read_photo"]

MAX_PIXELS = 250_000_000
# What Pillow, tifffile and libheif raise for damaged data.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    RuntimeError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    struct.error,
    zlib.error,
)


def read_photo(path: str | Path, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a picture file; ImageError if it is damaged, too large or not a picture."""
    return decode_photo(_file_bytes(Path(path)), path, max_pixels)


def decode_photo(data: bytes, path: str | Path, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a picture from the bytes of a file; `path` names it in messages."""
    source = _source(data, Path(path), max_pixels)
    with _named_errors(source):
        return decode(source)


def read_mark(path: str | Path) -> str | None:
    """Return the mark that reage wrote into a picture file, None if there is none."""
    source = _source(_file_bytes(Path(path)), Path(path), MAX_PIXELS)
    with _named_errors(source):
        return decode_mark(source)


def _source(data: bytes, path: Path, max_pixels: int) -> Source:
    return Source(data, path, picture_format(data[:HEAD], path), max_pixels)


def _file_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ImageError(
                f"{path} is a folder: name a picture file in it, or age all with reage batch"
            )
        if path.exists() and not path.is_file():
            raise ImageError(f"{path} is a device or pipe: copy the picture to a file first")
        with path.open("rb") as file:
            head = file.read(HEAD)
            picture_format(head, path)  # refuses a large video before it is read
            return head + file.read()
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist: check the name") from error
    except PermissionError as error:
        raise ImageError(f"{path} may not be read: change its permissions") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or "not a file name"
        raise ImageError(f"{path} cannot be read ({reason}): check name and disk") from error


@contextmanager
def _named_errors(source: Source) -> Iterator[None]:
    """Turn what the decoders raise into one line, and keep their warnings from the user."""
    path, kind = source.path, source.format
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:  # Pillow's own limit, in its TIFF, GIF, WebP
        raise ImageError(f"{path} has too many pixels for a {kind}: scale it down") from error
    except MemoryError as error:
        raise ImageError(f"{path} needs more memory than there is: scale it down") from error
    except _DAMAGED as error:
        raise ImageError(
            f"{path} is a {kind} file that is damaged or cut short: get it again from its source"
        ) from error
