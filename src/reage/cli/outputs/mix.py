"""`reage mix`: style mixing of two people, by level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reage.cli.outputs.one_face import invert_person
from reage.cli.shared.console import emit, json_option, note_each, say
from reage.cli.shared.options import (
    dry_run_option,
    edit_paste_option,
    keep_inputs,
    language_option,
    model_options,
    open_editor,
    output_options,
    plan_files,
    quality_option,
    seed_option,
)
from reage.cli.shared.pictures import name_of
from reage.cli.shared.progress import StageBar, waiting


@click.command()
@click.argument("one", metavar="A", type=click.Path(path_type=Path))
@click.argument("other", metavar="B", type=click.Path(path_type=Path))
@click.option("--levels", metavar="coarse|middle|fine|0-3",
              help="Write only A with these levels of B, at full size.")  # fmt: skip
@click.option(
    "--face", default="largest", show_default=True, help="Face of A: largest or a number."
)
@click.option("--other-face", default="largest", show_default=True, help="Face of B.")
@click.option("--tuned", type=click.Path(path_type=Path), metavar="FILE",
              help="Code and generator tuned to A (reage project --tune).")  # fmt: skip
@click.option(
    "--other-tuned", type=click.Path(path_type=Path), metavar="FILE", help="The same for B."
)
@edit_paste_option
@click.option("--amount", default=0.5, show_default=True, type=click.FloatRange(0, 1),
              help="Strength of the mix; 1 is full style mixing.")  # fmt: skip
@quality_option
@model_options
@seed_option
@language_option
@output_options("FILE.png|jpg|pdf")
@json_option
@dry_run_option
def mix(one: Path, other: Path, output: Path, **options: Any) -> None:
    """Mix the faces of A and B: coarse levels are shape and pose, fine ones colour and skin.

    \b
    reage mix ada.jpg bea.jpg -o mixed.png
    reage mix ada.jpg bea.jpg --levels middle -o ada-with-features-of-bea.jpg
    """
    from reage.images import check_target, write_photo
    from reage.outputs.grid import draw_grid, page_dpi
    from reage.outputs.mixing import level_numbers, mix_person, mix_rows
    from reage.outputs.page_files import check_page, save_page

    keep_inputs(output, [one, other])
    overwrite, levels = options["overwrite"], options["levels"]
    check = check_page if levels is None else check_target
    check(output, overwrite=overwrite)
    if options["dry_run"]:
        return plan_files([one, other], [output])
    editor = open_editor(options)
    chosen = None
    if levels is not None:
        chosen = level_numbers(levels, editor.model.config.generator.num_ws)
    first = invert_person(editor, one, options, options["face"], options["tuned"])
    second = invert_person(editor, other, options, options["other_face"], options["other_tuned"])
    mark = (
        None
        if options["no_mark"]
        else f"Mixed by reage of {name_of(one)} and {name_of(other)}: synthetic"
    )
    if chosen is None:
        with StageBar("mixing") as bar:
            rows = mix_rows(editor, first, second, options["amount"],
                            lambda done, total: bar.update("mixing", done, total),
                            options["language"])  # fmt: skip
        picture = draw_grid(rows)
        save_page(picture, output, mark=mark, dpi=page_dpi(picture), title="reage: style mixing",
                  overwrite=overwrite)  # fmt: skip
        say(f"{output}")
        return emit({"photos": [name_of(one), name_of(other)], "files": [str(output)]})
    with waiting("mixing"):
        edit = mix_person(editor, first, second, chosen, options["amount"])
    written = write_photo(edit.photo, output, mark=mark, overwrite=overwrite)
    note_each(written.notices)
    reads = edit.faces[0].after.age
    say(f"{written.path}  levels {', '.join(map(str, chosen))} of {name_of(other)}; "
        f"reads {reads:.0f}")  # fmt: skip
    return emit({"photos": [name_of(one), name_of(other)], "files": [str(written.path)],
                 "levels": list(chosen), "age": round(reads, 2)})  # fmt: skip
