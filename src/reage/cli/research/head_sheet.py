"""`reage head-sheet`: heads at several ages at full size, for judgement by eye."""

from __future__ import annotations

from pathlib import Path

import click

from reage.cli.shared.options import exclude_option, model_option


@click.command("head-sheet")
@click.argument("heads", type=click.Path(path_type=Path))
@model_option
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "--count", default=24, show_default=True, type=click.IntRange(1), help="Number of heads."
)
@exclude_option
@click.option("--overwrite", is_flag=True, help="Replace earlier sheets.")
def head_sheet(
    heads: Path, model: str, output: Path, count: int, exclude: Path | None, overwrite: bool
) -> None:
    """Age heads of the table HEADS (a CSV beside its .tar or pictures) and write one PNG each.

    \b
    reage head-sheet heads.csv -o sheets --exclude exemplars.txt
    """
    from reage.editor import load
    from reage.evaluation.head_sheet import AGES, choose_heads, head_row
    from reage.evaluation.report import DISCLOSURE
    from reage.files import place_for_files
    from reage.fitting.heads import read_heads, read_pictures
    from reage.images import check_target, save_array

    rows = choose_heads(read_heads(heads, exclude), count)
    files = {row.name: output / f"{row.name}.png" for row in rows}
    with place_for_files(output):
        for file in files.values():
            check_target(file, overwrite=overwrite)
        pictures = read_pictures(heads, rows)
        editor = load(model)
        for row, photo in pictures:
            result = editor.edit(photo, to=AGES)
            shown = [photo, *(edit.photo.rgb8 for edit in result.edits)]
            read = [edit.faces[0].after.age for edit in result.edits]
            titles = [f"{row.name} ({row.age:.0f})"]
            titles += [f"{age}, reads {got:.0f}" for age, got in zip(AGES, read, strict=True)]
            file, sheet = files[row.name], head_row(shown, titles)
            save_array(sheet, file, mark=DISCLOSURE, overwrite=overwrite)
            click.echo(f"{file}")
