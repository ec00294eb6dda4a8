"""Conversion of the editor's inputs to one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps

from reage.errors import ImageError, UsageError
from reage.images import Photo, decode_photo, photo_from_array, read_photo
from reage.numbers import LARGEST

__all__ = ["Picture", "Target", "as_photo", "as_targets"]

# What `as_photo` takes.
Picture = str | PathLike[str] | bytes | BinaryIO | np.ndarray | Image.Image | Photo
Target = float | Mapping[int, float]  # one age for all chosen faces, or one by face number

OLDEST = 120.0  # years; an asked age beyond it is a slip of the pen
_TAKEN = "a file name, its bytes, an open file, an array, a Pillow image or a Photo"


def as_photo(image: Picture) -> Photo:
    """Take a picture as a file, its bytes, an open binary file, an array or a Pillow image.

    Arrays are uint8 or uint16: `[H, W]` grey, `[H, W, 3]` RGB or `[H, W, 4]` RGBA. Raises
    ImageError for a bad picture, UsageError for what is none.
    """
    if isinstance(image, Photo):
        return image
    if isinstance(image, str | PathLike):
        return read_photo(Path(image))
    if isinstance(image, bytes | bytearray | memoryview):
        return decode_photo(bytes(image), "the picture")
    if isinstance(image, Image.Image):
        return _from_array(_pillow_array(image))
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if callable(getattr(image, "read", None)):
        return _from_file(image)
    raise UsageError(f"{_kind(image)} is not a picture; give {_TAKEN}")


def _from_file(file: Any) -> Photo:
    name = getattr(file, "name", None)
    name = name if isinstance(name, str) else "the open file"
    try:
        data = file.read()
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise ImageError(f"{name} cannot be read ({error}); open it again") from error
    if not isinstance(data, bytes):
        raise UsageError(f"{name} gives {_kind(data)}, not bytes; open it with mode 'rb'")
    return decode_photo(data, name)


def _pillow_array(image: Image.Image) -> np.ndarray:
    try:
        upright = ImageOps.exif_transpose(image)
        has_alpha = upright.has_transparency_data
        return np.asarray(upright.convert("RGBA" if has_alpha else "RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"the Pillow image cannot be decoded ({error}); open it again") from error


def _from_array(array: np.ndarray) -> Photo:
    known = array.dtype in (np.uint8, np.uint16) and array.size
    if known and array.ndim == 2:
        return photo_from_array(np.repeat(array[..., None], 3, axis=2))
    if known and array.ndim == 3 and array.shape[2] == 3:
        return photo_from_array(array)
    if known and array.ndim == 3 and array.shape[2] == 4:
        colours = np.ascontiguousarray(array[..., :3])
        return Photo(pixels=colours, alpha=np.ascontiguousarray(array[..., 3]))
    raise UsageError(
        f"the array is {array.dtype} {list(array.shape)}; give RGB as [H, W, 3] uint8 or uint16"
    )


def _kind(value: object) -> str:
    name = type(value).__name__
    return "nothing (None)" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def as_targets(to: float | Sequence[Target] | Mapping[int, float]) -> list[Target]:
    """Check the target ages and list them. Raises UsageError."""
    given: Any = to.tolist() if isinstance(to, np.ndarray) else to
    several = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    targets: list[Any] = [*given] if several else [given]
    if not targets or {} in targets:
        raise UsageError("no age given; say for example to=70")
    for target in targets:
        pairs = target.items() if isinstance(target, Mapping) else [(1, target)]
        for number, age in pairs:
            _check_age(number, age)
    return targets


def _check_age(number: Any, age: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, Integral) or number < 1:
        raise UsageError(f"{number!r} is not a face; faces are numbers from 1, left to right")
    if isinstance(age, bool) or not isinstance(age, Real):
        raise UsageError(f"the age is {age!r}, {_kind(age)}; give a number of years such as 70")
    if not 0 <= age <= OLDEST:  # type: ignore[operator]
        huge = isinstance(age, Integral) and abs(int(age)) > LARGEST  # too large to be a float
        shown = "of so many digits" if huge else f"{age:g}"
        raise UsageError(f"the age {shown} is not between 0 and {OLDEST:g} years")
