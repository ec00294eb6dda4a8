"""`reage batch`: folders of photos at other ages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reage.cli.shared.console import emit, json_option, tell
from reage.cli.shared.options import (
    NewPlace,
    ages_option,
    detail_option,
    direction_option,
    dry_run_option,
    edit_paste_option,
    face_option,
    hair_color_option,
    hair_option,
    model_options,
    no_mark_option,
    occlusion_option,
    quality_option,
    ray_option,
    seed_option,
    workers_option,
)
from reage.cli.shared.parsing import parse_face, parse_same_ages
from reage.cli.shared.progress import StageBar, note, say
from reage.errors import ReageError
from reage.extras import how_to_install

if TYPE_CHECKING:
    from reage.jobs.batch.task import BatchTask, Done

SHOWN = 20  # errors in the table at the end; errors.csv has them all


@click.command()
@click.argument("source", metavar="IN")
@click.argument("output", metavar="OUT", type=NewPlace(lambda: [".zip"]))
@click.option("--to", multiple=True, metavar="AGE...", help="Ages in years.")
@ages_option
@click.option("--list", "listed", type=click.Path(path_type=Path), metavar="FILE",
              help="List of the photos to edit, one per line, relative to IN.")  # fmt: skip
@workers_option
@ray_option
@click.option("--retry", is_flag=True, help="Retry photos that failed in an earlier run.")
@click.option("--overwrite", is_flag=True, help="Start again, even in a folder that is not empty.")
@face_option
@edit_paste_option
@quality_option
@model_options
@direction_option
@detail_option
@occlusion_option
@hair_option
@hair_color_option
@seed_option
@no_mark_option
@json_option
@dry_run_option
def batch(source: str, output: Path, **options: Any) -> None:
    """Show the faces of all photos in IN at other ages, in OUT.

    IN is a folder tree, a ZIP, a photo or a glob in quotes; OUT a folder, or a ZIP by its name.
    The same command resumes a run that was killed. OUT may lie in IN: what reage made is left out.

    \b
    reage batch photos aged --to 20 40 60 80
    reage batch "photos/**/*.jpg" aged.zip --to 70 --workers 4
    """
    from reage.jobs.batch.run import run_batch

    task = _task(options)
    if options["dry_run"]:
        return _plan(source, output, task, options["listed"])
    with StageBar("photos", resumed=True) as bar:

        def on_done(done: Done, count: int, total: int) -> None:
            bar.update("photos", count, total)
            if done.error is not None:
                bar.write(f"reage: {done.error}")
            emit({"photo": {"file": done.key}, "error": done.error, "files": list(done.files),
                  "faces": list(done.rows), "notices": list(done.notices)})  # fmt: skip

        report = run_batch(
            source,
            output,
            task,
            listed=options["listed"],
            workers=options["workers"],
            ray=options["ray"],
            retry=options["retry"],
            overwrite=options["overwrite"],
            on_done=on_done,
            on_notice=note,
        )
    return _say(report)


def _plan(source: str, output: Path, task: BatchTask, listed: Path | None) -> None:
    """Tell what would be read and written."""
    from reage.jobs.batch.inputs import MADE, is_made
    from reage.jobs.batch.run import plan_batch

    found, items = plan_batch(source, output, task, listed)
    made = {item.key for item in items if item.found and is_made(item)}
    found.left_out[MADE] += len(made)
    items = [item for item in items if item.key not in made]
    if found.notice is not None:
        note(f"{source}: {found.notice}")
    for item in items:
        tell(f"reads {item.key}")
        for place in item.outputs:
            tell(f"writes {output / place}")
        emit({"dry_run": True, "photo": {"file": item.key}, "files": list(item.outputs)})


def _task(options: dict[str, Any]) -> BatchTask:
    from reage.jobs.batch.task import BatchTask

    names = ("paste", "quality", "seed", "model", "device", "precision")
    return BatchTask(
        tuple(parse_same_ages(options["to"], options["ages"])),
        face=parse_face(options["face"]),
        mark=not options["no_mark"],
        grey_hair=options["hair"] == "grey",
        hair_color=options["hair_color"],
        direction=_text(options["direction"]),
        lpips=_text(options["lpips"]),
        detail=_text(options["detail"]),
        occlusion=_text(options["occlusion"]),
        **{name: options[name] for name in names},
    )


def _text(path: Path | str | None) -> str | None:
    return None if path is None else str(path)


def _say(report: Any) -> None:
    for line in report.notices[:SHOWN]:
        note(line)
    if len(report.notices) > SHOWN:
        note(f"{len(report.notices) - SHOWN} other kinds of loss: see the column notices")
    earlier = f", {report.earlier} of them by earlier runs" if report.earlier else ""
    good = report.photos - len(report.failed)
    say(f"{good} of {report.photos} photos done{earlier}")
    for file in report.files:
        say(f"{file}")
    if not any(file.suffix in (".parquet", ".zip") for file in report.files):
        hint = how_to_install("batch")
        note(f"for the manifest as Parquet too, {hint}")
    if report.failed:
        width = min(max(len(key) for key, _ in report.failed[:SHOWN]), 50)
        for key, error in report.failed[:SHOWN]:
            say(f"{key:<{width}}  {error}")
        raise ReageError(f"{len(report.failed)} of {report.photos} photos failed, see errors.csv")
