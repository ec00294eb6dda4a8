"""The task of one `reage edit`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reage.cli.edit.layers import check_layers, layers_ready, layers_written
from reage.cli.edit.places import Outputs
from reage.cli.shared.console import detail, emit, tell
from reage.cli.shared.parsing import parse_face, parse_range, parse_targets
from reage.cli.shared.pictures import PIPE, name_of, open_photo
from reage.errors import UsageError
from reage.files import real_path

if TYPE_CHECKING:
    from reage.editor import Editor
    from reage.images import Photo
    from reage.types import Result

__all__ = ["EditTask"]


class EditTask:
    """The options of one command, for any of its photos."""

    def __init__(self, photos: Sequence[Path], options: dict[str, Any]):
        from reage.faces.face import parse_points
        from reage.outputs.picture_words import PictureWords

        self.options = options
        PictureWords(options["language"])  # fail before the work if no font has its letters
        self.strengths = None
        self.targets: list[Any] = []
        if options["strength"]:
            if options["to"] or options["ages"] or not options["direction"]:
                raise UsageError("--strength goes with --direction FILE, and without an age")
            if options["skin"] != 1 or options["shape"] != 1:
                raise UsageError("--skin and --shape go with ages, not with --strength")
            self.strengths = parse_range(options["strength"], "--strength")
        else:
            self.targets = parse_targets(options["to"], options["ages"])
        check_layers(options)
        self.face = parse_face(options["face"])
        self.points = parse_points(options["points"]) if options["points"] else None
        if self.points is not None and len(photos) > 1:
            raise UsageError("--points belongs to one photo; edit the others without it")
        if options["tuned"] is not None and len(photos) > 1:
            raise UsageError("--tuned belongs to one photo; edit the others without it")
        # Layers lie in one folder, wherever the pictures are.
        apart = options["output"] is None and options.get("layers") is None
        self.names = _distinct_names(photos, apart=apart)
        self.photos = {real_path(photo) for photo in photos}
        if len(set(self.labels())) < len(self.labels()):
            raise UsageError("the same age is asked for twice; give each once")
        for photo in photos:
            self.outputs(photo).keep_apart_from(self.photos)
        if len(photos) > 1 and any(o.file or o.pipe for o in map(self.outputs, photos)):
            raise UsageError(f"{len(photos)} photos make several pictures; give a folder with -o")

    def run(self, editor: Editor, path: Path) -> None:
        """Edit one photo and write all its files."""
        from reage.inputs import as_targets

        if self.targets:
            self.targets = as_targets(self.targets)
        photo = open_photo(path)
        outputs = self.outputs(path)
        with outputs.ready(), layers_ready(outputs.pictures, self.options):
            outputs.check()
            result = self.edit(editor, photo, name_of(path))
            for stage, seconds in result.seconds.items():
                detail(f"{name_of(path)}: {stage} {seconds:.2f} s")
            with layers_written(result, outputs.pictures, self.options):
                outputs.write(result, editor)

    def plan(self, path: Path) -> None:
        """Tell what would be read and written for one photo, and find what would go wrong."""
        from reage.inputs import as_targets

        if self.targets:
            as_targets(self.targets)
        photo = open_photo(path)
        outputs = self.outputs(path)
        outputs.check()
        height, width = photo.pixels.shape[:2]
        files = [str(file) for file in outputs.files]
        tell(f"reads {name_of(path)}, {width} x {height}")
        for file in files:
            tell("writes to stdout" if outputs.pipe else f"writes {file}")
        emit({"dry_run": True, "photo": {"file": name_of(path)}, "files": files})

    def outputs(self, path: Path) -> Outputs:
        """The places of one photo's files."""
        return Outputs(self.names[path], path, self.labels(), self.options)

    def edit(self, editor: Editor, photo: Photo, name: str) -> Result:
        """Run the editor, with a bar on terminals."""
        from reage.cli.shared.progress import EditBar

        options = self.options
        quality, paste, seed = options["quality"], options["paste"], options["seed"]
        with EditBar(name) as bar:
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
                    skin=options["skin"],
                    shape=options["shape"],
                    on_step=bar.update,
                )
            # What was given, perhaps not of age.
            ager = editor.given_ager()
            faces = editor.choose_faces(photo, (), self.face, self.points)
            if options["tuned"] is not None:
                taken = [editor.prepare_tuned(photo, faces, options["tuned"], paste)]
            else:
                taken = editor.prepare(
                    photo,
                    faces,
                    paste=paste,
                    quality=quality,
                    seed=seed,
                    on_step=bar.of_inversions(editor.search_of(quality, paste)),
                )
            edits = editor.move(photo, taken, ager, self.strengths)
            return editor.result(photo, taken, edits, {})

    def labels(self) -> list[str]:
        """Return the part of each output's name that tells what it shows."""
        if self.strengths is not None:
            return [f"move{value:+g}" for value in self.strengths]
        return [_label(target) for target in self.targets]


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
            if photo == PIPE:
                names[photo] = "stdin"
    places = {(photo.parent if apart else None, name) for photo, name in names.items()}
    if len(places) < len(names):
        raise UsageError("two photos have the same name; edit them in two runs into two folders")
    return names
