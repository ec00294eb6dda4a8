"""The task of one `reage edit`, and the places of its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reage.cli.shared.options import parse_face, parse_range, parse_targets
from reage.cli.shared.progress import note_each, say
from reage.errors import UsageError
from reage.files import Writer, check_place, place_for_files, real_path, write_together

if TYPE_CHECKING:
    from reage.editor import Editor
    from reage.images import WrittenFile
    from reage.types import Edit, Result

__all__ = ["EditTask", "Outputs"]


class EditTask:
    """The options of one command, for any of its photos."""

    def __init__(self, photos: Sequence[Path], options: dict[str, Any]):
        from reage.faces.face import parse_points

        self.options = options
        self.strengths = None
        self.targets: list[Any] = []
        if options["strength"]:
            if options["to"] or options["ages"] or not options["direction"]:
                raise UsageError("--strength goes with --direction FILE, and without an age")
            self.strengths = parse_range(options["strength"], "--strength")
        else:
            self.targets = parse_targets(options["to"], options["ages"])
        self.face = parse_face(options["face"])
        self.points = parse_points(options["points"]) if options["points"] else None
        if self.points is not None and len(photos) > 1:
            raise UsageError("--points belongs to one photo; edit the others without it")
        if options["tuned"] is not None and len(photos) > 1:
            raise UsageError("--tuned belongs to one photo; edit the others without it")
        self.names = _distinct_names(photos, apart=options["output"] is None)
        self.photos = {real_path(photo) for photo in photos}
        if len(set(self.labels())) < len(self.labels()):
            raise UsageError("the same age is asked for twice; give each once")
        for photo in photos:
            self.outputs(photo).keep_apart_from(self.photos, self.labels())

    def run(self, editor: Editor, path: Path) -> None:
        """Edit one photo and write all its files."""
        from reage.images import read_photo
        from reage.inputs import as_targets

        if self.targets:
            self.targets = as_targets(self.targets)
        photo = read_photo(path)
        note_each(photo.notices)
        outputs = self.outputs(path)
        with place_for_files(outputs.folder):
            outputs.check(self.labels())
            result = self.edit(editor, photo)
            outputs.write(result, self.labels(), editor)

    def outputs(self, path: Path) -> Outputs:
        """The places of one photo's files."""
        folder = self.options["output"] or path.parent
        return Outputs(folder, self.names[path], path, self.options)

    def edit(self, editor: Editor, photo: Any) -> Result:
        """Run the editor, with a bar on terminals."""
        from reage.cli.shared.progress import step_bar

        options = self.options
        quality, paste, seed = options["quality"], options["paste"], options["seed"]
        search = editor.search_of(quality, paste)
        with step_bar(photo.path.name, search.step if search else 1) as bar:
            if self.strengths is None:
                targets: Any = self.targets
                return editor.edit(
                    photo,
                    targets[0] if len(targets) == 1 else targets,
                    face=self.face,
                    points=self.points,
                    paste=paste,
                    quality=quality,
                    seed=seed,
                    tuned=options["tuned"],
                    on_step=bar.update,
                )
            # What was given, perhaps not of age.
            ager = editor.given_ager()
            faces = editor.choose_faces(photo, (), self.face, self.points)
            if options["tuned"] is not None:
                taken = [editor.prepare_tuned(photo, faces, options["tuned"], paste)]
            else:
                taken = editor.prepare(
                    photo, faces, paste=paste, quality=quality, seed=seed, on_step=bar.update
                )
            edits = editor.move(photo, taken, ager, self.strengths)
            return editor.result(photo, taken, edits, {})

    def labels(self) -> list[str]:
        """Return the part of each output's name that tells what it shows."""
        if self.strengths is not None:
            return [f"move{value:+g}" for value in self.strengths]
        return [_label(target) for target in self.targets]


class Outputs:
    """The places of one photo's files."""

    def __init__(self, folder: Path, name: str, source: Path, options: dict[str, Any]):
        self.folder, self.name, self.source, self.options = folder, name, source, options
        self.overwrite = bool(options["overwrite"])

    def check(self, labels: Sequence[str]) -> None:
        """Check before the work that all outputs can be written."""
        from reage.images import check_target

        for label in labels:
            check_target(self.picture(label), overwrite=self.overwrite)
        for other in [self.report, *([self.strip] if len(labels) > 1 else [])]:
            check_place(other, self.overwrite)

    def keep_apart_from(self, photos: set[Path], labels: Sequence[str]) -> None:
        """Raise UsageError if an input photo would be overwritten."""
        for target in [*map(self.picture, labels), self.strip]:
            if real_path(target) in photos:
                raise UsageError(f"{target} is a photo to edit and a result; choose an --output")

    def picture(self, label: str) -> Path:
        return self.folder / f"{self.name}-{label}{self._suffix}"

    @cached_property
    def _suffix(self) -> str:
        from reage.images.writing import suffix_of

        return CODES_AS if self.options["latent"] else suffix_of(self.source)

    @property
    def report(self) -> Path:
        return self.folder / f"{self.name}-reage.json"

    @property
    def strip(self) -> Path:
        suffix = self._suffix if self._suffix.lower() in _STRIPS else ".jpg"
        return self.folder / f"{self.name}-ages{suffix}"

    def write(self, result: Result, labels: Sequence[str], editor: Editor) -> None:
        """Write pictures, the strip when there are several, and the report: all, or none."""
        from reage.cli.edit.report import edit_report

        with write_together() as write:
            written = self._write_pictures(result, labels, write)
            notices = [*result.notices, *(n for one in written for n in one.notices)]
            files = [one.path for one in written]
            report = edit_report(result, files, self.source, editor, self.options, notices)
            write(self.report, (json.dumps(report, indent=1) + "\n").encode())
        note_each(notice for notice in notices if notice not in result.photo.notices)
        for file, one in zip(files, result.edits, strict=False):
            say(f"{file}  {'; '.join(face.summary for face in one.faces)}")
        for file in files[len(labels) :]:
            say(f"{file}")

    def _write_pictures(
        self, result: Result, labels: Sequence[str], write: Writer
    ) -> list[WrittenFile]:
        from reage.images import save_array, write_photo
        from reage.outputs.strip import result_strip

        plain, overwrite = bool(self.options["no_mark"]), self.overwrite
        written = [
            write_photo(one.photo, self.picture(label), mark=None if plain else _mark(one),
                        overwrite=overwrite, write=write)
            for label, one in zip(labels, result.edits, strict=True)
        ]  # fmt: skip
        if len(labels) > 1:
            mark = None if plain else "Made by reage: synthetic ages"
            picture = result_strip(result, "code" if self.options["latent"] else "photo")
            strip = save_array(picture, self.strip, mark=mark, overwrite=overwrite, write=write)
            written.append(strip)
        return written


CODES_AS = ".png"  # what a code gives comes from no photo whose format it could keep
_STRIPS = {".jpg", ".jpeg", ".png", ".webp"}


def _mark(one: Edit) -> str:
    from reage import __version__

    changes = "; ".join(
        f"face {face.number} {face.before.age:.0f} to {face.after.age:.0f} years"
        for face in one.faces
    )
    return f"Re-aged by reage {__version__}, partly synthetic: {changes}"


def _label(target: Any) -> str:
    if isinstance(target, dict):
        return "age" + "-".join(f"{face}={age:g}" for face, age in sorted(target.items()))
    return f"age{target:g}"


def _distinct_names(photos: Sequence[Path], *, apart: bool) -> dict[Path, str]:
    """Return each photo's stem, with the format if two share it (`apart`: in the same folder)."""
    stems: dict[tuple[Path | None, str], set[Path]] = {}
    for photo in photos:
        stems.setdefault((photo.parent if apart else None, photo.stem), set()).add(photo)
    names = {}
    for (_, stem), group in stems.items():
        for photo in group:
            names[photo] = stem if len(group) == 1 else f"{stem}-{photo.suffix[1:]}"
    places = {(photo.parent if apart else None, name) for photo, name in names.items()}
    if len(places) < len(names):
        raise UsageError("two photos have the same name; edit them in two runs with two --output")
    return names
