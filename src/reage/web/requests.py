"""What requests bring: sessions, bodies, lists of ages."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Annotated, Any, Literal, cast

from fastapi import Depends, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from pydantic import AfterValidator
from starlette.requests import ClientDisconnect

from reage.compositing.change import PasteMode
from reage.errors import ImageError, UsageError
from reage.inputs import as_targets
from reage.outputs.labels import can_draw
from reage.outputs.project_facts import MAX_FACES
from reage.web.gate import SESSION_COOKIE
from reage.web.jobs import Job
from reage.web.pictures import SUFFIXES, made_by
from reage.web.sessions import OpenPhoto, ServerFull, Session
from reage.web.studio import Studio

__all__ = [
    "PASTED",
    "AskedLook",
    "AskedWords",
    "Focus",
    "Look",
    "Name",
    "OpenedPhoto",
    "OwnJob",
    "OwnSession",
    "Paste",
    "StudioOf",
    "Suffix",
    "View",
    "Words",
    "ages_of",
    "received",
    "removing",
    "store_body",
    "upload_body",
]

# ASCII digits alone: Python also reads 1_0 and the digits of every script.
FACE_AGE = re.compile(r"([1-9][0-9]{0,2}):([0-9]{1,6}(?:\.[0-9]{1,6})?)")
IN_MEMORY = 1 << 20  # bytes of an upload that are kept there while the rest comes
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


async def _photo(
    session: OwnSession, studio: StudioOf, photo_id: Annotated[str, InPath(max_length=64)]
) -> AsyncIterator[OpenPhoto]:
    photo = session.photos.get(photo_id)
    if photo is None:
        raise HTTPException(404, "this photo is not open (any more); open it again")
    yield photo
    studio.sessions.settle(session, photo)  # whatever was done with it, it may hold more now


OpenedPhoto = Annotated[OpenPhoto, Depends(_photo)]


def _job(
    session: OwnSession, studio: StudioOf, job_id: Annotated[str, InPath(max_length=64)]
) -> Job:
    job = studio.jobs.jobs.get(job_id)
    if job is None or job.owner != session.id:
        raise HTTPException(404, "there is no such job of yours")
    return job


OwnJob = Annotated[Job, Depends(_job)]


def _as_name(name: str) -> str:
    """A file's name, for messages of one line and the names of what is made of it."""
    plain = "".join(c if c.isprintable() else "_" for c in name)
    return PurePath(plain).name or "photo"


Name = Annotated[
    str, Query(max_length=255, description="the file's name"), AfterValidator(_as_name)
]


def _suffix(suffix: Annotated[str, Query(max_length=8)] = ".jpg") -> str:
    if suffix not in SUFFIXES:
        raise UsageError(f"{suffix} is not offered here; take one of {' '.join(SUFFIXES)}")
    return suffix


Suffix = Annotated[str, Depends(_suffix)]
Paste = Annotated[PasteMode, Query(description="how made faces get into the photo")]
View = Annotated[Literal["whole", "face", "near"], Query(description="face and near: of one face")]
Focus = Annotated[int, Query(ge=0, alias="face", description="that a view of one face shows")]


PASTED = {"delta": "", "replace": "-replaced", "none": "-face"}  # in the names of files


@dataclass(frozen=True)
class Look:
    """How faces are to look: each at an age, or all moved along another direction."""

    ages: dict[int, float]  # years, by face number
    paste: PasteMode
    direction: str | None  # None: ages
    strength: float
    skin: float = 1.0  # how much of each part of the change is shown
    shape: float = 1.0
    hair: float | None = None  # None: as the server was told

    def check_asked(self) -> None:
        """Raise UsageError where nothing is asked for that could be shown."""
        if self.direction is None and not self.ages and self.paste != "none":
            raise UsageError("no age is asked for; give ages=FACE:AGE,... such as ages=1:70")

    @property
    def name(self) -> str:
        """For the names of files: what looks otherwise is named otherwise."""
        if self.direction is not None:
            moved = f"{self.direction.replace(':', '')}{self.strength:+g}"
            return f"{moved}{PASTED[self.paste]}"
        if not self.ages:
            return "made"
        return "age" + "-".join(f"{age:g}" for age in self.ages.values()) + self.kind

    @property
    def kind(self) -> str:
        """What names of files tell besides the ages."""
        parts = {"skin": self.skin, "shape": self.shape, "hair": self.hair}
        less = [
            f"-{name}{100 * share:.0f}" for name, share in parts.items() if share not in (None, 1)
        ]
        return "".join([PASTED[self.paste], *less])

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
        str, Query(max_length=12 * MAX_FACES, examples=["1:70,2:12"], description="FACE:AGE,...")
    ] = "",
    paste: Paste = "delta",
    direction: Annotated[str | None, Query(max_length=80, description="instead of ages")] = None,
    strength: Annotated[float, Query(ge=-20, le=20, allow_inf_nan=False)] = 0.0,
    skin: Annotated[float, Query(ge=0, le=1, description="share of the change of skin")] = 1.0,
    shape: Annotated[float, Query(ge=0, le=1)] = 1.0,
    hair: Annotated[float | None, Query(ge=0, le=1, description="of greying; 0: none")] = None,
) -> Look:
    return Look(ages_of(ages), paste, direction or None, strength, skin, shape, hair)


@dataclass(frozen=True)
class Words:
    """What is written into pictures, in the language of who asks."""

    photo: str  # of the photo as it is
    looks: str  # with {age}

    @property
    def of_age(self) -> str:
        """How an age is said, with {age}: the number alone where the words cannot be drawn."""
        return self.looks if can_draw(self.looks) else "{age}"

    def looking(self, age: float) -> str:
        """Say what an age network reads; "" where the words cannot be drawn."""
        return self.looks.replace("{age}", f"{age:.0f}") if can_draw(self.looks) else ""

    def of_photo(self, age: float) -> str:
        """Name the photo, or its age alone."""
        return self.photo if can_draw(self.photo) else f"{age:.0f}"


Said = Annotated[
    str, Query(max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$", description="drawn into the picture")
]


def _words(photo: Said = "photo", looks: Said = "looks {age}") -> Words:
    return Words(photo, looks)


AskedWords = Annotated[Words, Depends(_words)]
AskedLook = Annotated[Look, Depends(_look)]


def ages_of(text: str) -> dict[int, float]:
    """Read `1:70,2:12` as an age for each face's number; no text: no ages."""
    ages: dict[int, float] = {}
    for part in text.split(",") if text else ():
        found = FACE_AGE.fullmatch(part)
        if found is None or int(found[1]) in ages:
            raise UsageError(
                f"ages {text!r:.60} is not understood; give FACE:AGE such as 1:70,2:12, each face "
                "once, the first is 1"
            )
        ages[int(found[1])] = float(found[2])
        as_targets(float(found[2]))
    return ages


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[IO[bytes]]:
    """Yield an upload as a file without a name: one that comes slowly takes no memory.

    ClientDisconnect at the end where who sent it has gone meanwhile: nothing is kept of it.
    """
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        await _receive(request, file)
        file.seek(0)
        yield cast(IO[bytes], file)
        await _check_asker(request)


@asynccontextmanager
async def removing(request: Request, place: Path) -> AsyncIterator[None]:
    """Remove a folder where something goes wrong, or who sends has gone: ClientDisconnect."""
    try:
        yield
        await _check_asker(request)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


async def _check_asker(request: Request) -> None:
    if await request.is_disconnected():
        raise ClientDisconnect


async def store_body(request: Request, path: Path) -> None:
    """Write an upload to a file as it comes."""
    with path.open("xb") as file:
        await _receive(request, file)


async def _receive(request: Request, file: Any) -> None:
    """Write a body, which the gate bounds, to a file."""
    size = 0
    try:
        async for part in request.stream():
            size += file.write(part)
    except OSError as error:
        raise ServerFull(f"the server cannot store the upload: {error.strerror}") from error
    if not size:
        raise ImageError("the upload is empty; choose a file")
