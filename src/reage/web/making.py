"""Routes that take a file and give one: whole edits in one request, ages, videos, folders."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from reage.editor import Editor
from reage.errors import ImageError, ReageError, UsageError
from reage.images import decode_photo
from reage.inputs import as_targets
from reage.jobs.batch.run import run_batch
from reage.jobs.batch.task import BatchTask, Done
from reage.video.config import Preview, Progress, VideoConfig
from reage.video.keyframes import KeyFrames, parse_keys
from reage.video.run import edit_video
from reage.web.answers import AgeAnswer, JobAnswer, about_job
from reage.web.files import attachment, named_after, span_name
from reage.web.jobs import Job
from reage.web.pictures import MARK, SUFFIXES, as_file, made_by
from reage.web.requests import (
    PASTED,
    Name,
    OwnSession,
    Paste,
    StudioOf,
    Suffix,
    ages_of,
    received,
    removing,
    store_body,
    upload_body,
)
from reage.web.studio import Studio
from reage.web.uploads import check_people, check_video, check_zip

__all__ = ["router"]

router = APIRouter(tags=["making"])
Quality = Annotated[Literal["fast", "normal", "best"], Query()]
To = Annotated[list[float], Query(min_length=1, max_length=12, description="years")]
YEARS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")


@router.post("/edit", response_class=Response, openapi_extra=upload_body)
async def edit(
    request: Request,
    session: OwnSession,
    studio: StudioOf,
    to: Annotated[float, Query(ge=0, le=120, description="years")],
    name: Name = "photo",
    face: Annotated[str, Query(pattern="^(largest|all|[1-9][0-9]?)$")] = "largest",
    paste: Paste = "delta",
    quality: Quality = "normal",
    seed: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    suffix: Suffix = ".jpg",
) -> Response:
    """A photo in, the same photo with faces at another age out, in one request."""
    place = session.new_folder()
    async with removing(request, place):
        await store_body(request, place / "photo")
    made: dict[str, Any] = {}

    def work(job: Job) -> None:
        studio.do_large_in_turn(make, job)

    def make(job: Job) -> None:
        data = (place / "photo").read_bytes()  # now: those that wait take no memory
        photo = decode_photo(data, name, studio.settings.max_pixels)
        which = int(face) if face.isdecimal() else cast(Literal["largest", "all"], face)
        steps = 0

        def watch(_: object) -> None:
            nonlocal steps
            steps += 1
            job.report("inversion", steps, 0)

        result = studio.editor.edit(
            photo, to, face=which, paste=paste, quality=quality, seed=seed, on_step=watch
        )
        made["faces"] = "; ".join(face.summary for face in result.edits[0].faces)
        mark = made_by(f"face at {to:g} years")
        edit = result.edits[0]
        made["file"] = as_file(edit.photo, suffix, mark, edit.notices)

    await _finished(request, studio, studio.jobs.submit("edit", session.id, work, place))
    named = named_after(name, f"age{to:g}{PASTED[paste]}", suffix)
    answer = attachment(made["file"], named, SUFFIXES[suffix])
    answer.headers["x-reage-faces"] = made["faces"]
    return answer


async def _finished(request: Request, studio: Studio, job: Job) -> None:
    """Wait for a job on behalf of a request; whoever hangs up cancels it."""
    while not job.is_over:
        if await request.is_disconnected():
            studio.jobs.cancel(job)
        await asyncio.sleep(0.05)
    if job.error is not None:
        raise ReageError(job.error)
    if job.state == "cancelled":
        raise HTTPException(409, "the work was cancelled")


@router.post("/ages", openapi_extra=upload_body)
async def read_ages(request: Request, studio: StudioOf, name: Name = "photo") -> list[AgeAnswer]:
    """Read how old the faces of a photo look; nothing is kept."""
    async with received(request) as file:
        photo = await studio.do_large(lambda: studio.open(file.read(), name))
    return [
        AgeAnswer(
            number=number,
            age=round(reading.age, 1),
            spread=round(reading.spread, 1),
            box=[round(v, 1) for v in photo.faces[number].box],
        )
        for number, reading in sorted(photo.readings.items())
    ]


@router.post("/videos", status_code=202, openapi_extra=upload_body)
async def video(
    request: Request,
    session: OwnSession,
    studio: StudioOf,
    to: Annotated[
        str,
        Query(max_length=200, description="70, FACE:AGE,... by person, or over time: 0s=40,3s=60"),
    ],
    name: Name = "video.mp4",
    which: Annotated[str, Query(pattern="^(largest|all|[1-9][0-9]?)$")] = "largest",
    preview: Annotated[float, Query(ge=0, le=3600, description="seconds; 0: all")] = 0.0,
    start: Annotated[float, Query(ge=0, le=1e6, description="seconds, of a preview")] = 0.0,
) -> JobAnswer:
    """People of a video at other ages: a job (the body is the file)."""
    ages = ages_of(to) if ":" in to else parse_keys(to, "to") or _years(to)
    if isinstance(ages, KeyFrames):
        as_targets(ages.values)
    suffix = PurePath(name).suffix.lower()
    if suffix not in VIDEO_SUFFIXES:
        raise ImageError(f"{name} is not a video; choose one of {' '.join(VIDEO_SUFFIXES)}")
    place = session.new_folder()
    source = place / f"video{suffix}"
    async with removing(request, place):
        await store_body(request, source)
        await studio.do_large(check_video, source, studio.settings.max_pixels)
        config = VideoConfig(
            to=ages,
            which=int(which) if which.isdecimal() else which,
            preview=Preview(preview, start) if preview else None,
        )
        output = place / "aged.mp4"
        if isinstance(config.to, dict) or isinstance(config.which, int):
            await studio.do_large(check_people, studio.editor, source, output, config)
    work = partial(_film, editor=studio.editor, source=source, output=output, config=config)
    job = studio.jobs.submit("video", session.id, work, place)
    job.result = {"name": named_after(name, _film_name(config), ".mp4")}
    return about_job(job, studio.jobs)


def _film_name(config: VideoConfig) -> str:
    """`age70`, `age35-75` over time, `age70-1s-4s` of a part."""
    to, part = config.to, config.preview
    if isinstance(to, Mapping):
        to = "-".join(dict.fromkeys(f"{age:g}" for age in to.values()))
    name = f"age{to if isinstance(to, str | KeyFrames) else f'{to:g}'}"
    return f"{name}-{part.start:g}s-{part.start + part.seconds:g}s" if part else name


def _film(job: Job, *, editor: Editor, source: Path, output: Path, config: VideoConfig) -> None:
    def tell(progress: Progress) -> None:
        job.report(progress.stage, progress.done, progress.total)

    result = edit_video(editor, source, output, config, mark=MARK, on_progress=tell)
    job.result = {**job.result, "people": len(result.tracks), "notices": list(result.notices)}
    job.file = output


def _years(text: str) -> float:
    if not YEARS.fullmatch(text):
        raise UsageError(f"to={text!r:.60} is not understood; give an age such as 70")
    as_targets(float(text))
    return float(text)


@router.post("/folders", status_code=202, openapi_extra=upload_body)
async def folder(
    request: Request,
    session: OwnSession,
    studio: StudioOf,
    to: To,
    name: Name = "photos.zip",
    quality: Quality = "normal",
    paste: Annotated[Literal["delta", "replace"], Query()] = "delta",
) -> JobAnswer:
    """A ZIP of photos in, a ZIP of photos at other ages out: a job."""
    as_targets(to)
    place = session.new_folder()
    source = place / "photos.zip"
    async with removing(request, place):
        await store_body(request, source)
        await studio.do_large(check_zip, source, studio.settings.max_unpacked)
    task = BatchTask(
        tuple(to),
        paste=paste,
        quality=quality,
        model=studio.settings.model,
        max_pixels=studio.settings.max_pixels,
    )
    work = partial(_folder, studio=studio, source=source, output=place / "aged.zip", task=task)
    job = studio.jobs.submit("folder", session.id, work, place)
    job.result = {"name": named_after(name, f"{span_name(to)}{PASTED[paste]}", ".zip")}
    return about_job(job, studio.jobs)


def _folder(job: Job, *, studio: Studio, source: Path, output: Path, task: BatchTask) -> None:
    def tell(_: Done, done: int, total: int) -> None:
        job.report("photos", done, total)

    here = (studio.editor, studio.do_large_in_turn)
    report = run_batch(str(source), output, task, here=here, on_done=tell)
    failed = [{"photo": key, "error": error} for key, error in report.failed]
    job.result = {**job.result, "photos": report.photos, "failed": failed,
                  "notices": list(report.notices)}  # fmt: skip
    job.file = output
