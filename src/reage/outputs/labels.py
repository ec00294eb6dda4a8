"""Labels on pictures: text that fits its place, in Pillow's own font."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

__all__ = ["FAINT", "INK", "PAPER", "fitting_size", "font", "plain", "wrap_text", "write"]

INK, PAPER, FAINT = (24, 24, 28), (255, 255, 255), (110, 110, 118)
SMALLEST = 9.0  # pixels; below it nothing can be read anyway
_INSTEAD = str.maketrans(
    {"–": "-", "—": "-", "→": "to", "×": "x", "ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O",
     "æ": "ae", "Æ": "AE", "ı": "i", "đ": "d", "Đ": "D"}
)  # fmt: skip
_DRAWN = "·±°“”‘’…"  # besides ASCII


@lru_cache(maxsize=64)
def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font at a size in pixels."""
    return ImageFont.load_default(size)


def plain(text: str) -> str:
    """Keep to the font's letters: drop accents, and replace unknown letters by "?"."""
    letters = unicodedata.normalize("NFKD", text.translate(_INSTEAD))
    kept = (c for c in letters if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" or c in _DRAWN else "?" for c in kept)


def fitting_size(texts: Sequence[str], width: float, size: float) -> float:
    """Return the largest font size up to `size` at which each text fits `width` pixels."""
    widest = max((font(size).getlength(plain(text)) for text in texts), default=0.0)
    while widest > width and size > SMALLEST:
        size = max(min(size * width / widest * 0.995, size * 0.97), SMALLEST)
        widest = max(font(size).getlength(plain(text)) for text in texts)
    return size


def _shorten(text: str, width: float, size: float) -> str:
    whole = plain(text)
    if font(size).getlength(whole) <= width:
        return text
    while whole and font(size).getlength(whole + "…") > width:
        whole = whole[:-1]
    return whole + "…"


def wrap_text(text: str, width: float, size: float) -> list[str]:
    """Break a text into lines of at most `width` pixels; a longer word stands alone."""
    lines: list[str] = []
    for word in plain(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def write(
    page: Image.Image,
    place: tuple[float, float],
    text: str,
    size: float,
    *,
    ink: tuple[int, int, int] = INK,
    anchor: str = "la",
    width: float | None = None,
) -> None:
    """Write one line at a place; shrink and then shorten it to fit `width` pixels."""
    if width is not None:
        size = fitting_size([text], width, size)
        text = _shorten(text, width, size)
    ImageDraw.Draw(page).text(place, plain(text), ink, font(size), anchor=anchor)
