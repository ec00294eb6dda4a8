"""`reage edit`: photos at other ages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from reage.cli.edit.latents import edit_latent
from reage.cli.edit.layers import layer_options
from reage.cli.edit.task import EditTask
from reage.cli.shared.console import json_option
from reage.cli.shared.options import (
    NewPlace,
    ages_option,
    detail_option,
    direction_option,
    dry_run_option,
    each_file,
    edit_paste_option,
    face_option,
    hair_color_option,
    hair_option,
    language_option,
    model_options,
    no_mark_option,
    occlusion_option,
    open_editor,
    points_option,
    quality_option,
    seed_option,
    shape_option,
    skin_option,
    tuned_option,
)
from reage.errors import UsageError


def _formats() -> Iterable[str]:
    from reage.images.writing import FORMATS

    return FORMATS


@click.command()
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--latent",
    metavar="FILE[:NAME|:N]",
    type=click.Path(path_type=Path),
    help="Latent code to edit instead of a photo (.npz, .npy, .pt, safetensors).",
)
@click.option("--to", multiple=True, metavar="AGE...", help="Ages in years, or FACE=AGE pairs.")
@ages_option
@face_option
@points_option
@model_options
@direction_option
@detail_option
@occlusion_option
@hair_option
@hair_color_option
@skin_option
@shape_option
@click.option("--strength", metavar="A:B:STEP", help="Move by strengths instead of to ages.")
@edit_paste_option
@quality_option
@tuned_option
@seed_option
@click.option(
    "-o",
    "--output",
    type=NewPlace(_formats),
    metavar="FOLDER|FILE|-",
    help="Folder, a file for one picture, or - for stdout; default: beside the photo.",
)
@click.option("--overwrite", is_flag=True, help="Replace earlier outputs.")
@language_option
@no_mark_option
@layer_options
@json_option
@dry_run_option
def edit(photos: tuple[Path, ...], **options: Any) -> None:
    """Show the faces in PHOTOS at other ages.

    The PHOTO - comes from stdin, and its picture then goes to stdout.

    \b
    reage edit portrait.jpg --to 70
    reage edit portrait.jpg --ages 10:80:10 --output ages
    reage edit portrait.jpg --to 70 -o grandpa.png
    reage edit group.jpg --to 1=70 2=12
    reage edit - --to 70 < portrait.jpg > old.jpg
    reage edit --latent projected_w.npz --model ffhq.pkl --direction age.npy --to 70 -o out
    """
    if options["latent"] is not None:
        return edit_latent(options["latent"], photos, EditTask((), options))
    if not photos:
        raise UsageError("give PHOTOS, or a code with --latent FILE")
    task = EditTask(photos, options)
    if options["dry_run"]:
        return each_file(photos, task.plan, "photos could not be read")
    editor = open_editor(options)
    each_file(photos, lambda photo: task.run(editor, photo), "photos could not be edited")
