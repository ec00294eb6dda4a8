"""Sheets of whole heads at several ages and at full size, for human raters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reage.fitting.heads import HeadRow

__all__ = ["AGES", "GROUPS", "choose_heads", "group_of", "head_row"]

AGES = (8, 20, 40, 60, 80)  # years
SIDE = 512  # pixels of a head
TITLE = 24  # pixels above it
# Name, years and skin tones (individual typology angle) of the groups, for each sex.
GROUPS = tuple(
    (f"{years}, {tone} skin", youngest, oldest, darkest, lightest)
    for years, youngest, oldest in (
        ("18 to 35", 18, 35),
        ("35 to 60", 35, 60),
        ("over 60", 60, 120),
    )
    for tone, darkest, lightest in (("darker", -90, 20), ("lighter", 20, 90))
)


def group_of(row: HeadRow) -> str | None:
    """Return a head's group of age and skin tone; None for children."""
    for name, low, high, dark, light in GROUPS:
        if low <= row.age < high and dark <= row.ita < light:
            return name
    return None


def choose_heads(rows: Iterable[HeadRow], count: int = 24) -> list[HeadRow]:
    """Choose heads evenly over sexes and groups, the sharpest first; always the same."""
    able = [row for row in rows if not row.grey]
    able.sort(key=lambda row: (-row.sharp_to, abs(row.yaw) > 12, row.name))
    groups = [
        [row for row in able if (row.sex, group_of(row)) == (sex, name)]
        for name, *_ in GROUPS
        for sex in ("female", "male")
    ]
    turns = [row for turn in zip_longest(*groups) for row in turn if row is not None]
    return turns[:count]


def head_row(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Set pictures of one head beside each other under their titles, `[H, W, 3]` uint8."""
    assert len(pictures) == len(titles), (len(pictures), len(titles))
    sheet = Image.new("RGB", (SIDE * len(pictures), SIDE + TITLE), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for i, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        image = Image.fromarray(picture)
        if image.width != SIDE:
            image = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        sheet.paste(image, (i * SIDE, TITLE))
        pen.text((i * SIDE + SIDE / 2, TITLE / 2), title, "black", font, anchor="mm")
    return np.asarray(sheet)
