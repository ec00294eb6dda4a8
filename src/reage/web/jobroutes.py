"""Routes of jobs: how far they are, live; stop, cancel, fetch what came of them."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response, StreamingResponse

from reage.web.answers import JobAnswer, about_job
from reage.web.files import file_answer
from reage.web.jobs import Job, JobQueue
from reage.web.pictures import made_pictures, picture_in
from reage.web.requests import OwnJob, OwnSession, StudioOf

__all__ = ["router"]

router = APIRouter(prefix="/jobs", tags=["jobs"])
LOOK_EVERY = 0.12  # seconds
ALIVE_EVERY = 10.0  # seconds between signs of life while nothing changes


@router.get("")
async def list_jobs(session: OwnSession, studio: StudioOf) -> list[JobAnswer]:
    """All jobs of this session."""
    mine = [job for job in list(studio.jobs.jobs.values()) if job.owner == session.id]
    return [about_job(job, studio.jobs) for job in mine]


@router.get("/{job_id}")
async def get_job(job: OwnJob, studio: StudioOf) -> JobAnswer:
    """How far a job is."""
    return about_job(job, studio.jobs)


@router.get("/{job_id}/events", response_class=StreamingResponse)
async def events(job: OwnJob, studio: StudioOf) -> StreamingResponse:
    """How far a job is, as server-sent events until it is over; `picture` is a data URL.

    Whoever follows them keeps the job alive: it is cancelled soon after the last one has gone.
    """
    telling = listened_to(job, studio.jobs, studio.settings.unheard)
    return StreamingResponse(telling, media_type="text/event-stream")


async def listened_to(job: Job, queue: JobQueue, unheard: float) -> AsyncIterator[str]:
    """Tell a job's events; a job that a tab followed is cancelled when that is closed.

    `unheard` seconds are left for a connection that broke to come back. A job that nobody
    followed goes on: its owner asks for it from time to time.
    """
    job.listeners += 1
    try:
        async for line in _told(job, queue):
            yield line
    finally:
        job.listeners -= 1
        if not job.is_over:
            asyncio.get_running_loop().call_later(unheard, _cancel_unheard, job, queue)


def _cancel_unheard(job: Job, queue: JobQueue) -> None:
    if not job.listeners and not job.is_over:
        queue.cancel(job)


async def _told(job: Job, queue: JobQueue) -> AsyncIterator[str]:
    seen, picture, place, told = -1, None, -1, time.monotonic()
    while True:
        if job.version != seen or queue.place(job) != place:
            seen, place = job.version, queue.place(job)
            facts = about_job(job, queue).model_dump()
            if job.picture is not None and job.picture is not picture:
                picture = job.picture
                facts["picture"] = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
            yield f"data: {json.dumps(facts)}\n\n"
            told = time.monotonic()
            if facts["state"] in ("done", "failed", "cancelled"):
                return
        elif time.monotonic() - told > ALIVE_EVERY:
            yield ": alive\n\n"
            told = time.monotonic()
        await asyncio.sleep(LOOK_EVERY)


@router.get("/{job_id}/picture", response_class=Response)
async def picture(job: OwnJob) -> Response:
    """How an inversion looks by now."""
    if job.picture is None:
        raise HTTPException(404, "this job has no picture yet")
    return Response(job.picture, media_type="image/jpeg")


@router.post("/{job_id}/stop")
async def stop(job: OwnJob, studio: StudioOf) -> JobAnswer:
    """End an inversion and keep the best code found so far."""
    job.stop_wanted = True
    return about_job(job, studio.jobs)


@router.delete("/{job_id}")
async def cancel(job: OwnJob, studio: StudioOf) -> JobAnswer:
    """Cancel a job; what it made is dropped."""
    studio.jobs.cancel(job)
    return about_job(job, studio.jobs)


@router.get("/{job_id}/pictures")
async def list_pictures(job: OwnJob) -> list[str]:
    """The names of the pictures that a folder's job made."""
    return made_pictures(_made(job))


@router.get("/{job_id}/pictures/{index}", response_class=Response)
async def thumbnail(job: OwnJob, index: Annotated[int, InPath(ge=0)]) -> Response:
    """One of them, small."""
    path = _made(job)
    names = made_pictures(path)
    if index >= len(names):
        raise HTTPException(404, f"there are {len(names)} pictures")
    data = await asyncio.to_thread(picture_in, path, names[index])
    return Response(data, media_type="image/jpeg")


@router.get("/{job_id}/file", response_class=FileResponse)
async def file(job: OwnJob) -> FileResponse:
    """What a job made."""
    made = _made(job)
    return file_answer(made, str(job.result.get("name", made.name)))


def _made(job: Job) -> Path:
    if job.state != "done" or job.file is None or not job.file.is_file():
        raise HTTPException(404, "this job has made no file (yet)")
    return job.file
