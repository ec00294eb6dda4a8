"""Routes that make files: strips, animations, whole edits in one request, videos, folders."""

from __future__ import annotations

import asyncio
import secrets
import zipfile
from functools import partial
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, cast

import torch
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from reage.compositing.change import PasteMode
from reage.editor import Editor
from reage.errors import ImageError, ReageError, UsageError
from reage.images import decode_photo, photo_from_array
from reage.inputs import as_targets
from reage.jobs.batch.run import run_batch
from reage.jobs.batch.task import BatchTask, Done
from reage.outputs.animation import Timing, plan_animation, play
from reage.outputs.live import LiveFaces, live_faces
from reage.outputs.moving import check_moving, write_moving
from reage.outputs.strip import Panel, draw_strip
from reage.video.config import Preview, Progress, VideoConfig
from reage.video.run import edit_video
from reage.web.answers import AgeAnswer, JobAnswer, about_job
from reage.web.jobs import Job
from reage.web.photos import Paste, attachment
from reage.web.requests import (
    Name,
    OpenedPhoto,
    OwnSession,
    StudioOf,
    ages_of,
    read_body,
    store_body,
    upload_body,
)
from reage.web.sessions import OpenPhoto, Session
from reage.web.studio import SUFFIXES, Studio

__all__ = ["router"]

router = APIRouter(tags=["making"])
Quality = Annotated[Literal["fast", "normal", "best"], Query()]
Moving = Literal[".mp4", ".gif", ".webp"]
To = Annotated[list[float], Query(min_length=1, max_length=12, description="years")]
STRIP_MARK = "Made by reage: synthetic ages"
SIDE = {".mp4": 720, ".webp": 400, ".gif": 320}  # pixels of an animation
FPS = {".mp4": 25, ".webp": 15, ".gif": 12}
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")


@router.get("/photos/{photo_id}/strip", response_class=Response)
async def strip(
    photo: OpenedPhoto,
    studio: StudioOf,
    to: To,
    paste: Paste = "delta",
) -> Response:
    """The first inverted face at a row of ages, labelled: a PNG."""
    as_targets(to)
    data = await studio.do(_strip, studio, photo, to, paste)
    return attachment(data, f"{PurePath(photo.name).stem}-ages.png", "image/png")


def _strip(studio: Studio, photo: OpenPhoto, to: list[float], paste: str) -> bytes:
    live = studio.live(photo, paste, "face")
    face = live.traced.faces[0]
    own = face.view.reading.age
    panels = [Panel(live.traced.search.photo.rgb8, "photo", f"reads {own:.0f}")]
    for age in to:
        pixels, glances = live.at({face.view.number: age})
        read = glances[face.view.number].reading.age
        panels.append(Panel(pixels, f"{age:g}", f"reads {read:.0f}"))
    return studio.encoded(photo_from_array(draw_strip(panels)), ".png", STRIP_MARK)


@router.post("/photos/{photo_id}/animation", status_code=202)
async def animation(
    photo: OpenedPhoto,
    session: OwnSession,
    studio: StudioOf,
    first: Annotated[float, Query(ge=0, le=120)],
    last: Annotated[float, Query(ge=0, le=120)],
    suffix: Moving = ".mp4",
    seconds: Annotated[float, Query(ge=0.5, le=30)] = 6.0,
    paste: Paste = "delta",
    label: bool = True,
) -> JobAnswer:
    """The inverted faces growing older and younger again: a job."""
    if not photo.inverted:
        raise UsageError("no face of this photo is inverted yet; ask for that first")
    path = _new_file(session, suffix)
    check_moving(path)
    work = partial(
        _animate,
        studio=studio,
        photo=photo,
        path=path,
        ages=(first, last),
        timing=Timing(FPS[suffix], seconds),
        paste=cast(PasteMode, paste),
        label=label,
    )
    return about_job(studio.jobs.submit("animation", session.id, work), studio.jobs)


def _animate(
    job: Job,
    *,
    studio: Studio,
    photo: OpenPhoto,
    path: Path,
    ages: tuple[float, float],
    timing: Timing,
    paste: PasteMode,
    label: bool,
) -> None:
    inverted = [photo.at(number, paste) for number in sorted(photo.inverted)]
    live: LiveFaces = live_faces(
        studio.editor, photo.photo, inverted, size=SIDE[path.suffix], whole=False
    )
    plan = plan_animation(live.traced, *ages, timing)
    shown = f"{plan.ages[0]:.0f} to {plan.ages[-1]:.0f} years"

    def frames():
        for number, frame in enumerate(play(plan, label=label)):
            job.report("frames", number, plan.frames)
            yield frame

    write_moving(frames(), path, timing.fps, mark=f"Animated by reage, partly synthetic: {shown}")
    job.file, job.result = path, {"name": f"{PurePath(photo.name).stem}-ages{path.suffix}"}


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
    suffix: Annotated[str, Query(max_length=8)] = ".jpg",
) -> Response:
    """A photo in, the same photo with faces at another age out, in one request."""
    if suffix not in SUFFIXES:
        raise UsageError(f"{suffix} is not offered here; take one of {' '.join(SUFFIXES)}")
    data = await read_body(request, studio.settings.max_photo)
    made: dict[str, Any] = {}

    def work(job: Job) -> None:
        photo = decode_photo(data, PurePath(name).name or "photo", studio.settings.max_pixels)
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
        mark = f"Edited by reage, partly synthetic: face at {to:g} years"
        made["data"] = studio.encoded(result.edits[0].photo, suffix, mark)

    await _finished(request, studio, studio.jobs.submit("edit", session.id, work))
    answer = attachment(made["data"], f"{PurePath(name).stem}-age{to:g}{suffix}", SUFFIXES[suffix])
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
    data = await read_body(request, studio.settings.max_photo)
    photo = await studio.do(studio.open, data, PurePath(name).name)
    return [
        AgeAnswer(
            number=number,
            age=round(reading.age, 1),
            spread=round(reading.spread, 1),
            box=[round(v, 1) for v in photo.faces[number].box],
        )
        for number, reading in sorted(photo.readings.items())
    ]


@router.get("/photos/{photo_id}/latents", response_class=Response)
async def latents(photo: OpenedPhoto) -> Response:
    """The codes of the inverted faces, `[faces, num_ws, w_dim]` float32, as safetensors."""
    from safetensors.torch import save

    if not photo.inverted:
        raise UsageError("no face of this photo is inverted yet; ask for that first")
    ws = torch.cat([photo.inverted[number].ws.cpu() for number in sorted(photo.inverted)])
    name = f"{PurePath(photo.name).stem}.safetensors"
    return attachment(save({"ws": ws.contiguous()}), name, "application/octet-stream")


@router.post("/videos", status_code=202, openapi_extra=upload_body)
async def video(
    request: Request,
    session: OwnSession,
    studio: StudioOf,
    to: Annotated[str, Query(max_length=200, description="70, or FACE:AGE,... by person")],
    name: Name = "video.mp4",
    which: Annotated[str, Query(pattern="^(largest|all|[1-9][0-9]?)$")] = "largest",
    preview: Annotated[float, Query(ge=0, le=60, description="seconds; 0: all")] = 0.0,
) -> JobAnswer:
    """People of a video at other ages: a job (the body is the file)."""
    ages = ages_of(to) if ":" in to else _years(to)
    suffix = PurePath(name).suffix.lower()
    if suffix not in VIDEO_SUFFIXES:
        raise ImageError(f"{name} is no video; choose one of {' '.join(VIDEO_SUFFIXES)}")
    source, output = _new_file(session, suffix), _new_file(session, ".mp4")
    await store_body(request, source, studio.settings.max_file)
    config = VideoConfig(
        to=ages,
        which=int(which) if which.isdecimal() else which,
        preview=Preview(preview) if preview else None,
    )
    work = partial(_film, editor=studio.editor, source=source, output=output, config=config)
    job = studio.jobs.submit("video", session.id, work)
    job.result = {"name": f"{PurePath(name).stem}-aged.mp4"}
    return about_job(job, studio.jobs)


def _film(job: Job, *, editor: Editor, source: Path, output: Path, config: VideoConfig) -> None:
    def tell(progress: Progress) -> None:
        job.report(progress.stage, progress.done, progress.total)

    try:
        result = edit_video(
            editor, source, output, config, mark="Edited by reage, partly synthetic",
            on_progress=tell,
        )  # fmt: skip
    finally:
        source.unlink(missing_ok=True)
    job.result = {**job.result, "people": len(result.tracks)}
    job.file = output


def _years(text: str) -> float:
    try:
        years = float(text)
    except ValueError:
        raise UsageError(f"to={text!r} is not understood; give an age such as 70") from None
    as_targets(years)
    return years


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
    source, output = _new_file(session, ".zip"), _new_file(session, ".zip")
    await store_body(request, source, studio.settings.max_file)
    try:
        _check_zip(source, studio.settings.max_unpacked)
        task = BatchTask(tuple(to), paste=paste, quality=quality, model=studio.settings.model)
        work = partial(_folder, source=source, output=output, task=task)
        job = studio.jobs.submit("folder", session.id, work)
    except ReageError:
        source.unlink(missing_ok=True)
        raise
    job.result = {"name": f"{PurePath(name).stem}-aged.zip"}
    return about_job(job, studio.jobs)


def _check_zip(path: Path, most: int) -> None:
    """Refuse what is no ZIP, or would fill the disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ImageError("the upload is no ZIP file, or it is damaged; pack it again") from error
    if size > most:
        raise ImageError(f"the ZIP unpacks to {size >> 20} MB; {most >> 20} MB are allowed")


def _folder(job: Job, *, source: Path, output: Path, task: BatchTask) -> None:
    def tell(_: Done, done: int, total: int) -> None:
        job.report("photos", done, total)

    try:
        report = run_batch(str(source), output, task, on_done=tell)
    finally:
        source.unlink(missing_ok=True)
    failed = [{"photo": key, "error": error} for key, error in report.failed]
    job.result = {**job.result, "photos": report.photos, "failed": failed}
    job.file = output


def _new_file(session: Session, suffix: str) -> Path:
    return session.folder / f"{secrets.token_hex(8)}{suffix}"
