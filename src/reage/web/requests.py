"""What requests bring: sessions, bodies, lists of ages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends, HTTPException, Query, Request, Response
from fastapi import Path as InPath

from reage.compositing.change import PasteMode
from reage.errors import ImageError, UsageError
from reage.inputs import as_targets
from reage.web.gate import SESSION_COOKIE
from reage.web.jobs import Job
from reage.web.pictures import SUFFIXES, made_by
from reage.web.sessions import OpenPhoto, Session
from reage.web.studio import Studio

__all__ = [
    "AskedLook",
    "Look",
    "Name",
    "OpenedPhoto",
    "OwnJob",
    "OwnSession",
    "Paste",
    "StudioOf",
    "Suffix",
    "View",
    "ages_of",
    "read_body",
    "store_body",
    "upload_body",
]

upload_body = {  # for OpenAPI: these read the body themselves, as it comes
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _studio(request: Request) -> Studio:
    return request.app.state.studio


StudioOf = Annotated[Studio, Depends(_studio)]


def _session(request: Request, response: Response, studio: StudioOf) -> Session:
    session = studio.sessions.find(request.cookies.get(SESSION_COOKIE))
    if session is None:
        session = studio.sessions.begin()
        response.set_cookie(
            SESSION_COOKIE,
            session.id,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    request.state.session = session.id
    return session


OwnSession = Annotated[Session, Depends(_session)]


def _photo(session: OwnSession, photo_id: Annotated[str, InPath(max_length=64)]) -> OpenPhoto:
    photo = session.photos.get(photo_id)
    if photo is None:
        raise HTTPException(404, "this photo is not open (any more); open it again")
    return photo


OpenedPhoto = Annotated[OpenPhoto, Depends(_photo)]


def _job(
    session: OwnSession, studio: StudioOf, job_id: Annotated[str, InPath(max_length=64)]
) -> Job:
    job = studio.jobs.jobs.get(job_id)
    if job is None or job.owner != session.id:
        raise HTTPException(404, "there is no such job of yours")
    return job


OwnJob = Annotated[Job, Depends(_job)]

Name = Annotated[str, Query(max_length=255, description="the file's name")]


def _suffix(suffix: Annotated[str, Query(max_length=8)] = ".jpg") -> str:
    if suffix not in SUFFIXES:
        raise UsageError(f"{suffix} is not offered here; take one of {' '.join(SUFFIXES)}")
    return suffix


Suffix = Annotated[str, Depends(_suffix)]
Paste = Annotated[PasteMode, Query(description="how made faces get into the photo")]
View = Annotated[Literal["whole", "face"], Query()]


@dataclass(frozen=True)
class Look:
    """How faces are to look: each at an age, or all moved along another direction."""

    ages: dict[int, float]  # years, by face number
    paste: PasteMode
    direction: str | None  # None: ages
    strength: float

    @property
    def name(self) -> str:
        """For the names of files."""
        if self.direction is not None:
            return f"{self.direction.replace(':', '')}{self.strength:+g}"
        if not self.ages:
            return "made"
        return "age" + "-".join(f"{age:g}" for age in self.ages.values())

    @property
    def mark(self) -> str:
        """What pictures of it say of themselves."""
        if self.direction is not None:
            return made_by(f"face moved along {self.direction} by {self.strength:g}")
        if not self.ages:
            return made_by("face made by a generator")
        return made_by(f"face at {', '.join(f'{age:g}' for age in self.ages.values())} years")


def _look(
    ages: Annotated[
        str, Query(max_length=400, examples=["1:70,2:12"], description="FACE:AGE,...")
    ] = "",
    paste: Paste = "delta",
    direction: Annotated[str | None, Query(max_length=80, description="instead of ages")] = None,
    strength: Annotated[float, Query(ge=-20, le=20, allow_inf_nan=False)] = 0.0,
) -> Look:
    return Look(ages_of(ages), paste, direction or None, strength)


AskedLook = Annotated[Look, Depends(_look)]


def ages_of(text: str) -> dict[int, float]:
    """Read `1:70,2:12` as an age for each face's number."""
    ages: dict[int, float] = {}
    for part in filter(None, text.split(",")):
        face, colon, age = part.partition(":")
        try:
            number, years = int(face), float(age)
        except ValueError:
            colon, number, years = "", 0, 0.0
        if not colon or number in ages:
            raise UsageError(f"ages {text!r} is not understood; give FACE:AGE such as 1:70,2:12")
        as_targets(years)
        ages[number] = years
    return ages


async def read_body(request: Request, limit: int) -> bytes:
    """The body of an upload; 413 as soon as it is too large."""
    data = bytearray()
    async for part in _parts(request, limit):
        data += part
    if not data:
        raise ImageError("the upload is empty; choose a file")
    return bytes(data)


async def store_body(request: Request, path: Path, limit: int) -> None:
    """Write an upload to a file as it comes; nothing stays of one that is cut or too large."""
    whole = False
    try:
        with path.open("xb") as file:
            async for part in _parts(request, limit):
                file.write(part)
            whole = file.tell() > 0
    except OSError as error:
        raise UsageError(f"the server cannot store the upload: {error.strerror}") from error
    finally:
        if not whole:
            with suppress(OSError):
                path.unlink(missing_ok=True)
    if not whole:
        raise ImageError("the upload is empty; choose a file")


async def _parts(request: Request, limit: int) -> AsyncIterator[bytes]:
    seen = 0
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(int(length), limit)
    async for part in request.stream():
        seen += len(part)
        if seen > limit:
            raise _too_large(seen, limit)
        yield part


def _too_large(size: int, limit: int) -> HTTPException:
    return HTTPException(
        413, f"the file has more than {min(size, limit) >> 20} MB; {limit >> 20} MB are allowed"
    )
