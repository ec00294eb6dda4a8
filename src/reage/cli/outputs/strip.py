"""`reage strip`: people at several ages side by side, one row each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reage.cli.shared.console import emit, json_option, note_each, say
from reage.cli.shared.options import (
    ages_option,
    direction_option,
    dry_run_option,
    face_option,
    hair_option,
    keep_inputs,
    language_option,
    model_options,
    open_editor,
    output_options,
    paste_option,
    photos_argument,
    plan_files,
    quality_option,
    seed_option,
    try_each,
)
from reage.cli.shared.parsing import parse_face, parse_same_ages
from reage.cli.shared.pictures import PIPE, name_of, open_photo
from reage.cli.shared.progress import EditBar
from reage.errors import ReageError


@click.command()
@photos_argument
@click.option("--to", multiple=True, metavar="AGE...", help="Ages in years.")
@ages_option
@click.option("--cell", default=384, show_default=True, type=click.IntRange(64, 2048),
              help="Side of a picture, pixels.")  # fmt: skip
@face_option
@paste_option
@quality_option
@model_options
@direction_option
@hair_option
@seed_option
@language_option
@output_options("strip.png|jpg|pdf")
@json_option
@dry_run_option
def strip(photos: tuple[Path, ...], output: Path, **options: Any) -> None:
    """Draw a grid: each person in PHOTOS, before and at several ages.

    \b
    reage strip portrait.jpg --ages 10:80:10 -o ages.png
    reage strip ada.jpg bea.jpg --to 20 50 80 -o people.pdf
    """
    from reage.outputs.grid import draw_grid, face_rows, page_dpi
    from reage.outputs.page_files import check_page, save_page
    from reage.outputs.picture_words import PictureWords

    PictureWords(options["language"])  # fail before the work if no font has its letters
    targets = parse_same_ages(options["to"], options["ages"])
    face = parse_face(options["face"])
    keep_inputs(output, photos)
    check_page(output, overwrite=options["overwrite"])
    if options["dry_run"]:
        return plan_files(photos, [output])
    editor = open_editor(options)
    rows = []

    def add_rows(path: Path) -> None:
        name = name_of(path)
        with EditBar(name) as bar:
            result = editor.edit(open_photo(path), targets, face=face, paste=options["paste"],
                                 quality=options["quality"], seed=options["seed"],
                                 on_step=bar.update)  # fmt: skip
        rows.extend(face_rows(result, Path(name).stem, options["language"]))
        note_each(notice for notice in result.notices if notice not in result.photo.notices)
        emit({"photo": {"file": name}, "files": [str(output)], **result.to_dict()})
        for edit in result:
            say(f"{name if path == PIPE else path}  {edit.summary}")

    failed = try_each(photos, add_rows)
    if not rows:
        raise ReageError(f"none of the {len(photos)} photos could be shown, see above")
    picture = draw_grid(rows, options["cell"])
    mark = None if options["no_mark"] else "Made by reage: synthetic ages"
    save_page(picture, output, mark=mark, dpi=page_dpi(picture), title="reage: ages",
              overwrite=options["overwrite"])  # fmt: skip
    say(f"{output}")
    if failed:
        raise ReageError(f"{failed} of {len(photos)} photos could not be shown, see above")
    return None
