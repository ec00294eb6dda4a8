"""Routes of the poster for the search for a missing person: its fields, and making it."""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

from fastapi import APIRouter

from reage.errors import UsageError
from reage.outputs.poster.fields import FIELDS, PosterFields, fill_fields
from reage.outputs.poster.languages import LANGUAGES, load_words
from reage.outputs.poster.pages import check_inputs, open_page
from reage.outputs.poster.poster import MARK, make_poster
from reage.outputs.poster.times import times_of
from reage.web.answers import JobAnswer, about_job
from reage.web.files import named_after
from reage.web.jobs import Job
from reage.web.pictures import as_shown
from reage.web.requests import Focus, OpenedPhoto, OwnSession, StudioOf
from reage.web.sessions import OpenPhoto, Session
from reage.web.studio import Studio

__all__ = ["router"]

router = APIRouter(tags=["poster"])
LOOKS = 3  # beside the photo, as the command makes


@router.get("/poster/fields")
async def fields(language: str = "en") -> list[dict[str, Any]]:
    """The fields of a poster, in order, with labels in one of its languages."""
    labels = load_words(language if language in LANGUAGES else "en").labels
    return [
        {
            "name": rule.name,
            "label": labels.get(rule.name, rule.name.replace("_", " ")),
            "kind": rule.kind,
            "help": rule.help,
            "most": rule.most,
            "choices": rule.choices,
        }
        for rule in FIELDS
    ]


@router.post("/photos/{photo_id}/poster", status_code=202)
async def poster(
    values: dict[str, Any],
    photo: OpenedPhoto,
    session: OwnSession,
    studio: StudioOf,
    face: Focus = 0,
) -> JobAnswer:
    """Make a poster of one face of the photo, as a PDF: a job whose picture is the page.

    `logo` is the bytes of a picture file in base64.
    """
    filled = fill_fields({**values, "logo": _logo_bytes(values.get("logo"))})
    times_of(filled)  # contradictions are said before the work
    await studio.do_large(check_inputs, filled, LOOKS, None)
    number = face if face in photo.faces else photo.chosen[0]
    work = partial(_make, studio=studio, photo=photo, session=session, number=number, fields=filled)
    job = studio.jobs.submit("poster", session.id, work)
    job.result = {"name": named_after(photo.name, "poster", ".pdf")}
    return about_job(job, studio.jobs)


def _logo_bytes(sent: object) -> bytes | None:
    """Return a logo's bytes: a path, which names a file of the server, is never read."""
    if sent in (None, ""):
        return None
    try:
        return base64.b64decode(str(sent), validate=True)
    except ValueError:
        raise UsageError("the logo is not the bytes of a picture file in base64") from None


def _make(
    job: Job,
    *,
    studio: Studio,
    photo: OpenPhoto,
    session: Session,
    number: int,
    fields: PosterFields,
) -> None:
    editor = studio.editor
    (prepared,) = editor.prepare(photo.photo, {number: photo.faces[number]})
    made = make_poster(editor, photo.photo, prepared, fields, count=LOOKS, on_step=job.report)
    job.report("pages", 0, 1)
    path = session.new_folder() / "poster.pdf"
    with open_page(made) as page:
        path.write_bytes(page.as_pdf(MARK))
        job.picture = as_shown(page.as_picture(), MARK)
    job.file = path
