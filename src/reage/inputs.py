"""Conversion of the editor's inputs to one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from reage.errors import UsageError
from reage.images import Photo, photo_from_array, read_photo

__all__ = ["Target", "as_photo", "as_targets"]

Target = float | Mapping[int, float]  # one age for all chosen faces, or one by face number

OLDEST = 120.0  # years; an asked age beyond it is a slip of the pen


def as_photo(image: str | Path | np.ndarray | Image.Image | Photo) -> Photo:
    """Take a picture as a file, an array `[H, W, 3]` uint8 or uint16 RGB, or a Pillow image."""
    if isinstance(image, Photo):
        return image
    if isinstance(image, str | Path):
        return read_photo(image)
    if isinstance(image, Image.Image):
        image = np.asarray(image.convert("RGB"))
    if image.dtype not in (np.uint8, np.uint16) or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(
            f"the array is {image.dtype} {list(image.shape)}; give RGB as [H, W, 3] uint8 or uint16"
        )
    return photo_from_array(image)


def as_targets(to: float | Sequence[Target] | Mapping[int, float]) -> list[Target]:
    """Check the target ages and list them."""
    targets: list[Target] = list(to) if isinstance(to, Sequence) else [to]
    if not targets or {} in targets:
        raise UsageError("no age given; say for example to=70")
    for target in targets:
        for age in target.values() if isinstance(target, Mapping) else [target]:
            if not 0 <= age <= OLDEST:
                raise UsageError(f"the age {age:g} is not between 0 and {OLDEST:g} years")
    return targets
