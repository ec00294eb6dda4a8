"""Read, edit and write one photo of a batch, or report why it failed."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import reage.editor
from reage.editor import Editor
from reage.errors import ImageError, ReageError, UsageError
from reage.files import name_errors, write_together
from reage.images import Photo, check_target, decode_photo, read_photo, write_photo
from reage.images.metadata import mark_in_xmp
from reage.jobs.batch.inputs import DAMAGED_ZIP, MAX_MEMBER, is_mark_of_made
from reage.jobs.batch.task import BatchTask, Done, Item
from reage.jobs.zips import open_zip
from reage.notices import merge_notices
from reage.types import AgedFace, Edit, Result

__all__ = ["Worker", "open_editor"]


def open_editor(task: BatchTask) -> Editor:
    """Load what a task edits with; ModelError or LatentError where nothing ages faces."""
    editor = reage.editor.load(
        task.model,
        device=task.device,
        precision=task.precision,
        direction=task.direction,
        vgg16=None if task.lpips is None else Path(task.lpips),
        grey_hair=task.grey_hair,
        hair_color=task.hair_color,
        detail=task.detail,
        occlusion=task.occlusion,
    )
    editor.required_ager()  # what is missing is said once, not for each photo
    return editor


class Worker:
    """Load an editor once, unless one is given, and apply a task to photos one by one."""

    def __init__(self, task: BatchTask, output: Path, editor: Editor | None = None):
        self.task, self.output = task, output
        self.editor = editor or open_editor(task)
        self.model = self.editor.fingerprint(task.paste)

    def do(self, item: Item) -> Done:
        """Edit one photo; write all its outputs or none."""
        try:
            photo = _read(item, self.task.max_pixels)
            if item.found and is_mark_of_made(mark_in_xmp(photo.xmp)):
                self._remove(item.outputs)
                return Done(item.key, item.stamp, self.model, None, left_out=True)
            self._check_places(item)
            result = self._edit(photo)
            files, lost = self._write(item, result.edits)
        except UsageError:
            raise  # every photo would fail in the same way
        except ReageError as error:
            _stop_if_full(error, self.output)
            self._remove(item.outputs)  # outputs of an earlier photo of that name
            reason = str(error).replace(item.file, item.key)  # independent of how IN was given
            return Done(item.key, item.stamp, self.model, reason)
        except MemoryError:
            self._remove(item.outputs)
            return Done(item.key, item.stamp, self.model, "too large for this machine's memory")
        rows = tuple(
            _row(item.key, place, edit, face)
            for place, edit in zip(item.outputs, result.edits, strict=True)
            for face in edit.faces
        )
        notices = tuple(merge_notices([*result.notices, *lost]))
        return Done(item.key, item.stamp, self.model, None, files, rows, notices)

    def _check_places(self, item: Item) -> None:
        """Make the folders of the outputs; ImageError for names that cannot be, before the work."""
        for place in item.outputs:
            target = self.output / place
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ImageError(
                    f"the folder {target.parent} cannot be made ({error.strerror})"
                ) from error
            check_target(target, overwrite=True)

    def _edit(self, photo: Photo) -> Result:
        task = self.task
        return self.editor.edit(
            photo,
            task.targets,
            face=task.face,
            paste=task.paste,
            quality=task.quality,
            seed=task.seed,
        )

    def _write(self, item: Item, edits: Sequence[Edit]) -> tuple[dict[str, int], list[str]]:
        """Write all outputs or none; return their sizes, and what their format cannot hold."""
        lost: list[str] = []
        with name_errors(self.output / item.outputs[0]), write_together() as write:
            for place, edit in zip(item.outputs, edits, strict=True):
                mark = edit.mark if self.task.mark else None
                target = self.output / place
                lost += write_photo(
                    edit.photo, target, mark=mark, overwrite=True, write=write
                ).notices
        return {place: (self.output / place).stat().st_size for place in item.outputs}, lost

    def _remove(self, places: Sequence[str]) -> None:
        for place in places:
            with suppress(OSError):
                (self.output / place).unlink(missing_ok=True)


def _stop_if_full(error: ReageError, output: Path) -> None:
    """Raise ReageError where every further photo would fail in the same way."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        raise ReageError(
            f"the disk of {output} is full or may not be written: make room and give the same "
            "command again; the work so far is kept"
        ) from error


def _read(item: Item, max_pixels: int) -> Photo:
    """Read a photo from its file or from its ZIP."""
    if item.member is None:
        return read_photo(item.file, max_pixels)
    try:
        with open(item.file, "rb") as file, open_zip(file) as archive:
            if archive.getinfo(item.member).file_size > MAX_MEMBER:
                raise ImageError(f"{item.key} is too large to read from the ZIP: extract it first")
            data = archive.read(item.member)
    except DAMAGED_ZIP as error:
        if isinstance(error, NotImplementedError):
            reason = "it is packed in an unusual way"
        else:
            reason = "it has a password" if isinstance(error, RuntimeError) else "it is damaged"
        raise ImageError(f"{item.key} cannot be read from the ZIP: {reason}") from error
    return decode_photo(data, Path(item.key), max_pixels)


def _row(key: str, place: str, edit: Edit, face: AgedFace) -> dict[str, Any]:
    height, width = edit.photo.pixels.shape[:2]
    return {
        "input": key,
        "output": place,
        "width": width,
        "height": height,
        "face": face.number,
        "asked": face.asked,
        "before": round(face.before.age, 3),
        "before_spread": round(face.before.spread, 3),
        "after": round(face.after.age, 3),
        "after_spread": round(face.after.spread, 3),
        "reached": face.limit is None,
        "limit": face.limit,
        "strength": round(face.strength, 5),
        "likeness": round(face.likeness, 4),
        "psnr": None if face.psnr is None else round(face.psnr, 2),
    }
