"""Labelled rows of pictures: the photo, and the face at several ages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reage.faces.face import Face
from reage.images import Photo, as_srgb
from reage.outputs.labels import PAPER, draw_text, is_rtl, plain, text_length
from reage.outputs.picture_words import PictureWords
from reage.types import Result

__all__ = ["Panel", "draw_strip", "result_strip", "runs_leftwards"]

PANEL = 384  # pixels, side of a panel in a strip of a face
LABEL = 0.11  # height of the label, fraction of the panel
AROUND = 1.35  # side of the square shown, in FFHQ squares: some of the photo around the face
INK, FAINT = (24, 24, 28), (110, 110, 118)


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture with its two-part label."""

    picture: np.ndarray  # [H, W, 3] uint8
    label: str
    note: str = ""  # smaller, behind it


def result_strip(result: Result, language: str = "en", source: str = "photo") -> np.ndarray:
    """Draw the input, a photo or a code, and its edits side by side; crop to a single face."""
    words = PictureWords(language)
    before = words.looking([face.view.reading.age for face in result.prepared])
    box = _around(result.prepared[0].view.face) if len(result.prepared) == 1 else None
    panels = [Panel(_cut(result.photo, box), words[source], before)]
    for edit in result.edits:
        same = edit.photo.pixels.shape == result.photo.pixels.shape
        goals = [_target_label(face.asked, face.strength) for face in edit.faces]
        asked = goals[0] if len(set(goals)) == 1 else ", ".join(goals)
        read = words.looking([face.after.age for face in edit.faces])
        picture = _cut(edit.photo, box if same else None)
        panels.append(Panel(picture, asked, read))
    return draw_strip(panels)


def runs_leftwards(panels: Sequence[Panel]) -> bool:
    """Return whether panels are read from right to left, as their words are."""
    said = "".join(panel.note for panel in panels) or "".join(panel.label for panel in panels)
    return is_rtl(said)


def draw_strip(
    panels: Sequence[Panel], height: int = PANEL, leftwards: bool | None = None
) -> np.ndarray:
    """Set panels of one height in a row, labels below, `[H, W, 3]` uint8.

    `leftwards`: the first one at the right; None: as their words are read.
    """
    if runs_leftwards(panels) if leftwards is None else leftwards:
        panels = panels[::-1]
    band, gap = round(height * LABEL), max(height // 64, 2)
    pictures = [_to_height(panel.picture, height) for panel in panels]
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    strip = Image.new("RGB", (width, height + band), PAPER)
    x = 0
    for picture, panel in zip(pictures, panels, strict=True):
        strip.paste(picture, (x, 0))
        strip.paste(_label(panel, picture.width, band), (x, height))
        x += picture.width + gap
    return np.asarray(strip)


def _label(panel: Panel, width: int, band: int) -> Image.Image:
    label = Image.new("RGB", (width, band), PAPER)
    parts = [(plain(panel.label), INK, 1.0), (plain(panel.note), FAINT, 0.72)]
    if is_rtl(panel.label + panel.note):
        parts.reverse()
    size = band * 0.62
    while True:
        lengths = [text_length(text, size * share) for text, _, share in parts]
        total = sum(lengths) + size * 0.4
        if total <= width * 0.96 or size < 7:
            break
        size *= 0.92
    left, base = max((width - total) / 2, 0), band * 0.72
    for (text, ink, share), x in zip(parts, (left, left + total - lengths[1]), strict=True):
        draw_text(label, x, base, text, ink, size * share)
    return label


def _target_label(age: float | None, strength: float) -> str:
    return f"{strength:+.3g}" if age is None else f"{age:g}"


def _around(face: Face) -> tuple[float, float, float]:
    x0, y0, x1, y1 = face.box
    return (x0 + x1) / 2, (y0 + y1) / 2, face.size * AROUND / 2


def _cut(photo: Photo, box: tuple[float, float, float] | None) -> np.ndarray:
    pixels = photo.rgb8
    if box is None:
        return as_srgb(pixels, photo.icc_profile)
    x, y, half = box
    height, width = pixels.shape[:2]
    half = min(half, height / 2, width / 2)
    left = int(np.clip(x - half, 0, width - 2 * half))
    top = int(np.clip(y - half, 0, height - 2 * half))
    side = max(int(2 * half), 1)
    return as_srgb(pixels[top : top + side, left : left + side], photo.icc_profile)


def _to_height(pixels: np.ndarray, height: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    width = max(round(image.width * height / image.height), 1)
    filter = Image.Resampling.LANCZOS if image.height > height else Image.Resampling.BICUBIC
    return image.resize((width, height), filter)
