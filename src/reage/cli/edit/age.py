"""`reage age`: estimate the ages of faces."""

from __future__ import annotations

from pathlib import Path

import click

from reage.cli.shared.options import each_file, photos_argument
from reage.cli.shared.progress import note_each, say
from reage.errors import FaceError


@click.command()
@photos_argument
def age(photos: tuple[Path, ...]) -> None:
    """Read the apparent age of every face in PHOTOS.

    \b
    reage age portrait.jpg
    """
    each_file(photos, _read, "photos could not be read")


def _read(path: Path) -> None:
    from reage.compositing.view import crop_for_age, read_age
    from reage.faces.detection import FaceDetector
    from reage.faces.face import left_to_right
    from reage.images import read_photo, to_tensor
    from reage.models.pretrained import load_age_network

    photo = read_photo(path)
    note_each(photo.notices)
    faces = left_to_right(FaceDetector().detect(photo.rgb8, all_ways_up=True))
    if not faces:
        raise FaceError(f"no face found in {path.name}; use a picture where it is larger")
    for number, face in enumerate(faces, 1):
        crop = crop_for_age(photo.pixels, face)
        reading = read_age(load_age_network(), to_tensor(crop.image))
        x0, y0, x1, y1 = face.box
        where = f"at ({(x0 + x1) / 2:.0f}, {(y0 + y1) / 2:.0f}), {y1 - y0:.0f} px high"
        years = f"{reading.age:4.0f} ± {reading.spread:.0f} years"
        say(f"{path}  face {number}: {years}  {where}")
