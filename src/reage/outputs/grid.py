"""Grids of several people: a row for each face, a column for each age, labels that fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reage.faces.face import Face
from reage.images import Photo, as_srgb
from reage.outputs.framing import face_square
from reage.outputs.labels import PAPER, plain
from reage.outputs.picture_words import PictureWords
from reage.outputs.strip import Panel, draw_strip, runs_leftwards
from reage.types import Result

__all__ = ["CELL", "cut_to_face", "draw_grid", "face_rows", "page_dpi"]

CELL = 384  # pixels, side of a cell
AROUND = 1.35  # side of the square shown, in FFHQ squares
A4 = (8.27, 11.69)  # inches
MARGIN = 0.4  # inches that a printer leaves white


def face_rows(result: Result, name: str, language: str = "en") -> list[list[Panel]]:
    """Make a row of panels for each face: the photo under its name, then each target age."""
    words, rows = PictureWords(language), []
    for index, face in enumerate(result.prepared):
        square = face.view.face
        label = name if len(result.prepared) == 1 else words.of_face(name, face.view.number)
        reads = words.looking([face.view.reading.age])
        row = [Panel(_cut(result.photo, square), plain(label), reads)]
        for edit in result.edits:
            aged = edit.faces[index]
            asked = "" if aged.asked is None else f"{aged.asked:g}"
            reads = words.looking([aged.after.age])
            row.append(Panel(_cut(edit.photo, square), asked, reads))
        rows.append(row)
    return rows


def draw_grid(rows: Sequence[Sequence[Panel]], cell: int = CELL) -> np.ndarray:
    """Set rows of square panels below each other, `[H, W, 3]` uint8; short rows end in white.

    They run from right to left where their words do.
    """
    leftwards = runs_leftwards([panel for row in rows for panel in row])
    strips = [draw_strip(row, cell, leftwards) for row in rows]
    width, gap = max(strip.shape[1] for strip in strips), max(cell // 48, 2)
    height = sum(len(strip) for strip in strips) + gap * (len(strips) - 1)
    grid = np.full((height, width, 3), PAPER, np.uint8)
    y = 0
    for strip in strips:
        left = width - strip.shape[1] if leftwards else 0
        grid[y : y + len(strip), left : left + strip.shape[1]] = strip
        y += len(strip) + gap
    return grid


def cut_to_face(pixels: np.ndarray, face: Face, around: float = AROUND) -> np.ndarray:
    """Crop the square around a face from `[H, W, 3]`."""
    left, top, side, _ = face_square(face, pixels.shape[1], pixels.shape[0], around)
    return pixels[top : top + side, left : left + side]


def _cut(photo: Photo, face: Face) -> np.ndarray:
    """Crop the square around a face for a picture without a colour profile."""
    return as_srgb(cut_to_face(photo.rgb8, face), photo.icc_profile)


def page_dpi(picture: np.ndarray) -> float:
    """Return the resolution, dpi, at which a picture `[H, W, 3]` fits A4 in either orientation."""
    sides = sorted(picture.shape[:2])
    return max(side / (paper - 2 * MARGIN) for side, paper in zip(sides, A4, strict=True))
