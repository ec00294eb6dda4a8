"""Routes of an open photo's parts at full size, and of collages to share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import Response
from PIL import Image

from reage.errors import UsageError
from reage.images import photo_from_array
from reage.inputs import as_targets
from reage.outputs.grid import draw_grid
from reage.outputs.live import LiveFaces
from reage.outputs.strip import Panel
from reage.web.downloads import Row, amounts_of, full_size
from reage.web.files import attachment, named_after, span_name
from reage.web.photos import JPEG
from reage.web.pictures import MadeFile, as_file, as_shown, made_by
from reage.web.requests import (
    AskedLook,
    AskedWords,
    Focus,
    Look,
    OpenedPhoto,
    StudioOf,
    View,
    Words,
)
from reage.web.sessions import OpenPhoto
from reage.web.studio import Studio

__all__ = ["router"]

router = APIRouter(tags=["photos"])
Pixel = Annotated[int, Query(ge=0, le=100_000)]
Most = Annotated[int, Query(ge=64, le=4096, description="pixels a side at most")]
CELL = 720  # pixels, side of a picture in a collage
ACROSS = 3  # pictures in a row of a grid


@router.get("/photos/{photo_id}/detail", response_class=Response, responses=JPEG)
async def detail(
    photo: OpenedPhoto,
    studio: StudioOf,
    look: AskedLook,
    x: Pixel,
    y: Pixel,
    width: Annotated[int, Query(ge=1)],
    height: Annotated[int, Query(ge=1)],
    most: Most = 2048,
    view: View = "whole",
    face: Focus = 0,
) -> Response:
    """A part of the photo as it would be saved, in its own pixels: what a close look shows."""
    box = (x, y, width, height)
    data = await studio.do_large(_detail, studio, photo, look, box, most, view, face)
    return Response(data, media_type="image/jpeg")


def _detail(
    studio: Studio,
    photo: OpenPhoto,
    look: Look,
    box: tuple[int, int, int, int],
    most: int,
    view: str,
    focus: int,
) -> bytes:
    if look.paste == "none":
        raise UsageError("a made face alone has no more detail than what is shown")
    changed = bool(look.ages) or look.direction is not None
    pixels = (full_size(studio, photo, look, view, focus).photo if changed else photo.photo).rgb8
    x, y, width, height = box
    part = pixels[y : y + height, x : x + width]
    if not part.size:
        raise UsageError("this part lies outside the photo")
    image = Image.fromarray(np.ascontiguousarray(part))
    image.thumbnail((most, most), Image.Resampling.LANCZOS)
    return as_shown(np.asarray(image), look.mark if changed else None)


@router.get("/photos/{photo_id}/collage", response_class=Response)
async def collage(
    photo: OpenedPhoto,
    studio: StudioOf,
    look: AskedLook,
    to: Row,
    words: AskedWords,
    layout: Literal["pair", "grid"] = "pair",
    view: View = "whole",
    face: Focus = 0,
) -> Response:
    """Before and after side by side as shown in a view, or a grid of the ages `to`: a JPEG."""
    if look.direction is not None or (layout == "pair" and not look.ages):
        raise UsageError("a collage shows ages; give ages=FACE:AGE,... such as ages=1:70")
    if layout == "grid":
        as_targets(to)
    photo.check_chosen(look.ages)
    amounts = amounts_of(studio, look)
    live = await studio.look(photo, look.paste, "near", face, amounts)
    number = live.traced.faces[0].view.number
    if layout == "pair":
        to = [look.ages.get(number, next(iter(look.ages.values())))]
    shown_in = "face" if layout == "grid" else view, number
    strengths = [
        studio.shown_strengths(photo, {number: age}, look.paste, *shown_in, amounts) for age in to
    ]
    work = partial(_collage, live, to, strengths, words)
    data = await studio.do(photo.rest, work, kind="rest")
    of = look.name if layout == "pair" else f"{span_name(to)}{look.kind}"
    return attachment(data, named_after(photo.name, f"{of}-{layout}", ".jpg"), "image/jpeg")


def _collage(
    live: LiveFaces, to: list[float], strengths: Sequence[dict[int, float] | None], words: Words
) -> MadeFile:
    face = live.traced.faces[0]
    panels = [Panel(live.traced.search.photo.rgb8, words.of_photo(face.view.reading.age))]
    for age, shown in zip(to, strengths, strict=True):
        pixels, _ = live.at({face.view.number: age}, strengths=shown)
        panels.append(Panel(pixels, f"{age:g}"))
    across = 2 if len(panels) in (2, 4) else ACROSS
    rows = [panels[i : i + across] for i in range(0, len(panels), across)]
    ages = ", ".join(f"{age:g}" for age in to)
    return as_file(
        photo_from_array(draw_grid(rows, CELL)), ".jpg", made_by(f"face at {ages} years")
    )
