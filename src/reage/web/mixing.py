"""Routes of mixing: one person with levels of another's code, to look at and at full size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import Response

from reage.agers.base import PreparedFace
from reage.compositing.change import PasteMode
from reage.errors import UsageError
from reage.inversion.variation import step_towards
from reage.outputs.framing import frame_prepared
from reage.web.files import attachment, named_after
from reage.web.photos import JPEG
from reage.web.pictures import SUFFIXES, MadeFile, as_file, as_shown
from reage.web.requests import (
    PASTED,
    OpenedPhoto,
    OwnSession,
    Paste,
    StudioOf,
    Suffix,
    View,
)
from reage.web.sessions import OpenPhoto
from reage.web.studio import VIEWS, Studio

__all__ = ["router"]

router = APIRouter(tags=["mixing"])
MARK = "Mixed by reage of {one} and {other}: synthetic"


def _weights(
    coarse: Annotated[float, Query(ge=0, le=1)] = 0.0,
    middle: Annotated[float, Query(ge=0, le=1)] = 0.0,
    fine: Annotated[float, Query(ge=0, le=1)] = 0.0,
) -> dict[str, float]:
    return {"coarse": coarse, "middle": middle, "fine": fine}


def _other(session: OwnSession, other: Annotated[str, Query(max_length=64)]) -> OpenPhoto:
    second = session.photos.get(other)
    if second is None:
        raise HTTPException(404, "the other photo is not open (any more); open it again")
    return second


Weights = Annotated[dict[str, float], Depends(_weights)]
Other = Annotated[OpenPhoto, Depends(_other)]


@router.get("/photos/{photo_id}/mixed", response_class=Response, responses=JPEG)
async def mixed(
    photo: OpenedPhoto,
    studio: StudioOf,
    other: Other,
    weights: Weights,
    paste: Paste = "delta",
    view: View = "whole",
) -> Response:
    """Show the first chosen face of a photo with levels of another photo's."""
    data = await studio.do(photo.turn, _shown, studio, photo, other, weights, paste, view)
    return Response(data, media_type="image/jpeg")


def _shown(
    studio: Studio,
    photo: OpenPhoto,
    other: OpenPhoto,
    weights: dict[str, float],
    paste: PasteMode,
    view: str,
) -> bytes:
    size, whole = VIEWS[view]
    face = replace(_mixed_face(photo, other, weights), paste=paste)
    small, (framed,) = frame_prepared(photo.photo, [face], size, whole=whole, even=False)
    edit = studio.editor.show(small, [framed])
    return as_shown(edit.photo.rgb8, _mark(photo, other))


@router.get("/photos/{photo_id}/mixed/download", response_class=Response)
async def download_mixed(
    photo: OpenedPhoto,
    studio: StudioOf,
    other: Other,
    weights: Weights,
    paste: Paste = "delta",
    suffix: Suffix = ".jpg",
) -> Response:
    """The same in the photo at full size, marked as synthetic."""
    data = await studio.do_large(_file, studio, photo, other, weights, paste, suffix)
    levels = "".join(f"-{level}{100 * share:.0f}" for level, share in weights.items() if share)
    name = named_after(
        photo.name, f"mixed-{PurePath(other.name).stem}{levels}{PASTED[paste]}", suffix
    )
    return attachment(data, name, SUFFIXES[suffix])


def _file(
    studio: Studio,
    photo: OpenPhoto,
    other: OpenPhoto,
    weights: dict[str, float],
    paste: PasteMode,
    suffix: str,
) -> MadeFile:
    face = replace(_mixed_face(photo, other, weights), paste=paste)
    edit = studio.editor.show(photo.photo, [face])
    return as_file(edit.photo, suffix, _mark(photo, other), edit.notices)


def _mixed_face(photo: OpenPhoto, other: OpenPhoto, weights: dict[str, float]) -> PreparedFace:
    one, second = (_first_code(of) for of in (photo, other))
    return one.with_code(step_towards(one.ws, second.ws, weights))


def _first_code(photo: OpenPhoto) -> PreparedFace:
    code = photo.codes.get(photo.chosen[0])
    if code is None:
        raise UsageError(
            f"face {photo.chosen[0]} of {photo.name} has no latent code yet; invert it first: "
            f"POST /photos/{photo.id}/invert"
        )
    return code


def _mark(one: OpenPhoto, other: OpenPhoto) -> str:
    return MARK.format(one=one.name, other=other.name)
