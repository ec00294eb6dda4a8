"""Routes of photos: open them, choose faces, invert them, look at any age."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any, Literal

import torch
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, Field

from reage.errors import UsageError
from reage.faces.face import Face, parse_points
from reage.outputs.framing import frame_photo
from reage.outputs.live import LiveFaces
from reage.outputs.project_facts import MAX_FACES, check_edits
from reage.web.answers import (
    DirectionAnswer,
    JobAnswer,
    PhotoAnswer,
    about_job,
)
from reage.web.jobs import Job
from reage.web.marking import face_in_box
from reage.web.pictures import as_shown
from reage.web.requests import (
    AskedLook,
    Focus,
    Look,
    Name,
    OpenedPhoto,
    OwnSession,
    StudioOf,
    View,
    received,
    upload_body,
)
from reage.web.sessions import OpenPhoto
from reage.web.studio import VIEWS, Studio
from reage.web.workers import Kind

__all__ = ["router"]

router = APIRouter(tags=["photos"])
JPEG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "A picture"}
}
SHOWN: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}, "image/webp": {}}, "description": "A picture; drafts: WebP"}
}
Quality = Literal["fast", "normal", "best"]
# Of JSON: true is no number, and neither is "1" or NaN.
Whole = Annotated[int, Field(strict=True)]
Pixels = Annotated[float, Field(strict=True, ge=-1e6, le=1e6, allow_inf_nan=False)]
Faces = Annotated[list[Whole], Field(max_length=MAX_FACES)]


class ChooseRequest(BaseModel):
    """Which faces are in the edit."""

    faces: Faces
    quality: Quality | None = Field(None, description="none: as before")


class MarkRequest(BaseModel):
    """Where a face is that was not found, in pixels of the photo."""

    box: tuple[Pixels, Pixels, Pixels, Pixels] | None = Field(None, description="x0, y0, x1, y1")
    points: list[tuple[Pixels, Pixels]] | None = Field(
        None,
        min_length=5,
        max_length=5,
        description="left eye, right eye, nose, left and right mouth corner in the picture",
    )


class InvertRequest(BaseModel):
    """Which faces to invert, how long to try, and what for."""

    faces: Faces = Field(default=[], description="empty: those in the edit")
    quality: Quality = "normal"
    seed: Whole = Field(0, ge=0, lt=2**63)
    paste: Literal["delta", "replace", "none"] | None = Field(
        None, description="in which they will be looked at: that is made ready too"
    )


@router.post("/photos", openapi_extra=upload_body)
async def open_photo(
    request: Request,
    session: OwnSession,
    studio: StudioOf,
    name: Name = "photo",
    points: Annotated[str | None, Query(max_length=300)] = None,
) -> PhotoAnswer:
    """Open a photo (the body is the file) and find its faces; the largest is in the edit."""
    by_hand = parse_points(points) if points else None
    async with received(request) as file:
        photo = await studio.do_large(lambda: studio.open(file.read(), name, by_hand))
    studio.sessions.add(session, photo)
    return studio.about(photo)


@router.get("/photos")
async def list_photos(session: OwnSession, studio: StudioOf) -> list[PhotoAnswer]:
    """All open photos of this session, the newest last."""
    return [studio.about(photo) for photo in list(session.photos.values())]


@router.get("/photos/{photo_id}")
async def get_photo(photo: OpenedPhoto, studio: StudioOf) -> PhotoAnswer:
    """Describe an open photo."""
    return studio.about(photo)


@router.delete("/photos/{photo_id}", status_code=204)
async def close_photo(session: OwnSession, photo: OpenedPhoto) -> None:
    """Forget a photo."""
    session.photos.pop(photo.id, None)


@router.put("/photos/{photo_id}/faces")
async def choose_faces(asked: ChooseRequest, photo: OpenedPhoto, studio: StudioOf) -> PhotoAnswer:
    """Say which faces are in the edit; nothing is inverted."""
    photo.choose(asked.faces)
    photo.set_care(asked.quality or photo.quality, photo.seed)
    return studio.about(photo)


@router.post("/photos/{photo_id}/faces")
async def mark_face(asked: MarkRequest, photo: OpenedPhoto, studio: StudioOf) -> PhotoAnswer:
    """Add a face that was not found, by a box or its five points; it is in the edit."""
    await studio.do(photo.turn, _mark, studio, photo, asked)
    return studio.about(photo)


def _mark(studio: Studio, photo: OpenPhoto, asked: MarkRequest) -> None:
    if asked.points is not None:
        by_hand = " ".join(f"{x:g},{y:g}" for x, y in asked.points)
        face = Face.from_points(parse_points(by_hand))
    elif asked.box is not None:
        with studio.detecting:
            face = face_in_box(studio.editor.detector, photo.photo.rgb8, asked.box)
    else:
        raise UsageError("mark a face by a box or by five points")
    studio.add_face(photo, face)


@router.put("/photos/{photo_id}/edits", status_code=204)
async def keep_edits(
    edits: Annotated[dict[str, Any], AfterValidator(check_edits)], photo: OpenedPhoto
) -> None:
    """Keep what the page did with a photo, so that it is there again after a reload."""
    photo.edits = edits


@router.get("/photos/{photo_id}/view", response_class=Response, responses=JPEG)
async def view_photo(
    photo: OpenedPhoto, studio: StudioOf, view: View = "whole", face: Focus = 0
) -> Response:
    """Show the photo as it is, as large as the slider shows it."""
    return Response(await studio.do(photo.turn, _view, photo, view, face), media_type="image/jpeg")


def _view(photo: OpenPhoto, view: str, face: int) -> bytes:
    size, whole = VIEWS[view]
    number = face or photo.chosen[0]
    photo.check_face(number)
    small, _ = frame_photo(
        photo.photo, {number: photo.faces[number]}, size, whole=whole, even=False
    )
    return as_shown(small.pixels, None)


@router.post("/photos/{photo_id}/invert", status_code=202)
async def invert(
    asked: InvertRequest, photo: OpenedPhoto, session: OwnSession, studio: StudioOf
) -> JobAnswer:
    """Find the codes of faces, which are in the edit from then on: a job.

    Only some ways of pasting (`inverting` of the photo), mixing and directions need it.
    """
    if studio.editor.load_latents is None:
        _ = studio.editor.latents  # says that there are none
    numbers = sorted(set(asked.faces)) or list(photo.chosen)
    for number in numbers:
        photo.check_face(number)
    photo.set_care(asked.quality, asked.seed)
    work = partial(_invert, studio=studio, photo=photo, numbers=numbers, paste=asked.paste)
    return about_job(studio.jobs.submit("invert", session.id, work), studio.jobs)


def _invert(
    job: Job, *, studio: Studio, photo: OpenPhoto, numbers: list[int], paste: str | None
) -> None:
    studio.invert(job, photo, numbers, paste)
    job.result = {"photo": studio.about(photo).model_dump()}


@router.get("/photos/{photo_id}/edited", response_class=Response, responses=SHOWN)
async def edited(
    request: Request,
    photo: OpenedPhoto,
    studio: StudioOf,
    look: AskedLook,
    view: View = "whole",
    face: Focus = 0,
    rough: Annotated[
        bool, Query(description="at once, at half the size, some years off at most")
    ] = False,
    draft: Annotated[bool, Query(description="the same at a quarter, for slow lines")] = False,
    ahead: Annotated[bool, Query(description="aside: no slider waits for it")] = False,
) -> Response:
    """Show the photo with faces at ages, small and quick.

    The header X-Reage holds JSON: for each face the read age, its usual error and the ages in
    reach; whether it is rough: then the age was guessed from what is known of others; and whether
    it is exact: then a saved photo shows the same.
    """
    look.check_asked()
    if look.direction is not None:
        return await moved(photo, studio, look, view, face)
    photo.check_chosen(look.ages)
    amounts = studio.editor.amounts(look.hair, look.skin, look.shape)
    gone = request.is_disconnected
    live = await studio.look(photo, look.paste, view, face, amounts, gone)
    quick = rough or draft
    kind: Kind = "aside" if ahead else "quick" if quick else "rest"
    turn = {"aside": photo.aside, "quick": photo.turn, "rest": photo.rest}[kind]
    do = partial(studio.do, turn, kind=kind, gone=gone)
    if not (quick or live.knows(look.ages)):  # in pieces, between which others are heard
        await do(live.learn, look.ages)
    data, glances = await do(_glance, live, look, quick, draft)
    media = "image/webp" if draft else "image/jpeg"
    return Response(data, media_type=media, headers={"x-reage": json.dumps(glances)})


def _glance(live: LiveFaces, look: Look, quick: bool, draft: bool) -> tuple[bytes, dict]:
    if quick:  # the last cores make so small a picture no sooner, and others have use for them
        torch.set_num_threads(max(1, torch.get_num_threads() // 2))
    pixels, glances = live.at(look.ages, halvings=2 if draft else 1 if quick else 0)
    told = {
        number: {
            "asked": glance.asked,
            "age": round(glance.reading.age, 1),
            "spread": round(glance.reading.spread, 1),
            "reach": [round(age, 1) for age in glance.reach],
            "rough": glance.rough,
            "exact": glance.exact,
        }
        for number, glance in glances.items()
    }
    return as_shown(pixels, look.mark, draft=draft), told


@router.get("/directions")
async def directions(studio: StudioOf) -> list[DirectionAnswer]:
    """What else faces can be moved along."""
    return await studio.do(studio.directions.turn, lambda: studio.directions.known)


@router.get("/photos/{photo_id}/moved", response_class=Response, responses=JPEG)
async def moved(
    photo: OpenedPhoto,
    studio: StudioOf,
    look: AskedLook,
    view: View = "whole",
    face: Focus = 0,
) -> Response:
    """Show the faces moved along another direction than age."""
    data = await studio.do(photo.turn, _moved, studio, photo, look, view, face)
    return Response(data, media_type="image/jpeg")


def _moved(studio: Studio, photo: OpenPhoto, look: Look, view: str, focus: int) -> bytes:
    direction = look.direction or ""
    studio.directions.span(direction)  # a name that is none is said before a missing code
    small, faces = studio.framed(photo, look.paste, view, focus, coded=True)
    ager = studio.directions.ager(direction)
    (edit,) = studio.editor.move(small, faces, ager, [look.strength])
    return as_shown(edit.photo.rgb8, look.mark)
