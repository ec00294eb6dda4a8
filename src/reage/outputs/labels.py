"""Labels on pictures: text that fits its place, in the font that reage carries."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

__all__ = ["PAPER", "fitting_size", "font", "plain"]

PAPER = (255, 255, 255)
SMALLEST = 9.0  # pixels; below it nothing can be read anyway
FONT = Path(__file__).parents[1] / "assets" / "poster" / "fonts" / "NotoSans-Regular.ttf"
# What Pillow draws of it without a shaping library: Latin, Greek, Cyrillic and their signs.
DRAWN = (
    (0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x1E00, 0x1EFF),
    (0x2010, 0x2027), (0x20A0, 0x20BF),
)  # fmt: skip


@lru_cache(maxsize=64)
def font(size: float) -> ImageFont.FreeTypeFont:
    """Return the labels' font at a size in pixels."""
    return ImageFont.truetype(FONT, size, layout_engine=ImageFont.Layout.BASIC)


def plain(text: str) -> str:
    """Keep to the font's letters, and replace others by "?"."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(c if any(a <= ord(c) <= b for a, b in DRAWN) else "?" for c in composed)


def fitting_size(texts: Sequence[str], width: float, size: float) -> float:
    """Return the largest font size up to `size` at which each text fits `width` pixels."""
    widest = max((font(size).getlength(plain(text)) for text in texts), default=0.0)
    while widest > width and size > SMALLEST:
        size = max(min(size * width / widest * 0.995, size * 0.97), SMALLEST)
        widest = max(font(size).getlength(plain(text)) for text in texts)
    return size
