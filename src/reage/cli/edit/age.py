"""`reage age`: estimate the ages of faces."""

from __future__ import annotations

from pathlib import Path

import click

from reage.cli.shared.console import emit, json_option, tell
from reage.cli.shared.options import each_file, photos_argument
from reage.cli.shared.pictures import PIPE, name_of, open_photo
from reage.cli.shared.progress import waiting
from reage.errors import FaceError


@click.command()
@photos_argument
@json_option
def age(photos: tuple[Path, ...]) -> None:
    """Read the apparent age of every face in PHOTOS; - is stdin.

    \b
    reage age portrait.jpg
    """
    each_file(photos, _read, "photos could not be read")


def _read(path: Path) -> None:
    name = name_of(path)
    with waiting(f"reading {name}"):
        from reage.editor.ages import read_ages
        from reage.faces.detection import FaceDetector
        from reage.faces.face import NO_FACE_HELP
        from reage.models.pretrained import load_age_reader

        photo = open_photo(path)
        faces = read_ages(photo, FaceDetector(), load_age_reader())
    if not faces:
        raise FaceError(f"no face found in {name}; {NO_FACE_HELP}")
    emit({"photo": {"file": name}, "faces": [face.to_dict() for face in faces]})
    for face in faces:
        x0, y0, x1, y1 = face.box
        where = f"at ({(x0 + x1) / 2:.0f}, {(y0 + y1) / 2:.0f}), {y1 - y0:.0f} px high"
        years = f"{face.age:4.0f} ± {face.spread:.0f} years"
        tell(f"{name if path == PIPE else path}  face {face.number}: {years}  {where}")
