"""The places of one photo's files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reage.cli.shared.console import emit, note_each, say, take_stdout
from reage.cli.shared.pictures import PIPE, check_pipe, name_of, pipe_out, pipe_suffix
from reage.errors import UsageError
from reage.files import (
    Writer,
    check_place,
    place_for_files,
    read_file,
    real_path,
    write_together,
)
from reage.numbers import read_json

if TYPE_CHECKING:
    from reage.editor import Editor
    from reage.images import WrittenFile
    from reage.types import Result

__all__ = ["CODES_AS", "Outputs"]

CODES_AS = ".png"  # what a code gives comes from no photo whose format it could keep
STRIPS = {".jpg", ".jpeg", ".png", ".webp"}
KIND = re.compile("age|move")  # how labels begin


class Outputs:
    """The places of one photo's files: in a folder, under one name, or one picture to stdout."""

    def __init__(self, name: str, source: Path, labels: Sequence[str], options: Mapping[str, Any]):
        self.name, self.source, self.labels, self.options = name, source, labels, options
        self.overwrite = bool(options["overwrite"])
        place = options["output"]
        self.pipe = place == PIPE or (place is None and source == PIPE)
        self.file = None if self.pipe else _picture_file(place)
        if len(labels) > 1 and (self.pipe or self.file):
            where = "stdout takes" if self.pipe else f"{self.file} is"
            raise UsageError(f"{where} one picture, not {len(labels)}; give a folder with -o")
        self.folder = place or source.parent
        if not (self.pipe or self.file) and _photo_of(self.report) not in (None, name_of(source)):
            # Beside the outputs of ada.jpg those of ada.png have its format in their names.
            self.name = f"{name}-{source.suffix[1:]}"

    @cached_property
    def suffix(self) -> str:
        """The suffix of pictures whose names are not given."""
        from reage.images.writing import suffix_of

        if self.options["latent"]:
            return CODES_AS
        return pipe_suffix() if self.source == PIPE else suffix_of(self.source)

    @property
    def pictures(self) -> list[Path]:
        """The file of each edit."""
        if self.file is not None:
            return [self.file]
        return [self.folder / f"{self.name}-{label}{self.suffix}" for label in self.labels]

    @property
    def report(self) -> Path:
        """The JSON file beside the pictures."""
        if self.file is None:
            return self.folder / f"{self._together}-reage.json"
        # With its suffix: old.jpg and old.png are two pictures, and both have a report.
        return self.file.with_name(f"{self.file.name}-reage.json")

    @property
    def _together(self) -> str:
        """The name of what belongs to all edits: with their ages, so that other ages fit beside."""
        first, last = self.labels[0], self.labels[-1]
        if len(self.labels) == 1:
            return f"{self.name}-{first}"
        kind = KIND.match(first)
        assert kind is not None, first
        return f"{self.name}-{kind[0]}s{first[kind.end() :]}-{last[kind.end() :]}"

    @property
    def strip(self) -> Path | None:
        """The picture of all edits side by side; None for one edit."""
        suffix = self.suffix if self.suffix.lower() in STRIPS else ".jpg"
        return self.folder / f"{self._together}{suffix}" if len(self.labels) > 1 else None

    @property
    def files(self) -> list[Path]:
        """All that is written."""
        if self.pipe:
            return [PIPE]
        return [*self.pictures, *([self.strip] if self.strip else []), self.report]

    def keep_apart_from(self, photos: set[Path]) -> None:
        """Raise UsageError if an input photo would be overwritten."""
        for target in [] if self.pipe else self.files:
            if real_path(target) in photos:
                raise UsageError(f"{target} is a photo to edit and a result; choose an --output")

    def check(self) -> None:
        """Check before the work that all outputs can be written."""
        from reage.images import check_target

        if self.pipe:
            return check_pipe()
        if self.file is None and not self.folder.is_dir():
            return None  # nothing is there yet
        for picture in self.pictures:
            check_target(picture, overwrite=self.overwrite)
        for other in [self.report, *([self.strip] if self.strip else [])]:
            check_place(other, self.overwrite)
        return None

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Make the folder, or keep stdout for the picture; an empty folder goes after an error."""
        if self.pipe:
            take_stdout()
            yield
        elif self.file is not None:
            yield
        else:
            with place_for_files(self.folder):
                yield

    def write(self, result: Result, editor: Editor) -> None:
        """Write pictures, the strip when there are several, and the report: all, or none."""
        from reage.cli.edit.report import edit_report

        with write_together() as write:
            written = self._pipe_out(result) if self.pipe else self._write_pictures(result, write)
            notices = [*result.notices, *(n for one in written for n in one.notices)]
            files = [one.path for one in written]
            report = edit_report(result, files, self.source, editor, self.options, notices)
            if not self.pipe:
                write(self.report, (json.dumps(report, indent=1) + "\n").encode())
            # Within the block: where that cannot be told, no file appears.
            note_each(notice for notice in notices if notice not in result.photo.notices)
            for file, one in zip(files, result.edits, strict=False):
                say(f"{name_of(self.source) if self.pipe else file}  {one.summary}")
            for file in files[len(self.labels) :]:
                say(f"{file}")
            emit({**report, "files": [str(file) for file in self.files]})

    def _pipe_out(self, result: Result) -> list[WrittenFile]:
        from reage.images import WrittenFile

        (one,) = result.edits
        mark = None if self.options["no_mark"] else one.mark
        return [WrittenFile(PIPE, pipe_out(one.photo, mark))]

    def _write_pictures(self, result: Result, write: Writer) -> list[WrittenFile]:
        from reage.images import save_array, write_photo
        from reage.outputs.strip import result_strip

        plain, overwrite = bool(self.options["no_mark"]), self.overwrite
        written = [
            write_photo(one.photo, place, mark=None if plain else one.mark,
                        overwrite=overwrite, write=write)
            for place, one in zip(self.pictures, result.edits, strict=True)
        ]  # fmt: skip
        if self.strip is not None:
            mark = None if plain else "Made by reage: synthetic ages"
            picture = result_strip(
                result, self.options["language"], "code" if self.options["latent"] else "photo"
            )
            strip = save_array(picture, self.strip, mark=mark, overwrite=overwrite, write=write)
            written.append(strip)
        return written


def _photo_of(report: Path) -> str | None:
    """Return the photo or the code that a report is of; None for what is no report."""
    try:
        told = read_json(read_file(report))
        return str((told.get("photo") or told["latent"])["file"])
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None


def _picture_file(place: Path | None) -> Path | None:
    """Return the place if it names one picture, not a folder."""
    from reage.images.writing import FORMATS

    if place is None or place.suffix.lower() not in FORMATS or place.is_dir():
        return None
    return place
