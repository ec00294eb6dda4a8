"""What the API answers, as OpenAPI shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from reage.outputs.framing import face_square
from reage.web.jobs import Job, JobQueue
from reage.web.sessions import OpenPhoto

__all__ = [
    "ERRORS",
    "AgeAnswer",
    "DirectionAnswer",
    "ErrorAnswer",
    "FaceAnswer",
    "JobAnswer",
    "PhotoAnswer",
    "about_job",
    "about_photo",
]


class ErrorAnswer(BaseModel):
    """Why something was refused."""

    detail: str = Field(description="one line: what was found and what to do")


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": text}
    for status, text in {
        400: "Asked for something that cannot be",
        401: "The password is missing or wrong",
        403: "Asked by another site's page",
        404: "Not open, or not yours",
        408: "The upload came too slowly",
        409: "The work was cancelled",
        413: "Too large",
        421: "Asked by a name that is not this server's",
        422: "A parameter or file that cannot be used",
        429: "Too many requests, or too many wrong passwords; see Retry-After",
        503: "Full or busy; see Retry-After",
    }.items()
}


class FaceAnswer(BaseModel):
    """One face of a photo."""

    number: int = Field(description="from left to right, 1 is the first")
    box: list[float] = Field(description="x0, y0, x1, y1 in pixels of the photo")
    square: list[int] = Field(description='left, top, side of the view "face", in pixels')
    age: float = Field(description="apparent age, years")
    spread: float = Field(description="within it lie two of three true ages, years")
    pose: list[float] = Field(description="yaw, pitch, roll, degrees")
    chosen: bool = Field(description="whether it is in the edit")
    inverted: bool = Field(description="whether its latent code is known")
    psnr: float | None = Field(None, description="of the inversion, dB")


class PhotoAnswer(BaseModel):
    """An open photo."""

    id: str
    name: str
    width: int
    height: int
    largest: int = Field(description="number of the largest face")
    faces: list[FaceAnswer]
    inverting: list[str] = Field(description="ways of pasting that need chosen faces inverted")
    notices: list[str] = Field(description="what should be known about the file")
    edits: dict = Field(default_factory=dict, description="what was done with it")


class AgeAnswer(BaseModel):
    """The ages of one face."""

    number: int
    age: float
    spread: float
    box: list[float]


class DirectionAnswer(BaseModel):
    """Something besides age along which a face can be moved."""

    name: str
    span: list[float] = Field(description="strengths that are of use")
    about: str


class JobAnswer(BaseModel):
    """Work that takes longer, and how far it is."""

    id: str
    kind: str
    state: str = Field(description="waiting, running, cancelling, done, failed or cancelled")
    place: int = Field(description="jobs before this one; 0: it runs or is over")
    stage: str
    done: int
    total: int = Field(description="0: not known")
    seconds_left: float | None
    losses: list[float] = Field(description="of an inversion, one a step")
    psnr: float | None
    has_picture: bool
    has_file: bool
    result: dict
    error: str | None
    version: int


def about_photo(photo: OpenPhoto, inverting: Sequence[str]) -> PhotoAnswer:
    """Describe an open photo; `inverting` are the ways of pasting that need codes."""
    height, width = photo.photo.pixels.shape[:2]
    faces = []
    for number, face in sorted(photo.faces.items()):
        reading, found = photo.readings[number], photo.codes.get(number)
        inversion = None if found is None else found.inversion
        faces.append(
            FaceAnswer(
                number=number,
                box=[round(v, 1) for v in face.box],
                square=list(face_square(face, width, height)[:3]),
                age=round(reading.age, 1),
                spread=round(reading.spread, 1),
                pose=[round(v, 1) for v in face.pose],
                chosen=number in photo.chosen,
                inverted=found is not None,
                psnr=None if inversion is None else round(float(inversion.psnr[0]), 1),
            )
        )
    return PhotoAnswer(
        id=photo.id,
        name=photo.name,
        width=width,
        height=height,
        largest=photo.largest,
        faces=faces,
        inverting=list(inverting),
        notices=[*photo.photo.notices, *photo.notices],
        edits=photo.edits,
    )


def about_job(job: Job, queue: JobQueue) -> JobAnswer:
    """Describe a job."""
    left = job.seconds_left
    return JobAnswer(
        id=job.id,
        kind=job.kind,
        state="cancelling" if job.cancel_wanted and not job.is_over else job.state,
        place=queue.place(job),
        stage=job.stage,
        done=job.done,
        total=job.total,
        seconds_left=None if left is None else round(left, 1),
        losses=job.losses,
        psnr=None if job.psnr is None else round(job.psnr, 2),
        has_picture=job.picture is not None,
        has_file=job.file is not None and job.file.is_file(),
        result=job.result,
        error=job.error,
        version=job.version,
    )
