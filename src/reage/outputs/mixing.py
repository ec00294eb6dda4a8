"""Style mixing of two people by level: coarse features of one, the rest of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from reage.agers.base import PreparedFace
from reage.editor import Editor
from reage.errors import UsageError
from reage.images import Photo, as_srgb
from reage.inversion.style_mixing import mix
from reage.inversion.variation import named_levels
from reage.numbers import read_whole
from reage.outputs.grid import cut_to_face
from reage.outputs.labels import plain
from reage.outputs.picture_words import PictureWords
from reage.outputs.strip import Panel
from reage.types import Edit

__all__ = ["Person", "level_numbers", "mix_person", "mix_rows"]


@dataclass(frozen=True, eq=False)
class Person:
    """One inverted face of one photo."""

    name: str
    photo: Photo
    face: PreparedFace


def mix_person(
    editor: Editor,
    one: Person,
    other: Person,
    levels: Iterable[int],
    amount: float = 1.0,
) -> Edit:
    """Show one person with some levels of another's code, or an `amount` of the way there."""
    ws = one.face.ws.lerp(mix(one.face.ws, other.face.ws, levels), amount)
    return editor.show(one.photo, [one.face.with_code(ws)])


def mix_rows(
    editor: Editor,
    one: Person,
    other: Person,
    amount: float = 1.0,
    on_mixed: Callable[[int, int], None] = lambda done, total: None,
    language: str = "en",
) -> list[list[Panel]]:
    """Make two rows of panels: each person, then with coarse, middle, fine levels of the other.

    `on_mixed` hears how many panels of all are done.
    """
    rows: list[list[Panel]] = []
    words = PictureWords(language)
    total = 2 * len(named_levels(one.face.ws.shape[1]))
    for first, second in ((one, other), (other, one)):
        row = [_own_panel(first, words)]
        rows.append(row)
        for panel in _mixed_panels(editor, first, second, amount, words):
            row.append(panel)
            on_mixed(sum(map(len, rows)) - len(rows), total)
    return rows


def _own_panel(one: Person, words: PictureWords) -> Panel:
    own = words.looking([one.face.view.reading.age])
    return Panel(_cut_face(one, one.photo.rgb8), plain(one.name), own)


def _mixed_panels(
    editor: Editor, one: Person, other: Person, amount: float, words: PictureWords
) -> Iterator[Panel]:
    for name, levels in named_levels(one.face.ws.shape[1]).items():
        edit = mix_person(editor, one, other, levels, amount)
        picture = edit.photo.rgb8 if one.face.paste == "none" else _cut_face(one, edit.photo.rgb8)
        note = words.looking([edit.faces[0].after.age])
        yield Panel(picture, plain(words.of_mix(other.name, name, amount)), note)


def _cut_face(person: Person, pixels: np.ndarray) -> np.ndarray:
    return as_srgb(cut_to_face(pixels, person.face.view.face), person.photo.icc_profile)


def level_numbers(text: str, num_ws: int) -> list[int]:
    """Read "coarse", "middle,fine" or "0-3,8" as levels of ws; UsageError names what is wrong."""
    names, levels = named_levels(num_ws), set()
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        first = read_whole(low, 0, num_ws - 1)
        last = read_whole(high, 0, num_ws - 1) if dash else first
        if part.strip() in names:
            levels |= set(names[part.strip()])
        elif first is not None and last is not None and first <= last:
            levels |= set(range(first, last + 1))
        else:
            raise UsageError(
                f"the levels {text!r:.60} are not understood; give {', '.join(names)}, or numbers "
                f"from 0 to {num_ws - 1} such as 0-3"
            )
    return sorted(levels)
