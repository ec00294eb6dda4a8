"""Read, edit and write one photo of a batch, or report why it failed."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import reage.editor
from reage.editor import Editor
from reage.errors import ImageError, ReageError, UsageError
from reage.images import Photo, decode_photo, read_photo, write_photo
from reage.jobs.batch.inputs import MAX_MEMBER
from reage.jobs.batch.task import BatchTask, Done, Item
from reage.types import AgedFace, Edit

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
    )
    editor.required_ager()  # what is missing is said once, not for each photo
    return editor


class Worker:
    """Load an editor once and apply a task to photos one by one."""

    def __init__(self, task: BatchTask, output: Path):
        self.task, self.output = task, output
        self.editor = open_editor(task)
        self.model = self.editor.fingerprint(task.paste)

    def do(self, item: Item) -> Done:
        """Edit one photo; write all its outputs or none."""
        try:
            edits = self._edit(item)
            files = self._write(item, edits)
        except UsageError:
            raise  # every photo would fail in the same way
        except ReageError as error:
            self._remove(item.outputs)  # outputs of an earlier photo of that name
            reason = str(error).replace(item.file, item.key)  # independent of how IN was given
            return Done(item.key, item.stamp, self.model, reason)
        except MemoryError:
            self._remove(item.outputs)
            return Done(item.key, item.stamp, self.model, "too large for this machine's memory")
        rows = tuple(
            _row(item.key, place, edit, face)
            for place, edit in zip(item.outputs, edits, strict=True)
            for face in edit.faces
        )
        return Done(item.key, item.stamp, self.model, None, files, rows)

    def _edit(self, item: Item) -> Sequence[Edit]:
        task = self.task
        result = self.editor.edit(
            _read(item),
            task.targets,
            face=task.face,
            paste=task.paste,
            quality=task.quality,
            seed=task.seed,
        )
        return result.edits

    def _write(self, item: Item, edits: Sequence[Edit]) -> dict[str, int]:
        files: dict[str, int] = {}
        try:
            for place, edit in zip(item.outputs, edits, strict=True):
                target = self.output / place
                target.parent.mkdir(parents=True, exist_ok=True)
                mark = _mark(edit) if self.task.mark else None
                write_photo(edit.photo, target, mark=mark, overwrite=True)
                files[place] = target.stat().st_size
        except OSError as error:
            raise ImageError(f"{item.key} cannot be written ({error.strerror})") from error
        return files

    def _remove(self, places: Sequence[str]) -> None:
        for place in places:
            with suppress(OSError):
                (self.output / place).unlink(missing_ok=True)


def _read(item: Item) -> Photo:
    """Read a photo from its file or from its ZIP."""
    if item.member is None:
        return read_photo(item.file)
    try:
        with zipfile.ZipFile(item.file) as archive:
            if archive.getinfo(item.member).file_size > MAX_MEMBER:
                raise ImageError(f"{item.key} is too large to read from the ZIP: extract it first")
            data = archive.read(item.member)
    except (OSError, KeyError, RuntimeError, NotImplementedError, EOFError, zipfile.BadZipFile,
            ValueError, zlib.error) as error:  # fmt: skip
        reason = "it has a password" if isinstance(error, RuntimeError) else "it is damaged"
        raise ImageError(f"{item.key} cannot be read from the ZIP: {reason}") from error
    return decode_photo(data, Path(item.key))


def _mark(edit: Edit) -> str:
    changes = "; ".join(
        f"face {face.number} {face.before.age:.0f} to {face.after.age:.0f} years"
        for face in edit.faces
    )
    return f"Re-aged by reage, partly synthetic: {changes}"


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
