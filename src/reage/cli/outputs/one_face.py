"""One face of one photo, inverted, for the commands that show a single person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reage.cli.shared.parsing import parse_face
from reage.cli.shared.pictures import name_of, open_photo
from reage.cli.shared.progress import EditBar
from reage.errors import UsageError

if TYPE_CHECKING:
    from reage.editor import Editor
    from reage.outputs.mixing import Person

__all__ = ["invert_person"]


def invert_person(
    editor: Editor,
    path: Path,
    options: dict[str, Any],
    face: str = "largest",
    tuned: Path | None = None,
) -> Person:
    """Read a photo and invert one of its faces, with a bar on terminals.

    With `tuned`, uses the code and the generator tuned to the face.
    """
    from reage.editor import QUALITIES
    from reage.outputs.mixing import Person

    which = parse_face(face)
    if which == "all":
        raise UsageError("this command shows one face: give --face largest or a number from 1")
    photo = open_photo(path)
    faces = editor.choose_faces(photo, (), which)
    quality, paste = options["quality"], options.get("paste", "delta")
    if tuned is not None:
        return Person(path.stem, photo, editor.prepare_tuned(photo, faces, tuned, paste))
    with EditBar(name_of(path)) as bar:
        show = bar.of_inversions(QUALITIES[quality])
        found = editor.invert(
            photo, faces, paste=paste, quality=quality, seed=options["seed"], on_step=show
        )
    return Person(path.stem, photo, found[0])
