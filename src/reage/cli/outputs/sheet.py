"""`reage sheet`: an A4 sheet for the search for a missing person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reage.cli.outputs.one_face import invert_person
from reage.cli.shared.options import (
    direction_option,
    face_option,
    hair_option,
    keep_inputs,
    model_options,
    no_mark_option,
    open_editor,
    quality_option,
    seed_option,
)
from reage.cli.shared.progress import say
from reage.errors import UsageError

if TYPE_CHECKING:
    from reage.outputs.sheet import SheetFacts


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("--born", required=True, metavar="YYYY-MM")
@click.option(
    "--last-seen", required=True, metavar="YYYY-MM", help="Month in which PHOTO was taken."
)
@click.option("--today", metavar="YYYY-MM", help="Date of the sheet.  [default: today]")
@click.option("--name", default="", help="Name of the person; default: none.")
@click.option("--relative", "relatives", multiple=True, type=click.Path(path_type=Path),
              metavar="PHOTO", help="Photo of a parent or sibling; repeatable.")  # fmt: skip
@click.option("--outcomes", default=8, show_default=True, type=click.IntRange(0, 8),
              help="Number of other plausible looks.")  # fmt: skip
@face_option
@quality_option
@model_options
@direction_option
@hair_option
@seed_option
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="NAME",
              help="NAME.pdf and NAME.png; default: PHOTO's name and -sheet.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace earlier files.")
@no_mark_option
def sheet(photo: Path, output: Path | None, **options: Any) -> None:
    """Make an A4 page of how the person in PHOTO may look today: PDF and PNG.

    \b
    reage sheet child.jpg --born 2015-03 --last-seen 2019-07
    reage sheet child.jpg --born 2015-03 --last-seen 2019-07 --relative mother.jpg -o page
    """
    from reage.outputs.months import Dates, parse_month
    from reage.outputs.page_files import check_page, save_page
    from reage.outputs.sheet import DPI, draw_sheet, sheet_notes

    dates = Dates(
        parse_month(options["born"], "--born"),
        parse_month(options["last_seen"], "--last-seen"),
        parse_month(options["today"], "--today"),
    )
    if len(options["relatives"]) > options["outcomes"]:
        raise UsageError("more relatives than --outcomes; raise it, at most to 8")
    files, overwrite = _files(photo, output), options["overwrite"]
    for file in files:
        keep_inputs(file, [photo, *options["relatives"]])
        check_page(file, overwrite=overwrite)
    facts = _facts(photo, dates, options)
    page = draw_sheet(facts)
    mark = (
        None if options["no_mark"] else "Made by reage: synthetic, plausible looks, no prediction"
    )
    for file in files:
        save_page(
            page, file, mark=mark, dpi=DPI, title="reage: possible looks", overwrite=overwrite
        )
        say(f"{file}")
    for note in sheet_notes(facts):
        say(note.replace("±", "+-"))


def _files(photo: Path, output: Path | None) -> list[Path]:
    if output is None:
        return [photo.with_name(f"{photo.stem}-sheet{suffix}") for suffix in (".pdf", ".png")]
    if output.suffix.lower() in (".pdf", ".png"):
        return [output.with_suffix(suffix) for suffix in (".pdf", ".png")]
    return [output.with_name(output.name + suffix) for suffix in (".pdf", ".png")]


def _facts(photo: Path, dates: Any, options: dict[str, Any]) -> SheetFacts:
    """Invert the person and the relatives, and find the outcomes."""
    import reage
    from reage.outputs.outcomes import Relative, plausible_outcomes
    from reage.outputs.sheet import SheetFacts, changes_in, sheet_age

    editor = open_editor(options)
    editor.required_ager()
    person = invert_person(editor, photo, options, options["face"])
    people = [invert_person(editor, path, options) for path in options["relatives"]]
    asked = sheet_age(dates, person.face.view.reading)
    outcomes = plausible_outcomes(
        editor,
        person.photo,
        person.face,
        asked,
        count=options["outcomes"],
        amount=changes_in(dates.years_between),
        relatives=[Relative(one.name, one.face) for one in people],
        seed=options["seed"],
    )
    made_by = (
        f"reage {reage.__version__}, model {editor.model.config.name}, seed {options['seed']}, "
        f"of {photo.name}, for {dates.today}"
    )
    return SheetFacts(options["name"], dates, person.photo, person.face, asked, outcomes, made_by)
