"""Strips, grids, animations and posters, in one call each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reage.editor import Editor, Which
from reage.files import write_file
from reage.images import encode_photo, photo_from_array
from reage.inputs import Picture, as_photo
from reage.outputs.animation import Timing, plan_animation, play
from reage.outputs.animation_files import check_moving, write_moving
from reage.outputs.framing import frame_photo
from reage.outputs.grid import CELL, draw_grid, face_rows, page_dpi
from reage.outputs.page_files import check_page, save_page
from reage.outputs.picture_words import PictureWords
from reage.outputs.strip import result_strip
from reage.types import Result

__all__ = ["Drawing", "animate", "grid", "sheet", "strip"]

MARK = "Made by reage: synthetic ages"


@dataclass(frozen=True, eq=False, repr=False)
class Drawing:
    """A drawn picture, shown by notebooks and saved with the synthetic-media mark."""

    pixels: np.ndarray  # [H, W, 3] uint8

    def __repr__(self) -> str:
        return f"Drawing({self.pixels.shape[1]} x {self.pixels.shape[0]})"

    @property
    def image(self) -> Image.Image:
        """The picture, 8 bit RGB."""
        return Image.fromarray(self.pixels)

    def save(self, path: str | Path, *, mark: bool = True, overwrite: bool = False) -> Path:
        """Write PNG, JPEG, WebP, or PDF that fits A4. Raises ImageError."""
        dpi, text = page_dpi(self.pixels), MARK if mark else None
        return save_page(
            self.pixels, Path(path), mark=text, dpi=dpi, title="reage: ages", overwrite=overwrite
        ).path

    def _repr_png_(self) -> bytes:
        return encode_photo(photo_from_array(self.pixels), "PNG", MARK)[0]


def strip(result: Result, language: str = "en") -> Drawing:
    """Draw a photo and its edits side by side, with words in a language of posters."""
    return Drawing(result_strip(result, language))


def grid(results: Result | Iterable[Result], cell: int = CELL, language: str = "en") -> Drawing:
    """Draw a row for each face of the results, of cells of `cell` pixels."""
    several = [results] if isinstance(results, Result) else list(results)
    rows = [
        row
        for number, result in enumerate(several, 1)
        for row in face_rows(result, _name_of(result, number), language)
    ]
    return Drawing(draw_grid(rows, cell))


def _name_of(result: Result, number: int) -> str:
    return result.photo.path.stem if result.photo.path else f"{number}"


def animate(
    editor: Editor,
    image: Picture,
    first: float,
    last: float,
    path: str | Path,
    *,
    timing: Timing | None = None,
    size: int = 720,
    whole: bool = False,
    label: bool = False,
    language: str = "en",
    face: Which = "largest",
    mark: bool = True,
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Write an animation of a face from one age to another: MP4, GIF or WebP by the suffix.

    The ages are those in the face's reach. `size` is the longest side in pixels; `whole` shows the
    photo, not the square of the face; `label` writes the age on it, in a `language` of posters.
    `options` are those of `Editor.prepare`. Raises ImageError, FaceError or UsageError.
    """
    path, timing = Path(path), timing or Timing()
    check_moving(path, overwrite=overwrite)
    editor.required_ager()
    words, photo = PictureWords(language), as_photo(image)
    small, faces = frame_photo(photo, editor.choose_faces(photo, (), face), size, whole=whole)
    plan = plan_animation(
        editor.trace(small, editor.prepare(small, faces, **options)), first, last, timing
    )
    ages = f"{plan.ages[0]:.0f} to {plan.ages[-1]:.0f} years"
    text = f"Animated by reage, partly synthetic: {ages}" if mark else None
    plan = replace(plan, words=words["looks"])
    write_moving(play(plan, label=label), path, timing.fps, mark=text, overwrite=overwrite)
    return path


def sheet(
    editor: Editor,
    image: Picture,
    fields: Mapping[str, object],
    path: str | Path,
    *,
    looks: int = 3,
    face: Which = "largest",
    mark: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write a poster of a missing person: PDF or a picture by the suffix.

    `fields` are the poster's, as in its TOML file: born, missing_since, name, contacts, ...
    Raises ImageError, FaceError or UsageError.
    """
    from reage.outputs.poster.fields import fill_fields
    from reage.outputs.poster.pages import DPI, open_page
    from reage.outputs.poster.poster import MARK as POSTER_MARK
    from reage.outputs.poster.poster import make_poster

    path, filled = Path(path), fill_fields(fields)
    check_page(path, overwrite=overwrite)
    editor.required_ager()
    photo = as_photo(image)
    prepared = editor.prepare(photo, editor.choose_faces(photo, (), face))[0]
    poster = make_poster(editor, photo, prepared, filled, count=looks)
    text = POSTER_MARK if mark else None
    with open_page(poster) as page:
        if path.suffix.lower() == ".pdf":
            write_file(path, page.as_pdf(text), overwrite=overwrite)
        else:
            save_page(page.as_picture(), path, mark=text, dpi=DPI, overwrite=overwrite)
    return path
