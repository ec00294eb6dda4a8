"""Pictures of the report: grids of samples, rows of faces with captions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reage.evaluation.ageing import AgedRow

__all__ = ["ageing_sheet", "grid"]

TILE = 128  # pixels
HEAD, NOTE, TITLE = 18, 15, 120  # heights of the head and of a note, width of a title
GAP = 2
INK, FAINT, PAPER = (24, 24, 28), (110, 110, 118), (255, 255, 255)


def grid(pictures: Sequence[np.ndarray], columns: int, side: int = TILE) -> np.ndarray:
    """Set pictures in rows, `[H, W, 3]` uint8; white where none is left."""
    step = side + GAP
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * step - GAP, columns * step - GAP, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // columns * step, i % columns * step
        sheet[y : y + side, x : x + side] = _fit(picture, side)
    return sheet


def ageing_sheet(rows: Sequence[AgedRow], columns: Sequence[str]) -> np.ndarray:
    """One row a face under a head of column names, `[H, W, 3]` uint8."""
    step = TILE + NOTE + GAP
    size = (TITLE + len(columns) * (TILE + GAP), HEAD + len(rows) * step)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(13), ImageFont.load_default(11)
    for i, name in enumerate(columns):
        draw.text((_left_edge(i) + TILE / 2, HEAD / 2), name, INK, font, anchor="mm")
    for j, row in enumerate(rows):
        y = HEAD + j * step
        words = row.title.replace(" ", "\n")
        draw.multiline_text((4, y + TILE / 2), words, INK, font, anchor="lm")
        for i, (picture, note) in enumerate(zip(row.pictures, row.notes, strict=True)):
            sheet.paste(Image.fromarray(_fit(picture, TILE)), (_left_edge(i), y))
            below = (_left_edge(i) + TILE / 2, y + TILE + NOTE / 2)
            draw.text(below, note, FAINT, small, anchor="mm")
    return np.asarray(sheet)


def _left_edge(column: int) -> int:
    return TITLE + column * (TILE + GAP)


def _fit(picture: np.ndarray, side: int) -> np.ndarray:
    """The middle square of a picture at another size, `[side, side, 3]`."""
    height, width = picture.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    square = Image.fromarray(np.ascontiguousarray(picture[top : top + least, left : left + least]))
    filter = Image.Resampling.LANCZOS if least > side else Image.Resampling.BICUBIC
    return np.asarray(square if least == side else square.resize((side, side), filter))
