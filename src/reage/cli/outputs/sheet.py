"""`reage sheet`: a poster for the search for a missing person."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reage.cli.shared.console import emit, json_option
from reage.cli.shared.options import (
    NewPlace,
    direction_option,
    dry_run_option,
    face_option,
    keep_inputs,
    model_options,
    no_mark_option,
    open_editor,
    plan_files,
    quality_option,
    seed_option,
)
from reage.cli.shared.parsing import parse_face
from reage.cli.shared.pictures import PIPE, digest, name_of, open_photo
from reage.cli.shared.progress import StageBar, note, say
from reage.errors import UsageError
from reage.files import Writer, check_place, write_together

if TYPE_CHECKING:
    from reage.outputs.poster.fields import PosterFields, Rule
    from reage.outputs.poster.pages import PosterPage
    from reage.outputs.poster.poster import Poster

Command = TypeVar("Command", bound=Callable[..., Any])
SUFFIXES = (".pdf", ".png", ".jpg", ".jpeg", ".webp")
METAVARS = {"date": "YYYY[-MM[-DD]]", "age": "YEARS", "file": "FILE", "url": "URL"}


def field_options(command: Command) -> Command:
    """Add an option for each field of the poster; their names in Python begin with `field_`."""
    from reage.outputs.poster.fields import FIELDS

    for rule in reversed(FIELDS):
        command = _option(rule)(command)
    return command


def _option(rule: Rule) -> Callable[[Command], Command]:
    settings: dict[str, Any] = {"help": rule.help}
    if rule.choices:
        settings |= {"type": click.Choice(rule.choices)}
        settings["help"] += f"  [default: {rule.choices[0]}]"
    else:
        settings |= {"metavar": METAVARS.get(rule.kind, "TEXT")}
    names = [f"--{rule.name.replace('_', '-')}", f"field_{rule.name}"]
    if rule.kind == "list":
        settings["multiple"] = True
        names[0] = names[0].removesuffix("s")  # --contact, once for each
    return click.option(*names, **settings)


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@field_options
@click.option("--fields", type=click.Path(path_type=Path), metavar="FILE.toml",
              help="File with these fields; options go before it.")  # fmt: skip
@click.option("--looks", default=3, show_default=True, type=click.IntRange(1, 4),
              help="Most pictures of today.")  # fmt: skip
@click.option("--font", type=click.Path(path_type=Path), metavar="FILE",
              help="Font for a script that the poster's own fonts lack.")  # fmt: skip
@face_option
@quality_option
@model_options
@direction_option
@seed_option
@click.option("-o", "--output", type=NewPlace(lambda: SUFFIXES), metavar="NAME[.pdf|.png|.jpg]",
              help="Without a suffix: PDF and PNG; default: PHOTO's name and -sheet.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace earlier files.")
@no_mark_option
@json_option
@dry_run_option
def sheet(photo: Path, output: Path | None, **options: Any) -> None:
    """Make a poster of how the missing person in PHOTO may look today, with a JSON report.

    \b
    reage sheet ana.jpg --name "Ana Diaz" --born 1985-03 --missing-since 2019-07-14 \\
        --contact "+34 600 000 000" --language es -o poster.pdf
    reage sheet ana.jpg --fields ana.toml --paper letter
    """
    from reage.outputs.poster.pages import check_inputs, open_page
    from reage.outputs.poster.times import times_of

    fields = _fields(options)
    files = _files(photo, output)
    _check_files(files, photo, fields, overwrite=options["overwrite"])
    check_inputs(fields, options["looks"], options["font"])
    times_of(fields)
    if options["dry_run"]:
        return plan_files([photo], [*files, files[0].with_suffix(".json")])
    poster = _make(photo, fields, options)
    with write_together() as write:
        with StageBar("pages"), open_page(poster, options["font"]) as page:
            _write(page, files, options, write)
        report = files[0].with_suffix(".json")
        _report(poster, photo, report, write, overwrite=options["overwrite"])
    for file in files:
        say(f"{file}")
    return None


def _fields(options: dict[str, Any]) -> PosterFields:
    """Fill the fields from the file, and from the options that were given."""
    from reage.outputs.poster.fields import fill_fields, read_fields

    values = read_fields(options["fields"]) if options["fields"] else {}
    given = {
        name.removeprefix("field_"): value
        for name, value in options.items()
        if name.startswith("field_") and value not in (None, ())
    }
    return fill_fields({**values, **given})


def _files(photo: Path, output: Path | None) -> list[Path]:
    if output is not None and output.suffix.lower() in SUFFIXES:
        return [output]
    if output == PIPE:
        raise UsageError("a poster is several files: give their name with -o")
    own = Path("stdin") if photo == PIPE else photo
    base = own.with_name(f"{own.stem}-sheet") if output is None else output
    return [base.with_name(base.name + suffix) for suffix in (".pdf", ".png")]


def _check_files(
    files: Sequence[Path], photo: Path, fields: PosterFields, *, overwrite: bool
) -> None:
    from reage.outputs.page_files import check_page

    inputs = [photo, *([fields.logo] if isinstance(fields.logo, Path) else [])]
    for file in files:
        keep_inputs(file, inputs)
        check_page(file, overwrite=overwrite)
    check_place(files[0].with_suffix(".json"), overwrite)


def _make(path: Path, fields: PosterFields, options: dict[str, Any]) -> Poster:
    """Read the photo and make the looks, with a bar on terminals."""
    from reage.outputs.poster.poster import make_poster

    which = parse_face(options["face"])
    if which == "all":
        raise UsageError("a poster shows one face: give --face largest or a number from 1")
    with StageBar("loading") as bar:
        editor = open_editor(options)
        editor.required_ager()
        photo = open_photo(path)
        faces = editor.choose_faces(photo, (), which)
        face = editor.prepare(photo, faces, quality=options["quality"], seed=options["seed"])[0]
        return make_poster(editor, photo, face, fields, count=options["looks"], on_step=bar.update)


def _write(page: PosterPage, files: Sequence[Path], options: dict[str, Any], write: Writer) -> None:
    from reage.outputs.page_files import save_page
    from reage.outputs.poster.pages import DPI
    from reage.outputs.poster.poster import MARK

    mark, overwrite = None if options["no_mark"] else MARK, options["overwrite"]
    for file in files:
        if file.suffix.lower() == ".pdf":
            write(file, page.as_pdf(mark), overwrite=overwrite)
        else:
            save_page(page.as_picture(), file, mark=mark, dpi=DPI, overwrite=overwrite, write=write)


def _report(poster: Poster, photo: Path, file: Path, write: Writer, *, overwrite: bool) -> None:
    """Write the JSON report, and say what a poster must not: read ages, missed targets."""
    from reage.outputs.poster.poster import poster_report

    report = {"photo": {"file": name_of(photo), "sha256": digest(photo)}, **poster_report(poster)}
    write(file, (json.dumps(report, indent=1) + "\n").encode(), overwrite=overwrite)
    emit(report)
    if poster.aged is None:
        note("less than a year has passed since the photo: the poster shows it alone")
        return
    say(f"{poster.times.years:.1f} years after the photo: {poster.aged.summary}")
    for look in poster.looks:
        say(f"  {', '.join(look.names)}: reads {look.reading.age:.0f}")
    if poster.short:
        note("fewer years than have passed could be shown; the poster says so")
