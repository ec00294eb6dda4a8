"""Labels on pictures: text that fits its place, in the fonts that reage carries."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

__all__ = ["PAPER", "can_draw", "draw_text", "fitting_size", "is_rtl", "plain", "text_length"]

PAPER = (255, 255, 255)
SMALLEST = 9.0  # pixels; below it nothing can be read anyway
FONTS = Path(__file__).parents[1] / "assets" / "poster" / "fonts"
# What Pillow draws of Noto Sans without a shaping library: Latin, Greek, Cyrillic and their signs.
DRAWN = (
    (0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x1E00, 0x1EFF),
    (0x2010, 0x2027), (0x20A0, 0x20BF),
)  # fmt: skip
# Typst shapes other scripts, as in posters: once at this size, with the baseline at ABOVE.
SHAPED, ABOVE = 96, 1.1
SHEET = b"""#set page(width: auto, height: auto, margin: 0pt, fill: none)
#set text(font: ("Noto Sans", "Noto Sans Arabic", "Noto Sans Devanagari",
  "Noto Sans SC Words"), size: 96pt,
  top-edge: 1.1em, bottom-edge: -0.4em, dir: if sys.inputs.rtl == "yes" { rtl } else { ltr })
#sys.inputs.text"""


def can_draw(text: str) -> bool:
    """Return whether each letter has a font and its script can be shaped."""
    return _is_plain(text) or _shaped(text) is not None


def plain(text: str) -> str:
    """Return a text that can be drawn: letters without a font become "?"."""
    composed = unicodedata.normalize("NFC", text)
    return composed if can_draw(composed) else "".join(c if _is_plain(c) else "?" for c in composed)


def is_rtl(text: str) -> bool:
    """Return whether a text is written from right to left."""
    return any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text)


def text_length(text: str, size: float) -> float:
    """Return the width of a text that can be drawn, in pixels."""
    shaped = None if _is_plain(text) else _shaped(text)
    return _font(size).getlength(text) if shaped is None else shaped.width * size / SHAPED


def draw_text(
    image: Image.Image, left: float, base: float, text: str, ink: tuple[int, int, int], size: float
) -> None:
    """Write a text that can be drawn onto an RGB image, its baseline beginning at (left, base)."""
    shaped = None if _is_plain(text) else _shaped(text)
    if shaped is None:
        ImageDraw.Draw(image).text((left, base), text, ink, _font(size), anchor="ls")
        return
    scale = size / SHAPED
    seen = max(round(shaped.width * scale), 1), max(round(shaped.height * scale), 1)
    mask = shaped.resize(seen, Image.Resampling.LANCZOS)
    image.paste(ink, (round(left), round(base - ABOVE * size)), mask)


def fitting_size(texts: Sequence[str], width: float, size: float) -> float:
    """Return the largest font size up to `size` at which each text fits `width` pixels."""
    drawn = [plain(text) for text in texts]
    widest = max((text_length(text, size) for text in drawn), default=0.0)
    while widest > width and size > SMALLEST:
        size = max(min(size * width / widest * 0.995, size * 0.97), SMALLEST)
        widest = max(text_length(text, size) for text in drawn)
    return size


@lru_cache(maxsize=64)
def _font(size: float) -> ImageFont.FreeTypeFont:
    """Return the labels' font at a size in pixels."""
    return ImageFont.truetype(
        FONTS / "NotoSans-Regular.ttf", size, layout_engine=ImageFont.Layout.BASIC
    )


def _is_plain(text: str) -> bool:
    return all(any(first <= ord(c) <= last for first, last in DRAWN) for c in text)


@lru_cache(maxsize=256)
def _shaped(text: str) -> Image.Image | None:
    """Return a text's ink `L` at `SHAPED` pixels; None without Typst or a letter's font.

    Takes the carried fonts, and the system's where those are not enough.
    """
    try:
        import typst
    except ImportError:
        return None
    inputs = {"text": text, "rtl": "yes" if is_rtl(text) else "no"}
    for system in (False, True):
        options = {"font_paths": [str(FONTS)], "ignore_system_fonts": not system,
                   "sys_inputs": inputs}  # fmt: skip
        try:  # as this kind of PDF, Typst refuses letters that no font has
            typst.compile(SHEET, format="pdf", pdf_standards=["a-2u"], timestamp=0, **options)  # type: ignore[arg-type]
        except typst.TypstError:
            continue
        png = typst.compile(SHEET, format="png", ppi=72.0, **options)  # type: ignore[arg-type]
        with Image.open(io.BytesIO(png)) as image:  # type: ignore[arg-type]
            return image.getchannel("A")
    return None
