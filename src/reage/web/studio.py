"""The one editor of a server, and the threads that use it."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from reage.agers.base import PreparedFace
from reage.compositing.change import PASTES, Amounts, check_paste
from reage.compositing.view import crop_for_age, read_age
from reage.editor import QUALITIES, Editor
from reage.errors import UsageError
from reage.faces.face import Face, check_face
from reage.faces.readings import AgeReading
from reage.images import Photo, decode_photo, to_array, to_tensor
from reage.inversion.projection import ProjectStep
from reage.memory import held_bytes
from reage.outputs.framing import frame_prepared
from reage.outputs.live import LiveFaces, look_along
from reage.outputs.project import open_project
from reage.outputs.project_facts import MAX_FACES
from reage.web.answers import PhotoAnswer, about_photo
from reage.web.directions import Directions
from reage.web.jobs import Job, JobQueue
from reage.web.pictures import as_shown
from reage.web.sessions import OpenPhoto, Sessions
from reage.web.settings import ServerSettings
from reage.web.workers import Workers

__all__ = ["VIEWS", "Studio"]

# Pixels a side at most, and whether the whole photo is seen or the square around one face.
VIEWS: Mapping[str, tuple[int, bool]] = {
    "whole": (1024, True),
    "face": (512, False),
    "near": (1024, False),
}
SHOW_EVERY = 4  # steps of an inversion, between pictures of it


@dataclass(eq=False)
class Studio:
    """What all requests share."""

    editor: Editor
    settings: ServerSettings
    detecting: threading.Lock = field(default_factory=threading.Lock)
    loading: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.workers = Workers(self.settings.waiting, self.settings.waiting_large)
        self.do, self.do_large = self.workers.do, self.workers.do_large
        self.do_large_in_turn = self.workers.do_large_in_turn
        self.jobs = JobQueue(self.settings.jobs_each, self.settings.jobs)
        self.directions = Directions(self.editor, self.settings.model)
        self.sessions = Sessions(
            self.settings.memory,
            self.settings.photos_each,
            self.settings.idle_minutes * 60,
            self.jobs.forget,
            # Agers, networks and detectors are everybody's.
            lambda photo: held_bytes(
                photo, (self.editor, self.editor.ager, photo.turn, photo.rest, photo.aside)
            ),
        )

    def warm_up(self) -> None:
        """Load what the first picture needs, so that no user waits for it, and nothing else."""
        editor = self.editor
        _ = (editor.age_network, editor.likeness, editor.detector)
        if editor.grey_hair and editor.ager is not None and editor.ager.greys_hair:
            _ = editor.hair_finders
        if self.needs_code("normal", "delta"):
            self.load_latents()

    def load_latents(self) -> None:
        """Load what inverts faces; ModelError where the model has no codes."""
        with self.loading:
            _ = (self.editor.latents.encoder, self.editor.latents.perceptual)

    def open(self, data: bytes, name: str, points: np.ndarray | None = None) -> OpenPhoto:
        """Decode a photo and find its faces; FaceError where there is none."""
        photo = decode_photo(data, Path(name).name or "photo", self.settings.max_pixels)
        with self.detecting:  # the landmarker is no thread's but one's at a time
            faces = self.editor.choose_faces(photo, (), "all", points)
        return OpenPhoto(name, data, photo, faces, self._read(photo, faces))

    def add_face(self, photo: OpenPhoto, face: Face) -> None:
        """Take in a face that was marked by hand, and put it in the edit."""
        number = max(photo.faces) + 1
        if number > MAX_FACES:
            raise UsageError(f"a photo has at most {MAX_FACES} faces here")
        height, width = photo.photo.pixels.shape[:2]
        check_face(face, width, height)
        photo.readings |= self._read(photo.photo, {number: face})
        photo.faces |= {number: face}
        photo.choose({*photo.chosen, number})

    def open_project(self, data: bytes) -> OpenPhoto:
        """Read a .reage file: the photo as it was left, with what was done with it."""
        with self.loading:  # it may hold codes
            project = open_project(self.editor, data, self.settings.max_pixels)
        return OpenPhoto(
            project.name,
            project.data,
            project.photo,
            dict(project.faces),
            self._read(project.photo, project.faces),
            tuple(sorted(project.chosen)),
            quality=project.quality,
            seed=project.seed,
            codes=dict(project.codes),
            notices=project.notices,
            edits=dict(project.edits),
        )

    def _read(self, photo: Photo, faces: Mapping[int, Face]) -> dict[int, AgeReading]:
        network = self.editor.age_network
        squares = {n: crop_for_age(photo.pixels, face).image for n, face in faces.items()}
        return {
            n: read_age(network, to_tensor(square).to(self.editor.device))
            for n, square in squares.items()
        }

    def about(self, photo: OpenPhoto) -> PhotoAnswer:
        """Describe an open photo."""
        inverting = [paste for paste in PASTES if self.needs_code(photo.quality, paste)]
        return about_photo(photo, inverting)

    def needs_code(self, quality: str, paste: str) -> bool:
        """Whether faces are to be inverted before they can be shown in a way of pasting."""
        return self.editor.search_of(quality, check_paste(paste)) is not None

    def faces(self, photo: OpenPhoto, paste: str, *, coded: bool = False) -> list[PreparedFace]:
        """The faces in the edit, for a way of pasting; with their codes where `coded`.

        UsageError where a code that it takes is not known yet.
        """
        mode = check_paste(paste)
        if not coded and not self.needs_code(photo.quality, paste):
            return [replace(self._plain(photo, n), paste=mode) for n in photo.chosen]
        self.check_codes(photo, mode, coded=coded)
        return [replace(photo.codes[number], paste=mode) for number in photo.chosen]

    def check_codes(self, photo: OpenPhoto, paste: str, *, coded: bool = False) -> None:
        """Raise UsageError where a face in the edit lacks the code that is needed."""
        if not coded and not self.needs_code(photo.quality, paste):
            return
        for number in photo.chosen:
            if number not in photo.codes:
                raise UsageError(
                    f"face {number} has no latent code yet, which this needs; invert it first: "
                    f"POST /photos/{photo.id}/invert"
                )

    def _plain(self, photo: OpenPhoto, number: int) -> PreparedFace:
        plain = photo.kept.plain
        if number not in plain:
            face = {number: photo.faces[number]}
            (plain[number],) = self.editor.prepare(photo.photo, face, quality=photo.quality)
        return plain[number]

    def invert(self, job: Job, photo: OpenPhoto, numbers: Sequence[int], paste: str | None) -> None:
        """Find the codes of faces, then look at all ages in a way of pasting; the work of a job."""
        self.load_latents()
        steps = QUALITIES[photo.quality].step
        for i, number in enumerate(numbers):

            def watch(step: ProjectStep, i: int = i) -> None:
                job.add_loss(float(step.losses[0]), float(step.psnr[0]))
                if step.index % SHOW_EVERY == 0:
                    job.picture = as_shown(to_array(step.images[:, :3])[0])
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
            photo.learn(found[0])
        job.report("curves", len(numbers) * steps, len(numbers) * steps)
        photo.choose({*photo.chosen, *numbers})
        if paste is not None:
            self.live(photo, paste, "whole")
        job.picture = as_shown(to_array(photo.codes[numbers[-1]].base)[0])

    def framed(
        self, photo: OpenPhoto, paste: str, view: str, focus: int = 0, *, coded: bool = False
    ) -> tuple[Photo, list[PreparedFace]]:
        """The photo as large as a view shows it, with the faces in the edit.

        A view of a face shows `focus` (0: the first in the edit) and changes nobody else.
        """
        if view not in VIEWS:
            raise UsageError(f"view is one of {', '.join(VIEWS)}")
        mode, kept = check_paste(paste), photo.kept  # before `chosen`, which changes first
        size, whole = VIEWS[view]
        focus = 0 if whole else focus if focus in photo.chosen else photo.chosen[0]
        key = (coded or self.needs_code(photo.quality, paste), view, focus)
        if key not in kept.framed:
            faces = self.faces(photo, paste, coded=coded)
            faces = [face for face in faces if focus in (0, face.view.number)]
            kept.framed[key] = frame_prepared(photo.photo, faces, size, whole=whole, even=False)
        small, faces = kept.framed[key]
        return small, [replace(face, paste=mode) for face in faces]

    async def look(
        self,
        photo: OpenPhoto,
        paste: str,
        view: str,
        focus: int,
        amounts: Amounts,
        gone: Callable[[], Awaitable[bool]] | None = None,
    ) -> LiveFaces:
        """Return `live`, aside where it is not known: the first look takes long."""
        wanted = (photo, paste, view, focus, amounts)
        if _live_key(paste, view, focus, amounts) in photo.kept.live:
            return self.live(*wanted)
        return await self.do(photo.aside, self.live, *wanted, kind="aside", gone=gone)

    def live(
        self,
        photo: OpenPhoto,
        paste: str,
        view: str,
        focus: int = 0,
        amounts: Amounts | None = None,
    ) -> LiveFaces:
        """The photo under the slider, with `amounts` of each part of the change."""
        amounts = amounts or self.editor.amounts()
        kept, key = photo.kept, _live_key(paste, view, focus, amounts)
        if key not in kept.live:
            small, faces = self.framed(photo, paste, view, focus)
            # Skin shows more in a larger view: what a face's curve is depends on the size.
            code = self.needs_code(photo.quality, paste)
            known = kept.curves.setdefault((code, paste, view, key[-1]), {})
            kept.live[key] = look_along(self.editor, small, faces, known, amounts)
        return kept.live[key].showing(amounts)

    def shown_strengths(
        self,
        photo: OpenPhoto,
        ages: Mapping[int, float],
        paste: str,
        view: str,
        focus: int,
        amounts: Amounts,
    ) -> dict[int, float] | None:
        """The strengths at which faces were shown at ages, by number, in a view or the whole photo.

        None where one of them was not. Another size of the photo may be read otherwise.
        """
        found: dict[int, float] = {}
        for shown in (("whole", 0), (view, focus)):
            live = photo.kept.live.get(_live_key(paste, *shown, amounts))
            curves = {} if live is None else live.curves
            for number, age in ages.items():
                curve = curves.get(number)
                if curve is not None and age in curve.asked:
                    found[number] = curve.asked[age]
        return found if found.keys() == ages.keys() else None

    def close(self) -> None:
        """End all work and forget everybody."""
        self.jobs.close()
        self.workers.close()
        self.sessions.close_all()


def _live_key(paste: str, view: str, focus: int, amounts: Amounts) -> tuple[str, str, int, bool]:
    """Return what a live photo is kept by: ages are searched with grey hair or without."""
    return paste, view, focus, amounts.hair > 0
