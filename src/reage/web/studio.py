"""The one editor of a server, and the threads that use it."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from reage.editor import QUALITIES, Editor
from reage.errors import UsageError
from reage.images import Photo, decode_photo, encode_photo, to_array
from reage.images.writing import FORMATS
from reage.inversion.projection import ProjectStep
from reage.outputs.live import LiveFaces, live_faces
from reage.web.jobs import Job, JobQueue, QueueFull
from reage.web.sessions import OpenPhoto, Sessions
from reage.web.settings import ServerSettings

__all__ = ["PASTES", "SUFFIXES", "VIEWS", "Studio", "jpeg"]

PASTES = ("delta", "replace", "none")
VIEWS: Mapping[str, tuple[int, bool]] = {"whole": (1024, True), "face": (512, False)}
SUFFIXES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".tif": "image/tiff",
}
SHOW_EVERY = 4  # steps of an inversion, between pictures of it
JPEG_QUALITY = 88  # of what is only looked at
Answer = TypeVar("Answer")


@dataclass(eq=False)
class Studio:
    """What all requests share."""

    editor: Editor
    settings: ServerSettings
    # One thread answers quick requests, another does the jobs: a slider does not wait for
    # somebody's inversion. More threads would only take the two's processors away.
    quick: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "reage-quick"))
    detecting: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0

    def __post_init__(self) -> None:
        self.jobs = JobQueue(self.settings.jobs_each, self.settings.jobs)
        self.sessions = Sessions(
            self.settings.memory,
            self.settings.photos_each,
            self.settings.idle_minutes * 60,
            self.jobs.forget,
        )

    def warm_up(self) -> None:
        """Load what is loaded at the first use, so that no user waits for it."""
        _ = (self.editor.age_network, self.editor.latents.encoder, self.editor.latents.perceptual)
        _ = (self.editor.likeness, self.editor.detector)

    async def do(self, work: Callable[..., Answer], *args: Any) -> Answer:
        """Do something quick in its thread; QueueFull where too much waits for it."""
        if self.waiting >= self.settings.waiting:
            raise QueueFull("the server is busy; try again in a moment")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.quick, work, *args)
        finally:
            self.waiting -= 1

    def open(self, data: bytes, name: str, points: np.ndarray | None = None) -> OpenPhoto:
        """Decode a photo and find its faces; FaceError where there is none."""
        photo = decode_photo(data, Path(name).name or "photo", self.settings.max_pixels)
        with self.detecting:  # the landmarker is no thread's but one's at a time
            faces = self.editor.choose_faces(photo, (), "all", points)
        readings = {
            number: self.editor.view(photo, number, face).reading for number, face in faces.items()
        }
        return OpenPhoto(name, data, photo, faces, readings)

    def invert(self, job: Job, photo: OpenPhoto, numbers: list[int]) -> None:
        """Find the codes of faces; the work of a job."""
        steps = QUALITIES[photo.quality].step
        for i, number in enumerate(numbers):

            def watch(step: ProjectStep, i: int = i) -> None:
                job.add_loss(float(step.losses[0]), float(step.psnr[0]))
                if step.index % SHOW_EVERY == 0:
                    job.picture = jpeg(to_array(step.images[:, :3])[0])
                job.report("inversion", i * steps + step.index + 1, len(numbers) * steps)
                if job.stop_wanted:
                    raise KeyboardInterrupt  # keeps the best code so far

            found = self.editor.invert(
                photo.photo,
                {number: photo.faces[number]},
                quality=photo.quality,
                seed=photo.seed,
                on_step=watch,
                keep_stopped=True,
            )
            photo.inverted[number] = found[0]
        photo.live.clear()
        job.report("curves", len(numbers) * steps, len(numbers) * steps)
        self.live(photo, "delta", "whole")
        job.picture = jpeg(to_array(photo.inverted[numbers[-1]].base)[0])

    def live(self, photo: OpenPhoto, paste: str, view: str) -> LiveFaces:
        """The photo under the slider, looked at once for each paste mode and view."""
        if paste not in PASTES or view not in VIEWS:
            raise UsageError(f"paste is one of {', '.join(PASTES)}, view of {', '.join(VIEWS)}")
        if not photo.inverted:
            raise UsageError("no face of this photo is inverted yet; ask for that first")
        if (paste, view) not in photo.live:
            size, whole = VIEWS[view]
            inverted = [photo.at(number, paste) for number in sorted(photo.inverted)]
            photo.live[paste, view] = live_faces(
                self.editor,
                photo.photo,
                inverted,
                size=size,
                whole=whole or len(inverted) > 1,
            )
        return photo.live[paste, view]

    def edited(self, photo: OpenPhoto, ages: Mapping[int, float], paste: str) -> Photo:
        """The whole photo at full size, with the search for the exact age."""
        inverted = [photo.at(number, paste) for number in ages if number in photo.inverted]
        if not inverted:
            raise UsageError("none of these faces is inverted yet; ask for that first")
        traced = self.editor.trace(photo.photo, inverted)
        return traced.edit(dict(ages)).photo

    def encoded(self, photo: Photo, suffix: str, mark: str | None) -> bytes:
        """A photo as a file's bytes."""
        if suffix not in SUFFIXES:
            raise UsageError(f"{suffix} is not offered here; take one of {' '.join(SUFFIXES)}")
        return encode_photo(photo, FORMATS[suffix], mark)[0]

    def close(self) -> None:
        """End all work and forget everybody."""
        self.jobs.close()
        self.quick.shutdown(wait=True, cancel_futures=True)
        self.sessions.close_all()


def jpeg(pixels: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """Pixels `[H, W, 3]` uint8 as a JPEG to look at."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=quality)
    return file.getvalue()
