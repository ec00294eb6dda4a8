"""Routes of photos: open, invert, look at any age, download, mix, move, projects."""

from __future__ import annotations

import json
from functools import partial
from pathlib import PurePath
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from reage.agers.finder import find_direction
from reage.errors import UsageError
from reage.faces.face import parse_points
from reage.inversion.variation import step_towards
from reage.outputs.framing import frame_photo, frame_prepared
from reage.outputs.project import Project, open_project, pack_project
from reage.web.answers import DirectionAnswer, JobAnswer, PhotoAnswer, about_job, about_photo
from reage.web.jobs import Job
from reage.web.requests import (
    Name,
    OpenedPhoto,
    OwnSession,
    StudioOf,
    ages_of,
    read_body,
    upload_body,
)
from reage.web.sessions import OpenPhoto
from reage.web.studio import SUFFIXES, VIEWS, Studio, jpeg

__all__ = ["attachment", "router"]

router = APIRouter(tags=["photos"])
MARK = "Edited by reage, partly synthetic"
FACTORS = 6  # of SeFa, that are offered
JPEG = {"content": {"image/jpeg": {}}, "description": "A picture"}
Ages = Annotated[str, Query(max_length=400, examples=["1:70,2:12"], description="FACE:AGE,...")]
Paste = Annotated[Literal["delta", "replace", "none"], Query()]
View = Annotated[Literal["whole", "face"], Query()]


class InvertRequest(BaseModel):
    """Which faces to invert, and how long to try."""

    faces: list[int] = Field(default_factory=list, max_length=64, description="empty: the largest")
    quality: Literal["fast", "normal", "best"] = "normal"
    seed: int = Field(0, ge=0, lt=2**63)


@router.post("/photos", openapi_extra=upload_body)
async def open_photo(
    request: Request,
    session: OwnSession,
    studio: StudioOf,
    name: Name = "photo",
    points: Annotated[str | None, Query(max_length=300)] = None,
) -> PhotoAnswer:
    """Open a photo (the body is the file) and find its faces."""
    data = await read_body(request, studio.settings.max_photo)
    studio.sessions.check_room(session, len(data))
    by_hand = parse_points(points) if points else None
    photo = await studio.do(studio.open, data, PurePath(name).name, by_hand)
    studio.sessions.add(session, photo)
    return about_photo(photo)


@router.get("/photos/{photo_id}")
async def get_photo(photo: OpenedPhoto) -> PhotoAnswer:
    """Describe an open photo."""
    return about_photo(photo)


@router.delete("/photos/{photo_id}", status_code=204)
async def close_photo(session: OwnSession, photo: OpenedPhoto) -> None:
    """Forget a photo."""
    session.photos.pop(photo.id, None)


@router.get("/photos/{photo_id}/view", response_class=Response, responses={200: JPEG})
async def view_photo(
    photo: OpenedPhoto, studio: StudioOf, view: View = "whole", face: int = 0
) -> Response:
    """Show the photo as it is, as large as the slider shows it."""
    return Response(await studio.do(_view, photo, view, face), media_type="image/jpeg")


def _view(photo: OpenPhoto, view: str, face: int) -> bytes:
    size, whole = VIEWS[view]
    if photo.inverted and not face:
        faces = [photo.inverted[number] for number in sorted(photo.inverted)]
        small, _ = frame_prepared(photo.photo, faces, size, whole=whole or len(faces) > 1)
    elif face and face not in photo.faces:
        raise UsageError(f"there is no face {face}; the photo has {len(photo.faces)}")
    else:
        chosen = {face: photo.faces[face]} if face else photo.faces
        small, _ = frame_photo(photo.photo, chosen, size, whole=whole)
    return jpeg(small.pixels)


@router.post("/photos/{photo_id}/invert", status_code=202)
async def invert(
    asked: InvertRequest, photo: OpenedPhoto, session: OwnSession, studio: StudioOf
) -> JobAnswer:
    """Find the codes of faces: a job."""
    numbers = asked.faces or [about_photo(photo).largest]
    missing = [number for number in numbers if number not in photo.faces]
    if missing:
        raise UsageError(f"there is no face {missing[0]}; the photo has {len(photo.faces)}")
    if (asked.quality, asked.seed) != (photo.quality, photo.seed):
        photo.quality, photo.seed = asked.quality, asked.seed
    work = partial(_invert, studio=studio, photo=photo, numbers=sorted(set(numbers)))
    return about_job(studio.jobs.submit("invert", session.id, work), studio.jobs)


def _invert(job: Job, *, studio: Studio, photo: OpenPhoto, numbers: list[int]) -> None:
    studio.invert(job, photo, numbers)
    job.result = {"photo": about_photo(photo).model_dump()}


@router.get("/photos/{photo_id}/edited", response_class=Response, responses={200: JPEG})
async def edited(
    photo: OpenedPhoto,
    studio: StudioOf,
    ages: Ages,
    paste: Paste = "delta",
    view: View = "whole",
) -> Response:
    """Show the photo with faces at ages, small and quick.

    The header X-Reage holds JSON: for each face the read age, its spread and the ages in reach.
    """
    data, glances = await studio.do(_glance, studio, photo, ages_of(ages), paste, view)
    return Response(data, media_type="image/jpeg", headers={"x-reage": json.dumps(glances)})


def _glance(
    studio: Studio, photo: OpenPhoto, ages: dict[int, float], paste: str, view: str
) -> tuple[bytes, dict]:
    pixels, glances = studio.live(photo, paste, view).at(ages)
    told = {
        number: {
            "asked": glance.asked,
            "age": round(glance.reading.age, 1),
            "spread": round(glance.reading.spread, 1),
            "reach": [round(age, 1) for age in glance.reach],
        }
        for number, glance in glances.items()
    }
    return jpeg(pixels), told


@router.get("/photos/{photo_id}/download", response_class=Response)
async def download(
    photo: OpenedPhoto,
    studio: StudioOf,
    ages: Ages,
    paste: Paste = "delta",
    suffix: Annotated[str, Query(max_length=8)] = ".jpg",
) -> Response:
    """The photo at full size with faces at ages, marked as partly synthetic."""
    wanted = ages_of(ages)
    data = await studio.do(_download, studio, photo, wanted, paste, suffix)
    years = "-".join(f"{age:g}" for age in wanted.values())
    return attachment(data, f"{PurePath(photo.name).stem}-age{years}{suffix}", SUFFIXES[suffix])


def _download(
    studio: Studio, photo: OpenPhoto, ages: dict[int, float], paste: str, suffix: str
) -> bytes:
    mark = f"{MARK}: face at {', '.join(f'{age:g}' for age in ages.values())} years"
    return studio.encoded(studio.edited(photo, ages, paste), suffix, mark)


@router.get("/directions")
async def directions(studio: StudioOf) -> list[DirectionAnswer]:
    """What else faces can be moved along."""
    found = []
    folder = studio.editor.model.folder
    for path in sorted(folder.glob("*.direction.safetensors")) if folder else []:
        name = path.name.removesuffix(".direction.safetensors")
        direction = find_direction(studio.editor.latents, path).direction
        span = direction.span or (-3.0, 3.0)
        found.append(DirectionAnswer(name=name, span=list(span), about="fitted on faces"))
    for number in range(FACTORS):
        about = "a factor that the generator was found to have (SeFa); it may change anything"
        found.append(DirectionAnswer(name=f"sefa:{number}", span=[-4.0, 4.0], about=about))
    return found


@router.get("/photos/{photo_id}/moved", response_class=Response, responses={200: JPEG})
async def moved(
    photo: OpenedPhoto,
    studio: StudioOf,
    direction: Annotated[str, Query(max_length=80)],
    strength: Annotated[float, Query(ge=-20, le=20, allow_inf_nan=False)],
    paste: Paste = "delta",
    view: View = "whole",
) -> Response:
    """Show the faces moved along another direction than age."""
    known = [one.name for one in await directions(studio)]
    if direction not in known:
        raise UsageError(f"there is no direction {direction}; take one of {', '.join(known)}")
    data = await studio.do(_moved, studio, photo, direction, strength, paste, view)
    return Response(data, media_type="image/jpeg")


def _moved(
    studio: Studio, photo: OpenPhoto, name: str, strength: float, paste: str, view: str
) -> bytes:
    model = studio.editor.model
    given = name
    if not name.startswith("sefa:"):
        assert model.folder is not None
        given = str(model.folder / f"{name}.direction.safetensors")
    ager = find_direction(studio.editor.latents, given)
    traced = studio.live(photo, paste, view).traced
    edit = studio.editor.move(traced.search.photo, traced.faces, ager, [strength])
    return jpeg(edit[0].photo.rgb8)


@router.get("/photos/{photo_id}/mixed", response_class=Response, responses={200: JPEG})
async def mixed_with(
    photo: OpenedPhoto,
    session: OwnSession,
    studio: StudioOf,
    other: Annotated[str, Query(max_length=64)],
    coarse: Annotated[float, Query(ge=0, le=1)] = 0.0,
    middle: Annotated[float, Query(ge=0, le=1)] = 0.0,
    fine: Annotated[float, Query(ge=0, le=1)] = 0.0,
    paste: Paste = "delta",
    view: View = "whole",
) -> Response:
    """Show the first inverted face of a photo with levels of another photo's face."""
    second = session.photos.get(other)
    if second is None:
        raise HTTPException(404, "the other photo is not open (any more); open it again")
    weights = {"coarse": coarse, "middle": middle, "fine": fine}
    data = await studio.do(_mixed, studio, photo, second, weights, paste, view)
    return Response(data, media_type="image/jpeg")


def _mixed(
    studio: Studio,
    photo: OpenPhoto,
    other: OpenPhoto,
    weights: dict[str, float],
    paste: str,
    view: str,
) -> bytes:
    if not other.inverted:
        raise UsageError("no face of the other photo is inverted yet; ask for that first")
    traced = studio.live(photo, paste, view).traced
    face = traced.faces[0]
    ws = step_towards(face.ws, other.inverted[min(other.inverted)].ws, weights)
    edit = studio.editor.show(traced.search.photo, [face.with_code(ws)])
    return jpeg(edit.photo.rgb8)


@router.get("/photos/{photo_id}/project", response_class=Response)
async def save_project(
    photo: OpenedPhoto, studio: StudioOf, edits: Annotated[str, Query(max_length=100_000)] = "{}"
) -> Response:
    """The photo, its codes and what was done with them, as a .reage file."""
    try:
        told = json.loads(edits)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise UsageError("edits is not a JSON object")
    if not photo.inverted:
        raise UsageError("no face of this photo is inverted yet; there is nothing to save")
    inverted = [photo.inverted[number] for number in sorted(photo.inverted)]
    project = Project(
        photo.name, photo.data, photo.photo, inverted, told, photo.quality, photo.seed
    )
    data = await studio.do(pack_project, studio.editor, project)
    return attachment(data, f"{PurePath(photo.name).stem}.reage", "application/zip")


@router.post("/projects", openapi_extra=upload_body)
async def load_project(request: Request, session: OwnSession, studio: StudioOf) -> PhotoAnswer:
    """Open a .reage file."""
    data = await read_body(request, studio.settings.max_photo)
    photo, edits = await studio.do(_load_project, studio, data)
    studio.sessions.add(session, photo)
    return about_photo(photo, edits)


def _load_project(studio: Studio, data: bytes) -> tuple[OpenPhoto, dict]:
    project = open_project(studio.editor, data, studio.settings.max_pixels)
    inverted = {face.view.number: face for face in project.inverted}
    photo = OpenPhoto(
        project.name,
        project.data,
        project.photo,
        {number: face.view.face for number, face in inverted.items()},
        {number: face.view.reading for number, face in inverted.items()},
        quality=project.quality,
        seed=project.seed,
        inverted=inverted,
    )
    return photo, dict(project.edits)


def attachment(data: bytes, name: str, kind: str) -> Response:
    """A file to save."""
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(data, media_type=kind, headers=headers)
