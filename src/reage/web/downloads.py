"""Routes of what is saved of an open photo: itself, a row, an animation, codes, a project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

import torch
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from reage.compositing.change import Amounts
from reage.errors import UsageError
from reage.images import photo_from_array
from reage.inputs import as_targets
from reage.outputs.animation import (
    AnimationPlan,
    Timing,
    plan_animation,
    plan_strengths,
    play,
)
from reage.outputs.animation_files import check_moving
from reage.outputs.framing import frame_prepared
from reage.outputs.live import LiveFaces, look_along
from reage.outputs.project import Project, pack_project
from reage.outputs.project_facts import read_edits
from reage.outputs.strip import Panel, draw_strip
from reage.search.age_search import Reached
from reage.types import Edit
from reage.web.answers import JobAnswer, PhotoAnswer, about_job
from reage.web.files import attachment, named_after, span_name
from reage.web.jobs import Job
from reage.web.pictures import SUFFIXES, MadeFile, as_file, as_moving
from reage.web.requests import (
    AskedLook,
    AskedWords,
    Focus,
    Look,
    OpenedPhoto,
    OwnSession,
    Paste,
    StudioOf,
    Suffix,
    View,
    Words,
    received,
    upload_body,
)
from reage.web.sessions import OpenPhoto
from reage.web.studio import Studio

__all__ = ["Row", "amounts_of", "full_size", "router"]

router = APIRouter(tags=["downloads"])
Moving = Literal[".mp4", ".gif", ".webp"]
Row = Annotated[
    list[float],
    Query(default_factory=list, max_length=12, description="years; not with a direction"),
]
SIDE = {".mp4": 720, ".webp": 400, ".gif": 320}  # pixels of an animation
FPS = {".mp4": 25, ".webp": 15, ".gif": 12}
PANELS = 7  # of a row of strengths: an odd number, so that one of them is 0


@router.get("/photos/{photo_id}/download", response_class=Response)
async def download(
    photo: OpenedPhoto,
    studio: StudioOf,
    look: AskedLook,
    suffix: Suffix = ".jpg",
    view: View = "whole",
    face: Focus = 0,
) -> Response:
    """The photo at full size as it is shown in a view, marked as partly synthetic."""
    data = await studio.do_large(_download, studio, photo, look, suffix, view, face)
    return attachment(data, named_after(photo.name, look.name, suffix), SUFFIXES[suffix])


def _download(
    studio: Studio, photo: OpenPhoto, look: Look, suffix: str, view: str, focus: int
) -> MadeFile:
    edit = full_size(studio, photo, look, view, focus)
    return as_file(edit.photo, suffix, look.mark, edit.notices)


def full_size(studio: Studio, photo: OpenPhoto, look: Look, view: str, focus: int) -> Edit:
    """The photo at full size with a look; the newest is kept, for what is looked at closely.

    As it was shown in a view, or the whole; what was not shown yet is searched.
    """
    kept = photo.kept  # before the work, meanwhile faces may be chosen
    shown = None
    if look.direction is None:
        amounts = amounts_of(studio, look)
        shown = studio.shown_strengths(photo, look.ages, look.paste, view, focus, amounts)
    key = repr((look, shown))
    if key not in kept.full:
        if look.direction is not None:
            made = _moved(studio, photo, look)
        else:
            made = _aged(studio, photo, look, shown)
        kept.full = {key: replace(made, pasted=())}
    return kept.full[key]


def _aged(studio: Studio, photo: OpenPhoto, look: Look, shown: Mapping[int, float] | None) -> Edit:
    """The whole photo, at the strengths that were `shown`, or with the search for the exact age."""
    look.check_asked()
    photo.check_chosen(look.ages)
    faces = studio.faces(photo, look.paste)
    if look.paste != "none":  # where faces are alone, all are shown
        faces = [face for face in faces if face.view.number in look.ages]
    amounts = amounts_of(studio, look)
    if shown and look.paste != "none":
        search = studio.editor.search(
            photo.photo, studio.editor.required_ager(), look.paste, amounts=amounts
        )
        ages = ((face, look.ages[face.view.number]) for face in faces)
        return search.apply(
            [(face, Reached(shown[face.view.number], age, age, None)) for face, age in ages]
        )
    return studio.editor.trace(photo.photo, faces, amounts=amounts).edit(look.ages)


def amounts_of(studio: Studio, look: Look) -> Amounts:
    """How much of each part of the change a look shows."""
    return studio.editor.amounts(look.hair, look.skin, look.shape)


def _moved(studio: Studio, photo: OpenPhoto, look: Look) -> Edit:
    direction = look.direction or ""
    studio.directions.span(direction)  # a name that is none is said before a missing code
    faces = studio.faces(photo, look.paste, coded=True)
    ager = studio.directions.ager(direction)
    (edit,) = studio.editor.move(photo.photo, faces, ager, [look.strength])
    return edit


@router.get("/photos/{photo_id}/strip", response_class=Response)
async def strip(
    photo: OpenedPhoto,
    studio: StudioOf,
    look: AskedLook,
    to: Row,
    words: AskedWords,
    face: Focus = 0,
) -> Response:
    """One chosen face at a row of ages, or of strengths of a direction, labelled: a PNG."""
    if look.direction is None and not to:
        raise UsageError("no ages are asked for; give some, such as to=20&to=40&to=60")
    if look.direction is None:
        as_targets(to)
        live = await studio.look(photo, look.paste, "face", face, amounts_of(studio, look))
        drawn = _panels_of_ages, live, to, words
    else:
        drawn = _panels_of_strengths, studio, photo, look.paste, look.direction, face, words
    mark = "Made by reage: synthetic " + ("ages" if look.direction is None else "faces")
    data = await studio.do(photo.rest, _strip, mark, *drawn, kind="rest")
    what = span_name(to) + look.kind if look.direction is None else look.direction.replace(":", "")
    return attachment(data, named_after(photo.name, what, ".png"), "image/png")


def _strip(mark: str, draw: Callable[..., list[Panel]], *args: Any) -> MadeFile:
    return as_file(photo_from_array(draw_strip(draw(*args))), ".png", mark)


def _panels_of_ages(live: LiveFaces, to: list[float], words: Words) -> list[Panel]:
    face = live.traced.faces[0]
    own = face.view.reading.age
    panels = [Panel(live.traced.search.photo.rgb8, words.of_photo(own), words.looking(own))]
    for age in to:
        pixels, glances = live.at({face.view.number: age})
        read = glances[face.view.number].reading.age
        panels.append(Panel(pixels, f"{age:g}", words.looking(read)))
    return panels


def _panels_of_strengths(
    studio: Studio, photo: OpenPhoto, paste: str, direction: str, focus: int, words: Words
) -> list[Panel]:
    low, high = studio.directions.span(direction)
    small, faces = studio.framed(photo, paste, "face", focus, coded=True)
    strengths = torch.linspace(low, high, PANELS).tolist()
    ager = studio.directions.ager(direction)
    edits = studio.editor.move(small, faces[:1], ager, strengths)
    return [
        Panel(edit.photo.rgb8, f"{strength:+.1f}", words.looking(edit.faces[0].after.age))
        for strength, edit in zip(strengths, edits, strict=True)
    ]


@router.post("/photos/{photo_id}/animation", status_code=202)
async def animation(
    photo: OpenedPhoto,
    session: OwnSession,
    studio: StudioOf,
    look: AskedLook,
    words: AskedWords,
    first: Annotated[float, Query(ge=0, le=120, description="years")] = 5.0,
    last: Annotated[float, Query(ge=0, le=120)] = 80.0,
    suffix: Moving = ".mp4",
    seconds: Annotated[float, Query(ge=0.5, le=30)] = 6.0,
    label: bool = True,
) -> JobAnswer:
    """The chosen faces growing older and younger again, or moved all along a direction: a job."""
    if look.direction is not None:
        studio.directions.span(look.direction)
    studio.check_codes(photo, look.paste, coded=look.direction is not None)
    check_moving(Path(f"animation{suffix}"))
    place = session.new_folder()
    work = partial(
        _animate,
        studio=studio,
        photo=photo,
        look=look,
        path=place / f"animation{suffix}",
        ages=(first, last),
        timing=Timing(FPS[suffix], seconds),
        words=words.of_age,
        label=label,
    )
    job = studio.jobs.submit("animation", session.id, work, place)
    ages = span_name((first, last)) + look.kind
    what = ages if look.direction is None else look.direction.replace(":", "")
    job.result = {"name": named_after(photo.name, what, suffix)}
    return about_job(job, studio.jobs)


def _animate(
    job: Job,
    *,
    studio: Studio,
    photo: OpenPhoto,
    look: Look,
    path: Path,
    ages: tuple[float, float],
    timing: Timing,
    words: str,
    label: bool,
) -> None:
    plan = replace(_plan(studio, photo, look, path.suffix, ages, timing), words=words)

    def frames():
        for number, frame in enumerate(play(plan, label=label)):
            job.report("frames", number, plan.frames)
            yield frame

    ends = f"{plan.ages[0]:.0f} to {plan.ages[-1]:.0f}"
    what = f"{ends} years" if look.direction is None else f"along {look.direction}, {ends}"
    as_moving(frames(), path, timing.fps, f"Animated by reage, partly synthetic: {what}")
    job.file = path


def _plan(
    studio: Studio,
    photo: OpenPhoto,
    look: Look,
    suffix: str,
    ages: tuple[float, float],
    timing: Timing,
) -> AnimationPlan:
    coded = look.direction is not None
    faces = studio.faces(photo, look.paste, coded=coded)
    small, framed = frame_prepared(photo.photo, faces, SIDE[suffix])
    if look.direction is not None:
        ager = studio.directions.ager(look.direction)
        search = studio.editor.search(small, ager, look.paste, of_age=False)
        return plan_strengths(search, framed, *studio.directions.span(look.direction), timing)
    live = look_along(studio.editor, small, framed, amounts=amounts_of(studio, look))
    return plan_animation(live.traced, *ages, timing)


@router.get("/photos/{photo_id}/latents", response_class=Response)
async def latents(photo: OpenedPhoto) -> Response:
    """The codes of the inverted faces, `[faces, num_ws, w_dim]` float32, as safetensors."""
    from safetensors.torch import save

    if not photo.codes:
        raise UsageError(
            f"no face of this photo is inverted yet; ask for that first: "
            f"POST /photos/{photo.id}/invert"
        )
    ws = torch.cat([photo.codes[number].ws.cpu() for number in sorted(photo.codes)])
    name = f"{PurePath(photo.name).stem}.safetensors"
    return attachment(save({"ws": ws.contiguous()}), name, "application/octet-stream")


@router.get("/photos/{photo_id}/project", response_class=Response)
async def save_project(
    photo: OpenedPhoto,
    studio: StudioOf,
    edits: Annotated[str, Query(max_length=25_000)] = "{}",
    paste: Paste = "delta",
) -> Response:
    """The photo, its faces with their codes, and what was done with them, as a .reage file."""
    told = read_edits(edits)
    project = Project(
        photo.name,
        photo.data,
        photo.photo,
        photo.faces,
        photo.chosen,
        photo.codes,
        told,
        photo.quality,
        photo.seed,
        paste,
    )
    data = await studio.do(photo.turn, pack_project, studio.editor, project)
    return attachment(data, f"{PurePath(photo.name).stem}.reage", "application/zip")


@router.post("/projects", openapi_extra=upload_body)
async def load_project(request: Request, session: OwnSession, studio: StudioOf) -> PhotoAnswer:
    """Open a .reage file."""
    async with received(request) as file:
        photo = await studio.do_large(lambda: studio.open_project(file.read()))
    studio.sessions.add(session, photo)
    return studio.about(photo)
